"""Reaching one connection by its id: posting to it, inspecting it, dropping it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from chat.gateway import remote
from chat.gateway.remote import Congested, Gone, Unreachable
from chat.models import Lease
from chat.models.lease import LEASE_SECONDS
from chat.realtime import lease
from chat.realtime.close_codes import CloseCode
from tests.people import World
from tests.socket.acts import do
from tests.socket.client import Closed
from tests.socket.conftest import LAYERS, Gateway

pytestmark = pytest.mark.django_db(transaction=True)

EACH_LAYER = pytest.mark.parametrize("layer_name", LAYERS)


async def new_node(*, renewed_ago_s: float = 0) -> bytes:
    """Make the lease of another process, and return what it puts into its ids."""
    node = lease.new_node()

    def make() -> None:
        renewed_at = timezone.now() - timedelta(seconds=renewed_ago_s)
        Lease.objects.create(
            node=node.hex(), host="elsewhere", pid=1, is_shared=True, renewed_at=renewed_at
        )

    await do(make)
    return node


def id_on(node: bytes) -> str:
    return base64.b64encode(node + bytes(7)).decode()


async def test_a_post_arrives_as_it_was_sent(gateway: Gateway, world: World) -> None:
    server = await gateway.server()
    for open_one in (gateway.open, gateway.plain):
        socket = await open_one(world.alice)
        [connection] = server.connections
        await remote.post(server, connection.id, "Grüße, {".encode())
        assert await socket.text() == "Grüße, {"
        await remote.post(server, connection.id, b"\xff\x00")
        assert await socket.binary() == b"\xff\x00"
        await socket.leave()


async def test_a_post_that_is_asked_for_again_arrives_once(gateway: Gateway, world: World) -> None:
    server = await gateway.server()
    socket = await gateway.open(world.alice)
    connection_id = socket.hello["connection_id"]
    for invocation in ("one", "one", "two"):
        await remote.post(server, connection_id, b'{"n": 1}', invocation=invocation)
    await remote.post(server, connection_id, b'{"n": 2}')
    assert [frame["n"] for frame in await socket.so_far()] == [1, 1, 2]


async def test_a_repeat_is_answered_as_the_first_was_even_when_it_is_gone(
    gateway: Gateway, world: World
) -> None:
    server = await gateway.server()
    socket = await gateway.open(world.alice)
    connection_id = socket.hello["connection_id"]
    await remote.post(server, connection_id, b"1", invocation="one")
    await socket.leave()
    await remote.post(server, connection_id, b"1", invocation="one")
    with pytest.raises(Gone):
        await remote.post(server, connection_id, b"1", invocation="two")


async def test_inspecting_tells_when_it_was_heard_last(gateway: Gateway, world: World) -> None:
    server = await gateway.server()
    agent = ("user-agent", "a bot")
    socket = await gateway.open(world.alice, headers=[agent])
    connection_id = socket.hello["connection_id"]
    first = await remote.inspect(server, connection_id)
    assert (first.source_ip, first.user_agent) == ("127.0.0.1", "a bot")
    assert timezone.now() - first.connected_at < timedelta(seconds=30)
    await socket.ask("ping")
    second = await remote.inspect(server, connection_id)
    assert second.connected_at == first.connected_at
    assert second.last_active_at > first.last_active_at


async def test_a_dropped_one_is_told_why_and_gone_at_once(gateway: Gateway, world: World) -> None:
    server = await gateway.server()
    socket = await gateway.open(world.alice)
    socket.reading.clear()  # so that the close is not answered yet
    connection_id = socket.hello["connection_id"]
    await remote.drop(server, connection_id, code=CloseCode.DROPPED, reason="spam")
    with pytest.raises(Gone):
        await remote.inspect(server, connection_id)
    socket.reading.set()
    farewell = await socket.event("disconnect")
    assert (farewell["code"], farewell["reason"], farewell["reconnect"]) == (4012, "spam", False)
    assert await socket.closed() == CloseCode.DROPPED


async def test_a_quiet_one_is_dropped_without_a_word(gateway: Gateway, world: World) -> None:
    server = await gateway.server()
    socket = await gateway.plain(world.alice)
    [connection] = server.connections
    await remote.drop(server, connection.id)
    with pytest.raises(Closed, match="1000"):
        await socket.frame()


async def test_one_that_does_not_read_is_congested_and_stays(
    gateway: Gateway, world: World
) -> None:
    server = await gateway.server()
    socket = await gateway.open(world.alice)
    connection_id = socket.hello["connection_id"]
    socket.reading.clear()

    async def post_on() -> None:
        for _ in range(1000):
            await remote.post(server, connection_id, b'{"n": 1}')

    with pytest.raises(Congested):
        await post_on()
    await remote.inspect(server, connection_id)
    socket.reading.set()
    assert await socket.ask("ping")


@pytest.mark.parametrize(
    "name", ["", "x", "Ecrmfdd1oAMAdhQ", "Ecrmfdd1oAMAdhQé", "//////////////8="]
)
async def test_what_is_no_id_is_gone(gateway: Gateway, name: str) -> None:
    server = await gateway.server()
    with pytest.raises(Gone):
        await remote.inspect(server, name)


async def test_a_process_without_a_living_lease_holds_nothing(gateway: Gateway) -> None:
    server = await gateway.server()
    over = await new_node(renewed_ago_s=LEASE_SECONDS + 1)
    for node in (lease.new_node(), over):
        with pytest.raises(Gone):
            await remote.post(server, id_on(node), b"x")


async def test_silence_is_unknown_while_the_lease_lives(gateway: Gateway) -> None:
    server = await gateway.server()
    with pytest.raises(Unreachable):
        await remote.inspect(server, id_on(await new_node()))


async def test_silence_is_gone_when_the_lease_ends_meanwhile(gateway: Gateway) -> None:
    server = await gateway.server()
    node = await new_node(renewed_ago_s=LEASE_SECONDS - 1)
    with pytest.raises(Gone):
        await remote.inspect(server, id_on(node))


@EACH_LAYER
async def test_another_process_is_asked_over_the_layer(
    gateway: Gateway, another_hub: Callable[[], Any]
) -> None:
    """It answers as this one does; tests/live shows the same with two real processes."""
    server, hub = await gateway.server(), await another_hub()
    node = await new_node()
    asked: list[dict[str, Any]] = []

    def answer(message: dict[str, Any]) -> None:
        asked.append(message)
        outcome = {"x": "done", "y": "gone", "z": "congested"}[message["data"].decode()]
        told = {"type": "node.answer", "number": message["number"], "outcome": outcome}
        hub.doorbell.put(message["back"], told)

    hub.listen("node.ask", answer)
    await hub.link.join_now(remote.node_group(node.hex()))
    assert await server.hub.link.hears(10)
    await remote.post(server, id_on(node), b"x", invocation="one")
    with pytest.raises(Gone):
        await remote.post(server, id_on(node), b"y")
    with pytest.raises(Congested):
        await remote.post(server, id_on(node), b"z")
    assert [message["connection_id"] for message in asked] == [id_on(node)] * 3
    assert asked[0]["invocation"] == "one"


@EACH_LAYER
async def test_another_process_s_question_is_answered(
    gateway: Gateway, world: World, another_hub: Callable[[], Any]
) -> None:
    server, hub = await gateway.server(), await another_hub()
    socket = await gateway.open(world.alice)
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    hub.listen("node.answer", heard.put_nowait)
    await hub.link.join_now("node.asker")
    assert await server.hub.link.hears(10)
    question = {"type": "node.ask", "number": "1", "back": "node.asker", "verb": "post"}
    body = {"connection_id": socket.hello["connection_id"], "data": b'{"n": 1}', "invocation": "i"}
    hub.doorbell.put(remote.node_group(lease.NODE.hex()), question | body)
    assert json.loads(await socket.text()) == {"n": 1}
    async with asyncio.timeout(10):
        told = await heard.get()
    assert (told["number"], told["outcome"]) == ("1", "done")


async def test_a_thread_reaches_it_too(gateway: Gateway, world: World) -> None:
    await gateway.server()
    socket = await gateway.open(world.alice)
    connection_id = socket.hello["connection_id"]
    await do(remote.post_now, connection_id, b'{"n": 1}')
    assert await socket.frame() == {"n": 1}
    assert (await do(remote.inspect_now, connection_id)).source_ip == "127.0.0.1"
    await do(remote.drop_now, connection_id, code=4012)
    assert await socket.closed() == 4012
    with pytest.raises(Gone):
        await do(remote.inspect_now, connection_id)
