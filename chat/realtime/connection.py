"""One socket: handshake, requests in, frames out.

A plain ASGI application rather than a Channels consumer: a consumer costs a channel and two
tasks per socket, and here the hub is the only one that listens to the layer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, cast

from django.conf import settings

from chat.errors import AppError, Forbidden, Invalid, RateLimited, Unavailable
from chat.realtime.close_codes import CloseCode
from chat.realtime.database import DatabaseFailure
from chat.realtime.envelope import QUIET, Frame, message
from chat.realtime.identity import Identity
from chat.realtime.limits import TokenBucket
from chat.realtime.outbox import Entry, Outbox, Text
from chat.realtime.router import (
    ANSWERED,
    Action,
    Request,
    Unacceptable,
    parse,
    request_id_of,
    router,
)
from chat.realtime.server import Server

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# Seconds that a peer gets for reading what is left and answering the close.
CLOSE_TIMEOUT_S = 5.0
# Refused requests in a row before a socket that goes on regardless is closed.
REFUSALS_MAX = 200
# Streams that one connection may have under way.
STREAMS_MAX = 8


class Connection:
    """A live socket of one person, program or reader. Its `user_id` and so on are public."""

    def __init__(
        self, server: Server, scope: dict[str, Any], send: Send, identity: Identity, dialect: str
    ) -> None:
        self.server = server
        self.hub = server.hub
        self.id = server.new_connection_id()
        self.identity = identity
        self.user_id = identity.user_id
        self.session_name = identity.session_name
        self.session_key = identity.session_key
        self.session_ends_at = identity.session_ends_at
        self.key_id = identity.key.pk if identity.key else ""
        self.rights_number = identity.rights_number
        self.dialect = dialect
        # The room of the socket's address, for `newchat`.
        self.address_room: str = scope.get("url_route", {}).get("kwargs", {}).get("slug", "")
        # Rooms subscribed to, by slug.
        self.rooms: dict[str, int] = {}
        self.outbox = Outbox(dialect, self._overflow)
        self.heard_at = self.beat_at = server.now()
        self._can_abort = "picturegram.abort" in scope.get("extensions", {})
        self._send = send
        self._bucket = TokenBucket(settings.REQUESTS_PER_SECOND, settings.REQUESTS_BURST)
        self._refusal_count = 0
        self._streams: set[asyncio.Task[None]] = set()
        self._close_code: CloseCode | None = None
        self._abort_timer: asyncio.TimerHandle | None = None
        self._aborting: asyncio.Task[None] | None = None

    @property
    def is_quiet(self) -> bool:
        return self.dialect == QUIET

    @property
    def is_closing(self) -> bool:
        return self._close_code is not None

    # --- being served -----------------------------------------------------------------------

    async def serve(self, receive: Receive) -> None:
        """Read requests until the peer goes. Cancelling is safe: everything is let go."""
        writer = asyncio.create_task(self._write())
        try:
            while True:
                event = await receive()
                if event["type"] == "websocket.disconnect":
                    return
                if event["type"] == "websocket.receive" and not self.is_closing:
                    self.heard_at = self.server.now()
                    await self._hear(event)
        finally:
            self.detach()
            writer.cancel()
            if self._abort_timer is not None:
                self._abort_timer.cancel()
            for stream in self._streams:
                stream.cancel()

    async def _write(self) -> None:
        """Empty the outbox; when it is finished, close, and abort a peer that is stuck."""
        try:
            await self.outbox.run(self._write_text)
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                code = self._close_code or CloseCode.NORMAL
                await self._send(
                    {"type": "websocket.close", "code": int(code), "reason": code.reason}
                )
        except TimeoutError:
            await self._abort()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # The server's errors for a peer that is gone are its own.
            logger.debug("Connection %s cannot be written to: %r", self.id, error)

    async def _write_text(self, text: str) -> None:
        await self._send({"type": "websocket.send", "text": text})

    async def _abort(self) -> None:
        if self._can_abort:
            await self._send({"type": "picturegram.abort"})

    def detach(self) -> None:
        """Leave every room and index: nothing more is delivered."""
        for room_id in self.rooms.values():
            self.hub.unsubscribe(self, room_id)
        self.rooms.clear()
        self.hub.sockets.discard(self)

    def close(
        self,
        code: CloseCode,
        *,
        retry_after_ms: int | None = None,
        first: Iterable[Entry] = (),
    ) -> None:
        """End the connection. What waits is thrown away; v1 is told why and whether to return.

        `first` goes out before that.
        """
        if self.is_closing:
            return
        self._close_code = code
        self.detach()
        last = list(first)
        if not self.is_quiet:
            members = farewell(code, retry_after_ms=retry_after_ms)
            last.append(Text(message(members, self.dialect)))
        self.outbox.finish(*last)
        loop = asyncio.get_running_loop()
        self._abort_timer = loop.call_later(CLOSE_TIMEOUT_S, self._give_up)

    def _give_up(self) -> None:
        """Abort a peer that has neither read its last frames nor answered the close."""
        self._aborting = asyncio.create_task(self._abort())

    def _overflow(self) -> None:
        logger.info("Connection %s reads too slowly.", self.id)
        self.close(CloseCode.SLOW_READER)

    def revoke(self) -> None:
        self.close(CloseCode.SIGNED_OUT)

    def drain(self, retry_after_ms: int) -> None:
        self.close(CloseCode.DRAINING, retry_after_ms=retry_after_ms)

    # --- being a subscriber -----------------------------------------------------------------

    def deliver(self, frame: Frame) -> None:
        self.outbox.put(frame)

    def tell_gap(self, room: str, epoch: str, seq: int, reason: str) -> None:
        self.tell({"type": "gap", "room": room, "epoch": epoch, "seq": seq, "reason": reason})

    def lose_room(self, room: str, reason: str) -> None:
        self.rooms.pop(room, None)
        self.tell({"type": "unsubscribed", "room": room, "reason": reason})

    def heads(self) -> dict[str, int]:
        """Up to where each room's events have been put into this socket."""
        found = {slug: self.hub.position(self, room_id) for slug, room_id in self.rooms.items()}
        return {slug: seq for slug, seq in found.items() if seq is not None}

    def beat(self) -> None:
        """Send a heartbeat; volatile, since the next one says the same."""
        members = {"type": "heartbeat", "heads": self.heads()}
        self.outbox.put(Text(message(members, self.dialect), is_volatile=True))

    # --- telling ----------------------------------------------------------------------------

    def tell(self, members: dict[str, Any]) -> None:
        self.outbox.put(Text(message(members, self.dialect)))

    def greeting(self, hello: dict[str, Any]) -> list[Text]:
        """The first frame; quiet sockets get none."""
        return [] if self.is_quiet else [Text(message(hello, self.dialect))]

    def greet(self, hello: dict[str, Any]) -> None:
        for text in self.greeting(hello):
            self.outbox.put(text)

    def reply(self, request: Request, result: object) -> None:
        """Answer with a success; quiet sockets get it only when they asked to."""
        if self.is_quiet and request.request_id is None:
            return
        members = {**reply_members(request), "result": result}
        self.outbox.put(Text(message(members, self.dialect, content=result)))

    def refuse(self, error: AppError, request_id: str | int | None = None) -> None:
        self.outbox.put(self.refusal(error, request_id))

    def refusal(self, error: AppError, request_id: str | int | None = None) -> Text:
        """The answer that refuses a request, or the connection's address."""
        members: dict[str, Any] = {} if request_id is None else {"request_id": request_id}
        body = error.as_dict()
        members |= {"ok": False, "error": body}
        return Text(message(members, self.dialect, content=body))

    # --- requests ---------------------------------------------------------------------------

    async def _hear(self, event: dict[str, Any]) -> None:
        text = event.get("text")
        if text is None:
            self.close(CloseCode.UNSUPPORTED_DATA)
            return
        if len(text) > settings.MESSAGE_BYTES_MAX or (
            len(text) * 4 > settings.MESSAGE_BYTES_MAX
            and len(text.encode()) > settings.MESSAGE_BYTES_MAX
        ):
            self.close(CloseCode.TOO_BIG)
            return
        request_id: str | int | None = None
        try:
            refusal = self._spend_token()
            received = parse(text)
            if received is not None:
                request_id = request_id_of(received)
            if refusal is not None:
                raise refusal
            await self._dispatch(received, request_id)
        except Unacceptable as error:
            self.refuse(error, error.request_id)
        except AppError as error:
            self.refuse(error, request_id)
        except DatabaseFailure as error:
            logger.warning("A request found no database: %s", error)
            self.refuse(Unavailable(retry_after_ms=1000), request_id)
        except Exception:
            logger.exception("A request failed on connection %s.", self.id)
            self.refuse(AppError(), request_id)

    def _spend_token(self) -> RateLimited | None:
        wait_ms = self._bucket.take()
        if not wait_ms:
            self._refusal_count = 0
            return None
        self._refusal_count += 1
        if self._refusal_count > REFUSALS_MAX:
            self.close(CloseCode.RATE_LIMITED, retry_after_ms=5000)
        return RateLimited(retry_after_ms=wait_ms)

    async def _dispatch(
        self, received: dict[str, Any] | None, request_id: str | int | None
    ) -> None:
        if received is None:
            router.find(None)
            return
        if "action" not in received and received.get("type") == "newchat":
            received = self._as_create(received)
        action = router.find(received.get("action"))
        if action.scope and not self.identity.allows(action.scope):
            raise Forbidden(f"This key lacks the scope {action.scope}.")
        body = action.parse(received)
        request = Request(self, action.name, request_id)
        if action.is_stream:
            self._start_stream(request, action, body)
            return
        result = await cast(Awaitable[Any], action.handler(request, body))
        if result is not ANSWERED:
            self.reply(request, result)

    def _as_create(self, received: dict[str, Any]) -> dict[str, Any]:
        """Read `{"type": "newchat", "message"}` as a post by the session's user."""
        if not isinstance(received.get("message"), str):
            raise Invalid(fields={"message": "Must be text."})
        room = received.get("room") or self.address_room or settings.LOBBY_SLUG
        create = {"action": "post.create", "room": room, "text": received.get("message")}
        if "client_id" in received:
            create["client_id"] = received["client_id"]
        return create

    def _start_stream(self, request: Request, action: Action, body: Any) -> None:
        if request.request_id is None:
            raise Invalid(fields={"request_id": "A streamed answer needs one."})
        if len(self._streams) >= STREAMS_MAX:
            raise RateLimited("Too many streams at once.", retry_after_ms=1000)
        items = cast(AsyncIterator[Any], action.handler(request, body))
        task = asyncio.create_task(self._stream(request, items))
        self._streams.add(task)
        task.add_done_callback(self._streams.discard)

    async def _stream(self, request: Request, items: AsyncIterator[Any]) -> None:
        count = 0
        try:
            async for item in items:
                members = {"request_id": request.request_id, "result": item}
                self.outbox.put(Text(message(members, self.dialect, content=item)))
                count += 1
                while len(self.outbox) > settings.OUTBOX_MESSAGES_MAX // 2:
                    await asyncio.sleep(0.01)  # The writer catches up with a long answer.
            self.tell({"request_id": request.request_id, "done": True, "count": count})
        except AppError as error:
            self.refuse(error, request.request_id)
        except DatabaseFailure:
            self.refuse(Unavailable(retry_after_ms=1000), request.request_id)
        except asyncio.CancelledError:
            raise
        except Exception:
            logger.exception("A stream failed on connection %s.", self.id)
            self.refuse(AppError(), request.request_id)


def farewell(code: CloseCode, *, retry_after_ms: int | None) -> dict[str, Any]:
    """The `disconnect` frame before a close."""
    return {
        "type": "disconnect",
        "code": int(code),
        "reason": code.reason,
        "reconnect": code.is_resumable,
        "retry_after_ms": retry_after_ms,
    }


def reply_members(request: Request) -> dict[str, Any]:
    """The members of a successful reply but its result."""
    members: dict[str, Any] = {}
    if request.request_id is not None:
        members["request_id"] = request.request_id
    return {**members, "action": request.action, "ok": True}
