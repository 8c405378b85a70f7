"""What the frames look like, for the description; the frames themselves are the connection's.

A comment above a field is what people are told about it.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from chat.shapes import Examples, Person, Seq, Slug, Time

RequestId = Annotated[str, msgspec.Meta(max_length=128)] | int
Epoch = Annotated[
    str,
    msgspec.Meta(
        max_length=16, examples=["k3"], description="Names this incarnation of what is numbered."
    ),
]
EventSeq = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1, examples=[42])]
RetryAfterMs = Annotated[int, msgspec.Meta(ge=0, examples=[2350])]
# Why a position cannot be resumed.
GapReason = Literal["too_many", "trimmed", "epoch_changed", "seq_ahead"]


class Head(Struct):
    """Where a room stands."""

    room: Slug
    epoch: Epoch
    # The number of the room's last event.
    seq: Seq


class Hello(Struct):
    """The first frame in v1; nothing comes before it."""

    type: Literal["hello"]
    # Names this socket; new at each connect.
    connection_id: Annotated[str, msgspec.Meta(examples=["Ecrmfdd1oAMAdhQ="])]
    # Who the server thinks you are; null when anonymous.
    user: Person | None
    # The server's clock.
    server_time: Time
    # How often a heartbeat comes.
    heartbeat_ms: Annotated[int, msgspec.Meta(ge=1, examples=[25_000])]
    # By name.
    limits: Annotated[dict[str, int], msgspec.Meta(examples=[{"message_bytes_max": 131_072}])]
    # Only on the address of a room. Replayed events follow as plain events; or a gap.
    rooms: list[Head] | UnsetType = UNSET


class Heartbeat(Struct):
    """Comes every `heartbeat_ms` in v1; answer with `ping` from the message handler."""

    type: Literal["heartbeat"]
    # By room: up to where its events were put into this socket ahead of this frame.
    heads: Annotated[dict[str, Seq], msgspec.Meta(examples=[{"lobby": 42}])]


class Gap(Struct):
    """Events of a room are missing here: fetch its page, and go on from its position."""

    type: Literal["gap"]
    room: Slug
    epoch: Epoch
    # The room's head; live events go on from there.
    seq: Seq
    reason: GapReason


class RoomLost(Struct):
    """The right to a room is lost; the socket goes on."""

    type: Literal["unsubscribed"]
    room: Slug
    reason: Annotated[str, msgspec.Meta(examples=["forbidden"])]


class Disconnect(Struct):
    """Comes in v1 before each close that the server decides on."""

    type: Literal["disconnect"]
    # The close code that follows.
    code: Annotated[int, msgspec.Meta(ge=1000, le=4999, examples=[4113])]
    # A stable word.
    reason: Annotated[str, msgspec.Meta(examples=["draining"])]
    # Whether to come back.
    reconnect: Annotated[bool, msgspec.Meta(examples=[True])]
    # When to come back, for codes 41xx; spread over the clients, so take it as it is.
    retry_after_ms: RetryAfterMs | None


class Reply(Struct):
    """The answer to a request that was done."""

    action: str
    ok: Annotated[bool, msgspec.Meta(examples=[True])]
    result: Any
    # Absent when the request had none.
    request_id: RequestId | UnsetType = UNSET

    examples: ClassVar[Examples] = (
        {"request_id": 7, "action": "ping", "ok": True, "result": {"heads": {"lobby": 42}}},
    )


class StreamItem(Struct):
    """One item of a streamed answer."""

    request_id: RequestId
    result: Any

    examples: ClassVar[Examples] = ({"request_id": 8, "result": {"id": "0195…", "…": "…"}},)


class StreamEnd(Struct):
    """The end of a streamed answer."""

    request_id: RequestId
    done: Annotated[bool, msgspec.Meta(examples=[True])]
    # How many items there were.
    count: Annotated[int, msgspec.Meta(ge=0, examples=[2])]
    # Only, and true, when `cancel` ended it.
    cancelled: bool | UnsetType = UNSET

    examples: ClassVar[Examples] = ({"request_id": 8, "done": True, "count": 2},)


class ErrorBody(Struct):
    """Why something was refused."""

    # Stable; decide by it.
    code: Annotated[str, msgspec.Meta(examples=["rate_limited"])]
    # For people; may change.
    message: Annotated[str, msgspec.Meta(examples=["Too many requests; wait a moment."])]
    # What is wrong, by field.
    fields: dict[str, str] | UnsetType = UNSET
    # Do not ask again before.
    retry_after_ms: RetryAfterMs | UnsetType = UNSET
    # With `conflict`, where a version was given: what is there now.
    current: Any = UNSET


class Refusal(Struct, rename={"connection_id": "connectionId", "invocation_id": "requestId"}):
    """The answer to a request that was not done."""

    ok: Annotated[bool, msgspec.Meta(examples=[False])]
    error: ErrorBody
    # Absent when the request had none, or one that cannot be read.
    request_id: RequestId | UnsetType = UNSET
    # This and the next two only where a route's handler has failed, as Amazon API Gateway says it.
    message: str | UnsetType = UNSET
    connection_id: str | UnsetType = UNSET
    # Names the call in the server's log.
    invocation_id: str | UnsetType = UNSET

    examples: ClassVar[Examples] = (
        {
            "request_id": 7,
            "ok": False,
            "error": {
                "code": "rate_limited",
                "message": "Too many requests; wait a moment.",
                "retry_after_ms": 800,
            },
        },
    )


class RoomEventFrame(Struct):
    """A durable event of a room."""

    type: str
    room: Slug
    # Names this incarnation of the room's log.
    epoch: Epoch
    # Numbers the room's events from 1 without holes.
    seq: EventSeq
    # When it was written.
    time: Time
    # Who did it; null when nobody in particular did.
    actor: Person | None
    data: Any
    # Only on `post.created`: the author's own key.
    client_id: Annotated[str, msgspec.Meta(examples=["c-1"])] | UnsetType = UNSET


class RoomReplay(Struct):
    """The answer to one position of a `subscribe`."""

    room: Slug
    epoch: Epoch
    # The room's head; live events continue with the next number.
    seq: Seq
    # True: `events` is all that was missed. False: `reason` says why not. Null: no position given.
    recovered: bool | None
    # Whole event frames, in order.
    events: list[RoomEventFrame]
    reason: GapReason | UnsetType = UNSET
