"""Frames as a follower reads them: decoded once, however many sockets they came over."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

# Characters of a frame that is worth keeping decoded; replays are longer, and each is unique.
SHARED_MAX = 8192


@dataclass(frozen=True, slots=True)
class Mark:
    """What tells one stored event from another, beside its number."""

    type: str
    subject: str


@dataclass(frozen=True, slots=True)
class Event:
    room: str
    epoch: str
    seq: int
    mark: Mark
    # Seconds since 1970, by the server's clock.
    written_at: float
    data: dict[str, Any]


Frame = Event | dict[str, Any]


def mark(type: str, data: dict[str, Any]) -> Mark:
    """Return an event's mark. Its data may have been overwritten; this part never changes."""
    if type.startswith("post."):
        return Mark(type, data["id"])
    if type.startswith("reaction."):
        return Mark(type, f"{data['post_id']} {data['emoji']} {data['user_id']}")
    return Mark(type, "")


def event(members: dict[str, Any]) -> Event:
    """Read an event's frame."""
    written_at = datetime.fromisoformat(members["time"]).timestamp()
    data = members["data"]
    place = members["room"], members["epoch"], members["seq"]
    return Event(*place, mark(members["type"], data), written_at, data)


def read(text: str) -> Frame:
    """Decode a message; whoever gets the result shares it."""
    return _read_shared(text) if len(text) <= SHARED_MAX else _read(text)


def _read(text: str) -> Frame:
    members: dict[str, Any] = msgspec.json.decode(text)
    return event(members) if "seq" in members and "data" in members else members


_read_shared = lru_cache(4096)(_read)
