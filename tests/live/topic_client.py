"""A client that also follows topics, filters events, and publishes; it notes what comes wrongly."""

import json
from collections.abc import Iterable
from typing import Any

from tests.live.client import DEADLINE_S, Client, Position
from tests.live.servers import Site


def producer_key(site: Site, username: str) -> str:
    """Make an access key as an operator does, and return its token."""
    scopes = ["--scope", "read", "--scope", "publish"]
    printed = site.run("manage.py", "access_key", username, *scopes)
    return printed.rpartition("token")[2].strip()


class TopicClient(Client):
    """Its `faults` also hold topics' events that came twice or out of order."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # Where we stand in the topics that we follow by name.
        self.topics: dict[str, Position] = {}
        # Producer events in the order in which they came, replayed ones included.
        self.produced: list[dict[str, Any]] = []

    async def follow(self, *topics: str, **more: Any) -> list[dict[str, Any]]:
        """Follow topics, from our position where there is one; return the result's topics."""
        asked: list[dict[str, Any]] = []
        for topic in topics:
            position = self.topics.get(topic)
            at = {} if position is None else {"epoch": position.epoch, "offset": position.seq}
            asked.append({"id": topic, **at})
        result = await self.request("subscribe", topics=asked, **more)
        found: list[dict[str, Any]] = result["topics"]
        return found

    async def publish(self, topic: str, number: int, **more: Any) -> Any:
        payload = {"number": number}
        return await self.request(
            "publish", topic=topic, event_type="Tick", payload=payload, **more
        )

    def numbers(self, topic: str) -> list[int]:
        """What the events of a topic carry, in the order in which they came."""
        return [
            json.loads(event["payload"])["number"]
            for event in self.produced
            if event["topic"] == topic
        ]

    async def heard(self, topic: str, count: int, *, deadline_s: float = DEADLINE_S) -> list[int]:
        """Wait until so many events of a topic have come."""
        await self.until(
            lambda: True if len(self.numbers(topic)) >= count else None,
            deadline_s,
            f"{count} events of {topic}",
        )
        return self.numbers(topic)

    async def topic_notice(self, type: str, topic: str, *, deadline_s: float = DEADLINE_S) -> Any:
        """Return the first `gap` or `unsubscribed` of a topic."""
        return await self.until(
            lambda: next(
                (
                    each
                    for each in self.notices
                    if each["type"] == type and each.get("topic") == topic
                ),
                None,
            ),
            deadline_s,
            f"a {type} of {topic}",
        )

    # --- hearing ----------------------------------------------------------------------------

    def _take(self, frame: dict[str, Any]) -> None:
        if frame.get("action") == "subscribe" and frame.get("ok"):
            self._resume_topics(frame["result"].get("topics", ()))
        if frame.get("type") == "event":
            self._apply_produced(frame)
        else:
            super()._take(frame)

    def _heed(self, frame: dict[str, Any]) -> None:
        if "topic" not in frame:
            super()._heed(frame)
            return
        self.notices.append(frame)
        if frame["type"] == "gap":
            self.topics[frame["topic"]] = Position(frame["epoch"], frame["offset"])
        elif frame["type"] == "unsubscribed":
            self.topics.pop(frame["topic"], None)

    def _resume_topics(self, topics: Iterable[dict[str, Any]]) -> None:
        for topic in topics:
            if topic["recovered"]:
                for event in topic["events"]:
                    self._apply_produced(event)
            self.topics[topic["id"]] = Position(topic["epoch"], topic["offset"])

    def _apply_produced(self, event: dict[str, Any]) -> None:
        topic, offset = event["topic"], event["offset"]
        position = self.topics.get(topic)
        if position is not None:
            if event["epoch"] != position.epoch or offset != position.seq + 1:
                self.faults.append(f"number {offset} came to {topic} at {position}")
            self.topics[topic] = Position(event["epoch"], offset)
        self.produced.append(event)
