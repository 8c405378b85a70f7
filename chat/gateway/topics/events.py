"""Producer events: volatile, numbered per topic by its ring."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec

from chat.gateway.topics.filters import Fields
from chat.gateway.topics.shapes import ProducerEventShape
from chat.realtime.envelope import Notice, byte_count, encode
from chat.realtime.events import VolatileEvent

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class ProducerEvent(VolatileEvent, name="event"):
    """Something that a program told a topic. A producer's own words are in `payload`."""

    shape = ProducerEventShape


class TopicEvent:
    """One event of a topic. Its payload is JSON text, read only where a filter asks."""

    __slots__ = ("_members", "_whole", "epoch", "event_type", "offset", "payload", "time", "topic")

    def __init__(
        self, *, topic: str, epoch: str, offset: int, event_type: str, time: str, payload: str
    ) -> None:
        self.topic = topic
        self.epoch = epoch
        # Numbers the topic's events from 1 without holes, within the epoch.
        self.offset = offset
        self.event_type = event_type
        # As on the wire: when it was published.
        self.time = time
        self.payload = payload
        self._members: dict[str, Any] | None = None
        self._whole: Notice | None = None

    @property
    def size(self) -> int:
        """Bytes that it takes, about: a ring need not know it better."""
        return byte_count(self.payload) + 500

    def members(self) -> dict[str, Any]:
        """The payload's members; read once."""
        if self._members is None:
            self._members = _decode(self.payload)
        return self._members

    def whole(self) -> Notice:
        """The frame with the whole payload; encoded once."""
        if self._whole is None:
            self._whole = self._notice(self.payload)
        return self._whole

    def projected(self, fields: frozenset[str]) -> Notice:
        """A frame whose payload has no other members than those."""
        members = self.members()
        return self._notice(encode({name: members[name] for name in members if name in fields}))

    def notice(self, fields: Fields) -> Notice:
        return self.whole() if fields is None else self.projected(fields)

    def _notice(self, payload: str) -> Notice:
        return Notice(
            {
                "type": ProducerEvent.name,
                "message_type": self.event_type,
                "payload": payload,
                "topic": self.topic,
                "epoch": self.epoch,
                "offset": self.offset,
                "time": self.time,
            }
        )

    def as_message(self) -> dict[str, Any]:
        """The doorbell's message for the channel layer."""
        return {
            "type": "topic.event",
            "topic": self.topic,
            "epoch": self.epoch,
            "offset": self.offset,
            "event_type": self.event_type,
            "time": self.time,
            "payload": self.payload,
        }

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> TopicEvent:
        return cls(
            topic=message["topic"],
            epoch=message["epoch"],
            offset=message["offset"],
            event_type=message["event_type"],
            time=message["time"],
            payload=message["payload"],
        )


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that has no number yet."""

    topic: str
    event_type: str
    payload: str
    time: str
    # Whose `client_id`, and which; empty without one. Neither holds a line break.
    sender_key: str = ""
    # Tells an event that is sent again from another one; empty without a `client_id`.
    digest: str = ""

    def numbered(self, epoch: str, offset: int, time: str) -> TopicEvent:
        return TopicEvent(
            topic=self.topic,
            epoch=epoch,
            offset=offset,
            event_type=self.event_type,
            time=time,
            payload=self.payload,
        )


def digest_of(event_type: str, payload: dict[str, Any]) -> str:
    """The same for the same event, in whatever order its members are written."""
    text = msgspec.json.encode([event_type, payload], order="deterministic")
    return hashlib.sha256(text).hexdigest()[:32]


def pack_entry(draft: Draft) -> bytes:
    """What a ring outside this process keeps of an event beside its number."""
    return msgspec.msgpack.encode((draft.event_type, draft.time, draft.payload))


def unpack_entry(topic: str, epoch: str, offset: int, entry: bytes) -> TopicEvent:
    event_type, time, payload = msgspec.msgpack.decode(entry, type=tuple[str, str, str])
    return TopicEvent(
        topic=topic, epoch=epoch, offset=offset, event_type=event_type, time=time, payload=payload
    )
