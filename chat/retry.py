"""Asking the database again after it went away for a moment."""

from __future__ import annotations

import functools
import logging
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connection

from chat.errors import Unavailable

P = ParamSpec("P")
R = TypeVar("R")
logger = logging.getLogger(__name__)

# Seconds before each further try; a restart of PostgreSQL takes about one.
PAUSES_S = (0.1, 0.3, 0.6, 1.2)
# Seconds after which no further try is begun. Waiting for a connection alone takes up to five, and
# each waiting request holds a thread that others need.
PATIENCE_S = 4.0


def asks_again(function: Callable[P, R]) -> Callable[P, R]:
    """Run an idempotent function again when the database's connection breaks.

    Only for what may run twice: reads, and writes that find their own earlier success. Inside
    somebody else's transaction nothing is retried. Raises Unavailable after the last try; then
    the outcome is unknown. Blocks its thread, so it never runs on the event loop.
    """

    @functools.wraps(function)
    def retrying(*args: P.args, **kwargs: P.kwargs) -> R:
        began = time.monotonic()
        for pause in (*PAUSES_S, None):
            try:
                return function(*args, **kwargs)
            except (OperationalError, InterfaceError) as error:
                if connection.in_atomic_block:
                    raise
                if pause is None or time.monotonic() - began > PATIENCE_S:
                    logger.error("The database is away: %s", error)
                    raise Unavailable(retry_after_ms=2000) from error
                logger.warning("The database went away, asking again: %s", error)
                connection.close_if_unusable_or_obsolete()
                time.sleep(pause * random.uniform(0.8, 1.2))
        raise AssertionError("unreachable")

    return retrying
