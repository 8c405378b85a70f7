"""The addresses that wait, for the description alone.

chat.realtime.http answers them before Django hears of a request: a waiting view would hold a
thread. Whoever serves Django without config.asgi finds nothing there.
"""

from __future__ import annotations

from typing import Annotated

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from msgspec import UNSET, Meta, Struct, UnsetType
from rest_framework.request import Request
from rest_framework.response import Response

from chat.api.schema import describes
from chat.api.shapes import EventsSerializer
from chat.api.views import ApiView
from chat.errors import NotFound

TAG = "events"
RECORDS = OpenApiResponse(str, description="Records: see docs/api.md.")

Epoch = Annotated[str, Meta(max_length=16, description="The epoch of your position.")]
AfterSeq = Annotated[int, Meta(ge=0, description="The last event that you have handled.")]


class ReplayQuery(Struct):
    epoch: Epoch | UnsetType = UNSET
    after_seq: AfterSeq | UnsetType = UNSET


class EventsQuery(ReplayQuery):
    wait: Annotated[int, Meta(ge=0, le=25, description="Seconds to wait for something new.")] = 0


class EventsView(ApiView):
    @describes("pollEvents", {200: EventsSerializer}, query=EventsQuery, tag=TAG)
    def get(self, request: Request, slug: str) -> Response:
        """Read what happened in a room since a position, or wait for it."""
        raise NotFound("This server does not wait: start config.asgi.")


class StreamView(ApiView):
    @describes(
        "streamEvents",
        {(200, "text/event-stream"): RECORDS},
        query=ReplayQuery,
        parameters=[
            OpenApiParameter(
                "Last-Event-ID", str, OpenApiParameter.HEADER, description="`<epoch>:<seq>`"
            )
        ],
        tag=TAG,
    )
    def get(self, request: Request, slug: str) -> Response:
        """Follow what happens in a room as Server-Sent Events."""
        raise NotFound("This server does not stream: start config.asgi.")
