"""A client of the socket, as docs/protocol.md describes one, for tests: every wait has a deadline.

It keeps positions, answers heartbeats, and notes in `faults` whatever the server promised not to
do: an event twice on a live socket, or one out of order.
"""

import asyncio
import itertools
import json
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

T = TypeVar("T")
V1 = "picturegram.v1.json"
DEADLINE_S = 10.0
# Protocol, section 12: seconds of full jitter, by failures in a row.
JITTER_S, JITTER_MAX_S = 1.0, 20.0
# Standard codes after which the same would be refused again.
FINAL = (1003, 1007, 1008)


@dataclass(frozen=True, slots=True)
class Position:
    """The last event of a room that a client has handled."""

    epoch: str
    seq: int


class Refused(Exception):
    """The server answered a request with an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.error = error
        self.code: str = error["code"]


class Closed(Exception):
    """The socket has ended; what was under way on it has an unknown outcome."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code = code


async def open_socket(
    url: str,
    *,
    token: str = "",
    headers: dict[str, str] | None = None,
    subprotocols: Sequence[str] = (V1,),
    deadline_s: float = DEADLINE_S,
    **options: Any,
) -> ClientConnection:
    """Connect. Raises what `websockets` raises for a refusal, and OSError or TimeoutError."""
    given = dict(headers or {})
    if token:
        given["Authorization"] = f"Bearer {token}"
    return await connect(
        url,
        subprotocols=[Subprotocol(name) for name in subprotocols] or None,
        additional_headers=given,
        # Neither of the two is ours: the server's own heartbeat has to do.
        compression=None,
        ping_interval=None,
        open_timeout=deadline_s,
        proxy=None,
        max_size=None,
        **options,
    )


def pause_before_return(code: int, retry_after_ms: int | None, failures: int) -> float | None:
    """Seconds to wait before coming back after a close, or None for staying away."""
    if 4000 <= code < 4100 or code in FINAL:
        return None
    if retry_after_ms is not None:
        return retry_after_ms / 1000
    jitter = random.uniform(0, min(JITTER_MAX_S, JITTER_S * 2**failures))
    return max(1.0, jitter) if 4100 <= code < 4200 or code == 1013 else jitter


