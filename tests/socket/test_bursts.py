"""Much at once: who reads as fast as they ask, or as events come, loses nothing and stays."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chat.gateway.topics import publishing
from tests.people import World
from tests.socket.acts import do
from tests.socket.client import Socket
from tests.socket.conftest import LAYERS, Gateway

pytestmark = pytest.mark.django_db(transaction=True)


def publish_many(author: Any, count: int) -> None:
    """Publish as one batch, as over HTTP."""
    publishing.publish(
        [
            publishing.draft_of(
                author, topic="race/7", event_type="Lap", payload={"n": n}, client_id=None
            )
            for n in range(count)
        ]
    )


async def heard(socket: Socket, count: int) -> list[int]:
    return [(await socket.event("event"))["offset"] for _ in range(count)]


@pytest.mark.parametrize("layer_name", LAYERS)
async def test_a_batch_larger_than_an_outbox_reaches_everybody_whole(
    gateway: Gateway, world: World
) -> None:
    sockets = [await gateway.open(world.bob), await gateway.plain(world.charlie)]
    for socket in sockets:
        await socket.send({"action": "subscribe", "request_id": 1, "id": "race/7"})
        assert (await socket.frame())["ok"] is True
    await do(publish_many, world.alice, 500)
    for offsets in await asyncio.gather(*(heard(socket, 500) for socket in sockets)):
        assert offsets == list(range(offsets[0], offsets[0] + 500))


async def test_a_producer_may_spend_its_burst_at_once(gateway: Gateway, world: World) -> None:
    alice = await gateway.program(world.alice, "read", "publish")
    for number in range(390):
        await alice.send(
            {
                "action": "publish",
                "request_id": number,
                "topic": "race/7",
                "event_type": "Lap",
                "payload": {"n": number},
            }
        )
    answers = [await alice.frame() for _ in range(390)]
    assert [answer["request_id"] for answer in answers] == list(range(390))
    assert all(answer["ok"] for answer in answers)


async def test_who_asks_without_reading_is_not_read_either(
    gateway: Gateway, world: World, settings: Any
) -> None:
    """The requests wait in the network, and neither side grows."""
    settings.REQUESTS_BURST = 10_000
    bob = await gateway.open(world.bob)
    bob.reading.clear()
    for number in range(1000):
        await bob.send({"action": "ping", "request_id": number})
    server = await gateway.server()
    (connection,) = server.connections
    async with asyncio.timeout(10):
        while len(connection.outbox) <= settings.OUTBOX_MESSAGES_MAX // 2:
            await asyncio.sleep(0.01)
    assert len(connection.outbox) < settings.OUTBOX_MESSAGES_MAX
    bob.reading.set()
    assert [(await bob.frame())["request_id"] for _ in range(1000)] == list(range(1000))
