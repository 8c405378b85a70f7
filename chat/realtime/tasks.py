"""Work beside the hub that ends with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from typing import Any

logger = logging.getLogger(__name__)

# Seconds that a cancelled task gets before it is cancelled again.
CANCEL_AGAIN_S = 0.5


class Tasks:
    """Running tasks, held so that none is collected, and logged when they fail."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.warning("Something is left to the next tick: %r", task.exception())

    async def end(self) -> None:
        """Cancel what runs and wait for it."""
        await end_tasks(self._running)


async def end_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended.

    Once is not enough: before Python 3.12 `asyncio.wait_for`, which Redis clients use, swallows a
    cancelling that comes in the moment in which what it waits for is done.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN_S)
