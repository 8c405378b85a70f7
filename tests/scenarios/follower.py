"""A socket that follows rooms through everything, as docs/protocol.md section 9 tells clients to.

It keeps its positions, resumes with them on another process when its own is gone, and notes
whatever the server promised not to do.
"""

import asyncio
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.live.client import (
    Client,
    Closed,
    Position,
    Refused,
    open_socket,
    pause_before_return,
)
from tests.scenarios.phases import Phases
from tests.scenarios.view import View
from tests.scenarios.wire import Event, Mark, event, read

CONNECT_S = 10.0
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


class Follower:
    """One listener. `run` ends with `stop`, or when the server says to stay away."""

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
        self.heard_at = time.monotonic()
        self.silence_max_s = 60.0
        self._socket: ClientConnection | None = None
        self._retry_after_ms: int | None = None
        self._failures = 0
        self._numbers = itertools.count(1)
        self._subscribing = 0
        self._settling: asyncio.Future[dict[str, int]] | None = None
        self._is_stopping = False
        self._is_leaving = False
        self._lost_at: float | None = None

    # --- life -------------------------------------------------------------------------------

    async def run(self) -> None:
        while True:
            code = await self._live_once()
            pause = pause_before_return(code, self._retry_after_ms, self._failures)
            if pause is None:
                self.faults.append(f"told to stay away with {code}")
                return
            if self._is_stopping:
                return
            self._failures += 1
            self.at = self._home if self._is_leaving else (self.at + 1) % len(self._urls)
            self._is_leaving = False
            await asyncio.sleep(pause)

    async def stop(self) -> None:
        self._is_stopping = True
        if self._socket is not None:
            await self._socket.close()

    async def go_home(self) -> None:
        """Leave a server that was only a refuge, as people do who open the page anew."""
        if self._socket is not None and self.at != self._home:
            self._is_leaving = True
            await self._socket.close()

    def look_at_silence(self) -> None:
        """Drop a socket that has been silent for two heartbeats."""
        if self._socket is not None and time.monotonic() - self.heard_at > self.silence_max_s:
            self.counts["dropped for silence"] += 1
            self._socket.transport.abort()

    async def settle(self, deadline_s: float) -> dict[str, int]:
        """Return the heads that the server tells behind everything it has for this socket."""
        assert self._socket is not None
        self._settling = asyncio.get_running_loop().create_future()
        await self._socket.send('{"action": "ping", "request_id": "settle"}')
        async with asyncio.timeout(deadline_s):
            return await self._settling

    async def _live_once(self) -> int:
        """Be connected once; return the close code, 1006 where there was none."""
        self._retry_after_ms = None
        url = f"{self._urls[self.at]}/ws/"
        try:
            self._socket = await open_socket(url, token=self._token, deadline_s=CONNECT_S)
        except (OSError, TimeoutError, WebSocketException) as error:
            self.counts[f"not connected: {type(error).__name__}"] += 1
            return 1006
        self.counts["connects"] += 1
        self.heard_at = time.monotonic()
        try:
            await self._subscribe()
            async for text in self._socket:
                assert isinstance(text, str)
                self.heard_at = time.monotonic()
                frame = read(text)
                if isinstance(frame, Event):
                    self._hear(frame)
                else:
                    await self._heed(frame)
        except ConnectionClosed:
            pass
        finally:
            if self.is_live:
                self._lost_at = time.monotonic()
            self.is_live = False
        code = self._socket.close_code or 1006
        self.codes[code] += 1
        self._socket = None
        return code

    # --- the protocol -----------------------------------------------------------------------

    async def _subscribe(self) -> None:
        rooms: list[dict[str, Any]] = []
        for room in self._rooms:
            record = self.records.get(room)
            at = record and {"epoch": record.position.epoch, "seq": record.position.seq}
            rooms.append({"room": room, **(at or {})})
        self._subscribing = next(self._numbers)
        await self._send(action="subscribe", request_id=self._subscribing, rooms=rooms)

    async def _repair(self) -> None:
        with suppress(ConnectionClosed):
            await self._subscribe()

    async def _send(self, **members: Any) -> None:
        assert self._socket is not None
        await self._socket.send(json.dumps(members))

    def _hear(self, event: Event) -> None:
        """A live event: it must be the next one."""
        record = self.records[event.room]
        position = record.position
        self.counts["deliveries"] += 1
        self._phases.note_delivery(event.written_at)
        if event.epoch != position.epoch:
            self.counts["of another epoch"] += 1
        elif event.seq <= position.seq:
            self.counts["doubled"] += 1
        elif event.seq > position.seq + 1:
            self.counts["out of order"] += 1
            # As a client has to: what is missing is in the log. What comes meanwhile is counted
            # against the server once more, since it follows from the same hole; nobody minds.
            if not self._subscribing:
                self._repairing = asyncio.create_task(self._repair())
        else:
            record.apply(event)

    async def _heed(self, frame: dict[str, Any]) -> None:
        if frame.get("request_id") == "settle":
            if self._settling is not None and not self._settling.done():
                self._settling.set_result(frame["result"]["heads"])
        elif "error" in frame:
            await self._ask_again(frame["error"])
        elif frame.get("action") == "subscribe":
            self._resume(frame["result"]["rooms"])
        elif frame.get("type") == "hello":
            self._failures = 0
            self.silence_max_s = 2 * frame["heartbeat_ms"] / 1000
        elif frame.get("type") == "heartbeat":
            await self._send(action="ping")
            if any(self.records[room].position.seq < seq for room, seq in frame["heads"].items()):
                self.counts["behind at a heartbeat"] += 1
        elif frame.get("type") == "disconnect":
            self._retry_after_ms = frame["retry_after_ms"]
        elif frame.get("type") in ("gap", "unsubscribed"):
            self.faults.append(f"{frame}")

    async def _ask_again(self, error: dict[str, Any]) -> None:
        """The subscribe was refused; without the database it has to be."""
        self.counts[f"subscribe refused: {error['code']}"] += 1
        if error["code"] not in ("unavailable", "rate_limited"):
            self.faults.append(f"subscribe refused: {error}")
        await asyncio.sleep(error.get("retry_after_ms", 1000) / 1000)
        await self._subscribe()

    def _resume(self, rooms: list[dict[str, Any]]) -> None:
        self._subscribing = 0
        self.is_live = True
        if self._lost_at is not None:
            self._phases.now.returns_s.append(time.monotonic() - self._lost_at)
            self._lost_at = None
        missing = 0
        for room in rooms:
            head = Position(room["epoch"], room["seq"])
            record = self.records.get(room["room"])
            if record is None:
                self.records[room["room"]] = Record(head)
                continue
            missing += head.seq - record.position.seq
            if room["recovered"] is True:
                self._replay(record, head, room["events"])
                continue
            reason = room.get("reason")
            self.counts[f"not recovered: {reason}"] += 1
            if reason != "too_many" or missing < MANY:
                self.faults.append(f"not recovered: {reason}, of {missing} events")
            record.await_page(head)
            self._fetching = asyncio.create_task(self._fetch(room["room"], record))

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

    async def _fetch(self, room: str, record: Record) -> None:
        """Fetch all of a room's posts, for as long as it takes, and go on from there."""
        while not record.is_whole:
            url = random.choice(self._urls)
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
