"""Who listens in these tests: no connection, only what it would have been sent."""

from __future__ import annotations

from typing import Any

import msgspec

from chat.realtime.envelope import JSON
from chat.realtime.outbox import Entry


class FakeBox:
    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def put(self, entry: Entry) -> None:
        self.entries.append(entry)


class FakeListener:
    """A listener that keeps everything."""

    def __init__(self, user_id: int | None = 1) -> None:
        self.user_id = user_id
        self.outbox = FakeBox()
        self.told: list[dict[str, Any]] = []

    def deliver(self, entry: Entry) -> None:
        self.outbox.put(entry)

    def tell_event(self, members: dict[str, Any]) -> None:
        self.told.append(members)

    def frames(self) -> list[dict[str, Any]]:
        """What was put into the outbox, decoded."""
        return [
            msgspec.json.decode(text) for entry in self.outbox.entries for text in entry.texts(JSON)
        ]

    def offsets(self) -> list[int]:
        return [frame["offset"] for frame in self.frames()]
