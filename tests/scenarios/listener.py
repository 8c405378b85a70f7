"""What everybody who listens has in common: a record for each room, and counts of what happened."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from websockets.exceptions import WebSocketException

from tests.live.client import Client, Closed, Position, Refused
from tests.scenarios.phases import Phases
from tests.scenarios.view import View
from tests.scenarios.wire import Event, Mark, event

# Events above which a replay may be refused as too many; by their number it is 500, but long ones
# reach the limit of bytes before that.
MANY = 250


class Record:
    """What one follower has handled of one room."""

    def __init__(self, position: Position) -> None:
        self.begin(position)
        self.view = View()
        # Events that wait for a page to be fetched, None while none is.
        self._waiting: list[Event] | None = None

    def begin(self, position: Position) -> None:
        self.first = self.position = position
        # The marks of the events behind `first`, in the order in which they were handled.
        self.marks: list[Mark] = []

    @property
    def is_whole(self) -> bool:
        return self._waiting is None

    def apply(self, event: Event) -> None:
        self.position = Position(event.epoch, event.seq)
        self.marks.append(event.mark)
        if self._waiting is None:
            self.view.apply(event)
        else:
            self._waiting.append(event)

    def await_page(self, head: Position) -> None:
        """Begin anew at the head; `take_page` brings what was before it."""
        self.begin(head)
        self._waiting = []

    def take_page(self, posts: list[dict[str, Any]]) -> None:
        """Take posts that were fetched after the head was told; then what came meanwhile."""
        self.view = View(posts)
        waiting, self._waiting = self._waiting or [], None
        for each in waiting:
            self.view.apply(each)


class Listener:
    """Follows rooms through everything, and notes whatever the server promised not to do."""

    def __init__(
        self, urls: Sequence[str], token: str, rooms: list[str], phases: Phases, first: int
    ) -> None:
        self._urls = urls
        self._token = token
        self._rooms = rooms
        self._phases = phases
        # The server that this one prefers, and the one that it is at or tries next.
        self._home = self.at = first
        self.records: dict[str, Record] = {}
        self.counts: Counter[str] = Counter()
        self.codes: Counter[int] = Counter()
        self.faults: list[str] = []
        self.is_live = False
        self._is_stopping = False

    async def run(self) -> None:
        """Listen until `stop`, or until the server says to stay away."""
        raise NotImplementedError

    async def stop(self) -> None:
        self._is_stopping = True

    async def go_home(self) -> None:
        """Leave a server that was only a refuge, as people do who open the page anew."""

    def look_at_silence(self) -> None:
        """Drop a connection that has been silent for too long."""

    async def settle(self, deadline_s: float) -> dict[str, int]:
        """Return the heads that the server tells behind everything it has for this one."""
        return {room: record.position.seq for room, record in self.records.items()}

    def has_everything(self, heads: dict[str, int]) -> bool:
        return self.is_live and all(
            record.is_whole and record.position.seq == heads[room]
            for room, record in self.records.items()
        )

    # --- events -----------------------------------------------------------------------------

    def _take(self, event: Event) -> bool:
        """Take an event that must be the next one; return False for a hole before it."""
        record = self.records[event.room]
        position = record.position
        self.counts["deliveries"] += 1
        if event.epoch != position.epoch:
            self.counts["of another epoch"] += 1
        elif event.seq <= position.seq:
            self.counts["doubled"] += 1
        elif event.seq > position.seq + 1:
            self.counts["out of order"] += 1
            return False
        else:
            record.apply(event)
        return True

    def _replay(self, record: Record, head: Position, events: list[dict[str, Any]]) -> None:
        self.counts["resumes"] += 1
        for members in events:
            replayed = event(members)
            # A repeated subscribe may replay what came meanwhile.
            if replayed.seq > record.position.seq:
                self.counts["replayed"] += 1
                record.apply(replayed)
        if record.position != head:
            self.faults.append(f"a replay ends at {record.position}, its head is {head}")

    def _begin_anew(
        self, room: str, record: Record, head: Position, reason: str, missing: int
    ) -> None:
        """The position is void: fetch the room, and go on from its head."""
        self.counts[f"not recovered: {reason}"] += 1
        if reason != "too_many" or missing < MANY:
            self.faults.append(f"not recovered: {reason}, of {missing} events")
        record.await_page(head)
        self._fetching = asyncio.create_task(self._fetch(room, record))

    async def _fetch(self, room: str, record: Record) -> None:
        """Fetch all of a room's posts, for as long as it takes, and go on from there."""
        while not record.is_whole:
            url = random.choice(self._urls).replace("http", "ws", 1)
            try:
                record.take_page(await fetch_posts(url, self._token, room))
            except (Closed, Refused, OSError, WebSocketException) as error:
                self.counts[f"not fetched: {type(error).__name__}"] += 1
                await asyncio.sleep(random.uniform(0.2, 1))


async def fetch_posts(url: str, token: str, room: str) -> list[dict[str, Any]]:
    """Fetch all standing posts of a room, oldest first."""
    posts: list[dict[str, Any]] = []
    async with await Client.connect(f"{url}/ws/", token=token) as client:
        while True:
            after = posts[-1]["seq"] if posts else 0
            page = await client.stream("history", room=room, after_seq=after, limit=100)
            posts += page
            if len(page) < 100:
                return posts
