"""Answers that may be kept but are asked for each time, because rights may be gone."""

from __future__ import annotations

from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from rest_framework.request import Request


def is_known(request: Request, etag: str) -> bool:
    """Whether the asker has what the tag stands for; tags are compared weakly, as for GET."""
    sent = parse_etags(request.headers.get("If-None-Match", ""))
    return sent == ["*"] or etag.removeprefix("W/") in {each.removeprefix("W/") for each in sent}


def revalidated(response: HttpResponseBase, etag: str) -> HttpResponseBase:
    """Let the asker's own cache keep the answer and ask with its tag each time."""
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ["Authorization", "Cookie"])
    return response
