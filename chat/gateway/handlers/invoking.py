"""Calling a handler: in its own time, on its own thread, with whatever it does coming back."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import Any

from django.conf import settings
from django.db import close_old_connections

from chat.acting import NOBODY, Acting, acting
from chat.errors import AppError
from chat.gateway.handlers.answers import Answer, Unreadable, read_answer
from chat.gateway.handlers.routes import Handler, Route
from chat.gateway.handlers.threads import Busy, Threads

logger = logging.getLogger(__name__)

# Seconds that a handler may take; API Gateway's own limit.
HANDLER_TIMEOUT_S = 29.0
# The same while a handshake waits: servers give up on one after 5.
CONNECT_TIMEOUT_S = 4.0
# Calls that wait for a thread; each may hold a message.
WAITING_MAX = 256
# Calls of coroutine functions under way; they share the server's own loop.
COROUTINES_MAX = 1000

THREADS = Threads("handlers", threads_max=settings.ROUTE_THREADS, waiting_max=WAITING_MAX)


class Failed(AppError):
    """The handler raised something, or answered what is no answer."""

    message = "Internal server error"


class TimedOut(AppError):
    """The handler was too slow; whether it has done its work is unknown."""

    code, status, message = "unavailable", 504, "Endpoint request timed out"


class Context:
    """What a handler gets beside the event, with the names that it has on AWS Lambda."""

    def __init__(self, request_id: str, route_key: str, timeout_s: float) -> None:
        self.aws_request_id = request_id
        self.function_name = route_key
        self._ends_at = time.monotonic() + timeout_s

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._ends_at - time.monotonic()) * 1000))


class Coroutines:
    """How many coroutine functions are being called."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> None:
        if self.count >= COROUTINES_MAX:
            raise Busy
        self.count += 1

    def __exit__(self, *_: object) -> None:
        self.count -= 1


COROUTINES = Coroutines()


async def invoke(
    route: Route, event: dict[str, Any], *, timeout_s: float, who: Acting = NOBODY
) -> Answer:
    """Call the handler as `who`, and return its answer. Raises Failed, TimedOut and Busy.

    Cancelling ends a coroutine function; any other goes on without anybody who listens.
    """
    request_id = _request_id(event)
    context = Context(request_id, route.key, timeout_s)
    told = f"The handler of {route.key} ({route.source}, request {request_id})"
    try:
        async with asyncio.timeout(timeout_s) as limit:
            returned = await _call(route, event, context, who)
        return read_answer(returned)
    except Busy:
        logger.warning("%s was not called: too many calls are under way.", told)
        raise
    except Unreadable as error:
        logger.error("%s failed: %s.", told, error)
        raise Failed from None
    except BaseException as error:
        if _is_cancelled(error):
            raise
        if limit.expired() and isinstance(error, TimeoutError):
            logger.error("%s did not answer within %g s.", told, timeout_s)
            raise TimedOut from None
        logger.exception("%s failed.", told)
        if isinstance(error, Exception | SystemExit | asyncio.CancelledError):
            raise Failed from None
        raise


def _is_cancelled(error: BaseException) -> bool:
    """Whether it is we who shall end; a handler may also trip over a task of its own that did."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and bool(task and task.cancelling())


def _request_id(event: dict[str, Any]) -> str:
    context = event.get("requestContext")
    found = context.get("requestId") if isinstance(context, dict) else None
    return found if isinstance(found, str) else ""


async def _call(route: Route, event: dict[str, Any], context: Context, who: Acting) -> object:
    if route.is_async:
        with COROUTINES, acting(who.user_id, who.session_name):
            return await route.handler(event, context)
    future = THREADS.submit(partial(_call_here, route.handler, event, context, who))
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        THREADS.give_up(future)
        raise


def _call_here(handler: Handler, event: dict[str, Any], context: Context, who: Acting) -> object:
    """Call a function on the thread that this is, and give its database connection back."""
    close_old_connections()
    try:
        with acting(who.user_id, who.session_name):
            return handler(event, context)
    except (StopIteration, SystemExit) as error:  # which a future and a loop take for their own
        raise RuntimeError(f"The handler raised {error!r}.") from error
    finally:
        close_old_connections()
