"""Rings: the last events of every topic, numbered, the same for all processes.

Without Redis there is one process, and the rings are its own.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import ParamSpec, Protocol, TypeVar

from django.conf import settings

from chat.errors import AppError, IdempotencyConflict
from chat.gateway.topics.events import Draft, TopicEvent

P = ParamSpec("P")
R = TypeVar("R")

# Seconds that a topic without an event keeps its epoch after the last process has followed it.
FOLLOWED_S = 120
# What the rings of a single process may take, and how many there may be; the ones that were used
# longest ago go first.
MEMORY_BYTES_MAX = 64 * 1024 * 1024
MEMORY_TOPICS_MAX = 10_000


def new_epoch() -> str:
    """Name a ring anew; positions of another epoch mean nothing to it."""
    return secrets.token_hex(4)


@dataclass(frozen=True, slots=True)
class Head:
    """Where a topic's ring stands: the number of its last event, and of the oldest it holds."""

    epoch: str
    offset: int
    first: int


@dataclass(frozen=True, slots=True)
class Tail:
    """What a ring holds behind a position; all that it holds when the position means nothing."""

    head: Head
    events: list[TopicEvent]


class Rings(Protocol):
    """The rings of all topics. The methods may block; `ask` calls them from an event loop."""

    async def ask(self, method: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a method without blocking the loop. Cancelling stops the waiting, not the work."""

    def publish(self, drafts: Sequence[Draft]) -> list[TopicEvent | AppError]:
        """Number and keep each event, or say why not.

        One with a sender's key that is still in the ring is answered as the first time, and
        refused with IdempotencyConflict when it is another event.
        """

    def follow(self, topics: Collection[str]) -> dict[str, Head]:
        """Where the topics stand, and keep that for those who follow them.

        A topic that has no event yet gets its epoch. One that cannot be asked about is left out.
        """

    def read(self, topic: str, epoch: str, after: int) -> Tail:
        """Read behind a position. Raises Unavailable."""


@dataclass
class _Ring:
    """One topic of a single process."""

    epoch: str = field(default_factory=new_epoch)
    offset: int = 0
    # Events with their sender's key, oldest first.
    entries: deque[tuple[str, TopicEvent]] = field(default_factory=deque)
    # By sender's key: the event and its digest.
    sent: dict[str, tuple[TopicEvent, str]] = field(default_factory=dict)
    size: int = 0
    expires_at: float = 0.0

    def head(self) -> Head:
        return Head(self.epoch, self.offset, self.offset - len(self.entries) + 1)

    def drop_oldest(self) -> None:
        key, event = self.entries.popleft()
        self.size -= event.size
        self.sent.pop(key, None)


class MemoryRings:
    """The rings of a process that is alone. Safe from any thread; nothing here waits."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rings: OrderedDict[str, _Ring] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    async def ask(self, method: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return method(*args, **kwargs)

    def publish(self, drafts: Sequence[Draft]) -> list[TopicEvent | AppError]:
        with self._lock:
            return [self._publish(draft) for draft in drafts]

    def follow(self, topics: Collection[str]) -> dict[str, Head]:
        with self._lock:
            return {topic: self._ring(topic, FOLLOWED_S).head() for topic in topics}

    def read(self, topic: str, epoch: str, after: int) -> Tail:
        with self._lock:
            ring = self._ring(topic, FOLLOWED_S)
            events = [event for _, event in ring.entries]
            if epoch == ring.epoch:
                events = [event for event in events if event.offset > after]
            return Tail(ring.head(), events)

    def _publish(self, draft: Draft) -> TopicEvent | AppError:
        ring = self._ring(draft.topic, settings.TOPIC_LIFETIME_S)
        known = ring.sent.get(draft.sender_key) if draft.sender_key else None
        if known is not None:
            event, digest = known
            return event if digest == draft.digest else IdempotencyConflict()
        ring.offset += 1
        event = draft.numbered(ring.epoch, ring.offset, draft.time)
        if draft.sender_key:
            ring.sent[draft.sender_key] = event, draft.digest
        before = ring.size
        ring.entries.append((draft.sender_key, event))
        ring.size += event.size
        while len(ring.entries) > 1 and (
            len(ring.entries) > settings.TOPIC_EVENTS_MAX or ring.size > settings.TOPIC_BYTES_MAX
        ):
            ring.drop_oldest()
        self._size += ring.size - before
        self._make_room()
        return event

    def _ring(self, topic: str, lifetime_s: float) -> _Ring:
        now = self._clock()
        ring = self._rings.get(topic)
        if ring is not None and ring.expires_at <= now:
            self._forget(topic)
            ring = None
        if ring is None:
            ring = self._rings[topic] = _Ring()
            self._make_room()
        ring.expires_at = max(ring.expires_at, now + lifetime_s)
        self._rings.move_to_end(topic)
        return ring

    def _make_room(self) -> None:
        while len(self._rings) > 1 and (
            len(self._rings) > MEMORY_TOPICS_MAX or self._size > MEMORY_BYTES_MAX
        ):
            self._forget(next(iter(self._rings)))

    def _forget(self, topic: str) -> None:
        self._size -= self._rings.pop(topic).size
