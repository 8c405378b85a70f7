"""What one person alone is told, on all of their sockets."""

from __future__ import annotations

import pytest

from chat import services
from chat.gateway import people
from tests.people import World
from tests.socket.acts import do, post
from tests.socket.client import Frame
from tests.socket.conftest import LAYERS, Gateway

pytestmark = pytest.mark.django_db(transaction=True)


def told(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame.get("type") == "read.updated"]


async def test_a_read_marker_that_moved_is_told_to_the_person_s_own_sockets(
    gateway: Gateway, world: World
) -> None:
    await post(world.alice, "one")
    last = await post(world.alice, "two")
    reader, other = [await gateway.open(world.bob) for _ in range(2)]
    stranger, quiet = await gateway.open(world.alice), await gateway.plain(world.bob)
    publisher = await gateway.program(world.bob, "publish")
    result = await reader.result("read", room="garden", seq=last.seq)
    assert result == {"room": "garden", "seq": last.seq, "unread_count": 0}
    told_of = {"type": "read.updated", **result}
    assert await other.event("read.updated") == told_of
    assert told(await reader.so_far()) == [told_of]
    for deaf in (stranger, quiet, publisher):
        assert not told(await deaf.so_far())


async def test_a_marker_that_stays_is_no_news(gateway: Gateway, world: World) -> None:
    last = await post(world.alice, "one")
    bob = await gateway.open(world.bob)
    for seq in (last.seq, last.seq, 1):
        await bob.result("read", room="garden", seq=seq)
    assert len(told(await bob.so_far())) == 1


async def test_a_marker_moved_over_rest_is_told_too(gateway: Gateway, world: World) -> None:
    last = await post(world.alice, "one")
    bob = await gateway.open(world.bob)
    await do(services.mark_read, viewer=world.bob, slug="garden", seq=last.seq)
    assert (await bob.event("read.updated"))["seq"] == last.seq


@pytest.mark.parametrize("layer_name", LAYERS)
async def test_a_person_is_told_once_whatever_the_layer(gateway: Gateway, world: World) -> None:
    """This process hears what it told the group itself at once, and not again."""
    server = await gateway.server()
    assert await server.hub.link.hears(10)
    bob = await gateway.open(world.bob)
    await do(people.tell, world.bob.pk, {"type": "x", "n": 1})
    await do(people.tell, world.alice.pk, {"type": "x", "n": 2})
    await do(people.tell, world.bob.pk, {"type": "x", "n": 3})
    frames = [await bob.event("x"), await bob.event("x")]
    assert [frame["n"] for frame in frames] == [1, 3]
    # The layer hands on in order: a beat behind what was told has come, and with it the echo.
    server.hub.link._first_beat.clear()
    server.hub.check_soon()
    assert await server.hub.link.hears(10)
    assert [frame for frame in await bob.so_far() if frame.get("type") == "x"] == []
