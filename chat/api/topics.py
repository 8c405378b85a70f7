"""Publishing events over HTTP, one or many at a time."""

from __future__ import annotations

import time
from typing import Annotated, Any, cast

from django.conf import settings
from django.core.cache import cache
from msgspec import UNSET, Meta, Struct, UnsetType
from rest_framework.request import Request
from rest_framework.response import Response

from chat import pool
from chat.access import Viewer
from chat.api.parsers import JSONParser
from chat.api.schema import JSON, REFUSED, describes, schema_of
from chat.api.shapes import PublishedBatchSerializer, PublishedSerializer
from chat.api.views import ApiView, body_of, viewer_of
from chat.bodies import read_struct
from chat.errors import AppError, Invalid, RateLimited
from chat.gateway.topics.events import Draft, TopicEvent
from chat.gateway.topics.names import TopicId, room_of
from chat.gateway.topics.publishing import as_result, draft_of, publish
from chat.gateway.topics.rights import check_may_publish
from chat.gateway.topics.shapes import ClientId, EventType
from chat.models import AccessKey

TAG = "topics"
# Seconds over which events are counted; the rates are those of sockets.
WINDOW_S = 10


class Record(Struct):
    """An event that is to be published."""

    topic: TopicId
    event_type: EventType
    payload: Annotated[dict[str, Any], Meta(description="Any JSON object.")]
    client_id: (
        Annotated[ClientId, Meta(description="Sent again with it, it is published once.")]
        | UnsetType
    ) = UNSET


def _body_schema() -> dict[str, Any]:
    single = schema_of(Record)
    records = {"type": "array", "items": single, "minItems": 1}
    records["maxItems"] = settings.PUBLISH_RECORDS_MAX
    batch = {"type": "object", "properties": {"records": records}, "required": ["records"]}
    return {"oneOf": [single, batch]}


class PublishView(ApiView):
    parser_classes = (JSONParser,)  # type: ignore[assignment]  # A form holds no object.
    # What a key needs here instead of `post`.
    writing_scope = "publish"

    @describes(
        "publishEvents",
        {
            200: PublishedBatchSerializer,
            201: PublishedSerializer,
            409: REFUSED,
            429: REFUSED,
        },
        body={JSON: _body_schema()},
        tag=TAG,
    )
    def post(self, request: Request) -> Response:
        """Publish an event to a topic, or several in order, each with a result of its own."""
        body = cast(dict[str, Any], body_of(request))
        if "records" in body:
            return Response(_publish_all(request, _records(body["records"])))
        record = read_struct(body, Record)
        _spend(request, 1)
        viewer = viewer_of(request)
        draft = _draft(viewer, record)
        check_may_publish(viewer, record.topic)
        pool.give_back()
        (answer,) = publish([draft])
        if isinstance(answer, AppError):
            raise answer
        return Response(as_result(answer), status=201)


def _records(given: object) -> list[object]:
    most = settings.PUBLISH_RECORDS_MAX
    if not isinstance(given, list) or not 1 <= len(given) <= most:
        raise Invalid(fields={"records": f"Must be a list of 1 to {most} events."})
    return given


def _publish_all(request: Request, records: list[object]) -> dict[str, Any]:
    """Publish what can be published; a record that cannot be spoils no other."""
    _spend(request, len(records))
    viewer = viewer_of(request)
    answers: list[Draft | TopicEvent | AppError] = []
    rooms: dict[str, AppError | None] = {}
    for record in records:
        try:
            answers.append(_checked(viewer, record, rooms))
        except AppError as error:
            answers.append(error)
    pool.give_back()
    drafts = [answer for answer in answers if isinstance(answer, Draft)]
    published = iter(publish(drafts) if drafts else [])
    told = [_told(next(published) if isinstance(answer, Draft) else answer) for answer in answers]
    return {
        "failed_record_count": sum("error" in result for result in told),
        "records": told,
    }


def _checked(viewer: Viewer, given: object, rooms: dict[str, AppError | None]) -> Draft:
    """Return a record as a draft. Each room's rights are read once, and noted in `rooms`."""
    if not isinstance(given, dict):
        raise Invalid("A record must be an object.")
    record = read_struct(given, Record)
    draft = _draft(viewer, record)
    room = room_of(record.topic)
    if room is None:
        check_may_publish(viewer, record.topic)
        return draft
    if room not in rooms:
        try:
            check_may_publish(viewer, record.topic)
            rooms[room] = None
        except AppError as error:
            rooms[room] = error
    refusal = rooms[room]
    if refusal is not None:
        raise refusal
    return draft


def _draft(viewer: Viewer, record: Record) -> Draft:
    return draft_of(
        viewer,
        topic=record.topic,
        event_type=record.event_type,
        payload=record.payload,
        client_id=None if record.client_id is UNSET else record.client_id,
    )


def _told(answer: TopicEvent | AppError) -> dict[str, Any]:
    return {"error": answer.as_dict()} if isinstance(answer, AppError) else as_result(answer)


def _spend(request: Request, count: int) -> None:
    """Count events of a key, or of a person, over all processes. Raises RateLimited.

    Refused is who has spent all of this window before; the last batch of one may go beyond, since
    otherwise one that is larger than a window's share could never be sent.
    """
    key = request.auth if isinstance(request.auth, AccessKey) else None
    rate = settings.REQUESTS_PER_SECOND if key is None else settings.PRODUCER_REQUESTS_PER_SECOND
    who = f"user:{request.user.pk}" if key is None else f"key:{key.pk}"
    now = time.time()
    window = int(now // WINDOW_S)
    counter = f"published:{who}:{window}"
    cache.add(counter, 0, timeout=2 * WINDOW_S)
    if cache.incr(counter, count) - count >= rate * WINDOW_S:
        wait_s = (window + 1) * WINDOW_S - now
        raise RateLimited(retry_after_ms=max(1, int(wait_s * 1000)))
