"""Sockets' database work runs side by side, and no more of it at once than was set."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from chat.realtime.database import in_database
from posts import actions
from tests.people import World
from tests.socket.acts import post
from tests.socket.conftest import Gateway

pytestmark = pytest.mark.django_db(transaction=True)
THREADS = settings.DATABASE_THREADS
DEADLINE_S = 10


async def test_as_many_slow_requests_as_threads_run_side_by_side(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds its thread until all of them are there: with one thread none would go on."""
    barrier = threading.Barrier(THREADS, timeout=DEADLINE_S)
    history = actions._history

    def slow(*args: Any) -> Any:
        barrier.wait()
        return history(*args)

    monkeypatch.setattr(actions, "_history", slow)
    await post(world.bob, "Hello")
    sockets = [await gateway.open() for _ in range(THREADS)]
    answers = await asyncio.gather(*(socket.stream("history", room="garden") for socket in sockets))
    assert [len(items) for items in answers] == [1] * THREADS


async def test_a_slow_request_delays_no_other_socket(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on = threading.Event()
    create = actions._create

    def slow(*args: Any) -> Any:
        assert may_go_on.wait(DEADLINE_S)
        return create(*args)

    monkeypatch.setattr(actions, "_create", slow)
    slow_one, other = await gateway.open(world.alice), await gateway.open(world.bob)
    await other.result("subscribe", rooms=["garden"])
    await slow_one.send(
        {"action": "post.create", "request_id": 1, "room": "garden", "text": "slowly"}
    )
    await post(world.bob, "meanwhile")
    assert (await other.event("post.created"))["data"]["text"] == "meanwhile"
    assert len(await other.stream("history", room="garden")) == 1
    may_go_on.set()
    assert (await slow_one.frame())["ok"] is True


async def test_no_more_work_runs_at_once_than_there_are_threads(db: None) -> None:
    lock = threading.Lock()
    may_go_on = threading.Event()
    running = most = 0

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        assert may_go_on.wait(DEADLINE_S)
        with lock:
            running -= 1

    tasks = [asyncio.create_task(in_database(work)) for _ in range(3 * THREADS)]
    async with asyncio.timeout(DEADLINE_S):
        while running < THREADS:
            await asyncio.sleep(0.01)
    may_go_on.set()
    await asyncio.gather(*tasks)
    assert most == THREADS


async def test_the_loop_goes_on_while_all_threads_are_busy(gateway: Gateway, world: World) -> None:
    may_go_on = threading.Event()
    nobody = await gateway.open()
    tasks = [asyncio.create_task(in_database(may_go_on.wait, DEADLINE_S)) for _ in range(THREADS)]
    assert await nobody.result("ping") == {"heads": {}}
    may_go_on.set()
    await asyncio.gather(*tasks)


async def test_a_cancelled_wait_does_not_undo_the_work(world: World) -> None:
    started, may_go_on, done = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        assert may_go_on.wait(DEADLINE_S)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        done.set()

    task = asyncio.create_task(in_database(work))
    await asyncio.to_thread(started.wait, DEADLINE_S)
    task.cancel()
    may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(done.wait, DEADLINE_S)
