"""A client of the socket inside the server's process: no network, every wait with a deadline."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import msgspec
from asgiref.typing import ASGI3Application

V1 = "picturegram.v1.json"
PACKED = "picturegram.v1.msgpack"
HOST = "localhost"
ORIGIN = f"http://{HOST}"
DEADLINE_S = 10.0

Frame = dict[str, Any]


class Refused(Exception):
    """The handshake was refused."""


class Closed(Exception):
    """The server closed the socket."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


def scope_of(
    kind: str,
    path: str,
    *,
    cookie: str = "",
    token: str = "",
    origin: str | None = ORIGIN,
    headers: Iterable[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Return the ASGI scope of a request or a handshake as a server makes it."""
    url = urlsplit(path)
    found = [("host", HOST), *headers]
    if origin is not None:
        found.append(("origin", origin))
    if cookie:
        found.append(("cookie", f"sessionid={cookie}"))
    if token:
        found.append(("authorization", f"Bearer {token}"))
    return {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws" if kind == "websocket" else "http",
        "path": url.path,
        "raw_path": url.path.encode(),
        "root_path": "",
        "query_string": url.query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in found],
        "client": ("127.0.0.1", 50000),
        "server": (HOST, 80),
        "extensions": {},
    }


class Socket:
    """One socket. `reading` is an event: while it is clear, the client takes nothing."""

    def __init__(
        self,
        application: ASGI3Application,
        path: str = "/ws/",
        *,
        subprotocols: Iterable[str] = (V1,),
        **who: Any,
    ) -> None:
        self.scope = scope_of("websocket", path, **who)
        self.scope["subprotocols"] = list(subprotocols)
        self.scope["extensions"] = {"picturegram.abort": {}}
        self.subprotocol: str | None = None
        self.hello: Frame = {}
        # Frames that came while the answer to a request was waited for.
        self.aside: list[Frame] = []
        self.is_aborted = False
        self.reading = asyncio.Event()
        self.reading.set()
        self._application = application
        self._numbers = itertools.count(1)
        self._to_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def connect(self) -> Socket:
        """Shake hands; in v1, also take `hello`. Raises Refused."""
        application: Any = self._application
        self._task = contextvars.Context().run(
            asyncio.create_task, application(self.scope, self._to_server.get, self._take)
        )
        await self._to_server.put({"type": "websocket.connect"})
        answer = await self._next()
        if answer["type"] == "websocket.close":
            raise Refused(str(answer))
        self.subprotocol = answer["subprotocol"]
        if self.subprotocol in (V1, PACKED):
            self.hello = await self.frame()
        return self

    async def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "picturegram.abort":
            self.is_aborted = True
            await self._to_server.put({"type": "websocket.disconnect", "code": 1006})
            return
        if message["type"] == "websocket.close":
            # A server answers the application once the peer has answered the close.
            await self.reading.wait()
            await self._to_server.put({"type": "websocket.disconnect", "code": message["code"]})
        else:
            await self.reading.wait()
        await self._from_server.put(message)

    async def _next(self) -> dict[str, Any]:
        waiting = asyncio.ensure_future(self._from_server.get())
        tasks = {waiting, self._task} if self._task else {waiting}
        async with asyncio.timeout(DEADLINE_S):
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not waiting.done():
                    waiting.cancel()
        if not waiting.done() or waiting.cancelled():
            assert self._task is not None
            self._task.result()
            raise AssertionError("The application ended without a word.")
        return waiting.result()

    async def text(self) -> str:
        """Return the next message as it came. Raises Closed."""
        message = await self._next()
        if message["type"] == "websocket.close":
            raise Closed(message["code"])
        assert message.get("bytes") is None, "All frames are text."
        text: str = message["text"]
        return text

    async def binary(self) -> bytes:
        """Return the next message, which must be binary. Raises Closed."""
        message = await self._next()
        if message["type"] == "websocket.close":
            raise Closed(message["code"])
        assert message.get("text") is None, "All frames are binary."
        data: bytes = message["bytes"]
        return data

    async def frame(self) -> Frame:
        """Return the next frame, whatever it is. Raises Closed."""
        frame: Frame
        if self.subprotocol == PACKED:
            frame = msgspec.msgpack.decode(await self.binary())
        else:
            frame = json.loads(await self.text())
        return frame

    async def until(self, is_it: Callable[[Frame], bool]) -> Frame:
        """Return the first frame that is it; those before are put aside."""
        while True:
            frame = await self.frame()
            if is_it(frame):
                return frame
            self.aside.append(frame)

    async def event(self, type: str) -> Frame:
        """Return the next frame of this type."""
        return await self.until(lambda frame: frame.get("type") == type)

    async def send(self, message: object) -> None:
        """Send an object in the socket's dialect, or text and bytes as they are."""
        if self.subprotocol == PACKED and not isinstance(message, str | bytes):
            message = msgspec.msgpack.encode(message)
        if isinstance(message, bytes):
            await self._to_server.put({"type": "websocket.receive", "bytes": message})
            return
        text = message if isinstance(message, str) else json.dumps(message)
        await self._to_server.put({"type": "websocket.receive", "text": text})

    async def ask(self, action: str, **fields: Any) -> Frame:
        """Send a request and return its answer; what comes before it is put aside."""
        request_id = f"r{next(self._numbers)}"
        await self.send({"action": action, "request_id": request_id, **fields})
        return await self.until(lambda frame: frame.get("request_id") == request_id)

    async def result(self, action: str, **fields: Any) -> Any:
        """Send a request that must succeed, and return its result."""
        answer = await self.ask(action, **fields)
        assert answer.get("ok") is True, answer
        return answer["result"]

    async def refusal(self, action: str, **fields: Any) -> Frame:
        """Send a request that must be refused, and return the error."""
        answer = await self.ask(action, **fields)
        assert answer.get("ok") is False, answer
        error: Frame = answer["error"]
        return error

    async def stream(self, action: str, **fields: Any) -> list[Any]:
        """Send a request that is answered with many frames, and return the items."""
        request_id = f"r{next(self._numbers)}"
        await self.send({"action": action, "request_id": request_id, **fields})
        items: list[Any] = []
        while True:
            frame = await self.until(lambda frame: frame.get("request_id") == request_id)
            assert "error" not in frame, frame
            if frame.get("done"):
                assert frame["count"] == len(items)
                return items
            items.append(frame["result"])

    async def so_far(self) -> list[Frame]:
        """Return all that the server had put into this socket until now.

        The answer to a ping comes behind all of it, so nothing has to be slept for.
        """
        await self.ask("ping")
        frames, self.aside = self.aside, []
        return frames

    async def closed(self) -> int:
        """Wait until the server closes, and return the code; frames before are put aside."""
        try:
            await self.until(lambda frame: False)
        except Closed as closed:
            return closed.code
        raise AssertionError("unreachable")

    async def gone(self) -> None:
        """Wait until the application has ended by itself."""
        assert self._task is not None
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait({self._task})
        self._task.result()

    async def leave(self) -> None:
        """Go away like a peer whose connection breaks."""
        if self._task is None:
            return
        self.reading.set()
        await self._to_server.put({"type": "websocket.disconnect", "code": 1006})
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait({self._task})


def seqs(frames: Iterable[Frame], room: str = "garden") -> list[int]:
    """The numbers of a room's events among frames."""
    return [frame["seq"] for frame in frames if "data" in frame and frame.get("room") == room]
