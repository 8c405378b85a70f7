"""The real services that the tests need: a private Redis and PostgreSQL, and a Chromium.

`python -m tests.services -- command …` runs a command with TEST_REDIS_URL, TEST_DATABASE_URL and
CHROMIUM set. Each service is, in this order: the one that its variable already names; the system's
program; a system package, installed where that is permitted; a wheel. Where none of these gives
it, `Unavailable` says so in a sentence.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.services.chromium import chromium_path
from tests.services.postgres import postgres_server
from tests.services.redis import redis_server
from tests.services.server import Unavailable

__all__ = ["Unavailable", "chromium_path", "database_url", "environment", "redis_url"]


@contextmanager
def redis_url() -> Iterator[str]:
    """Yield the address of a Redis for tests; it lives until the block ends."""
    if given := os.environ.get("TEST_REDIS_URL"):
        yield given
        return
    with redis_server() as server:
        yield server.url


@contextmanager
def database_url() -> Iterator[str]:
    """Yield the address of a PostgreSQL whose user may create databases."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    with postgres_server() as server:
        yield server.url


@contextmanager
def environment() -> Iterator[dict[str, str]]:
    """Yield the variables that lead a command to all three services; name all that are missing."""
    variables: dict[str, str] = {}
    missing: list[str] = []
    with ExitStack() as running:
        for name, service in (("TEST_REDIS_URL", redis_url), ("TEST_DATABASE_URL", database_url)):
            try:
                variables[name] = running.enter_context(service())
            except Unavailable as reason:
                missing.append(str(reason))
        try:
            variables["CHROMIUM"] = chromium_path()
        except Unavailable as reason:
            missing.append(str(reason))
        if missing:
            raise Unavailable("\n".join(missing))
        yield variables
