"""One socket: handshake, requests in, frames out.

A plain ASGI application rather than a Channels consumer: a consumer costs a channel and two
tasks per socket, and here the hub is the only one that listens to the layer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from chat.errors import AppError
from chat.realtime.close_codes import CloseCode, is_resumable
from chat.realtime.dialog import Dialog
from chat.realtime.envelope import QUIET, Wire, message
from chat.realtime.identity import Identity
from chat.realtime.outbox import Entry, Outbox, Text
from chat.realtime.peer import Peer
from chat.realtime.router import Request
from chat.realtime.server import Server

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# Seconds that a peer gets for reading what is left and answering the close.
CLOSE_TIMEOUT_S = 5.0
# Frames that may wait before the writer gets its turn between two requests.
ANSWERS_MAX = 32
# The code of a connection that ended without a close frame (RFC 6455, section 7.1.5).
ABNORMAL = 1006


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
        self.peer = Peer.of(scope)
        self.connected_at = timezone.now()
        # The room of the socket's address, for `newchat`.
        self.address_room: str = scope.get("url_route", {}).get("kwargs", {}).get("slug", "")
        # Rooms subscribed to, by slug.
        self.rooms: dict[str, int] = {}
        self.outbox = Outbox(dialect, self._overflow)
        self.heard_at = self.beat_at = server.now()
        self._can_abort = "picturegram.abort" in scope.get("extensions", {})
        # Events that wait behind the first answer; None when none is waited for.
        self._held: list[Entry] | None = None
        # How it ended: as told by the peer, or as we told it.
        self.ended: tuple[int, str] = (ABNORMAL, "")
        self.dialog = Dialog(self)
        self._send = send
        self._close_code: int | None = None
        self._close_reason = ""
        self._abort_timer: asyncio.TimerHandle | None = None
        self._aborting: asyncio.Task[None] | None = None

    @property
    def is_quiet(self) -> bool:
        return self.dialect == QUIET

    @property
    def is_closing(self) -> bool:
        return self._close_code is not None

    @property
    def last_active_at(self) -> datetime:
        """When the peer was last heard; protocol pings don't count."""
        ago = timedelta(seconds=self.server.now() - self.heard_at)
        return max(self.connected_at, timezone.now() - ago)  # two clocks, a microsecond apart

    # --- being served -----------------------------------------------------------------------

    async def serve(self, receive: Receive) -> None:
        """Read requests until the peer goes. Cancelling is safe: everything is let go."""
        writer = asyncio.create_task(self._write())
        try:
            while True:
                event = await receive()
                if event["type"] == "websocket.disconnect":
                    self._note_end(event)
                    return
                if event["type"] == "websocket.receive" and not self.is_closing:
                    self.heard_at = self.server.now()
                    await self.dialog.hear(event)
                    if len(self.outbox) > ANSWERS_MAX:
                        await self._let_out(writer)
        finally:
            self.detach()
            writer.cancel()
            if self._abort_timer is not None:
                self._abort_timer.cancel()
            self.dialog.end()

    async def _let_out(self, writer: asyncio.Task[None]) -> None:
        """Take no further request while many answers wait: who asks fast has to read as fast."""
        await asyncio.sleep(0)
        while len(self.outbox) > settings.OUTBOX_MESSAGES_MAX // 2 and not writer.done():
            await asyncio.sleep(0.01)

    def _note_end(self, event: dict[str, Any]) -> None:
        if self._close_code is None:
            self.ended = (event.get("code") or ABNORMAL, event.get("reason") or "")

    async def _write(self) -> None:
        """Empty the outbox; when it is finished, close, and abort a peer that is stuck."""
        try:
            await self.outbox.run(self._write_wire)
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                code = self._close_code or CloseCode.NORMAL
                await self._send(
                    {"type": "websocket.close", "code": int(code), "reason": self._close_reason}
                )
        except TimeoutError:
            await self._abort()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # The server's errors for a peer that is gone are its own.
            logger.debug("Connection %s cannot be written to: %r", self.id, error)

    async def _write_wire(self, wire: Wire) -> None:
        form = "bytes" if isinstance(wire, bytes) else "text"
        await self._send({"type": "websocket.send", form: wire})

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
        code: CloseCode | int,
        *,
        reason: str = "",
        retry_after_ms: int | None = None,
        first: Iterable[Entry] = (),
    ) -> None:
        """End the connection. What waits is thrown away; v1 is told why and whether to return.

        `first` goes out before that. The reason is the code's own word unless one is given.
        """
        if self.is_closing:
            return
        self._close_code = code
        self._close_reason = reason or (code.reason if isinstance(code, CloseCode) else "")
        self.ended = (int(code), self._close_reason)
        self.detach()
        self.server.changed(self)
        last = list(first)
        if not self.is_quiet:
            members = farewell(code, reason=self._close_reason, retry_after_ms=retry_after_ms)
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

    def deliver(self, entry: Entry) -> None:
        """Send an event, unless a plain client waits for its first answer: then behind that."""
        if self._held is None:
            self.outbox.put(entry)
            return
        self._held.append(entry)
        if len(self._held) > settings.OUTBOX_MESSAGES_MAX:
            self.release()

    def hold(self) -> None:
        """Keep events back: plain clients may take the first message for their answer."""
        if self._held is None:
            self._held = []

    def release(self) -> None:
        """Let out what was kept back."""
        held, self._held = self._held, None
        for entry in held or ():
            self.outbox.put(entry)

    def tell_event(self, members: dict[str, Any]) -> None:
        """Tell something of a subscription, in its place among the events."""
        self.deliver(Text(message(members, self.dialect)))

    def tell_gap(self, room: str, epoch: str, seq: int, reason: str) -> None:
        self.tell_event({"type": "gap", "room": room, "epoch": epoch, "seq": seq, "reason": reason})

    def lose_room(self, room: str, reason: str) -> None:
        self.rooms.pop(room, None)
        self.server.changed(self)
        self.tell_event({"type": "unsubscribed", "room": room, "reason": reason})

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

    def push(self, wire: Wire) -> None:
        """Send a message from outside as it is, text or binary, whatever the dialect."""
        self.outbox.put(Text(wire))

    def put_item(self, request_id: str | int, item: object) -> None:
        """Send one item of a stream."""
        members = {"request_id": request_id, "result": item}
        self.outbox.put(Text(message(members, self.dialect, content=item)))

    def reply(self, request: Request, result: object, **extra: object) -> None:
        """Answer with a success; quiet sockets get it only when they asked to."""
        if self.is_quiet and request.request_id is None:
            return
        members = {**reply_members(request), **extra, "result": result}
        self.outbox.put(Text(message(members, self.dialect, content=result)))

    def refuse(self, error: AppError, request_id: str | int | None = None) -> None:
        self.outbox.put(self.refusal(error, request_id))

    def refusal(self, error: AppError, request_id: str | int | None = None) -> Text:
        """The answer that refuses a request, or the connection's address."""
        members: dict[str, Any] = {} if request_id is None else {"request_id": request_id}
        body = error.as_dict()
        members |= {"ok": False, "error": body}
        return Text(message(members, self.dialect, content=body))


def farewell(
    code: CloseCode | int, *, reason: str = "", retry_after_ms: int | None
) -> dict[str, Any]:
    """The `disconnect` frame before a close."""
    return {
        "type": "disconnect",
        "code": int(code),
        "reason": reason or (code.reason if isinstance(code, CloseCode) else ""),
        "reconnect": is_resumable(code),
        "retry_after_ms": retry_after_ms,
    }


def reply_members(request: Request) -> dict[str, Any]:
    """The members of a successful reply but its result."""
    members: dict[str, Any] = {}
    if request.request_id is not None:
        members["request_id"] = request.request_id
    return {**members, "action": request.action, "ok": True}
