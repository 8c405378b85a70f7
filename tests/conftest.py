"""What all tests share: services, a mark for each folder, and rules that no test may break."""

import inspect
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests import services

FOLDERS = ("unit", "storage", "socket", "live", "browser")


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of a real Redis. It is shared: use key prefixes of your own, never flush it."""
    with services.redis_url() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a real PostgreSQL whose user may create databases."""
    with services.database_url() as url:
        yield url


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a real Chromium."""
    return services.chromium_path()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """End the sessions that other threads left open: PostgreSQL drops no database in use."""
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of this run's data, unless it was given; it goes with the run."""
    folder = Path(os.environ["TEST_DATA_DIR"])
    if not folder.exists():
        folder.mkdir(mode=0o700)
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test by its folder and refuse what would make other tests fail at random."""
    errors = []
    for item in items:
        folder = _folder(item)
        if folder is not None:
            item.add_marker(folder)
        if problem := _problem(item, folder):
            errors.append(f"{item.nodeid}: {problem}")
    if len({_folder(item) == "browser" for item in items}) > 1:
        # Playwright's event loop runs in the main thread, where pytest-asyncio needs its own.
        errors.append("tests/browser must be run alone: pytest tests/browser")
    if errors:
        raise pytest.UsageError(*errors)


def _folder(item: pytest.Item) -> str | None:
    parts = item.path.relative_to(Path(__file__).parent).parts
    return parts[0] if parts[0] in FOLDERS else None


def _problem(item: pytest.Item, folder: str | None) -> str | None:
    fixtures = set(getattr(item, "fixturenames", ()))
    mark = item.get_closest_marker("django_db")
    is_async = inspect.iscoroutinefunction(getattr(item, "function", None))
    if folder == "unit" and (mark or "db" in fixtures):
        return "a unit test uses no database; move it to tests/storage"
    if is_async and folder == "browser":
        return "browser tests are synchronous"
    if is_async and (mark or "db" in fixtures):
        # Async code uses connections of other threads, which a test's transaction does not cover:
        # rows would leak into the next test on PostgreSQL, and SQLite would find itself locked.
        whole = "transactional_db" in fixtures
        whole = whole or bool(mark and (mark.kwargs.get("transaction") or mark.args[:1] == (True,)))
        if not whole:
            return "an async test with a database needs django_db(transaction=True)"
    return None