class Client:
    """One socket, from `connect` to `close`; also an async context manager."""

    def __init__(self, socket: ClientConnection, positions: dict[str, Position]) -> None:
        self.socket = socket
        self.positions = positions
        # Frames that came unasked, but events and heartbeats: hello, gap, unsubscribed, disconnect.
        self.notices: list[dict[str, Any]] = []
        # Events in the order in which they were handled, replayed ones included.
        self.events: list[dict[str, Any]] = []
        self.faults: list[str] = []
        # Set when the socket has ended.
        self.close_code: int | None = None
        self._taken = 0
        self._numbers = itertools.count(1)
        self._answers: dict[int, dict[str, Any]] = {}
        self._items: dict[int, list[Any]] = {}
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def connect(
        cls, url: str, *, positions: dict[str, Position] | None = None, **options: Any
    ) -> Self:
        """Connect and wait for `hello`; options are those of `open_socket`."""
        client = cls(await open_socket(url, **options), dict(positions or {}))
        if client.socket.subprotocol == V1:
            await client.notice("hello")
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self.socket.close()
        await self._reading

    # --- asking -----------------------------------------------------------------------------

    async def request(self, action: str, *, deadline_s: float = DEADLINE_S, **body: Any) -> Any:
        """Return the result. Raises Refused; Closed and TimeoutError when there is no answer."""
        number = await self._send(action, body)
        answer = await self.until(
            lambda: self._answers.pop(number, None), deadline_s, f"an answer to {action}"
        )
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    async def stream(
        self, action: str, *, deadline_s: float = DEADLINE_S, **body: Any
    ) -> list[Any]:
        """Return all items of a streamed answer."""
        number = await self._send(action, body)
        end = await self.until(
            lambda: self._answers.pop(number, None), deadline_s, f"the end of {action}"
        )
        items = self._items.pop(number, [])
        if "error" in end:
            raise Refused(end["error"])
        assert end["count"] == len(items)
        return items

    async def subscribe(self, *rooms: str, deadline_s: float = DEADLINE_S) -> list[dict[str, Any]]:
        """Subscribe, from our position where there is one; return the result's rooms."""
        asked: list[dict[str, Any]] = []
        for room in rooms:
            position = self.positions.get(room)
            at = {} if position is None else {"epoch": position.epoch, "seq": position.seq}
            asked.append({"room": room, **at})
        result = await self.request("subscribe", rooms=asked, deadline_s=deadline_s)
        found: list[dict[str, Any]] = result["rooms"]
        return found

    async def post(self, room: str, text: str, **body: Any) -> dict[str, Any]:
        created: dict[str, Any] = await self.request("post.create", room=room, text=text, **body)
        return created

    # --- waiting ----------------------------------------------------------------------------

    async def event(self, *, deadline_s: float = DEADLINE_S, **wanted: Any) -> dict[str, Any]:
        """Return the next event that has these members; those before it count as taken."""

        def find() -> dict[str, Any] | None:
            while self._taken < len(self.events):
                event = self.events[self._taken]
                self._taken += 1
                if wanted.items() <= event.items():
                    return event
            return None

        return await self.until(find, deadline_s, f"an event {wanted}")

    async def notice(self, type: str, *, deadline_s: float = DEADLINE_S) -> dict[str, Any]:
        """Return the first notice of a type, whether it has come or will come."""

        def find() -> dict[str, Any] | None:
            return next((each for each in self.notices if each["type"] == type), None)

        return await self.until(find, deadline_s, f"a {type}")

    async def closed(self, *, deadline_s: float = DEADLINE_S) -> int:
        """Return the close code when the socket has ended; 1006 without a close frame."""
        async with asyncio.timeout(deadline_s):
            await self._reading
        assert self.close_code is not None
        return self.close_code

    async def until(
        self, find: Callable[[], T | None], deadline_s: float = DEADLINE_S, what: str = "it"
    ) -> T:
        """Return what `find` gives, asked again after each frame. Raises Closed, TimeoutError."""
        try:
            async with asyncio.timeout(deadline_s):
                while (found := find()) is None:
                    if self.close_code is not None:
                        raise Closed(self.close_code, self.socket.close_reason or "")
                    self._news.clear()
                    await self._news.wait()
                return found
        except TimeoutError:
            raise TimeoutError(f"{what} did not come within {deadline_s} s") from None

    # --- hearing ----------------------------------------------------------------------------

    async def _send(self, action: str, body: dict[str, Any]) -> int:
        number = next(self._numbers)
        try:
            await self.socket.send(json.dumps({"action": action, "request_id": number, **body}))
        except ConnectionClosed as error:
            raise Closed(self.socket.close_code or 1006) from error
        return number

    async def _answer_heartbeat(self) -> None:
        with suppress(ConnectionClosed):
            await self.socket.send('{"action": "ping"}')

    async def _read(self) -> None:
        try:
            async for text in self.socket:
                self._take(json.loads(text))
                self._news.set()
        except ConnectionClosed:
            pass
        finally:
            self.close_code = self.socket.close_code or 1006
            self._news.set()

    def _take(self, frame: dict[str, Any]) -> None:
        number = frame.get("request_id")
        if "error" in frame or "ok" in frame or "done" in frame:
            if frame.get("action") == "subscribe" and frame["ok"]:
                self._resume(frame["result"].get("rooms", []))
            if number is None:
                self.notices.append({"type": "answer", **frame})
            else:
                self._answers[number] = frame
        elif "result" in frame:
            self._items.setdefault(frame["request_id"], []).append(frame["result"])
        elif frame["type"] == "heartbeat":
            self._answering = asyncio.create_task(self._answer_heartbeat())
        elif "seq" in frame and "data" in frame:
            self._apply(frame)
        else:
            self._heed(frame)

    def _heed(self, frame: dict[str, Any]) -> None:
        self.notices.append(frame)
        if frame["type"] == "hello":
            for room in frame.get("rooms", ()):
                head = Position(room["epoch"], room["seq"])
                self.positions.setdefault(room["room"], head)
        elif frame["type"] == "gap":
            self.positions[frame["room"]] = Position(frame["epoch"], frame["seq"])
        elif frame["type"] == "unsubscribed":
            self.positions.pop(frame["room"], None)

    def _resume(self, rooms: list[dict[str, Any]]) -> None:
        for room in rooms:
            for event in room["events"]:
                # A repeated subscribe may replay what came already.
                if event["seq"] > self.positions[room["room"]].seq:
                    self._apply(event)
            self.positions[room["room"]] = Position(room["epoch"], room["seq"])

    def _apply(self, event: dict[str, Any]) -> None:
        room, seq = event["room"], event["seq"]
        position = self.positions.get(room)
        if position is None or event["epoch"] != position.epoch or seq != position.seq + 1:
            self.faults.append(f"{event['type']} {seq} came to {room} at {position}")
        self.positions[room] = Position(event["epoch"], seq)
        self.events.append(event)
