"""Playwright with the machine's own Chromium, on a real server with a database of its own."""

import os
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, StorageState

from tests.browser.people import Client, Person
from tests.live.servers import AppServer, Site
from tests.services.chromium import ARGUMENTS

# Playwright runs an event loop in the main thread; Django would take the database set-up of a
# synchronous test there for blocking code in a coroutine.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

# alice owns, bob belongs, charlie is a stranger.
NAMES = ["alice", "bob", "charlie"]
Cookies = dict[str, StorageState]


@pytest.fixture(scope="session")
def browser_type_launch_args(chromium: str) -> dict[str, object]:
    """Launch the Chromium of `tests.services` instead of one that Playwright downloads."""
    return {"executable_path": chromium, "args": ARGUMENTS}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site")
    site = Site(folder, f"sqlite:///{folder / 'db.sqlite3'}")
    site.migrate()
    return site


@pytest.fixture(scope="session")
def tokens(site: Site) -> dict[str, str]:
    return site.populate(NAMES, {"lobby": {"owner": "alice", "members": ["bob"]}})


@pytest.fixture(scope="session")
def server(site: Site, tokens: dict[str, str]) -> Iterator[AppServer]:
    with site.serving("daphne") as server:
        yield server


@pytest.fixture
def clients(server: AppServer, tokens: dict[str, str]) -> dict[str, Client]:
    """What alice, bob and charlie do from elsewhere, over REST."""
    return {name: Client(server.http_url, token) for name, token in tokens.items()}


@pytest.fixture
def room(clients: dict[str, Client]) -> str:
    """The slug of a public room of this test alone, owned by alice; bob belongs to it."""
    slug = f"room-{secrets.token_hex(4)}"
    clients["alice"].create_room(slug)
    clients["bob"].join(slug)
    return slug


@pytest.fixture(scope="session")
def cookies(browser: Browser, server: AppServer) -> Cookies:
    """Signed-in sessions by name, filled as they are needed: signing in is slow by design."""
    return {}


Meet = Callable[..., Person]


@pytest.fixture
def meet(browser: Browser, server: AppServer, cookies: Cookies) -> Iterator[Meet]:
    """Open browsers for people; whatever went wrong in their pages fails the test at its end."""
    met: list[Person] = []

    def meet(name: str | None, **options: Any) -> Person:
        if name and name not in cookies:
            with Person(browser, server.http_url) as newcomer:
                newcomer.sign_in(name)
                cookies[name] = newcomer.context.storage_state()
        state = cookies.get(name or "")
        person = Person(browser, server.http_url, storage_state=state, **options)
        met.append(person)
        return person

    yield meet
    for person in met:
        person.close()
    problems = [problem for person in met for problem in person.problems]
    assert not problems
