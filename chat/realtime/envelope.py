"""What goes over the wire: frames of events, replies, errors.

A frame is JSON text in two parts, the envelope up to its `data` and the data itself, so that
neither a dialect nor an overwriting has to encode an event a second time. Each dialect's form of
an event is made once per process, when the first socket needs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar

import msgspec

JSON: Final = "picturegram.v1.json"
# The same in binary frames (https://github.com/msgpack/msgpack/blob/master/spec.md).
MSGPACK: Final = "picturegram.v1.msgpack"
# The plain dialect: no sub-protocol, or `chat`.
QUIET: Final = "quiet"

# One message as it is sent: text, or bytes for a binary frame.
Wire = str | bytes

_encoder = msgspec.json.Encoder()
_packer = msgspec.msgpack.Encoder()


def encode(value: object) -> str:
    """Return `value` as JSON text."""
    return _encoder.encode(value).decode()


def pack(value: object) -> bytes:
    """Return `value` as MessagePack."""
    return _packer.encode(value)


def byte_count(text: Wire) -> int:
    """Bytes of a message, text counted in UTF-8."""
    if isinstance(text, bytes):
        return len(text)
    return len(text) if text.isascii() else len(text.encode())


def wire_time(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds, the one form of times on the wire."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Frame:
    """One durable event, encoded once and shared by all sockets of a process.

    Mutable in one way: `overwrite` replaces the data when the event's subject is gone or
    changed, in rings and queued outboxes alike, because they all hold the same frame.
    """

    __slots__ = (
        "__weakref__",
        "_packed",
        "_quiet",
        "_text",
        "data",
        "envelope",
        "epoch",
        "overwritten_by",
        "room_id",
        "seq",
        "size",
        "subject_id",
        "type",
    )

    def __init__(
        self,
        *,
        room_id: int,
        epoch: str,
        seq: int,
        type: str,
        subject_id: str,
        envelope: str,
        data: str,
    ) -> None:
        self.room_id = room_id
        self.epoch = epoch
        self.seq = seq
        self.type = type
        self.subject_id = subject_id
        # JSON text that ends in `"data":`.
        self.envelope = envelope
        self.data = data
        # Bytes of the JSON text: what counts towards limits.
        self.size = byte_count(envelope) + byte_count(data) + 1
        # The seq of the event whose data this frame carries; its own until overwritten.
        self.overwritten_by = seq
        self._text: str | None = None
        self._quiet: str | None = None
        self._packed: bytes | None = None

    @classmethod
    def build(
        cls,
        *,
        room_id: int,
        room: str,
        epoch: str,
        seq: int,
        type: str,
        time: datetime,
        actor: dict[str, Any] | None,
        client_id: str,
        subject_id: str,
        data: str,
    ) -> Frame:
        """Encode the envelope around `data`, which is JSON text already."""
        members: dict[str, Any] = {
            "type": type,
            "room": room,
            "epoch": epoch,
            "seq": seq,
            "time": wire_time(time),
            "actor": actor,
        }
        if client_id:
            members["client_id"] = client_id
        return cls(
            room_id=room_id,
            epoch=epoch,
            seq=seq,
            type=type,
            subject_id=subject_id,
            envelope=encode(members)[:-1] + ',"data":',
            data=data,
        )

    def text(self) -> str:
        """The frame as JSON."""
        if self._text is None:
            self._text = f"{self.envelope}{self.data}}}"
        return self._text

    def wire(self, dialect: str) -> Wire:
        """The frame as one message of the dialect."""
        if dialect == QUIET:
            if self._quiet is None:
                payload = encode(self.data)
                self._quiet = f'{self.envelope}{self.data},"payload":{payload}}}'
            return self._quiet
        if dialect == MSGPACK:
            if self._packed is None:
                self._packed = pack(msgspec.json.decode(self.text()))
            return self._packed
        return self.text()

    def texts(self, dialect: str) -> list[Wire]:
        return [self.wire(dialect)]

    def overwrite(self, by: Frame) -> None:
        """Carry the data of `by`, if it is a later event of the same subject, from now on."""
        if by.seq > self.overwritten_by and by is not self:
            self.overwritten_by = by.seq
            self.size += byte_count(by.data) - byte_count(self.data)
            self.data = by.data
            self._text = self._quiet = self._packed = None

    def as_message(self) -> dict[str, Any]:
        """The doorbell's message for the channel layer."""
        return {
            "type": "room.event",
            "room_id": self.room_id,
            "epoch": self.epoch,
            "seq": self.seq,
            "event": self.type,
            "subject_id": self.subject_id,
            "envelope": self.envelope,
            "data": self.data,
        }

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Frame:
        return cls(
            room_id=message["room_id"],
            epoch=message["epoch"],
            seq=message["seq"],
            type=message["event"],
            subject_id=message["subject_id"],
            envelope=message["envelope"],
            data=message["data"],
        )


