"""`/ws/echo/` sends everything back, through the real server and its hardening.

It is what protocol suites such as Autobahn|Testsuite are pointed at. It knows nobody, so it exists
only with `ECHO_ROUTE=1`, which a server that others may reach refuses to start with, and it
answers nobody from another machine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

FORBIDDEN = 4003
# What a proxy adds: whoever is behind one is not who the server sees.
FORWARDED = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-real-ip"})


class Echo:
    """The ASGI application of `/ws/echo/`. Sub-protocols may be offered; none is chosen."""

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if (await receive())["type"] != "websocket.connect":
            return
        if not is_local(scope):
            # Before the handshake is answered, a close is a refusal with 403.
            await send({"type": "websocket.close", "code": FORBIDDEN})
            return
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            kind = "bytes" if message.get("text") is None else "text"
            await send({"type": "websocket.send", kind: message[kind]})


def is_local(scope: dict[str, Any]) -> bool:
    """Tell whether the other side is a program on this machine, with nothing in between."""
    client = scope.get("client")
    if client is None or not FORWARDED.isdisjoint(name for name, _ in scope["headers"]):
        return False
    try:
        return ip_address(client[0]).is_loopback
    except ValueError:
        return False


def refusal() -> str:
    """Say why a server with these settings may not have the echo route; empty where it may."""
    if not settings.ECHO_ROUTE:
        return ""
    if not settings.DEBUG:
        return "ECHO_ROUTE=1 opens /ws/echo/ without a sign-in; it is for tests and needs DEBUG=1."
    if settings.TRUST_PROXY:
        return (
            "ECHO_ROUTE=1 opens /ws/echo/ without a sign-in; it is not for a server behind a proxy."
        )
    return ""


def refuse_in_public() -> None:
    """Raise ImproperlyConfigured where the route is wanted and may not be."""
    if reason := refusal():
        raise ImproperlyConfigured(reason)


def check_echo_is_local(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Refuse the echo route where others may reach the server."""
    reason = refusal()
    return [Error(reason, hint="Unset ECHO_ROUTE.", id="config.E001")] if reason else []
