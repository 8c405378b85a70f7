"""Reaching one connection by its id, whichever process holds it: post, inspect, drop.

The id names the process. Another one is asked over the channel layer, and its lease tells what
silence means: while it lives nobody knows, once it is over its connections are gone for sure.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import concurrent.futures
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from asgiref.sync import AsyncToSync, async_to_sync
from django.conf import settings

from chat.models import Lease
from chat.realtime import lease
from chat.realtime.close_codes import CloseCode
from chat.realtime.connection import Connection
from chat.realtime.database import DatabaseFailure, in_database
from chat.realtime.parts import Part, part
from chat.realtime.server import Server

R = TypeVar("R")

# Bytes of an id, and those of them that name the process.
ID_BYTES, NODE_BYTES = 11, 4
# Seconds that another process has for its answer.
ANSWER_TIMEOUT_S = 2.0
# Seconds that a thread waits for all of it: the answer, and the leases before and after.
THREAD_TIMEOUT_S = 15.0
# Bytes of a reason that fit into a close frame (RFC 6455, section 5.5).
REASON_BYTES_MAX = 123
# How long, and of how many posts at most, it is remembered that they were delivered.
REMEMBERED_S = 120.0
REMEMBERED_MAX = 10_000


class Unreached(Exception):
    """It was not done. Whoever asked tells it in their own words: the admin, the HTTP API."""


class Gone(Unreached):
    """There is no such connection, for sure."""


class Unreachable(Unreached):
    """The process that would hold it lives, but has not answered; nobody knows."""


class Congested(Unreached):
    """More waits to be sent to it already than should."""


@dataclass(frozen=True)
class ConnectionInfo:
    """What the process that holds it knows of a connection."""

    connected_at: datetime
    last_active_at: datetime
    source_ip: str
    user_agent: str


async def post(server: Server, connection_id: str, data: bytes, *, invocation: str = "") -> None:
    """Send one message: text if it is UTF-8, else binary.

    The same `invocation` again delivers nothing again. Raises Gone, Unreachable, Congested.
    """
    await server.part(Exchange).reach(connection_id, "post", data=data, invocation=invocation)


async def inspect(server: Server, connection_id: str) -> ConnectionInfo:
    """Ask whether it is still there, and since when. Raises Gone, Unreachable."""
    found = await server.part(Exchange).reach(connection_id, "inspect")
    return ConnectionInfo(
        connected_at=datetime.fromisoformat(found["connected_at"]),
        last_active_at=datetime.fromisoformat(found["last_active_at"]),
        source_ip=found["source_ip"],
        user_agent=found["user_agent"],
    )


async def drop(
    server: Server, connection_id: str, *, code: int = CloseCode.NORMAL, reason: str = ""
) -> None:
    """Close it with this code. Raises Gone, Unreachable."""
    await server.part(Exchange).reach(connection_id, "drop", code=int(code), reason=reason)


def post_now(connection_id: str, data: bytes, *, invocation: str = "") -> None:
    """Do as `post` does, from a thread: a view of Django's, a handler."""
    _from_thread(lambda server: post(server, connection_id, data, invocation=invocation))


def inspect_now(connection_id: str) -> ConnectionInfo:
    """Do as `inspect` does, from a thread."""
    return _from_thread(lambda server: inspect(server, connection_id))


def drop_now(connection_id: str, *, code: int = CloseCode.NORMAL, reason: str = "") -> None:
    """Do as `drop` does, from a thread."""
    _from_thread(lambda server: drop(server, connection_id, code=code, reason=reason))