class Notice:
    """A volatile frame, encoded once per dialect and shared by all sockets of a process.

    It goes first when a socket's outbox runs over. `content` is what quiet clients find in
    `payload`, where the frame has no `payload` of its own.
    """

    __slots__ = ("_content", "_members", "_wires", "size")

    is_volatile = True

    def __init__(self, members: dict[str, Any], *, content: object = None) -> None:
        self._members = members
        self._content = content
        text = encode(members)
        self._wires: dict[str, Wire] = {JSON: text}
        # Bytes of the JSON text, whatever the dialect.
        self.size = byte_count(text)

    def wire(self, dialect: str) -> Wire:
        """The frame as one message of the dialect."""
        wire = self._wires.get(dialect)
        if wire is None:
            wire = message(self._members, dialect, content=self._content)
            self._wires[dialect] = wire
        return wire

    def texts(self, dialect: str) -> list[Wire]:
        return [self.wire(dialect)]


F = TypeVar("F", bound="Frame | Notice")


class Burst(Generic[F]):
    """Several frames that count as one message: a replay as plain events."""

    __slots__ = ("frames",)

    def __init__(self, frames: Sequence[F]) -> None:
        self.frames = frames

    @property
    def size(self) -> int:
        return sum(frame.size for frame in self.frames)

    def texts(self, dialect: str) -> Iterator[Wire]:
        """Each when its turn comes, so that an overwriting reaches the rest."""
        return (frame.wire(dialect) for frame in self.frames)


# What a reply tells of a room or topic, and the events that were missed.
Replayed = tuple[dict[str, Any], Sequence[Frame | Notice]]


class Recovery:
    """The reply to a subscribe; the events in it are put together when it is sent."""

    __slots__ = ("_rest_size", "members", "rest", "rooms", "topics")

    def __init__(
        self,
        members: dict[str, Any],
        rooms: Sequence[Replayed],
        rest: dict[str, Any] | None = None,
        *,
        topics: Sequence[Replayed] = (),
    ) -> None:
        # The reply without its result; what it tells of each room and topic; and what else the
        # result holds.
        self.members = members
        self.rooms = rooms
        self.topics = topics
        self.rest = rest or {}
        self._rest_size = byte_count(encode(self.rest))

    @property
    def size(self) -> int:
        replayed = (*self.rooms, *self.topics)
        return self._rest_size + sum(frame.size for _, frames in replayed for frame in frames)

    def texts(self, dialect: str) -> list[Wire]:
        form = MSGPACK if dialect == MSGPACK else JSON
        named = {
            name: [
                {**told, "events": [_raw(frame.wire(form)) for frame in frames]}
                for told, frames in replayed
            ]
            for name, replayed in (("rooms", self.rooms), ("topics", self.topics))
            if replayed
        }
        return [message({**self.members, "result": {**named, **self.rest}}, form)]


def _raw(wire: Wire) -> msgspec.Raw:
    return msgspec.Raw(wire if isinstance(wire, bytes) else wire.encode())


def message(members: dict[str, Any], dialect: str, *, content: object = None) -> Wire:
    """Encode what is not a durable event.

    Quiet frames carry their content as JSON in `payload`, unless they have one already.
    """
    if dialect == MSGPACK:
        return pack(members)
    if dialect == QUIET and "payload" not in members:
        payload = encode(members if content is None else content)
        members = {**members, "payload": payload}
    return encode(members)
