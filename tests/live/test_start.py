"""`manage.py start`, as `make run` calls it: from an empty folder, and again."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.live.servers import ROOT
from tests.services.server import free_port

# What the tests' own settings and the shell say, and a person's first start does not.
FOREIGN = (
    *("ALLOWED_HOSTS", "DATABASE_URL", "DJANGO_SETTINGS_MODULE", "MEDIA_ROOT", "REDIS_URL"),
    *("SECRET_KEY", "STATIC_ROOT", "TEST_DATA_DIR"),
)
# The demo takes some ten seconds of two processors.
FIRST_START_S = 90
START_S = 30
READY = re.compile(r"PictureGram\s+(http://127\.0\.0\.1:\d+/)")


class Started:
    """The command in a process of its own, and what it has printed."""

    def __init__(self, data: Path, *arguments: str) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        environment |= {"DEBUG": "1", "DATA_DIR": str(data)}
        self.log = data.with_name(f"start-{time.monotonic_ns()}.log")
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "manage.py", "start", *arguments],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def printed(self) -> str:
        return self.log.read_text()

    def wait_for_address(self, deadline_s: float) -> str:
        deadline = time.monotonic() + deadline_s
        while not (found := READY.search(self.printed)):
            assert self.popen.poll() is None, self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.05)
        return found[1]

    def end(self, number: signal.Signals) -> int:
        self.popen.send_signal(number)
        return self.popen.wait(START_S)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the first test, which the later ones find as it left it."""
    return tmp_path_factory.mktemp("start") / "var"


@pytest.fixture
def started(data: Path) -> Iterator[Started]:
    process = Started(data, "--port", str(free_port()))
    yield process
    if process.popen.poll() is None:
        process.end(signal.SIGKILL)


def test_the_first_start_makes_the_demo_and_says_where_to_go(started: Started) -> None:
    address = started.wait_for_address(FIRST_START_S)
    assert "ada, grace, linus, admin; the password is picturegram" in started.printed
    posts = httpx.get(f"{address}api/rooms/lobby/posts/").json()["results"]
    assert len(posts) > 20
    first = next(post for post in posts if post["images"])
    assert first["images"][0]["alt"]
    assert httpx.get(address.rstrip("/") + first["images"][0]["url"]).status_code == 200
    # Written over a week, in the log's own order.
    times = [post["created_at"] for post in posts]
    assert times == sorted(times, reverse=True)
    assert times[0][:10] > times[-1][:10]
    rooms = httpx.get(f"{address}api/rooms/").json()["results"]
    assert "studio" not in [room["slug"] for room in rooms]
    assert started.end(signal.SIGTERM) == 0
    assert started.printed.endswith("Stopped.\n")


def test_a_later_start_leaves_everything_as_it_is(started: Started) -> None:
    began = time.monotonic()
    address = started.wait_for_address(START_S)
    took_s = time.monotonic() - began
    assert "demo" not in started.printed
    assert httpx.get(f"{address}api/rooms/lobby/posts/").status_code == 200
    assert started.end(signal.SIGINT) == 0
    assert took_s < 5, f"a second start took {took_s:.1f} s"


def test_a_taken_port_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = Started(tmp_path / "var", "--port", str(port))
        assert process.popen.wait(START_S) == 1
    assert f"Port {port} is in use" in process.printed
    assert f"make run PORT={port + 1}" in process.printed
    assert "Traceback" not in process.printed
    assert not (tmp_path / "var" / "db.sqlite3").exists()


def test_a_demo_that_was_cut_short_is_finished_by_the_next_start(tmp_path: Path) -> None:
    port = ("--port", str(free_port()))
    process = Started(tmp_path / "var", *port)
    deadline = time.monotonic() + FIRST_START_S
    while " of 47 posts" not in process.printed:  # tells of every tenth
        assert process.popen.poll() is None, process.printed
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.end(signal.SIGKILL)
    process = Started(tmp_path / "var", *port)
    try:
        process.wait_for_address(FIRST_START_S)
    finally:
        process.end(signal.SIGTERM)
    remaining = re.findall(r"of (\d+) posts", process.printed)
    assert remaining
    assert 0 < int(remaining[-1]) < 47
