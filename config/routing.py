"""Which application serves which path."""

from __future__ import annotations

from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import re_path

from chat.models.room import SLUG_PATTERN
from chat.realtime.consumer import GatewayConsumer
from chat.realtime.health import Readiness
from chat.realtime.http import EventStream, LongPoll

SLUG = rf"(?P<slug>{SLUG_PATTERN})"


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
                    re_path(rf"^api/rooms/{SLUG}/events/$", LongPoll()),
                    re_path(rf"^api/rooms/{SLUG}/stream/$", EventStream()),
                    re_path(r"^readyz$", Readiness()),
                    re_path(r"", django_application),
                ]
            ),
            "websocket": URLRouter(
                [
                    re_path(r"^ws/$", gateway),
                    re_path(rf"^ws/rooms/{SLUG}/$", gateway),
                    re_path(r"^chats?$", gateway, kwargs=lobby),
                    re_path(r"", Refusal()),
                ]
            ),
        }
    )
