"""`/healthz`: does this process answer at all?"""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Asks nobody, not even the database: a process that waits for it is alive."""
    return JsonResponse({"status": "ok"})
