"""The sockets' front door: who comes in, in which dialect, and what they are told first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings

from chat.errors import AppError, Forbidden, Invalid
from chat.limits import limits
from chat.models import User
from chat.realtime.close_codes import CloseCode
from chat.realtime.connection import Connection, Receive, Send, farewell
from chat.realtime.database import DatabaseFailure, in_database
from chat.realtime.envelope import JSON, MSGPACK, QUIET, Burst, message, wire_time
from chat.realtime.identity import BEARER_PROTOCOL, Identity, identify
from chat.realtime.replay import read_position
from chat.realtime.server import Server
from chat.representation import person

# Offered sub-protocols and the dialect that each means.
DIALECTS = {JSON: JSON, MSGPACK: MSGPACK, "chat": QUIET}
# Asked before a handshake is answered; an AppError refuses it.
Gatekeeper = Callable[[Connection, dict[str, Any]], Awaitable[None]]
gatekeepers: list[Gatekeeper] = []
# When to come back to a process that has no database, or that is stopping.
RETRY_AFTER_MS = 2000


class GatewayConsumer:
    """The ASGI application of `/ws/`, `/ws/rooms/<slug>/`, `/chat` and `/chats`."""

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if (await receive())["type"] != "websocket.connect":
            return
        try:
            subprotocol = choose_subprotocol(scope.get("subprotocols", []))
            dialect = DIALECTS[subprotocol] if subprotocol else QUIET
            # The server first: from then on it knows of every right that is lost.
            server = await Server.running()
            identity = await in_database(identify, scope)
            connection = Connection(server, scope, send, identity, dialect)
            for gatekeeper in gatekeepers:
                await gatekeeper(connection, scope)
        except DatabaseFailure:
            await _turn_away(send, subprotocol, dialect)
            return
        except AppError:
            # Before the handshake is answered, a close is a refusal with 403.
            await send({"type": "websocket.close", "code": int(CloseCode.FORBIDDEN)})
            return
        await send({"type": "websocket.accept", "subprotocol": subprotocol})
        try:
            await self._welcome(connection, scope, identity)
            await connection.serve(receive)
        finally:
            connection.detach()
            server.closed(connection)

    async def _welcome(
        self, connection: Connection, scope: dict[str, Any], identity: Identity
    ) -> None:
        """Index the socket, say hello, and subscribe it to its address's room."""
        if not connection.hub.rights.admit(connection):
            connection.revoke()
            return
        if connection.server.is_draining:
            # Checked once it is indexed: whoever drains sees either this or that.
            connection.drain(RETRY_AFTER_MS)
            return
        connection.server.opened(connection)
        hello = _hello(connection, identity)
        slug = connection.address_room
        if not slug:
            connection.greet(hello)
            return
        try:
            if not identity.allows("read"):
                raise Forbidden("This key lacks the scope read.")
            epoch, seq = position_of(scope)
            replay, subscription = await connection.hub.subscribe(
                connection, identity.viewer, slug, epoch=epoch, seq=seq
            )
        except AppError as error:
            is_malformed = isinstance(error, Invalid)
            code = CloseCode.PROTOCOL_ERROR if is_malformed else CloseCode.FORBIDDEN
            connection.close(code, first=[*connection.greeting(hello), connection.refusal(error)])
            return
        except DatabaseFailure:
            connection.close(CloseCode.OVER_CAPACITY, retry_after_ms=RETRY_AFTER_MS)
            return
        connection.rooms[slug] = subscription.room.room_id
        connection.server.changed(connection)
        head = {"room": replay.room, "epoch": replay.epoch, "seq": replay.seq}
        connection.greet({**hello, "rooms": [head]})
        if replay.reason is not None:
            connection.tell_gap(slug, replay.epoch, replay.seq, replay.reason)
        elif replay.frames:
            connection.outbox.put(Burst(replay.frames))
        subscription.go_live()


def _hello(connection: Connection, identity: Identity) -> dict[str, Any]:
    viewer = identity.viewer
    return {
        "type": "hello",
        "connection_id": connection.id,
        "user": person(viewer) if isinstance(viewer, User) else None,
        "server_time": wire_time(datetime.now(UTC)),
        "heartbeat_ms": settings.HEARTBEAT_MS,
        "limits": limits(),
    }


def choose_subprotocol(offered: list[str]) -> str | None:
    """Return the first offered name that is a dialect, None when nothing was offered.

    Raises Invalid when names were offered and none is ours; a bearer token alone is none.
    """
    for name in offered:
        if name in DIALECTS:
            return name
    if offered:
        known = ", ".join(DIALECTS)
        raise Invalid(f"Offer one of {known}; {BEARER_PROTOCOL}… only beside it.")
    return None


def position_of(scope: dict[str, Any]) -> tuple[str | None, int | None]:
    """Read `?epoch=&seq=` of a room address. Raises Invalid for what is no position."""
    text = scope.get("query_string", b"").decode("latin-1")
    query = {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}
    return read_position(query.get("epoch"), query.get("seq"), name="seq")


async def _turn_away(send: Send, subprotocol: str | None, dialect: str) -> None:
    """The database is away: ask the client to come back, which a refusal could not."""
    code = CloseCode.OVER_CAPACITY
    await send({"type": "websocket.accept", "subprotocol": subprotocol})
    if dialect != QUIET:
        disconnect = farewell(code, retry_after_ms=RETRY_AFTER_MS)
        wire = message(disconnect, dialect)
        form = "bytes" if isinstance(wire, bytes) else "text"
        await send({"type": "websocket.send", form: wire})
    await send({"type": "websocket.close", "code": int(code), "reason": code.reason})
