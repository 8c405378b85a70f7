"""A socket that follows rooms through everything, as docs/protocol.md section 9 tells clients to.

It keeps its positions, and resumes with them on another process when its own is gone.
"""

import asyncio
import itertools
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.live.client import Position, open_socket, pause_before_return
from tests.scenarios.listener import Listener, Record
from tests.scenarios.phases import Phases
from tests.scenarios.wire import Event, read

CONNECT_S = 10.0


class Follower(Listener):
    """A socket."""

    def __init__(
        self, urls: Sequence[str], token: str, rooms: list[str], phases: Phases, first: int
    ) -> None:
        super().__init__(urls, token, rooms, phases, first)
        self.heard_at = time.monotonic()
        self.silence_max_s = 60.0
        self._socket: ClientConnection | None = None
        self._retry_after_ms: int | None = None
        self._failures = 0
        self._numbers = itertools.count(1)
        self._subscribing = 0
        self._settling: asyncio.Future[dict[str, int]] | None = None
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
        self._phases.note_delivery(event.written_at)
        # As a client has to: what is missing is in the log. What comes meanwhile is counted against
        # the server once more, since it follows from the same hole; nobody minds.
        if not self._take(event) and not self._subscribing:
            self._repairing = asyncio.create_task(self._repair())

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
            self._begin_anew(room["room"], record, head, str(room.get("reason")), missing)
