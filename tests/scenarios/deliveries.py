"""What everybody got of the producers' events, against what they ought to have got."""

import asyncio
import time
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from websockets.exceptions import ConnectionClosed

from tests.live.client import open_socket
from tests.scenarios.clicks import LAST, Click, Wanted

decode = msgspec.json.decode
# Where an event stands: topic and offset.
Place = tuple[str, int]
Fields = frozenset[str] | None


@dataclass(eq=False)
class Receiver:
    """One socket, its filters and topics, and what came over it."""

    url: str
    token: str
    # Whether events of the private room are for it.
    is_member: bool
    filters: dict[Wanted, Fields] = field(default_factory=dict)
    topics: list[str] = field(default_factory=list)
    connection_id: str = ""
    # In the order in which they came: where, and the payload's text.
    got: list[tuple[Place, str]] = field(default_factory=list)
    latencies_s: "array[float]" = field(default_factory=lambda: array("d"))
    faults: list[str] = field(default_factory=list)
    _reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect and subscribe; return when events may come."""
        socket = await open_socket(self.url, token=self.token, deadline_s=60)
        self.connection_id = decode(await socket.recv())["connection_id"]
        sent = [wanted.as_sent(fields) for wanted, fields in self.filters.items()]
        asked: dict[str, Any] = {"action": "subscribe", "request_id": 1}
        asked |= {"subscriptions": sent} if sent else {}
        asked |= {"topics": self.topics} if self.topics else {}
        await socket.send(msgspec.json.encode(asked).decode())
        answer = decode(await socket.recv())
        assert answer.get("ok"), answer
        self._reading = asyncio.create_task(self._read(socket))

    async def stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading

    async def _read(self, socket: Any) -> None:
        try:
            async for text in socket:
                frame = decode(text)
                if frame.get("type") == "event":
                    self.got.append(((frame["topic"], frame["offset"]), frame["payload"]))
                    sent_at = datetime.fromisoformat(frame["time"]).timestamp()
                    self.latencies_s.append(time.time() - sent_at)
                elif frame.get("type") == "heartbeat":
                    await socket.send('{"action":"ping"}')
                elif "ok" not in frame:
                    self.faults.append(str(frame))
            self.faults.append("closed")
        except ConnectionClosed as closed:
            self.faults.append(f"closed: {closed}")


class Oracle:
    """What each filter ought to match of all that was published."""

    def __init__(self, published: dict[Place, Click], private: str) -> None:
        self._published = published
        self._private = private
        self._matches: dict[Wanted, list[Place]] = {}

    def expected(self, receiver: Receiver) -> dict[Place, dict[str, Any]]:
        """The payloads that a receiver ought to have, by place."""
        fields: dict[Place, Fields] = {}
        for wanted, wish in receiver.filters.items():
            for place in self._places(wanted):
                known = fields.get(place, frozenset())
                fields[place] = None if known is None or wish is None else known | wish
        for place, click in self._published.items():
            if click.topic in receiver.topics and click.event_type != LAST:
                fields[place] = None
        return {
            place: _projected(self._published[place].payload, wish)
            for place, wish in fields.items()
            if receiver.is_member or place[0] != self._private
        }

    def _places(self, wanted: Wanted) -> list[Place]:
        if wanted not in self._matches:
            self._matches[wanted] = [
                place
                for place, click in self._published.items()
                if click.event_type != LAST and wanted.covers(click)
            ]
        return self._matches[wanted]


def _projected(payload: dict[str, Any], fields: Fields) -> dict[str, Any]:
    if fields is None:
        return payload
    return {name: value for name, value in payload.items() if name in fields}


def judge(
    oracle: Oracle, receivers: Sequence[Receiver], lasts: Iterable[Place]
) -> tuple[Counter[str], list[str]]:
    """Count what came wrongly, and describe some of it. `lasts` are events of no interest."""
    broken: Counter[str] = Counter(
        dict.fromkeys(("lost", "doubled", "out of order", "not wanted", "other content"), 0)
    )
    details: list[str] = []
    ignored = set(lasts)
    for number, receiver in enumerate(receivers):
        expected = oracle.expected(receiver)
        found: dict[Place, str] = {}
        newest: Counter[str] = Counter()
        for place, payload in receiver.got:
            if place in ignored:
                continue
            if place in found:
                broken["doubled"] += 1
            elif place[1] < newest[place[0]]:
                broken["out of order"] += 1
            newest[place[0]] = max(newest[place[0]], place[1])
            found[place] = payload
        lost, strange = expected.keys() - found.keys(), found.keys() - expected.keys()
        other = [
            place
            for place in expected.keys() & found.keys()
            if decode(found[place]) != expected[place]
        ]
        for name, places in (("lost", lost), ("not wanted", strange), ("other content", other)):
            broken[name] += len(places)
            details += [f"receiver {number}, {name}: {place}" for place in list(places)[:3]]
        broken["faults"] += len(receiver.faults)
        details += [f"receiver {number}: {fault[:200]}" for fault in receiver.faults[:3]]
    return broken, details