def node_of(connection_id: str) -> str | None:
    """The process that an id names, as in its lease; None for what is no id of ours."""
    try:
        raw = base64.b64decode(connection_id.encode(), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return raw[:NODE_BYTES].hex() if len(raw) == ID_BYTES else None


def node_group(node: str) -> str:
    return f"node.{node}"


@part
class Exchange(Part):
    """Asks other processes about their connections, and answers for this one's."""

    # The one of this process, for threads that have no event loop of their own.
    running: Exchange | None = None

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._connections: dict[str, Connection] = {}
        self._delivered = Deliveries()
        # What was asked and not answered yet, by the question's id.
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def start(self) -> None:
        hub = self.server.hub
        hub.listen("node.ask", self._hear_question)
        hub.listen("node.answer", self._hear_answer)
        hub.link.join(node_group(lease.NODE.hex()))
        Exchange.running = self

    async def stop(self) -> None:
        if Exchange.running is self:
            Exchange.running = None

    def opened(self, connection: Connection) -> None:
        self._connections[connection.id] = connection

    def closed(self, connection: Connection, code: int | CloseCode) -> None:
        self._connections.pop(connection.id, None)

    async def reach(self, connection_id: str, verb: str, **what: Any) -> dict[str, Any]:
        """Have the process that holds the connection do it. Raises Gone, Unreachable, Congested.

        Cancelling stops the waiting; what was asked may still be done.
        """
        question = {"connection_id": connection_id, "verb": verb, **what}
        node = node_of(connection_id)
        if node is None:
            raise Gone
        if node == lease.NODE.hex():
            answer = self._act(question)
        else:
            answer = await self._ask(node, question)
        match answer["outcome"]:
            case "gone":
                raise Gone
            case "congested":
                raise Congested
        return answer

    async def _ask(self, node: str, question: dict[str, Any]) -> dict[str, Any]:
        if not await _is_alive(node):
            raise Gone
        number = secrets.token_hex(8)
        back = node_group(lease.NODE.hex())
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            message = {"type": "node.ask", "number": number, "back": back, **question}
            self.server.hub.doorbell.put(node_group(node), message)
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await answer
        except TimeoutError:
            raise (Unreachable if await _is_alive(node) else Gone) from None
        finally:
            del self._answers[number]

    def _hear_question(self, message: dict[str, Any]) -> None:
        answer = {"type": "node.answer", "number": message["number"], **self._act(message)}
        self.server.hub.doorbell.put(message["back"], answer)

    def _hear_answer(self, message: dict[str, Any]) -> None:
        answer = self._answers.get(message["number"])
        if answer is not None and not answer.done():
            answer.set_result(message)

    def _act(self, question: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked of a connection of this process."""
        connection_id, verb = question["connection_id"], question["verb"]
        delivery = (question.get("invocation", ""), connection_id)
        if self._delivered.has(delivery):
            return {"outcome": "done"}
        connection = self._connections.get(connection_id)
        if connection is None or connection.is_closing:
            return {"outcome": "gone"}
        if verb == "inspect":
            return {"outcome": "done", **_told(connection)}
        if verb == "drop":
            reason = question["reason"].encode()[:REASON_BYTES_MAX].decode(errors="ignore")
            connection.close(_close_code(question["code"]), reason=reason)
            return {"outcome": "done"}
        if not _has_room(connection, len(question["data"])):
            return {"outcome": "congested"}
        connection.push(_wire(question["data"]))
        self._delivered.note(delivery)
        return {"outcome": "done"}


class Deliveries:
    """Which posts were delivered lately. What was refused may be tried again, and is not noted."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        # When each was delivered, the oldest first.
        self._done: OrderedDict[tuple[str, str], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._done)

    def has(self, delivery: tuple[str, str]) -> bool:
        """Whether it was delivered; without an invocation, every post is another one."""
        done_at = self._done.get(delivery)
        return done_at is not None and self._now() - done_at < REMEMBERED_S

    def note(self, delivery: tuple[str, str]) -> None:
        if not delivery[0]:
            return
        self._done[delivery] = self._now()
        self._done.move_to_end(delivery)
        oldest = next(iter(self._done.values()))
        while len(self._done) > REMEMBERED_MAX or self._now() - oldest >= REMEMBERED_S:
            self._done.popitem(last=False)
            oldest = next(iter(self._done.values()), self._now())


def _has_room(connection: Connection, byte_count: int) -> bool:
    """Whether a message from outside may join what waits: it never crowds out the events."""
    outbox = connection.outbox
    return (
        len(outbox) * 2 <= settings.OUTBOX_MESSAGES_MAX
        and outbox.size * 2 <= settings.OUTBOX_BYTES_MAX
        and outbox.size + byte_count <= settings.OUTBOX_BYTES_MAX
    )


def _wire(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _close_code(code: int) -> CloseCode | int:
    """The code by its name, if it has one: then its reason is known, too."""
    try:
        return CloseCode(code)
    except ValueError:
        return code


def _told(connection: Connection) -> dict[str, str]:
    return {
        "connected_at": connection.connected_at.isoformat(),
        "last_active_at": connection.last_active_at.isoformat(),
        "source_ip": connection.peer.source_ip,
        "user_agent": connection.peer.user_agent,
    }


async def _is_alive(node: str) -> bool:
    """Whether a process holds a lease. Raises Unreachable when that cannot be known."""
    try:
        return await in_database(Lease.objects.alive().filter(node=node).exists)
    except DatabaseFailure as error:
        raise Unreachable("The database is away.") from error


def _from_thread(work: Callable[[Server], Awaitable[R]]) -> R:
    """Run `work` on the event loop of this process's server, and wait for it."""

    async def run() -> R:
        if asyncio.get_running_loop() in AsyncToSync.loop_thread_executors:
            # A loop for this call alone, as in a command or the shell: no server runs here.
            raise Unreachable("This process serves nobody.")
        return await work(await Server.running())

    exchange = Exchange.running
    if exchange is None:
        # Nobody has connected here yet: on the loop that serves the view, a server can start.
        return async_to_sync(run)()
    waiting = asyncio.run_coroutine_threadsafe(run(), exchange.server.hub.loop)
    try:
        return waiting.result(THREAD_TIMEOUT_S)
    except concurrent.futures.TimeoutError:
        waiting.cancel()
        raise Unreachable("This process is too busy.") from None
