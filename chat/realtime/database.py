"""Database work of sockets: a bounded pool of threads.

Channels runs all sockets of a process on one thread unless told otherwise, so that one slow
query would freeze every room. The pool's size is DATABASE_THREADS; what waits for a thread
waits in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import Error as DatabaseFailure

from chat.errors import Unavailable

__all__ = ["DatabaseFailure", "in_background_database", "in_database", "in_hub_database"]

P = ParamSpec("P")
R = TypeVar("R")


def _new_pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(settings.DATABASE_THREADS, thread_name_prefix="database")


POOL = _new_pool()
# What keeps everybody up to date (the log, rights, the lease) has threads of its own: it must not
# wait behind people's requests when those wait for a lock, or for a database that is away.
HUB_POOL = ThreadPoolExecutor(2, thread_name_prefix="hub")
# What is written down by the way, such as who is connected, waits behind itself alone.
BACKGROUND_POOL = ThreadPoolExecutor(1, thread_name_prefix="background")


async def in_database(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run `function` on a thread of the pool.

    Cancelling stops the waiting, not the work: a commit under way is committed. Raises
    Unavailable when the process is stopping and the work had not begun.
    """
    run = database_sync_to_async(function, thread_sensitive=False, executor=POOL)
    try:
        return await run(*args, **kwargs)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise Unavailable from None  # forget_waiting


def forget_waiting() -> None:
    """Forget the work that has not begun: whoever asked for it has been sent elsewhere.

    Otherwise a process that ends would do it all first.
    """
    global POOL
    pool, POOL = POOL, _new_pool()
    pool.shutdown(wait=False, cancel_futures=True)


async def in_hub_database(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run what the hub itself needs on a thread of its own; otherwise as `in_database`."""
    run = database_sync_to_async(function, thread_sensitive=False, executor=HUB_POOL)
    return await run(*args, **kwargs)


async def in_background_database(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run what nobody waits for, one after the other; otherwise as `in_database`."""
    run = database_sync_to_async(function, thread_sensitive=False, executor=BACKGROUND_POOL)
    return await run(*args, **kwargs)
