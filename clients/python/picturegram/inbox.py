"""What has come and nobody has taken yet."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Self

from picturegram.wire import Frame


class Inbox:
    """A bounded queue of events, read by `async for`; each event is handed out once.

    A full inbox takes no more: what has a position is fetched again once there is room.
    """

    def __init__(self, size_max: int) -> None:
        self.size_max = size_max
        # Called when there is room again.
        self.drained: Callable[[], None] = lambda: None
        self._frames: deque[Frame] = deque()
        self._news = asyncio.Event()
        self._is_over = False
        self._error: Exception | None = None

    @property
    def has_room(self) -> bool:
        """Whether it is at most half full."""
        return len(self._frames) <= self.size_max // 2

    def put(self, frame: Frame) -> bool:
        """Add an event. Returns False when it is full."""
        if len(self._frames) >= self.size_max:
            return False
        self.insist(frame)
        return True

    def insist(self, frame: Frame) -> None:
        """Add what must not be missed, such as a gap, however full it is."""
        self._frames.append(frame)
        self._news.set()

    def end(self, error: Exception | None = None) -> None:
        """Let readers end, or fail, once they have taken what is left. The first word counts."""
        if not self._is_over:
            self._is_over, self._error = True, error
            self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        """Return the next event. Cancelling is safe: nothing is lost."""
        while not self._frames:
            if self._error is not None:
                raise self._error
            if self._is_over:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        frame = self._frames.popleft()
        if len(self._frames) == self.size_max // 2:
            self.drained()
        return frame
