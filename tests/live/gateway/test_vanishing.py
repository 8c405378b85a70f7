"""Clients that vanish without a word: no close, no reset, no answer to any ping."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from socket import create_connection

import pytest

from tests.live.raw import Socket, handshake, wait_until
from tests.live.servers import AppServer, Site

# Seconds of issue and design: silent for two heartbeats.
GONE_WITHIN_S = 50


@dataclass
class Running:
    """A site whose one server runs, and its database."""

    server: AppServer
    database: Path

    def has_rows(self, count: int) -> bool:
        """Whether the connections table has so many rows."""
        with closing(sqlite3.connect(self.database)) as database:
            found = database.execute("SELECT count(*) FROM chat_connection").fetchone()
        return bool(found == (count,))

    def connect(self, **headers: str) -> Socket:
        connection = create_connection(("127.0.0.1", self.server.port), timeout=10)
        connection.sendall(handshake("/ws/", **headers))
        client = Socket(connection)
        assert client.read_head().startswith(b"HTTP/1.1 101 ")
        return client


@pytest.fixture
def running(tmp_path: Path) -> Iterator[list[Running]]:
    """One daphne and one uvicorn, each a site by itself, so that both are waited for at once."""
    with ExitStack() as stack:
        found = []
        for program in ("daphne", "uvicorn"):
            folder = tmp_path / program
            folder.mkdir()
            database = folder / "db.sqlite3"
            site = Site(folder, f"sqlite:///{database}")
            site.migrate()
            found.append(Running(stack.enter_context(site.serving(program)), database))
        yield found


def test_who_vanishes_is_out_of_the_table_within_two_heartbeats(running: list[Running]) -> None:
    """The clients here are there, but never answer: what a server sees of a cable pulled out."""
    dialects = [{}, {"Sec_WebSocket_Protocol": "picturegram.v1.json"}]
    vanished = [each.connect(**headers) for each in running for headers in dialects]
    since = time.monotonic()
    for each in running:
        wait_until(partial(each.has_rows, 2))
    for each in running:
        wait_until(partial(each.has_rows, 0), GONE_WITHIN_S + 20)
        # Not an absolute time of ours, but the promise; a slow machine gets some seconds.
        assert time.monotonic() - since < GONE_WITHIN_S + 5
    for client in vanished:
        client.connection.close()
