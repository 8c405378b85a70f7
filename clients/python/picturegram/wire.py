"""One WebSocket in the dialect picturegram.v1.json, from its handshake to its end."""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Self, TypeAlias

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from picturegram.ending import ABNORMAL, Ended, Ending
from picturegram.errors import Refused

# One JSON object of the protocol, as docs/protocol.md describes it.
Frame: TypeAlias = dict[str, Any]

DIALECT = Subprotocol("picturegram.v1.json")
USER_AGENT = "picturegram-python/0.1"
# Seconds from the first packet to `hello`.
HELLO_TIMEOUT_S = 10.0
# One heartbeat may be late, two are an answer; seconds of slack on top.
HEARTBEATS_MISSED, SLACK_S = 2, 10.0
# What a server gets for answering a close.
GOODBYE_S = 1.0
# The server sends replays of half a mebibyte by default; an operator may allow more.
MESSAGE_BYTES_MAX = 16 * 1024 * 1024


class Socket:
    """A socket that has been greeted. `read` has to run for anything else to work."""

    def __init__(self, connection: ClientConnection, hello: Frame) -> None:
        self.hello = hello
        self._connection = connection
        self._numbers = itertools.count(1)
        # Called with each frame that answers a request, and with None when no more will come.
        self._answers: dict[int, Callable[[Frame | None], None]] = {}
        self._farewell: Frame = {}
        self._failure: Ending | None = None
        self._is_over = False
        self._pong: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, url: str, token: str | None) -> Self:
        """Connect and wait for `hello`. Raises Ended for whatever goes wrong."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                connection = await connect(
                    url,
                    subprotocols=[DIALECT],
                    additional_headers=headers,
                    user_agent_header=USER_AGENT,
                    # Neither is spoken by the server: it has heartbeats of its own.
                    compression=None,
                    ping_interval=None,
                    open_timeout=None,
                    max_size=MESSAGE_BYTES_MAX,
                )
                try:
                    first = await _first_frame(connection)
                except BaseException:
                    connection.transport.abort()
                    raise
        except InvalidStatus as error:
            raise Ended(_refusal(error)) from error
        except TimeoutError as error:
            raise Ended(Ending(ABNORMAL, "no answer")) from error
        except ConnectionClosed as error:
            raise Ended(_ending(error, {})) from error
        except (OSError, WebSocketException) as error:
            raise Ended(Ending(ABNORMAL, str(error))) from error
        if first.get("type") == "disconnect":
            connection.transport.abort()
            raise Ended(_told(first))
        return cls(connection, first)

    async def request(
        self, action: str, fields: Frame, take: Callable[[Any], None] | None = None
    ) -> Any:
        """Return the result. Raises Refused, and Ended when there is no answer.

        `take` gets the result before any later frame is handled.
        """
        answer: asyncio.Future[Frame | None] = asyncio.get_running_loop().create_future()

        def settle(frame: Frame | None) -> None:
            if frame is not None and frame.get("ok") and take is not None:
                take(frame.get("result"))
            if not answer.done():
                answer.set_result(frame)

        async with self._asking(action, fields, settle):
            frame = await answer
        if frame is None:
            raise Ended(self.ending)
        if "error" in frame:
            raise Refused(frame["error"])
        return frame.get("result")

    async def stream(self, action: str, fields: Frame) -> AsyncGenerator[Any, None]:
        """Yield the items of a streamed answer; leaving early cancels it. Raises as `request`."""
        # The request's own limit bounds what may wait here.
        frames: asyncio.Queue[Frame | None] = asyncio.Queue()
        async with self._asking(action, fields, frames.put_nowait) as number:
            is_under_way = True
            try:
                while True:
                    frame = await frames.get()
                    is_under_way = frame is not None and "result" in frame and "ok" not in frame
                    if frame is None:
                        raise Ended(self.ending)
                    if "error" in frame:
                        raise Refused(frame["error"])
                    if not is_under_way:
                        return
                    yield frame["result"]
            finally:
                if is_under_way:
                    await self._send({"action": "cancel", "request_id": number})

    async def read(self, receive: Callable[[Frame], None]) -> Ending:
        """Hand every frame that answers nothing to `receive`, until the socket ends."""
        heartbeat_s = (self.hello.get("heartbeat_ms") or 25_000) / 1000
        try:
            while True:
                async with asyncio.timeout(HEARTBEATS_MISSED * heartbeat_s + SLACK_S):
                    text = await self._connection.recv()
                self._take(text, receive)
        except TimeoutError:
            self.fail(Ending(ABNORMAL, "silence"))
        except ConnectionClosed as error:
            self._failure = self._failure or _ending(error, self._farewell)
        finally:
            self._is_over = True
            for settle in list(self._answers.values()):
                settle(None)
        return self.ending

    @property
    def ending(self) -> Ending:
        return self._failure or Ending(ABNORMAL)

    def fail(self, ending: Ending) -> None:
        """Give the socket up at once; `read` returns this ending."""
        self._failure = self._failure or ending
        self._connection.transport.abort()

    async def close(self) -> None:
        """Say goodbye, and leave whether or not the server hears it. Cancelling is safe."""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._connection.close()
        finally:
            self._connection.transport.abort()

    # --- frames -----------------------------------------------------------------------------

    @asynccontextmanager
    async def _asking(
        self, action: str, fields: Frame, settle: Callable[[Frame | None], None]
    ) -> AsyncGenerator[int, None]:
        """Send a request whose answers go to `settle` until the block ends; yields its id."""
        number = next(self._numbers)
        if self._is_over:
            raise Ended(self.ending)
        self._answers[number] = settle
        try:
            await self._send({"action": action, "request_id": number, **fields})
            yield number
        finally:
            del self._answers[number]

    async def _send(self, frame: Frame) -> None:
        """Send, waiting while the server reads slowly. A socket that ends is told by `read`."""
        text = json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
        bytes_max = self.hello.get("limits", {}).get("message_bytes_max")
        if bytes_max is not None and len(text.encode()) > bytes_max:
            # The server would close the socket, and again after each attempt.
            message = f"A message has at most {bytes_max} bytes."
            raise Refused({"code": "too_large", "message": message})
        with suppress(ConnectionClosed):
            await self._connection.send(text)

    def _take(self, text: str | bytes, receive: Callable[[Frame], None]) -> None:
        frame = _frame_in(text)
        settle = self._answers.get(frame.get("request_id", 0))
        if settle is not None:
            settle(frame)
        elif frame.get("type") == "heartbeat":
            # In a task: reading goes on even if the server is slow to take it.
            self._pong = asyncio.create_task(self._send({"action": "ping"}))
            receive(frame)
        elif frame.get("type") == "disconnect":
            self._farewell = frame
        elif "type" in frame:
            receive(frame)


def _frame_in(text: str | bytes) -> Frame:
    """Return a frame; an empty one for what is none, which is a sign of life all the same."""
    try:
        frame = json.loads(text)
    except ValueError:
        return {}
    return frame if isinstance(frame, dict) else {}


async def _first_frame(connection: ClientConnection) -> Frame:
    frame = _frame_in(await connection.recv())
    if frame.get("type") not in ("hello", "disconnect"):
        raise WebSocketException("This is no gateway of PictureGram.")
    return frame


def _told(frame: Frame) -> Ending:
    return Ending(frame["code"], frame.get("reason") or "", frame.get("retry_after_ms"))


def _ending(error: ConnectionClosed, farewell: Frame) -> Ending:
    """Return the close code that came, or what was said before a close that came without."""
    code = error.rcvd.code if error.rcvd else ABNORMAL
    if farewell and (code == ABNORMAL or code == farewell["code"]):
        return _told(farewell)
    reason = error.rcvd.reason if error.rcvd else ""
    return Ending(code, farewell.get("reason") or reason, farewell.get("retry_after_ms"))


def _refusal(error: InvalidStatus) -> Ending:
    status = error.response.status_code
    after = error.response.headers.get("Retry-After", "")
    reason = {
        401: "the token was refused",
        403: "the handshake was refused: is the token valid?",
        404: "there is no PictureGram at this address",
    }.get(status, f"the handshake was answered with HTTP {status}")
    return Ending(status, reason, int(after) * 1000 if after.isdecimal() else None)
