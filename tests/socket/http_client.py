"""A client of long-poll and event streams inside the server's process."""

from __future__ import annotations

import asyncio
import contextvars
import json
from dataclasses import dataclass
from typing import Any

from tests.socket.client import DEADLINE_S, scope_of


@dataclass(frozen=True)
class Record:
    """One record of an event stream; `data` is JSON already read, None in a comment."""

    event: str
    id: str
    data: Any
    text: str


class Exchange:
    """One request, and its answer as it comes. `reading` as in a socket."""

    def __init__(self, application: Any, path: str, *, method: str = "GET", **who: Any) -> None:
        self.scope = {**scope_of("http", path, **who), "method": method}
        self.status = 0
        self.headers: dict[str, str] = {}
        self.is_over = False
        self.reading = asyncio.Event()
        self.reading.set()
        self._text = ""
        self._application = application
        self._to_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> Exchange:
        """Send the request."""
        self._to_server.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        self._task = contextvars.Context().run(
            asyncio.create_task,
            self._application(self.scope, self._to_server.get, self._take),
        )
        return self

    async def _take(self, message: dict[str, Any]) -> None:
        await self.reading.wait()
        await self._from_server.put(message)

    async def _next(self) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE_S):
            while self._from_server.empty():
                assert self._task is not None
                if self._task.done():
                    self._task.result()
                    raise AssertionError("The application ended without a word.")
                await asyncio.sleep(0.005)
            return self._from_server.get_nowait()

    async def started(self) -> Exchange:
        """Wait for the status and the headers."""
        message = await self._next()
        self.status = message["status"]
        self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        return self

    async def json(self) -> Any:
        """Wait for the whole answer, which is JSON."""
        await self.started()
        body = b""
        while True:
            message = await self._next()
            body += message["body"]
            if not message.get("more_body"):
                break
        assert int(self.headers["content-length"]) == len(body)
        assert self.headers["content-type"] == "application/json"
        return json.loads(body)

    async def record(self) -> Record | None:
        """Wait for the next record; None when the stream is over."""
        while "\n\n" not in self._text:
            if self.is_over:
                assert not self._text, "a stream ends with a whole record"
                return None
            message = await self._next()
            self._text += message["body"].decode()
            self.is_over = not message.get("more_body")
        text, _, self._text = self._text.partition("\n\n")
        fields = {"event": "", "id": "", "data": "null"}
        for line in text.split("\n"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        return Record(fields["event"], fields["id"], json.loads(fields["data"]), text + "\n\n")

    async def leave(self) -> None:
        """Go away."""
        self.reading.set()
        await self._to_server.put({"type": "http.disconnect"})
        if self._task is not None:
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.wait({self._task})
