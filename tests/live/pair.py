"""Two servers of one site, for tests of what they do together."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.live.client import Client
from tests.live.people import PASSWORD
from tests.live.servers import AppServer, Site
from tests.services.redis import redis_server
from tests.services.server import Server

ROOMS = {
    "lobby": {"owner": "alice", "members": ["bob"]},
    "garden": {"owner": "alice", "members": ["bob"]},
    "studio": {"owner": "alice", "members": ["bob"], "visibility": "private"},
}
PEOPLE = ["alice", "bob", "charlie"]


@dataclass
class Pair:
    """Two servers on one site, and a token for each person."""

    site: Site
    servers: list[AppServer]
    tokens: dict[str, str]
    redis: Server

    @property
    def daphne(self) -> AppServer:
        return self.servers[0]

    @property
    def uvicorn(self) -> AppServer:
        return self.servers[1]

    async def connect(self, name: str, server: AppServer, **options: Any) -> Client:
        return await Client.connect(f"{server.ws_url}/ws/", token=self.tokens[name], **options)


@contextmanager
def pair_of(programs: list[str], folder: Path, database_url: str) -> Iterator[Pair]:
    """Yield a pair with a Redis of its own, so that it may be taken away."""
    with redis_server() as redis, ExitStack() as running:
        site = Site(folder, database_url, redis.url)
        site.migrate()
        tokens = site.populate(PEOPLE, ROOMS)
        servers = [running.enter_context(site.serving(program)) for program in programs]
        yield Pair(site, servers, tokens, redis)


def sign_in(server: AppServer, name: str) -> httpx.Client:
    """Sign in as people do, by the form, and return the browser."""
    browser = httpx.Client(base_url=server.http_url, trust_env=False)
    browser.get("/accounts/login/").raise_for_status()
    answer = submit(browser, "/accounts/login/", login=name, password=PASSWORD)
    assert answer.status_code == 302, answer.text
    return browser


def submit(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    token = browser.cookies["csrftoken"]
    return browser.post(path, data={**fields, "csrfmiddlewaretoken": token})


def session_headers(browser: httpx.Client, server: AppServer) -> dict[str, str]:
    return {"Cookie": f"sessionid={browser.cookies['sessionid']}", "Origin": server.http_url}
