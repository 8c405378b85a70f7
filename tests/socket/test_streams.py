"""Streams: cancelled, beside one another, and the end frame."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat.errors import Invalid
from chat.realtime import router as routing
from chat.realtime.router import Action, Done, Reply, Request, Streamed, router
from posts.actions import History
from tests.people import World
from tests.socket.acts import post_many
from tests.socket.client import Socket
from tests.socket.conftest import Gateway

pytestmark = pytest.mark.django_db(transaction=True)


class Tap:
    """A stream whose items the test lets out one by one."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[Any] = asyncio.Queue()
        self.is_open = False

    async def handler(self, request: Request, body: History) -> AsyncIterator[Any]:
        self.is_open = True
        try:
            while (item := await self.items.get()) is not None:
                yield item
        finally:
            self.is_open = False


@pytest.fixture
def tap(monkeypatch: pytest.MonkeyPatch) -> Tap:
    tap = Tap()
    monkeypatch.setitem(
        router.actions, "history", Action("history", History, None, tap.handler, "read", True)
    )
    return tap


async def started(gateway: Gateway, tap: Tap, request_id: Any = 7) -> Socket:
    nobody = await gateway.open()
    await nobody.send({"action": "history", "request_id": request_id, "room": "garden"})
    tap.items.put_nowait("first")
    assert (await nobody.frame())["result"] == "first"
    return nobody


async def test_the_first_item_comes_before_the_last_is_computed(gateway: Gateway, tap: Tap) -> None:
    nobody = await started(gateway, tap)
    assert tap.is_open
    tap.items.put_nowait(None)
    assert await nobody.frame() == {"request_id": 7, "done": True, "count": 1}


async def test_a_cancelled_stream_ends_and_says_so(gateway: Gateway, tap: Tap) -> None:
    nobody = await started(gateway, tap)
    await nobody.send({"action": "cancel", "request_id": 7})
    assert await nobody.frame() == {
        "request_id": 7,
        "done": True,
        "count": 1,
        "cancelled": True,
    }
    assert not tap.is_open
    assert await nobody.so_far() == []


async def test_text_and_number_name_different_streams(gateway: Gateway, tap: Tap) -> None:
    nobody = await started(gateway, tap)
    await nobody.send({"action": "cancel", "request_id": "7"})
    assert (await nobody.frame())["result"] == {"cancelled": False}
    assert tap.is_open


async def test_cancelling_nothing_is_no_error(gateway: Gateway) -> None:
    nobody = await gateway.open()
    await nobody.send({"action": "cancel", "request_id": 9})
    assert await nobody.frame() == {
        "request_id": 9,
        "action": "cancel",
        "ok": True,
        "result": {"cancelled": False},
    }
    await nobody.send({"action": "cancel"})
    assert (await nobody.frame())["error"]["code"] == "invalid"


async def test_nobody_cancels_anothers_stream(gateway: Gateway, tap: Tap) -> None:
    await started(gateway, tap)
    other = await gateway.open()
    await other.send({"action": "cancel", "request_id": 7})
    assert (await other.frame())["result"] == {"cancelled": False}
    assert tap.is_open


async def test_requests_overtake_a_stream(gateway: Gateway, tap: Tap) -> None:
    nobody = await started(gateway, tap)
    assert await nobody.result("ping") == {"heads": {}}
    tap.items.put_nowait(None)
    assert (await nobody.frame())["done"] is True


async def test_a_second_stream_needs_an_id_of_its_own(gateway: Gateway, tap: Tap) -> None:
    nobody = await started(gateway, tap)
    await nobody.send({"action": "history", "request_id": 7, "room": "garden"})
    assert (await nobody.frame())["error"]["fields"].keys() == {"request_id"}
    tap.items.put_nowait(None)
    assert (await nobody.frame())["done"] is True
    await nobody.send({"action": "history", "request_id": 7, "room": "garden"})
    tap.items.put_nowait(None)
    assert (await nobody.frame())["count"] == 0, "it may be used again"


