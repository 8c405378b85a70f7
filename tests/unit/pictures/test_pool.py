"""Worker processes: what they may take, what happens when they die, and that they do die."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

import psutil
import pytest
from PIL import Image

from posts.pictures.errors import PictureError, PicturesBusy, PictureTooComplex
from posts.pictures.limits import Limits, Resources
from posts.pictures.pool import Pool
from posts.pictures.process import Processed, process
from tests.pictures.drawn import encoded, quarters, upload
from tests.pictures.hostile import jpeg_of_scans

SMALL = encoded(quarters(64, 48), "PNG")
SLOW = jpeg_of_scans(6000, 90)
"""Takes a worker some seconds."""

DEADLINE_S = 20.0

Result = TypeVar("Result")


@pytest.fixture
def make_pool() -> Iterator[Callable[..., Pool]]:
    pools: list[Pool] = []

    def make(**options: object) -> Pool:
        pools.append(Pool(**options))  # type: ignore[arg-type]
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as executor:
        yield executor


def workers() -> set[int]:
    """Return the picture workers that this process has started, without their children."""
    found = set()
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if "posts.pictures.worker" in child.cmdline():
                found.add(child.pid)
    return found


def decoding(worker: int) -> list[psutil.Process]:
    return psutil.Process(worker).children()


def eventually(state: Callable[[], Result]) -> Result:
    """Return the first true value of `state`, or fail when there is none in time."""
    deadline = time.monotonic() + DEADLINE_S
    while not (result := state()):
        assert time.monotonic() < deadline, "it did not come to be in time"
        time.sleep(0.01)
    return result


def ask(pool: Pool, data: bytes) -> Processed:
    return process(upload(data), limits=Limits(), pool=pool)


class Started:
    """A pool with its worker running, and the worker's process id."""

    def __init__(self, pool: Pool) -> None:
        before = workers()
        ask(pool, SMALL)
        (self.worker,) = workers() - before
        eventually(lambda: not decoding(self.worker))
        self.pool = pool


def test_nothing_runs_before_the_first_picture(make_pool: Callable[..., Pool]) -> None:
    before = workers()
    pool = make_pool()
    assert workers() == before
    ask(pool, SMALL)
    assert len(workers() - before) == 1
    ask(pool, SMALL)
    assert len(workers() - before) == 1
    pool.close()
    assert workers() == before


