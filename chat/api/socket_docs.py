"""What the gateway says about itself: for programs as AsyncAPI, for people as a page."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe
from rest_framework.request import Request

from chat.api.caching import is_known, revalidated
from chat.api.views import ApiView
from chat.gateway.description.asyncapi import asyncapi
from chat.gateway.description.catalogue import catalogue
from chat.gateway.description.filter_words import EXPRESSIONS
from chat.gateway.description.page import console_start, page


@lru_cache(maxsize=16)
def _document(host: str, is_secure: bool) -> tuple[bytes, str]:
    """Return the description of the site that is reached there, and its tag."""
    body = msgspec.json.encode(asyncapi(catalogue(), host=host, is_secure=is_secure))
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


class AsyncApiView(ApiView):
    schema = None

    def get(self, request: Request) -> HttpResponseBase:
        body, etag = _document(request.get_host(), request.is_secure())
        if is_known(request, etag):
            return revalidated(HttpResponse(status=304), etag)
        return revalidated(HttpResponse(body, content_type="application/json"), etag)


@require_safe
def socket_docs(request: HttpRequest) -> HttpResponse:
    """Show the description to people, with a console that talks to the gateway."""
    host, is_secure = request.get_host(), request.is_secure()
    described = catalogue()
    context = {
        "page": page(described),
        "console_start": console_start(described),
        "expressions": EXPRESSIONS,
        "room": settings.LOBBY_SLUG,
        "site_url": f"http{'s' if is_secure else ''}://{host}",
        "socket_url": f"ws{'s' if is_secure else ''}://{host}/ws/",
    }
    return render(request, "docs/socket.html", context)
