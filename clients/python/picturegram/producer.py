"""Publishing in the background: a bounded queue that outlives connections and counts its losses."""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias

from picturegram.errors import PicturegramError
from picturegram.wire import Frame


@dataclass(frozen=True, slots=True)
class Record:
    """One event to publish. Its `client_id` makes sending it again harmless."""

    topic: str
    event_type: str
    payload: Any
    client_id: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def fields(self) -> Frame:
        return {
            "topic": self.topic,
            "event_type": self.event_type,
            "payload": self.payload,
            "client_id": self.client_id,
        }


# Called with each lost record and why: "overflow", "closed", or what the server said.
Loss: TypeAlias = Callable[[Record, str], None]


class Publish(Protocol):
    def __call__(self, *, fields: Frame) -> Coroutine[Any, Any, Any]: ...


class Producer:
    """Publishes what `put` is given, as fast as the server allows; see `Client.producer`.

    Acknowledged, each record is sent until the server has answered for it, however often the
    connection is lost. Not acknowledged (fire and forget), each is sent once, and counts as lost
    unless the answer comes back. While there is no connection, `queue_max` records wait; then the
    oldest go. Up to `in_flight_max` are under way at once; 1 keeps their order even where the
    server refuses some for a moment.

    `sent` is always `acknowledged + lost + waiting`.
    """

    def __init__(
        self, publish: Publish, *, queue_max: int, in_flight_max: int, on_loss: Loss | None
    ) -> None:
        self.queue_max = queue_max
        self.in_flight_max = in_flight_max
        self.acknowledged = 0
        self.lost = 0
        self._publish = publish
        self._on_loss = on_loss
        self._queue: deque[Record] = deque()
        self._in_flight: dict[asyncio.Task[Any], Record] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """How many are neither acknowledged nor lost yet."""
        return len(self._queue) + len(self._in_flight)

    @property
    def sent(self) -> int:
        """How many were given to `put`."""
        return self.acknowledged + self.lost + self.waiting

    def put(self, topic: str, event_type: str, payload: Any) -> None:
        """Publish in the background. Never waits: when the queue is full, its oldest is lost."""
        if self._is_closed:
            raise RuntimeError("The producer is closed.")
        if len(self._queue) >= self.queue_max:
            self._lose(self._queue.popleft(), "overflow")
        self._queue.append(Record(topic, event_type, payload))
        self._idle.clear()
        self._fill()

    async def flush(self) -> None:
        """Wait until nothing is waiting. Cancelling is safe: sending goes on."""
        await self._idle.wait()

    async def close(self) -> None:
        """Stop at once; what is still waiting is lost."""
        self._is_closed = True
        under_way = list(self._in_flight)
        for task in under_way:
            task.cancel()
        if under_way:
            await asyncio.wait(under_way)
        while self._queue:
            self._lose(self._queue.popleft(), "closed")
        self._idle.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Flush after a block that ended well, then close."""
        try:
            if error is None:
                await self.flush()
        finally:
            await self.close()

    def _fill(self) -> None:
        while self._queue and len(self._in_flight) < self.in_flight_max:
            record = self._queue.popleft()
            task = asyncio.create_task(self._publish(fields=record.fields))
            self._in_flight[task] = record
            task.add_done_callback(self._ended)
        if not self.waiting:
            self._idle.set()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        record = self._in_flight.pop(task)
        if task.cancelled():
            self._lose(record, "closed")
        elif isinstance(error := task.exception(), PicturegramError):
            self._lose(record, str(error))
        elif error is not None:
            raise error
        else:
            self.acknowledged += 1
        if not self._is_closed:
            self._fill()

    def _lose(self, record: Record, reason: str) -> None:
        self.lost += 1
        if self._on_loss is not None:
            self._on_loss(record, reason)
