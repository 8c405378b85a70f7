"""Long-poll and Server-Sent Events: hub subscribers like sockets, over plain HTTP.

They are no Django views, because a waiting view holds a thread and, after a query, a database
connection.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from typing import Any, ClassVar
from urllib.parse import parse_qs

from chat.errors import (
    AppError,
    Forbidden,
    Invalid,
    MethodNotAllowed,
    NotAuthenticated,
    NotFound,
    Unavailable,
)
from chat.realtime.connection import Receive, Send
from chat.realtime.database import DatabaseFailure, in_database
from chat.realtime.envelope import Burst, Frame, Wire, encode
from chat.realtime.identity import Identity, header, identify
from chat.realtime.outbox import Outbox, Text
from chat.realtime.replay import Replay, read_position, read_whole
from chat.realtime.room_state import Subscription
from chat.realtime.server import Server

# Seconds that a long-poll may wait.
WAIT_MAX_S = 25
# Seconds between comments that keep a silent stream open.
COMMENT_S = 25.0


Headers = list[tuple[bytes, bytes]]

UNCACHED: Headers = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


async def send_json(send: Send, status: int, body: object, headers: Headers | None = None) -> None:
    """Answer with JSON that no cache keeps; a text is JSON already."""
    content = (body if isinstance(body, str) else encode(body)).encode()
    own = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
    ]
    start = {"type": "http.response.start", "status": status}
    await send({**start, "headers": [*own, *UNCACHED, *(headers or [])]})
    await send({"type": "http.response.body", "body": content})


class Reader:
    """A reader over HTTP: one room, one identity."""

    def __init__(self, server: Server, identity: Identity) -> None:
        self.server = server
        self.hub = server.hub
        self.identity = identity
        self.user_id = identity.user_id
        self.session_name = identity.session_name
        self.session_key = identity.session_key
        self.session_ends_at = identity.session_ends_at
        self.key_id = identity.key.pk if identity.key else ""
        self.rights_number = identity.rights_number
        self.room_id: int | None = None

    async def subscribe(
        self, slug: str, epoch: str | None, seq: int | None
    ) -> tuple[Replay, Subscription]:
        """Index this reader, then subscribe it. Raises NotAuthenticated and NotFound."""
        if not self.hub.rights.admit(self):
            raise NotAuthenticated
        replay, subscription = await self.hub.subscribe(
            self, self.identity.viewer, slug, epoch=epoch, seq=seq
        )
        self.room_id = subscription.room.room_id
        return replay, subscription

    def detach(self) -> None:
        if self.room_id is not None:
            self.hub.unsubscribe(self, self.room_id)
        self.hub.sockets.discard(self)

    def deliver(self, frame: Frame) -> None:
        raise NotImplementedError

    def tell_gap(self, room: str, epoch: str, seq: int, reason: str) -> None:
        raise NotImplementedError

    def lose_room(self, room: str, reason: str) -> None:
        raise NotImplementedError

    def revoke(self) -> None:
        raise NotImplementedError

    def drain(self, retry_after_ms: int) -> None:
        raise NotImplementedError


class WaitingReader(Reader):
    """A long-poll: over at the first thing that happens."""

    def __init__(self, server: Server, identity: Identity) -> None:
        super().__init__(server, identity)
        self.frames: list[Frame] = []
        self.gap: tuple[str, int, str] | None = None
        self.refusal: AppError | None = None
        self.happened = asyncio.Event()

    def deliver(self, frame: Frame) -> None:
        self.frames.append(frame)
        self.happened.set()

    def tell_gap(self, room: str, epoch: str, seq: int, reason: str) -> None:
        self.frames.clear()
        self.gap = (epoch, seq, reason)
        self.happened.set()

    def lose_room(self, room: str, reason: str) -> None:
        self.refusal = NotFound()
        self.happened.set()

    def revoke(self) -> None:
        self.detach()
        self.refusal = NotAuthenticated()
        self.happened.set()

    def drain(self, retry_after_ms: int) -> None:
        self.happened.set()


class StreamingReader(Reader):
    """An event stream: an outbox of records."""

    def __init__(self, server: Server, identity: Identity) -> None:
        super().__init__(server, identity)
        self.outbox = Outbox("sse", self._end)

    def _end(self) -> None:
        """End the stream; the browser comes back with its last id."""
        self.detach()
        self.outbox.finish()

    def deliver(self, frame: Frame) -> None:
        self.outbox.put(Records([frame]))

    def tell_gap(self, room: str, epoch: str, seq: int, reason: str) -> None:
        data = {"type": "gap", "room": room, "epoch": epoch, "seq": seq, "reason": reason}
        self.outbox.put(Text(record(data, event="gap", id=f"{epoch}:{seq}")))

    def lose_room(self, room: str, reason: str) -> None:
        data = {"type": "unsubscribed", "room": room, "reason": reason}
        self.outbox.finish(Text(record(data, event="unsubscribed")))

    def revoke(self) -> None:
        self._end()

    def drain(self, retry_after_ms: int) -> None:
        self.outbox.finish(Text(f"retry: {retry_after_ms}\n\n"))


class Records(Burst[Frame]):
    """Frames as records of an event stream."""

    def texts(self, dialect: str) -> Iterator[Wire]:
        return (f"id: {frame.epoch}:{frame.seq}\ndata: {frame.text()}\n\n" for frame in self.frames)


def record(data: object, *, event: str, id: str = "") -> str:
    """Return one record of an event stream (WHATWG HTML, section 9.2)."""
    lines = [f"event: {event}"]
    if id:
        lines.append(f"id: {id}")
    return "\n".join([*lines, f"data: {encode(data)}"]) + "\n\n"


class RoomReading:
    """What both have in common: who asks, for which position, and errors as JSON."""

    methods: ClassVar[tuple[str, ...]] = ("GET",)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        try:
            if scope["method"] not in self.methods:
                raise MethodNotAllowed
            # The server first: from then on it knows of every right that is lost.
            server = await Server.running()
            identity = await in_database(identify, scope)
            if not identity.allows("read"):
                raise Forbidden("This key lacks the scope read.")
            slug = scope["url_route"]["kwargs"]["slug"]
            await self.serve(server, identity, slug, scope, receive, send)
        except AppError as error:
            await self.refuse(send, error)
        except DatabaseFailure:
            await self.refuse(send, Unavailable(retry_after_ms=1000))

    async def refuse(self, send: Send, error: AppError) -> None:
        """Answer as REST does."""
        headers = []
        if isinstance(error, MethodNotAllowed):
            headers.append((b"allow", ", ".join(self.methods).encode()))
        if isinstance(error, NotAuthenticated):
            headers.append((b"www-authenticate", b"Bearer"))
        if error.retry_after_ms is not None:
            headers.append((b"retry-after", str(math.ceil(error.retry_after_ms / 1000)).encode()))
        await send_json(send, error.status, {"error": error.as_dict()}, headers)

    async def serve(
        self,
        server: Server,
        identity: Identity,
        slug: str,
        scope: dict[str, Any],
        receive: Receive,
        send: Send,
    ) -> None:
        raise NotImplementedError


class LongPoll(RoomReading):
    """`GET /api/rooms/<slug>/events/`: what happened since a position, now or when it does."""

    async def serve(
        self,
        server: Server,
        identity: Identity,
        slug: str,
        scope: dict[str, Any],
        receive: Receive,
        send: Send,
    ) -> None:
        query = _query(scope)
        epoch, seq = read_position(query.get("epoch"), query.get("after_seq"), name="after_seq")
        wait_s = read_whole(query.get("wait", "0"), name="wait", most=WAIT_MAX_S)
        reader = WaitingReader(server, identity)
        try:
            replay, subscription = await reader.subscribe(slug, epoch, seq)
            if replay.recovered is True and not replay.frames and wait_s:
                subscription.go_live()
                await _first(reader.happened.wait(), _disconnected(receive), wait_s)
                if reader.refusal is not None:
                    raise reader.refusal
                _take_over(replay, reader)
        finally:
            reader.detach()
        await _send_replay(send, replay)


def _take_over(replay: Replay, reader: WaitingReader) -> None:
    """Put what happened while waiting into the answer."""
    if reader.gap is not None:
        replay.epoch, replay.seq, replay.reason = reader.gap
        replay.recovered = False
    elif reader.frames:
        replay.frames = reader.frames
        replay.seq = reader.frames[-1].seq


async def _send_replay(send: Send, replay: Replay) -> None:
    members = {
        "room": replay.room,
        "epoch": replay.epoch,
        "seq": replay.seq,
        "recovered": replay.recovered,
        "reason": replay.reason,
    }
    events = ",".join(frame.text() for frame in replay.frames)
    await send_json(send, 200, f'{encode(members)[:-1]},"events":[{events}]}}')


class EventStream(RoomReading):
    """`GET /api/rooms/<slug>/stream/`: the same as Server-Sent Events."""

    async def serve(
        self,
        server: Server,
        identity: Identity,
        slug: str,
        scope: dict[str, Any],
        receive: Receive,
        send: Send,
    ) -> None:
        epoch, seq = _stream_position(scope)
        reader = StreamingReader(server, identity)
        try:
            replay, subscription = await reader.subscribe(slug, epoch, seq)
            _begin(reader, replay, seq)
            subscription.go_live()
            await _start_stream(send)
            writing = reader.outbox.run(_writer(send))
            comments = asyncio.create_task(_comment_forever(reader))
            try:
                await _first(writing, _disconnected(receive), None)
            finally:
                comments.cancel()
        finally:
            reader.detach()
        await send({"type": "http.response.body", "body": b""})


async def _start_stream(send: Send) -> None:
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        *UNCACHED,
        # nginx would collect the records otherwise.
        (b"x-accel-buffering", b"no"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


def _begin(reader: StreamingReader, replay: Replay, seq: int | None) -> None:
    """Name the head, or say that the position is void; then what was missed."""
    if replay.reason is not None:
        reader.tell_gap(replay.room, replay.epoch, replay.seq, replay.reason)
        return
    head = {"type": "head", "room": replay.room, "epoch": replay.epoch, "seq": replay.seq}
    resumed = replay.seq if seq is None else seq
    reader.outbox.put(Text(record(head, event="head", id=f"{replay.epoch}:{resumed}")))
    if replay.frames:
        reader.outbox.put(Records(replay.frames))


def _writer(send: Send) -> Callable[[Wire], Any]:
    async def write(record: Wire) -> None:
        body = record if isinstance(record, bytes) else record.encode()
        await send({"type": "http.response.body", "body": body, "more_body": True})

    return write


async def _comment_forever(reader: StreamingReader) -> None:
    while True:
        await asyncio.sleep(COMMENT_S)
        reader.outbox.put(Text(": heartbeat\n\n", is_volatile=True))


def _stream_position(scope: dict[str, Any]) -> tuple[str | None, int | None]:
    """Read `Last-Event-ID`, which wins since the browser keeps it up to date, or the query."""
    last = header(scope, b"last-event-id")
    if last:
        epoch, _, seq = last.rpartition(":")
        if not epoch:
            raise Invalid("Last-Event-ID must be <epoch>:<seq>.")
        return read_position(epoch, seq, name="Last-Event-ID")
    query = _query(scope)
    return read_position(query.get("epoch"), query.get("after_seq"), name="after_seq")


async def _first(work: Any, gone: Any, timeout_s: float | None) -> None:
    """Wait for `work`, but no longer than the client stays or `timeout_s`."""
    tasks = {asyncio.ensure_future(work), asyncio.ensure_future(gone)}
    try:
        done, _ = await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _query(scope: dict[str, Any]) -> dict[str, str]:
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    return {name: values[-1] for name, values in query.items()}
