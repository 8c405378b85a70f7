"""What goes over the wire: frames of events, replies, errors.

A frame is JSON text in two parts, the envelope up to its `data` and the data itself, so that
neither a dialect nor an overwriting has to encode an event a second time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

JSON: Final = "picturegram.v1.json"
# The plain dialect: no sub-protocol, or `chat`.
QUIET: Final = "quiet"

_encoder = msgspec.json.Encoder()


def encode(value: object) -> str:
    """Return `value` as JSON text."""
    return _encoder.encode(value).decode()


def byte_count(text: str) -> int:
    """Bytes of `text` in UTF-8."""
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

    def text(self, dialect: str = JSON) -> str:
        """The frame as one text message of the dialect."""
        if dialect == QUIET:
            if self._quiet is None:
                payload = encode(self.data)
                self._quiet = f'{self.envelope}{self.data},"payload":{payload}}}'
            return self._quiet
        if self._text is None:
            self._text = f"{self.envelope}{self.data}}}"
        return self._text

    def texts(self, dialect: str) -> list[str]:
        return [self.text(dialect)]

    def overwrite(self, by: Frame) -> None:
        """Carry the data of `by`, if it is a later event of the same subject, from now on."""
        if by.seq > self.overwritten_by and by is not self:
            self.overwritten_by = by.seq
            self.size += byte_count(by.data) - byte_count(self.data)
            self.data = by.data
            self._text = self._quiet = None

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


class Burst:
    """Several frames that count as one message: a replay as plain events."""

    __slots__ = ("frames",)

    def __init__(self, frames: list[Frame]) -> None:
        self.frames = frames

    @property
    def size(self) -> int:
        return sum(frame.size for frame in self.frames)

    def texts(self, dialect: str) -> Iterator[str]:
        """Each when its turn comes, so that an overwriting reaches the rest."""
        return (frame.text(dialect) for frame in self.frames)


class Recovery:
    """The reply to a subscribe; the events in it are put together when it is sent."""

    __slots__ = ("members", "rooms")

    def __init__(
        self, members: dict[str, Any], rooms: list[tuple[dict[str, Any], list[Frame]]]
    ) -> None:
        # The reply without its result; and per room its result without the events.
        self.members = members
        self.rooms = rooms

    @property
    def size(self) -> int:
        return sum(frame.size for _, frames in self.rooms for frame in frames)

    def texts(self, dialect: str) -> list[str]:
        rooms = ",".join(
            f'{encode(room)[:-1]},"events":[{",".join(frame.text() for frame in frames)}]}}'
            for room, frames in self.rooms
        )
        return [f'{encode(self.members)[:-1]},"result":{{"rooms":[{rooms}]}}}}']


def message(members: dict[str, Any], dialect: str, *, content: object = None) -> str:
    """Encode what is not an event. Quiet ones also carry their content as JSON in `payload`."""
    if dialect == QUIET:
        payload = encode(members if content is None else content)
        members = {**members, "payload": payload}
    return encode(members)