def test_a_closed_pool_starts_again(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool()
    ask(pool, SMALL)
    pool.close()
    assert ask(pool, SMALL).width == 64


def test_the_worker_has_none_of_the_servers_secrets_or_sockets(
    make_pool: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "hush")
    monkeypatch.setenv("DATABASE_URL", "postgres://someone:hush@somewhere/")
    worker = psutil.Process(Started(make_pool()).worker)
    assert "hush" not in json.dumps(worker.environ())
    assert worker.net_connections("inet") == []
    assert worker.open_files() == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the limits of others")
def test_a_decoder_is_held_to_its_limits_by_the_system(
    make_pool: Callable[..., Pool], threads: ThreadPoolExecutor
) -> None:
    started = Started(make_pool())
    slow = threads.submit(ask, started.pool, SLOW)
    (child,) = eventually(lambda: decoding(started.worker))
    limits = Resources()
    eventually(lambda: child.rlimit(psutil.RLIMIT_FSIZE)[1] == 0)
    assert child.rlimit(psutil.RLIMIT_AS)[1] == limits.memory_bytes
    assert child.rlimit(psutil.RLIMIT_CPU)[1] == limits.cpu_s
    assert child.rlimit(psutil.RLIMIT_CORE)[1] == 0
    child.kill()
    assert isinstance(outcome(slow), PictureTooComplex)


def test_a_killed_decoder_fails_its_own_picture_alone(
    make_pool: Callable[..., Pool], threads: ThreadPoolExecutor
) -> None:
    started = Started(make_pool(workers=2))
    slow = threads.submit(ask, started.pool, SLOW)
    (child,) = eventually(lambda: decoding(started.worker))
    assert ask(started.pool, SMALL).width == 64
    child.kill()
    with pytest.raises(PictureTooComplex):
        slow.result(DEADLINE_S)
    assert ask(started.pool, SMALL).width == 64
    assert psutil.pid_exists(started.worker), "the same worker goes on"


def test_a_killed_worker_is_replaced(make_pool: Callable[..., Pool]) -> None:
    started = Started(make_pool())
    os.kill(started.worker, signal.SIGKILL)
    assert ask(started.pool, SMALL).width == 64
    assert started.worker not in workers()


def test_a_worker_killed_while_decoding_does_not_hang_anybody(
    make_pool: Callable[..., Pool], threads: ThreadPoolExecutor
) -> None:
    started = Started(make_pool(workers=2))
    slow = threads.submit(ask, started.pool, SLOW)
    (child,) = eventually(lambda: decoding(started.worker))
    os.kill(started.worker, signal.SIGKILL)
    assert ask(started.pool, SMALL).width == 64
    child.kill()
    with pytest.raises(PictureTooComplex):
        slow.result(DEADLINE_S)


def test_too_much_memory_is_refused(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool(resources=Resources(memory_bytes=200 * 1024**2))
    large = encoded(Image.new("RGB", (6000, 6000)), "JPEG")
    with pytest.raises(PictureTooComplex) as refusal:
        ask(pool, large)
    assert refusal.value.status == 422
    assert ask(pool, SMALL).width == 64


def test_too_much_processor_time_is_refused(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool(resources=Resources(cpu_s=1))
    started_at = time.monotonic()
    with pytest.raises(PictureTooComplex):
        ask(pool, SLOW)
    assert time.monotonic() - started_at < 10
    assert ask(pool, SMALL).width == 64


def test_a_decoder_that_stands_still_is_killed(
    make_pool: Callable[..., Pool], threads: ThreadPoolExecutor
) -> None:
    started = Started(make_pool(resources=Resources(wall_s=2)))
    slow = threads.submit(ask, started.pool, SLOW)
    (child,) = eventually(lambda: decoding(started.worker))
    child.suspend()
    with pytest.raises(PictureTooComplex):
        slow.result(DEADLINE_S)
    eventually(lambda: not decoding(started.worker))


def test_no_more_are_decoded_at_once_than_allowed(
    make_pool: Callable[..., Pool], threads: ThreadPoolExecutor
) -> None:
    started = Started(make_pool(workers=2))
    data = encoded(Image.effect_noise((1500, 1500), 50), "JPEG")
    pictures = [threads.submit(ask, started.pool, data) for _ in range(8)]
    most = 0
    while not all(each.done() for each in pictures):
        with suppress(psutil.NoSuchProcess):
            running = [p for p in decoding(started.worker) if p.status() != "zombie"]
            most = max(most, len(running))
    assert [each.result().width for each in pictures] == [1500] * 8
    # One that has answered may still be ending while the next one starts.
    assert 1 <= most <= 4


def test_who_finds_the_line_full_is_told_to_come_back(
    make_pool: Callable[..., Pool], threads: ThreadPoolExecutor
) -> None:
    started = Started(make_pool(workers=1, max_waiting=2))
    slow = threads.submit(ask, started.pool, SLOW)
    (child,) = eventually(lambda: decoding(started.worker))
    asked = [threads.submit(ask, started.pool, SMALL) for _ in range(6)]
    refused = eventually(lambda: [each for each in asked if each.done()][3:] and asked)
    child.kill()
    outcomes = [outcome(each) for each in refused]
    busy = [each for each in outcomes if isinstance(each, PicturesBusy)]
    assert len(busy) == 4
    assert all(each.status == 503 and each.code == "busy" for each in busy)
    assert all(2000 <= (each.retry_after_ms or 0) <= 4000 for each in busy)
    assert sum(isinstance(each, Processed) for each in outcomes) == 2
    assert isinstance(outcome(slow), PictureTooComplex)


def test_who_waits_too_long_is_told_to_come_back(
    make_pool: Callable[..., Pool], threads: ThreadPoolExecutor
) -> None:
    started = Started(make_pool(workers=1, max_wait_s=0.05))
    slow = threads.submit(ask, started.pool, SLOW)
    (child,) = eventually(lambda: decoding(started.worker))
    with pytest.raises(PicturesBusy):
        ask(started.pool, SMALL)
    child.kill()
    assert isinstance(outcome(slow), PictureTooComplex)
    assert ask(started.pool, SMALL).width == 64


def outcome(future: Future[Processed]) -> Processed | PictureError:
    try:
        return future.result(DEADLINE_S)
    except PictureError as error:
        return error


async def test_the_event_loop_runs_on_while_pictures_are_decoded(
    make_pool: Callable[..., Pool], threads: ThreadPoolExecutor
) -> None:
    pool = make_pool(workers=2)
    data = encoded(Image.effect_noise((2500, 2500), 50), "JPEG")
    loop = asyncio.get_running_loop()
    pictures = [loop.run_in_executor(threads, ask, pool, data) for _ in range(6)]
    longest = 0.0
    while not all(each.done() for each in pictures):
        at = time.monotonic()
        await asyncio.sleep(0.005)
        longest = max(longest, time.monotonic() - at)
    assert [(await each).width for each in pictures] == [2500] * 6
    assert longest < 0.5


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_its_server(end: signal.Signals) -> None:
    script = (
        "import io, sys\n"
        "from posts.pictures.limits import Limits\n"
        "from posts.pictures.process import process\n"
        "data = sys.stdin.buffer.read()\n"
        "process(io.BytesIO(data), limits=Limits())\n"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert server.stdin
    threading.Thread(target=lambda: server.communicate(SLOW), daemon=True).start()
    (worker,) = eventually(lambda: psutil.Process(server.pid).children())
    (child,) = eventually(worker.children)
    server.send_signal(end)
    server.wait()
    eventually(lambda: not worker.is_running() and not child.is_running())
