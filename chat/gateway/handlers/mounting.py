"""The mounted routes at work: messages, handshakes and ends of connections are told to handlers."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from django.conf import settings

from chat.acting import Acting
from chat.errors import AppError, Forbidden
from chat.gateway.handlers.answers import Answer
from chat.gateway.handlers.invoking import CONNECT_TIMEOUT_S, HANDLER_TIMEOUT_S, invoke
from chat.gateway.handlers.proxy_event import (
    Event,
    connect_event,
    disconnect_event,
    message_event,
)
from chat.gateway.handlers.routes import CONNECT, DISCONNECT, Route, load
from chat.realtime.connection import Connection
from chat.realtime.consumer import gatekeepers
from chat.realtime.envelope import message
from chat.realtime.outbox import Text
from chat.realtime.parts import Part, part
from chat.realtime.router import Call, Request, router

if TYPE_CHECKING:
    from chat.realtime.close_codes import CloseCode
    from chat.realtime.server import Server

logger = logging.getLogger(__name__)

# Ends of connections that wait to be told; a process rarely has more sockets.
FAREWELLS_MAX = 10_000
# Seconds that a stopping process goes on telling them.
DRAIN_S = 2.0

# What is mounted in this process, by key.
mounted: dict[str, Route] = {}


def mount_routes() -> None:
    """Mount what the settings name. Raises ImproperlyConfigured; then nothing is mounted."""
    for route in load():
        mount(route)


def mount(route: Route) -> None:
    """Let a route's handler be called from now on."""
    if route.key not in (CONNECT, DISCONNECT):
        router.mount(route.key, lambda call: _answer(route, call))
    mounted[route.key] = route


def _who(connection: Connection) -> Acting:
    return Acting(connection.user_id, connection.session_name)


# --- messages -----------------------------------------------------------------------------------


async def _answer(route: Route, call: Call) -> None:
    """Call the handler; its answer goes to who asked for one, its failure to everybody."""
    connection, event = call.connection, message_event(call)
    try:
        answer = await invoke(route, event, timeout_s=HANDLER_TIMEOUT_S, who=_who(connection))
    except AppError as error:
        _tell_failure(call, event["requestContext"]["requestId"], error)
        return
    if call.request_id is not None or route.is_two_way:
        _tell(call, answer)


def _tell(call: Call, answer: Answer) -> None:
    connection = call.connection
    if connection.is_quiet and call.request_id is None:
        # A plain client that asked in its own words hears the answer in the handler's.
        if answer.raw is not None:
            connection.push(answer.raw)
    elif answer.is_refusal:
        error = answer.error()
        members = {**_paired(call), "ok": False, "error": error}
        connection.outbox.put(Text(message(members, connection.dialect, content=error)))
    else:
        connection.reply(Request(connection, call.route_key, call.request_id), answer.content)


def _tell_failure(call: Call, request_id: str, error: AppError) -> None:
    """Say it as API Gateway does, and as we do."""
    connection, body = call.connection, error.as_dict()
    members = {
        **_paired(call),
        "ok": False,
        "message": str(error),
        "connectionId": connection.id,
        "requestId": request_id,
        "error": body,
    }
    connection.outbox.put(Text(message(members, connection.dialect, content=body)))


def _paired(call: Call) -> dict[str, Any]:
    return {} if call.request_id is None else {"request_id": call.request_id}


# --- handshakes ---------------------------------------------------------------------------------


async def admit(connection: Connection, scope: dict[str, Any]) -> None:
    """Ask the handler of `$connect`; whatever but a status of 2xx refuses the handshake."""
    route = mounted.get(CONNECT)
    if route is None:
        return
    event = connect_event(connection, scope)
    answer = await invoke(route, event, timeout_s=CONNECT_TIMEOUT_S, who=_who(connection))
    if not answer.is_success:
        logger.info("The handler of $connect refused %s: %d.", connection.id, answer.status)
        raise Forbidden("This connection is not wanted here.")


gatekeepers.append(admit)


# --- ends ---------------------------------------------------------------------------------------


@part
class Farewells(Part):
    """Tells the handler of `$disconnect` of every connection that ends, as well as it can."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._waiting: set[asyncio.Task[None]] = set()
        # A thousand sockets that end at once must not take the threads of those that live.
        self._turn = asyncio.Semaphore(max(1, settings.ROUTE_THREADS // 2))

    def closed(self, connection: Connection, code: int | CloseCode) -> None:
        route = mounted.get(DISCONNECT)
        if route is None:
            return
        if len(self._waiting) >= FAREWELLS_MAX:
            logger.warning("The handler of $disconnect is not told of %s.", connection.id)
            return
        task = asyncio.create_task(self._tell(route, connection, disconnect_event(connection)))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _tell(self, route: Route, connection: Connection, event: Event) -> None:
        async with self._turn:
            try:
                await invoke(route, event, timeout_s=HANDLER_TIMEOUT_S, who=_who(connection))
            except AppError as error:
                logger.debug("The end of %s was told in vain: %s", connection.id, error)

    async def drain(self) -> None:
        """Wait for the handlers, so that what they keep of connections ends with these."""
        if self._waiting:
            await asyncio.wait(self._waiting, timeout=DRAIN_S)

    async def stop(self) -> None:
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)
