"""What waits to be sent on one connection: bounded in messages and in bytes.

One slow reader never delays another and never grows memory: over the limit volatile messages
go first, then the connection is given up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from django.conf import settings

from chat.realtime.envelope import Wire, byte_count


class Entry(Protocol):
    """Something to send, encoded only when its turn comes, so that overwriting reaches it."""

    @property
    def size(self) -> int:
        """Bytes of its JSON text, whatever the dialect adds."""

    def texts(self, dialect: str) -> Iterable[Wire]:
        """The messages that it is sent as, in order."""


class Text:
    """One message that is encoded already."""

    __slots__ = ("is_volatile", "text")

    def __init__(self, text: Wire, *, is_volatile: bool = False) -> None:
        self.text = text
        self.is_volatile = is_volatile

    @property
    def size(self) -> int:
        return byte_count(self.text)

    def texts(self, dialect: str) -> list[Wire]:
        return [self.text]


class Outbox:
    """A bounded queue and the coroutine that empties it."""

    __slots__ = (
        "_entries",
        "_is_finished",
        "_on_overflow",
        "_size",
        "_waiter",
        "dialect",
    )

    def __init__(self, dialect: str, on_overflow: Callable[[], None]) -> None:
        self.dialect = dialect
        self._on_overflow = on_overflow
        self._entries: deque[Entry] = deque()
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._is_finished = False

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes that wait, about."""
        return self._size

    def put(self, entry: Entry) -> None:
        """Queue an entry; over the limits the owner is told, once, and may `finish` with a word."""
        if self._is_finished:
            return
        self._entries.append(entry)
        self._size += entry.size
        if self._is_over_limit():
            self._drop_volatile()
            if self._is_over_limit():
                self._on_overflow()
                self.finish()
                return
        if self._waiter is not None:
            self._wake()

    def finish(self, *last: Entry) -> None:
        """Throw away what waits, send `last`, and let `run` return."""
        if self._is_finished:
            return
        self._is_finished = True
        self._entries = deque(last)
        self._size = 0
        if self._waiter is not None:
            self._wake()

    async def run(self, write: Callable[[Wire], Awaitable[None]]) -> None:
        """Write entry after entry until `finish`; whatever `write` raises ends it."""
        while True:
            while self._entries:
                entry = self._entries.popleft()
                self._size -= entry.size
                is_last = self._is_finished
                for text in entry.texts(self.dialect):
                    if self._is_finished and not is_last:
                        break
                    await write(text)
            self._size = 0  # An overwriting may have changed sizes while they were counted in.
            if self._is_finished:
                return
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _is_over_limit(self) -> bool:
        return (
            len(self._entries) > settings.OUTBOX_MESSAGES_MAX
            or self._size > settings.OUTBOX_BYTES_MAX
        )

    def _drop_volatile(self) -> None:
        kept = [entry for entry in self._entries if not getattr(entry, "is_volatile", False)]
        self._entries = deque(kept)
        self._size = sum(entry.size for entry in kept)
