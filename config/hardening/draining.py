"""What the application does before its server closes the sockets."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

# Seconds for the application to say goodbye, then for its tasks to end once their sockets have
# been told. Together with the closing they stay within the 15 s after which a supervisor kills.
DRAIN_S = 5
GRACE_S = 5

_callbacks: list[Callable[[], Awaitable[None]]] = []


def on_shutdown(callback: Callable[[], Awaitable[None]]) -> None:
    """Have `callback` awaited at SIGTERM or SIGINT, while sockets and requests still work.

    New connections are already refused. After at most `DRAIN_S` it is cancelled, and what is
    still open is closed with 1012.
    """
    _callbacks.append(callback)


async def drain() -> None:
    """Run all callbacks at once and return when they are done or `DRAIN_S` is over."""
    tasks = [asyncio.ensure_future(callback()) for callback in _callbacks]
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=DRAIN_S)
    for task in late:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            logger.error("A callback of the shutdown failed", exc_info=outcome)
    if late:
        logger.warning("Draining was cut short after %s s", DRAIN_S)
