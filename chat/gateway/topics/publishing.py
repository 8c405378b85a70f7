"""Publishing: over sockets and over HTTP, an event goes the same way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from chat.access import Viewer
from chat.errors import AppError, Invalid, NotAuthenticated, TooLarge
from chat.gateway.topics.events import Draft, TopicEvent, digest_of
from chat.gateway.topics.filters import ANY
from chat.gateway.topics.names import bucket_group, bucket_of
from chat.gateway.topics.redis_rings import rings
from chat.models import User
from chat.realtime.doorbell import ring_group
from chat.realtime.envelope import byte_count, encode, wire_time
from chat.realtime.events import REGISTRY, VOLATILE
from chat.text import clean_client_id


def draft_of(
    viewer: Viewer, *, topic: str, event_type: str, payload: dict[str, Any], client_id: object
) -> Draft:
    """Check an event and prepare it. `client_id` is None where none was given.

    Raises NotAuthenticated, Invalid, or TooLarge.
    """
    if not isinstance(viewer, User):
        raise NotAuthenticated
    if event_type == ANY:
        raise Invalid(fields={"event_type": f"{ANY} stands for every type in filters."})
    if event_type in REGISTRY or event_type in VOLATILE:
        raise Invalid(fields={"event_type": f"{event_type} is the server's own word."})
    text = encode(payload)
    if byte_count(text) > settings.EVENT_PAYLOAD_BYTES_MAX:
        most = settings.EVENT_PAYLOAD_BYTES_MAX
        raise TooLarge(f"A payload has at most {most} bytes.", fields={"payload": "Is too large."})
    draft = Draft(topic, event_type, text, wire_time(datetime.now(UTC)))
    if client_id is None:
        return draft
    key = f"{viewer.pk}:{clean_client_id(client_id)}"
    return Draft(topic, event_type, text, draft.time, key, digest_of(event_type, payload))


def publish(drafts: Sequence[Draft]) -> list[TopicEvent | AppError]:
    """Keep events and tell everybody. Blocks; who may publish was checked before."""
    answers = rings().publish(drafts)
    tell(answer for answer in answers if isinstance(answer, TopicEvent))
    return answers


def tell(events: Iterable[TopicEvent]) -> None:
    """Hand events on; ones that are sent again do no harm, and reach who missed them."""
    for event in events:
        ring_group(bucket_group(bucket_of(event.topic)), event.as_message())


def as_result(event: TopicEvent) -> dict[str, Any]:
    return {"topic": event.topic, "epoch": event.epoch, "offset": event.offset}