async def test_an_error_in_the_middle_ends_the_stream(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(request: Request, body: History) -> AsyncIterator[Any]:
        yield 1
        raise Invalid("No further.")

    action = Action("history", History, None, broken, "read", True)
    monkeypatch.setitem(router.actions, "history", action)
    nobody = await gateway.open()
    await nobody.send({"action": "history", "request_id": 7, "room": "garden"})
    assert (await nobody.frame())["result"] == 1
    assert (await nobody.frame())["error"]["message"] == "No further."
    assert await nobody.so_far() == []


async def test_a_handler_may_decide_to_stream_and_say_more(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def items() -> AsyncIterator[Any]:
        yield "one"
        yield Done({"epoch": "e"})

    async def handler(request: Request, body: History) -> object:
        return Streamed(items()) if body.limit == 1 else Reply("all", {"query": "q"})

    action = Action("history", History, None, handler, "read", False)
    monkeypatch.setitem(routing.router.actions, "history", action)
    nobody = await gateway.open()
    await nobody.send({"action": "history", "request_id": 7, "room": "garden", "limit": 1})
    assert await nobody.frame() == {"request_id": 7, "result": "one"}
    assert await nobody.frame() == {"request_id": 7, "done": True, "count": 1, "epoch": "e"}
    answer = await nobody.ask("history", room="garden", limit=2)
    assert (answer["query"], answer["result"], answer["ok"]) == ("q", "all", True)


# --- plain clients: the answer they asked for is the first message -------------------------------


async def test_a_plain_clients_answer_comes_before_the_events_it_causes(
    gateway: Gateway, world: World
) -> None:
    bob = await gateway.plain(world.bob, path="/ws/rooms/garden/")
    await bob.send({"type": "newchat", "message": "hello", "request_id": 1})
    assert (await bob.frame())["request_id"] == 1
    assert (await bob.frame())["type"] == "post.created"


async def test_events_do_not_wait_behind_a_plain_clients_second_request(
    gateway: Gateway, world: World
) -> None:
    bob = await gateway.plain(world.bob, path="/ws/rooms/garden/")
    await bob.send({"action": "ping", "request_id": 0})
    await bob.frame()
    await bob.send({"type": "newchat", "message": "hello", "request_id": 1})
    types = {(await bob.frame()).get("type", "reply"), (await bob.frame()).get("type", "reply")}
    assert types == {"post.created", "reply"}


async def test_a_plain_clients_stream_begins_before_the_events_that_wait(
    gateway: Gateway, world: World, tap: Tap
) -> None:
    bob = await gateway.plain(world.bob, path="/ws/rooms/garden/")
    await bob.send({"action": "history", "request_id": 7, "room": "garden"})
    await post_many(world.alice, 2)
    tap.items.put_nowait("item")
    assert (await bob.frame())["result"] == "item"
    assert (await bob.frame())["type"] == "post.created"
    assert (await bob.frame())["type"] == "post.created"


async def test_without_an_answer_to_wait_for_events_come_at_once(
    gateway: Gateway, world: World
) -> None:
    bob = await gateway.plain(world.bob, path="/ws/rooms/garden/")
    await bob.send({"type": "newchat", "message": "hello"})
    assert (await bob.frame())["type"] == "post.created"


async def test_a_stream_that_is_cancelled_before_it_has_begun_says_so(
    gateway: Gateway, tap: Tap
) -> None:
    nobody = await gateway.open()
    # Both are there before the server reads the first.
    await nobody.send({"action": "history", "request_id": 7, "room": "garden"})
    await nobody.send({"action": "cancel", "request_id": 7})
    assert await nobody.frame() == {
        "request_id": 7,
        "done": True,
        "count": 0,
        "cancelled": True,
    }
    assert await nobody.so_far() == []
