"""Threads for functions that may take long, or never end: bounded, and counted while they do.

The pools of the standard library wait for every thread when the process ends; one stuck handler
would keep a server from stopping. These are daemons.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar, cast

from chat.errors import AppError

logger = logging.getLogger(__name__)

R = TypeVar("R")
Work = Callable[[], Any]


class Busy(AppError):
    """Nothing was done: ask again later."""

    code, status = "busy", 503
    message = "Too many calls are under way; wait a moment."

    def __init__(self) -> None:
        super().__init__(retry_after_ms=1000)


class Threads:
    """At most `threads_max` threads, and `waiting_max` calls that wait for one, in order."""

    def __init__(self, name: str, *, threads_max: int, waiting_max: int) -> None:
        self.name = name
        self.threads_max = threads_max
        self.waiting_max = waiting_max
        # Threads that run what nobody waits for any more.
        self.stuck_count = 0
        # Calls that were submitted and are not over.
        self._call_count = 0
        self._thread_count = 0
        self._idle_count = 0
        self._waiting: deque[tuple[Future[Any], Work]] = deque()
        self._changed = threading.Condition()

    def submit(self, work: Callable[[], R]) -> Future[R]:
        """Run `work` on a thread. Raises Busy when none will be free for it."""
        future: Future[R] = Future()
        with self._changed:
            is_full = self._call_count >= self.threads_max + self.waiting_max
            if is_full or self.stuck_count >= self.threads_max:
                raise Busy
            self._call_count += 1
            self._waiting.append((future, work))
            if len(self._waiting) > self._idle_count and self._thread_count < self.threads_max:
                self._thread_count += 1
                name = f"{self.name}-{self._thread_count}"
                threading.Thread(target=self._run, name=name, daemon=True).start()
            else:
                self._changed.notify()
        return future

    def give_up(self, future: Future[Any]) -> None:
        """Wait no longer. Work that runs already cannot be ended: its thread counts as stuck."""
        if future.cancel() or future.done():
            return
        with self._changed:
            self.stuck_count += 1
        logger.warning(
            "%d of %d threads (%s) run calls that were given up.",
            self.stuck_count,
            self.threads_max,
            self.name,
        )
        future.add_done_callback(self._came_back)

    def _came_back(self, future: Future[Any]) -> None:
        with self._changed:
            self.stuck_count -= 1

    def _next(self) -> tuple[Future[Any], Work]:
        with self._changed:
            while not self._waiting:
                self._idle_count += 1
                self._changed.wait()
                self._idle_count -= 1
            return self._waiting.popleft()

    def _run(self) -> None:
        while True:
            future, work = self._next()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:  # Whatever it is, it is its caller's; we go on.
                    future.set_exception(cast(Exception, error))
            del future, work
            with self._changed:
                self._call_count -= 1
