"""Which application serves which path."""

from __future__ import annotations

from typing import Any, cast

from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import re_path

from chat.gateway.connections_api import ConnectionsApi
from chat.models.room import SLUG_PATTERN
from chat.realtime.consumer import GatewayConsumer
from chat.realtime.health import Liveness, Readiness
from chat.realtime.http import EventStream, LongPoll
from config.echo import Echo

# Whatever comes last is taken for the id: what is none, the API itself refuses.
CONNECTION = r"(?:(?P<stage>[^/]+)/)?@connections/(?P<connection_id>(?s:.*))"
SLUG = rf"(?P<slug>{SLUG_PATTERN})"


def route(pattern: str, application: object, **kwargs: str) -> Any:
    """Route a path to an ASGI application; Channels' routers take Django's patterns."""
    return re_path(pattern, cast(Any, application), kwargs)


class Refusal:
    """Refuses sockets on paths where there are none."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 1008})


def build_application(django_application: Any) -> ProtocolTypeRouter:
    """Put the live connections in front of Django."""
    gateway = GatewayConsumer()
    lobby = {"slug": settings.LOBBY_SLUG}
    return ProtocolTypeRouter(
        {
            "http": URLRouter(
                [
                    route(rf"^api/rooms/{SLUG}/events/$", LongPoll()),
                    route(rf"^api/rooms/{SLUG}/stream/$", EventStream()),
                    route(rf"^{CONNECTION}$", ConnectionsApi()),
                    route(r"^healthz$", Liveness()),
                    route(r"^readyz$", Readiness()),
                    route(r"", django_application),
                ]
            ),
            "websocket": URLRouter(
                [
                    route(r"^ws/$", gateway),
                    route(rf"^ws/rooms/{SLUG}/$", gateway),
                    route(r"^chats?$", gateway, **lobby),
                    *([route(r"^ws/echo/$", Echo())] if settings.ECHO_ROUTE else []),
                    route(r"", Refusal()),
                ]
            ),
        }
    )
