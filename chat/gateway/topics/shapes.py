"""What topics, filters and producer events look like on the wire."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from chat.gateway.topics.names import TopicId
from chat.realtime.frames import Epoch, GapReason
from chat.shapes import Time

Offset = Annotated[int, msgspec.Meta(ge=0, le=2**53, examples=[17])]
# Neither empty nor white space alone.
EventType = Annotated[str, msgspec.Meta(max_length=100, pattern=r"\S", examples=["NESClick"])]
FieldName = Annotated[str, msgspec.Meta(min_length=1, max_length=100, examples=["color"])]
PayloadText = Annotated[str, msgspec.Meta(examples=['{"color":"blue","value":1}'])]
ClientId = Annotated[str, msgspec.Meta(min_length=1, max_length=64, examples=["c-1"])]


class EventFilter(Struct, omit_defaults=True):
    """A filter on producer events."""

    # The type of the events, or `*` for every type.
    event_type: EventType
    # Which member of the payload the expression is about; needed unless that is `*`.
    filter_field: Annotated[str, msgspec.Meta(max_length=100, examples=["color"])] | UnsetType = (
        UNSET
    )
    # `*`, a value, a glob, a comparison such as `>5`, or several of them with commas between.
    filter_expr: Annotated[str, msgspec.Meta(max_length=200, examples=["blue,green"])] = "*"
    # The members of the payload that are wanted; without it, all.
    desired_fields: (
        Annotated[list[FieldName], msgspec.Meta(min_length=1, max_length=50)] | UnsetType
    ) = UNSET
    # Only events of this topic; without it, of all that one may read.
    topic: TopicId | UnsetType = UNSET


class TopicPosition(Struct):
    """A topic and, to resume it, where the client stands."""

    id: TopicId
    epoch: str | UnsetType = UNSET
    offset: Offset | UnsetType = UNSET


class ProducerEventShape(Struct):
    """A producer event, but for its `type`."""

    # The event's type.
    message_type: EventType
    # The payload as JSON text, with the desired members.
    payload: PayloadText
    topic: TopicId
    # Names this incarnation of the topic's ring.
    epoch: Epoch
    # Numbers the topic's events from 1 without holes.
    offset: Annotated[int, msgspec.Meta(ge=1, le=2**53, examples=[17])]
    # When it was published.
    time: Time


class ProducerEventFrame(ProducerEventShape):
    """A producer event."""

    type: Literal["event"]


class TopicReplay(Struct):
    """The answer to one topic of a `subscribe`."""

    id: TopicId
    epoch: Epoch
    # The number of the topic's last event; live events continue with the next.
    offset: Offset
    # True: `events` is all that was missed. False: `reason` says why not. Null: no position given.
    recovered: bool | None
    # Whole event frames, in order.
    events: list[ProducerEventFrame]
    reason: GapReason | UnsetType = UNSET


class TopicGap(Struct):
    """Events of a topic are missing here; live events go on behind `offset`."""

    type: Literal["gap"]
    topic: TopicId
    epoch: Epoch
    offset: Offset
    reason: GapReason


class TopicLost(Struct):
    """The right to a topic is lost; the socket goes on."""

    type: Literal["unsubscribed"]
    topic: TopicId
    reason: Annotated[str, msgspec.Meta(examples=["forbidden"])]


class Published(Struct):
    """Where an event stands in its topic."""

    topic: TopicId
    epoch: Epoch
    offset: Offset
