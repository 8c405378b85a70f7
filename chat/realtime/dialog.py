"""What one connection asks, and how it is answered.

Requests are taken one after another; streams and routes run beside them, a few at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings

from chat.errors import AppError, Forbidden, Invalid, RateLimited, Unavailable
from chat.realtime.close_codes import CloseCode
from chat.realtime.database import DatabaseFailure
from chat.realtime.envelope import MSGPACK, byte_count, encode
from chat.realtime.limits import TokenBucket
from chat.realtime.messages import Unacceptable, parse, request_id_of, unpack
from chat.realtime.router import (
    ANSWERED,
    DEFAULT,
    Action,
    Call,
    Done,
    Reply,
    Request,
    Route,
    Streamed,
    router,
)

if TYPE_CHECKING:
    from chat.realtime.connection import Connection

logger = logging.getLogger(__name__)

# Requests refused beyond those let through, before a socket that goes on regardless is closed. In a
# row they would never be so many: a flood, too, has some let through.
REFUSALS_MAX = 200
# Streams and calls of routes that one connection may have under way.
JOBS_MAX = 8

RequestId = str | int | None


class Dialog:
    """The requests of one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._bucket = bucket_for(connection)
        self._refusal_count = 0
        self._jobs: set[asyncio.Task[None]] = set()
        # Streams by the request that they answer, for `cancel`.
        self._streams: dict[str | int, asyncio.Task[None]] = {}
        self._cancelled: set[str | int] = set()
        self._is_first = True

    def end(self) -> None:
        """Stop answering. Routes under way go on: whoever sends and leaves has sent it."""
        for stream in list(self._streams.values()):
            stream.cancel()

    async def hear(self, event: dict[str, Any]) -> None:
        """Take one message and answer it. Raises nothing but cancellation."""
        if self._is_first and self.connection.is_quiet:
            self.connection.hold()
        self._is_first = False
        await self._hear(event)
        if not self._jobs:
            self.connection.release()

    async def _hear(self, event: dict[str, Any]) -> None:
        connection = self.connection
        text, data = event.get("text"), event.get("bytes")
        is_packed = connection.dialect == MSGPACK
        if (data if is_packed else text) is None:
            connection.close(CloseCode.UNSUPPORTED_DATA)
            return
        if is_too_big(data if is_packed else text):
            connection.close(CloseCode.TOO_BIG)
            return
        request_id: RequestId = None
        try:
            refusal = self._spend_token()
            received = unpack(cast(bytes, data)) if is_packed else parse(cast(str, text))
            if received is not None:
                request_id = request_id_of(received)
            if refusal is not None:
                raise refusal
            await self._dispatch(received, request_id, text)
        except Unacceptable as error:
            connection.refuse(error, error.request_id)
        except AppError as error:
            connection.refuse(error, request_id)
        except DatabaseFailure as error:
            logger.warning("A request found no database: %s", error)
            connection.refuse(Unavailable(retry_after_ms=1000), request_id)
        except Exception:
            logger.exception("A request failed on connection %s.", connection.id)
            connection.refuse(AppError(), request_id)

    def _spend_token(self) -> RateLimited | None:
        wait_ms = self._bucket.take()
        if not wait_ms:
            self._refusal_count = max(0, self._refusal_count - 1)
            return None
        self._refusal_count += 1
        if self._refusal_count > REFUSALS_MAX:
            self.connection.close(CloseCode.RATE_LIMITED, retry_after_ms=5000)
        return RateLimited(retry_after_ms=wait_ms)

    async def _dispatch(
        self, received: dict[str, Any] | None, request_id: RequestId, text: str | None
    ) -> None:
        members = received or {}
        if "action" not in members and members.get("type") == "newchat":
            members = self._as_create(members)
        name = members.get("action")
        action = router.actions.get(name) if isinstance(name, str) else None
        if action is not None:
            await self._act(action, members, request_id)
            return
        found = router.route_for(name)
        if found is None:
            router.find(name, text or "")  # which says what there is
            return
        key, route = found
        if key == DEFAULT and not self.connection.identity.allows("read"):
            raise Forbidden("This key lacks the scope read.")
        body = encode(received) if text is None else text
        self._start(self._answering(route, Call(self.connection, key, body, request_id)))

    async def _act(self, action: Action, members: dict[str, Any], request_id: RequestId) -> None:
        connection = self.connection
        if action.scope and not connection.identity.allows(action.scope):
            raise Forbidden(f"This key lacks the scope {action.scope}.")
        body = action.parse(members)
        request = Request(connection, action.name, request_id)
        if action.is_stream:
            open_stream = cast(Callable[..., AsyncIterator[Any]], action.handler)
            self._start_stream(request, lambda: open_stream(request, body))
            return
        result = await cast(Awaitable[Any], action.handler(request, body))
        if isinstance(result, Streamed):
            self._start_stream(request, lambda: result.items)
        elif isinstance(result, Reply):
            connection.reply(request, result.result, **result.extra)
        elif result is not ANSWERED:
            connection.reply(request, result)

    def _as_create(self, received: dict[str, Any]) -> dict[str, Any]:
        """Read `{"type": "newchat", "message"}` as a post by the session's user."""
        if not isinstance(received.get("message"), str):
            raise Invalid(fields={"message": "Must be text."})
        room = received.get("room") or self.connection.address_room or settings.LOBBY_SLUG
        create = {"action": "post.create", "room": room, "text": received.get("message")}
        if "client_id" in received:
            create["client_id"] = received["client_id"]
        return create

    # --- beside the requests ----------------------------------------------------------------

    def _start(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        if len(self._jobs) >= JOBS_MAX:
            job.close()
            raise RateLimited(f"At most {JOBS_MAX} at once.", retry_after_ms=1000)
        task = asyncio.create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._jobs.discard(task)
        if not self._jobs:
            self.connection.release()

    async def _answering(self, route: Route, call: Call) -> None:
        """Await a route; one that fails is logged and takes nothing down."""
        try:
            await route(call)
        except asyncio.CancelledError:
            raise
        except Exception:
            logger.exception("A route failed on connection %s.", self.connection.id)

    def _start_stream(self, request: Request, open_stream: Callable[[], Any]) -> None:
        request_id = request.request_id
        if request_id is None:
            raise Invalid(fields={"request_id": "A streamed answer needs one."})
        if request_id in self._streams:
            raise Invalid(fields={"request_id": "A stream with it is under way."})
        task = self._start(self._stream(request_id, open_stream()))
        self._streams[request_id] = task
        task.add_done_callback(lambda _: self._forget_stream(request_id))

    def _forget_stream(self, request_id: str | int) -> None:
        del self._streams[request_id]
        if request_id in self._cancelled:  # before it had begun, so that it has said nothing
            self._cancelled.discard(request_id)
            end = {"request_id": request_id, "done": True, "count": 0, "cancelled": True}
            self.connection.tell(end)

    def cancel(self, request_id: RequestId) -> bool:
        """End a stream, which then says so in its end frame; False when there is none."""
        task = self._streams.get(request_id) if request_id is not None else None
        if task is None or request_id is None or not task.cancel():
            return False
        self._cancelled.add(request_id)
        return True

    async def _stream(self, request_id: str | int, items: AsyncIterator[Any]) -> None:
        connection = self.connection
        end: dict[str, Any] = {"request_id": request_id, "done": True, "count": 0}
        try:
            async for item in items:
                if isinstance(item, Done):
                    end |= item.extra
                    break
                connection.put_item(request_id, item)
                connection.release()
                end["count"] += 1
                while len(connection.outbox) > settings.OUTBOX_MESSAGES_MAX // 2:
                    await asyncio.sleep(0.01)  # The writer catches up with a long answer.
            connection.tell(end)
        except AppError as error:
            connection.refuse(error, request_id)
        except DatabaseFailure:
            connection.refuse(Unavailable(retry_after_ms=1000), request_id)
        except asyncio.CancelledError:
            if request_id not in self._cancelled:
                raise
            connection.tell({**end, "cancelled": True})
        except Exception:
            logger.exception("A stream failed on connection %s.", connection.id)
            connection.refuse(AppError(), request_id)
        finally:
            self._cancelled.discard(request_id)


def bucket_for(connection: Connection) -> TokenBucket:
    """How fast this one may ask: keys that publish are producers."""
    key = connection.identity.key
    if key is not None and key.allows("publish"):
        return TokenBucket(settings.PRODUCER_REQUESTS_PER_SECOND, settings.PRODUCER_REQUESTS_BURST)
    return TokenBucket(settings.REQUESTS_PER_SECOND, settings.REQUESTS_BURST)


def is_too_big(wire: str | bytes | None) -> bool:
    """Whether a message has more bytes than one may have."""
    if wire is None or len(wire) * 4 <= settings.MESSAGE_BYTES_MAX:
        return False
    return byte_count(wire) > settings.MESSAGE_BYTES_MAX
