"""Database work of sockets: a bounded pool of threads.

Channels runs all sockets of a process on one thread unless told otherwise, so that one slow
query would freeze every room. The pool's size is DATABASE_THREADS; what waits for a thread
waits in order.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import Error as DatabaseFailure

__all__ = ["DatabaseFailure", "in_database", "in_hub_database"]

P = ParamSpec("P")
R = TypeVar("R")

POOL = ThreadPoolExecutor(settings.DATABASE_THREADS, thread_name_prefix="database")
# What keeps everybody up to date (the log, rights, the lease) has threads of its own: it must not
# wait behind people's requests when those wait for a lock, or for a database that is away.
HUB_POOL = ThreadPoolExecutor(2, thread_name_prefix="hub")


async def in_database(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run `function` on a thread of the pool.

    Cancelling stops the waiting, not the work: a commit under way is committed.
    """
    run = database_sync_to_async(function, thread_sensitive=False, executor=POOL)
    return await run(*args, **kwargs)


async def in_hub_database(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run what the hub itself needs on a thread of its own; otherwise as `in_database`."""
    run = database_sync_to_async(function, thread_sensitive=False, executor=HUB_POOL)
    return await run(*args, **kwargs)
