"""Sessions carry a name of their own, and signing out closes the session's sockets."""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest

from chat.acting import SESSION_NAME, acting_now
from chat.models import RightsChange


@receiver(user_logged_in)
def name_session(request: HttpRequest, **kwargs: Any) -> None:
    """Name the session; signing in again as the same person keeps the name.

    As somebody else, Django throws the first one's session away without a word.
    """
    if SESSION_NAME in request.session:
        return
    request.session[SESSION_NAME] = secrets.token_hex(16)
    if before := acting_now().session_name:
        RightsChange.objects.signed_out(before)


@receiver(user_logged_out)
def close_session_sockets(request: HttpRequest, **kwargs: Any) -> None:
    """End the session and tell the hubs in one transaction.

    Django flushes the session only after this signal; a socket that signs in between the two
    would read a session that still stands and never hear of its end.
    """
    name = request.session.get(SESSION_NAME)
    if not name:
        return
    with transaction.atomic():
        if request.session.session_key:
            request.session.delete(request.session.session_key)
        RightsChange.objects.signed_out(name)
