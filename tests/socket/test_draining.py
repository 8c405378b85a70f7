"""A process that stops sends everybody elsewhere."""

from __future__ import annotations

import asyncio

import pytest

from chat.realtime.rights import Revocable
from tests.people import World
from tests.socket.acts import do, post
from tests.socket.client import Closed, seqs
from tests.socket.conftest import Gateway, sign_in
from tests.socket.http_client import Exchange

pytestmark = pytest.mark.django_db(transaction=True)


async def test_everybody_is_told_when_to_come_back_and_leaves(
    gateway: Gateway, world: World
) -> None:
    sockets = [await gateway.open(world.alice, "/ws/rooms/garden/") for _ in range(5)]
    quiet = await gateway.plain(world.bob)
    server = await gateway.server()
    await server.drain()
    assert not server.connections
    waits = set()
    for socket in sockets:
        assert await socket.closed() == 4113
        farewell = socket.aside[-1]
        assert (farewell["type"], farewell["reason"]) == ("disconnect", "draining")
        assert farewell["reconnect"] is True
        assert 0 <= farewell["retry_after_ms"] < 5000
        waits.add(farewell["retry_after_ms"])
    assert len(waits) > 1, "spread"
    assert await quiet.closed() == 4113
    assert quiet.aside == []


async def test_who_comes_while_the_process_stops_is_sent_elsewhere(
    gateway: Gateway, world: World
) -> None:
    slow = await gateway.open(world.alice)
    slow.reading.clear()
    server = await gateway.server()
    draining = asyncio.create_task(server.drain())
    await asyncio.sleep(0)
    late = await gateway.open()
    assert late.hello["type"] == "disconnect"
    assert (late.hello["code"], late.hello["reconnect"]) == (4113, True)
    assert late.hello["retry_after_ms"] >= 0
    assert await late.closed() == 4113
    quiet = await gateway.plain()
    with pytest.raises(Closed) as closed:
        await quiet.frame()
    assert closed.value.code == 4113
    slow.reading.set()
    await draining


async def test_who_was_just_being_welcomed_is_sent_elsewhere_too(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await gateway.server()
    cookie = await do(sign_in, world.alice)
    subscribe = type(server.hub).subscribe
    draining: list[asyncio.Task[None]] = []

    async def slow(*args: object, **kwargs: object) -> object:
        draining.append(asyncio.create_task(server.drain()))
        await asyncio.sleep(0)
        return await subscribe(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(type(server.hub), "subscribe", slow)
    socket = await gateway.open(path="/ws/rooms/garden/", cookie=cookie)
    assert (socket.hello.get("code") or await socket.closed()) == 4113
    await draining[0]


async def test_who_is_indexed_after_everybody_was_told_is_sent_elsewhere_too(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await gateway.server()
    admit = server.hub.rights.admit

    def late(socket: Revocable) -> bool:
        server.is_draining = True
        return admit(socket)

    monkeypatch.setattr(server.hub.rights, "admit", late)
    socket = await gateway.open(world.alice, "/ws/rooms/garden/")
    assert (socket.hello["type"], await socket.closed()) == ("disconnect", 4113)
    await socket.gone()
    assert not server.hub.rooms


async def test_who_begins_to_wait_while_the_process_stops_is_not_held(
    gateway: Gateway, world: World
) -> None:
    slow = await gateway.open(world.alice)
    slow.reading.clear()
    server = await gateway.server()
    draining = asyncio.create_task(server.drain())
    await asyncio.sleep(0)
    path = f"/api/rooms/garden/events/?after_seq={world.garden.last_seq}&wait=25"
    answer = await Exchange(gateway.application, path).start().json()
    assert (answer["recovered"], answer["events"]) == (True, [])
    slow.reading.set()
    await draining


async def test_nothing_is_lost_on_the_way_to_another_process(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice)
    (room,) = (await alice.result("subscribe", rooms=["garden"]))["rooms"]
    await post(world.bob, "before")
    await (await gateway.server()).drain()
    await post(world.bob, "meanwhile")
    assert await alice.closed() == 4113
    handled = max([room["seq"], *seqs(alice.aside)])
    await (await gateway.server()).stop()  # the next one of this loop is another process
    again = await gateway.open(world.alice)
    position = {"room": "garden", "epoch": room["epoch"], "seq": handled}
    (answer,) = (await again.result("subscribe", rooms=[position]))["rooms"]
    texts = [
        event["data"]["text"] for event in [*alice.aside, *answer["events"]] if "data" in event
    ]
    assert texts == ["before", "meanwhile"]
