"""Typing: shown to the other members who listen to the room, and over by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from chat import services
from chat.gateway import typists
from chat.gateway.typists import Typists
from chat.models import Membership
from chat.realtime.doorbell import room_group
from tests.people import World
from tests.socket.acts import do, post
from tests.socket.client import Frame, Socket
from tests.socket.conftest import LAYERS, Gateway, eventually

pytestmark = pytest.mark.django_db(transaction=True)

GARDEN = "/ws/rooms/garden/"


@pytest.fixture(autouse=True)
def no_doubts_about_new_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask about sockets that came since the last answer at once."""
    monkeypatch.setattr(typists, "MEMBERS_YOUNG_S", 0)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let typing end, and be passed on, sooner."""
    monkeypatch.setattr(typists, "EXPIRES_MS", 900)
    monkeypatch.setattr(typists, "PASSED_ON_EVERY_S", 0.3)
    monkeypatch.setattr(typists, "LOOK_EVERY_S", 0.05)


def typing_among(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame.get("type") == "typing.updated"]


async def begins(socket: Socket, room: str = "garden") -> None:
    assert await socket.result("typing", room=room, typing=True) == {}


async def stops(socket: Socket, room: str = "garden") -> None:
    assert await socket.result("typing", room=room, typing=False) == {}


async def is_typing(socket: Socket) -> bool:
    """Return what the next frame about typing says."""
    value: bool = (await socket.event("typing.updated"))["typing"]
    return value


async def shown(gateway: Gateway) -> None:
    """Wait until everything that was said of typing has been put into the sockets."""
    part = (await gateway.server()).part(Typists)
    await asyncio.sleep(0)
    await eventually(lambda: not any(each.is_told for each in part._audiences.values()))


async def test_typing_is_shown_to_the_other_members(gateway: Gateway, world: World) -> None:
    alice, bob = [await gateway.open(user, GARDEN) for user in (world.alice, world.bob)]
    bobs_other, charlie = [await gateway.open(user, GARDEN) for user in (world.bob, world.charlie)]
    nobody, elsewhere = await gateway.open(path=GARDEN), await gateway.open(world.alice)
    quiet = await gateway.plain(world.alice, GARDEN)
    await begins(bob)
    user = {"id": world.bob.pk, "username": "bob", "display_name": "", "avatar": None}
    frame = {"type": "typing.updated", "room": "garden", "user": user}
    assert await alice.event("typing.updated") == {**frame, "typing": True, "expires_in_ms": 6000}
    await stops(bob)
    assert await alice.event("typing.updated") == {**frame, "typing": False, "expires_in_ms": 0}
    for deaf in (bob, bobs_other, charlie, nobody, elsewhere, quiet):
        assert not typing_among(await deaf.so_far())


async def test_who_may_not_post_does_not_type(gateway: Gateway, world: World) -> None:
    charlie, nobody = await gateway.open(world.charlie, GARDEN), await gateway.open()
    bob = await gateway.open(world.bob, GARDEN)
    reader = await gateway.program(world.bob, "read")

    async def code(socket: Socket, room: str, is_typing: bool = True) -> str:
        error = await socket.refusal("typing", room=room, typing=is_typing)
        return str(error["code"])

    for value in (True, False):
        assert await code(charlie, "garden", value) == "forbidden"
        assert await code(charlie, "cellar", value) == "not_found"
        assert await code(nobody, "garden", value) == "not_authenticated"
        assert await code(reader, "garden", value) == "forbidden"
    assert await code(nobody, "cellar") == "not_authenticated"

    def mute() -> None:
        later = timezone.now() + timedelta(hours=1)
        membership = Membership.objects.in_room(world.garden).of(world.bob).get()
        membership.muted_until = later
        membership.save()

    await do(mute)
    assert await code(bob, "garden") == "forbidden"
    await do(services.update_room, viewer=world.alice, slug="cellar", is_archived=True)
    assert await code(bob, "cellar") == "forbidden"
    assert (await bob.refusal("typing", room="garden"))["code"] == "invalid"


async def test_typing_ends_by_itself(gateway: Gateway, world: World, fast: None) -> None:
    alice, bob = [await gateway.open(user, GARDEN) for user in (world.alice, world.bob)]
    await begins(bob)
    assert await is_typing(alice)
    assert not await is_typing(alice)
    part = (await gateway.server()).part(Typists)
    await eventually(lambda: not part._typists and not part._shown and not part._audiences)


async def test_renewals_are_passed_on_seldom_and_put_the_end_off(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch, fast: None
) -> None:
    monkeypatch.setattr(typists, "EXPIRES_MS", 60_000)
    monkeypatch.setattr(typists, "PASSED_ON_EVERY_S", 60)
    alice, bob = [await gateway.open(user, GARDEN) for user in (world.alice, world.bob)]
    for _ in range(5):
        await begins(bob)
    await shown(gateway)
    assert [frame["typing"] for frame in typing_among(await alice.so_far())] == [True]
    monkeypatch.setattr(typists, "PASSED_ON_EVERY_S", 0.1)
    assert await is_typing(alice), "the last renewal, which was held back"
    await shown(gateway)
    await stops(bob)
    assert not await is_typing(alice)


async def test_who_never_typed_stops_without_a_word(gateway: Gateway, world: World) -> None:
    alice, bob = [await gateway.open(user, GARDEN) for user in (world.alice, world.bob)]
    await stops(bob)
    await shown(gateway)
    assert not typing_among(await alice.so_far())


async def test_typing_ends_with_the_connection(gateway: Gateway, world: World) -> None:
    alice, bob = [await gateway.open(user, GARDEN) for user in (world.alice, world.bob)]
    await begins(bob)
    assert await is_typing(alice)
    await bob.leave()
    assert not await is_typing(alice)


async def test_typing_ends_when_the_last_of_a_person_s_sockets_stops(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice, GARDEN)
    first, second = [await gateway.open(world.bob, GARDEN) for _ in range(2)]
    await begins(first)
    await begins(second)
    await first.leave()
    await shown(gateway)
    assert [frame["typing"] for frame in typing_among(await alice.so_far())] == [True]
    await stops(second)
    assert not await is_typing(alice)


async def test_typing_ends_when_the_person_posts(gateway: Gateway, world: World) -> None:
    alice, bob = [await gateway.open(user, GARDEN) for user in (world.alice, world.bob)]
    await begins(bob)
    assert await is_typing(alice)
    await bob.ask("post.create", room="garden", text="Here it is")
    assert not await is_typing(alice)
    await begins(bob)
    assert await is_typing(alice)
    await post(world.bob, "As over REST")
    assert not await is_typing(alice)
    assert not (await gateway.server()).part(Typists)._typists


async def test_who_lost_the_membership_sees_nobody_type(gateway: Gateway, world: World) -> None:
    alice, bob = [await gateway.open(user, GARDEN) for user in (world.alice, world.bob)]
    await begins(alice)
    assert await is_typing(bob)
    await do(services.leave_room, viewer=world.bob, slug="garden")
    part = (await gateway.server()).part(Typists)
    part._audiences[world.garden.pk].asked_at -= typists.MEMBERS_OLD_S
    await stops(alice)
    await shown(gateway)
    assert not typing_among(await bob.so_far())


async def test_many_sockets_and_much_typing_cost_one_query_a_second(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typists, "MEMBERS_OLD_S", 60)
    asked: list[int] = []
    members = typists._members

    def counting(room_id: int, people: set[int]) -> set[int]:
        asked.append(room_id)
        return members(room_id, people)

    monkeypatch.setattr(typists, "_members", counting)
    bob = await gateway.open(world.bob, GARDEN)
    listeners = [await gateway.open(world.alice, GARDEN) for _ in range(20)]
    for _ in range(5):
        await begins(bob)
        await stops(bob)
    await shown(gateway)
    for socket in listeners:
        told = [frame["typing"] for frame in typing_among(await socket.so_far())]
        assert told == [True, False] * 5
    assert len(asked) == 1


async def test_who_typed_in_a_process_that_died_stops_after_a_while(
    gateway: Gateway, world: World, fast: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typists, "LATE_S", 0.1)
    alice = await gateway.open(world.alice, GARDEN)
    user = {"id": world.bob.pk, "username": "bob", "display_name": "", "avatar": None}
    message = {"type": "room.typing", "room_id": world.garden.pk, "room": "garden"}
    (await gateway.hub())._hear_message({**message, "user": user, "typing": True})
    assert await is_typing(alice)
    assert not await is_typing(alice)


@pytest.mark.parametrize("layer_name", LAYERS)
async def test_typing_crosses_processes(
    gateway: Gateway, world: World, another_hub: Callable[[], Any]
) -> None:
    """What one tells the room's group is what the others take in."""
    hub = await another_hub()
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    hub.listen("room.typing", heard.put_nowait)
    await hub.link.join_now(room_group(world.garden.pk))
    alice, bob = [await gateway.open(user, GARDEN) for user in (world.alice, world.bob)]
    link = (await gateway.hub()).link
    await eventually(lambda: room_group(world.garden.pk) in link._joined)
    await begins(bob)
    assert await is_typing(alice)
    async with asyncio.timeout(10):
        message = await heard.get()
    assert message["typing"] is True
    message = {name: value for name, value in message.items() if name != "origin"}
    hub.doorbell.put(room_group(world.garden.pk), {**message, "typing": False})
    assert not await is_typing(alice)


async def test_a_post_of_somebody_who_did_not_type_tells_nothing(
    gateway: Gateway, world: World, another_hub: Callable[[], Any]
) -> None:
    hub = await another_hub()
    heard: list[dict[str, Any]] = []
    hub.listen("room.typing", heard.append)
    await hub.link.join_now(room_group(world.garden.pk))
    alice, bob = [await gateway.open(user, GARDEN) for user in (world.alice, world.bob)]
    await bob.ask("post.create", room="garden", text="Here it is")
    await begins(bob)
    assert await is_typing(alice)
    await eventually(lambda: heard)
    assert heard[0]["typing"] is True


async def test_a_post_where_nobody_listens_is_told_to_those_who_may(
    gateway: Gateway, world: World, another_hub: Callable[[], Any]
) -> None:
    """As of REST in a process without a socket in that room."""
    await gateway.server()
    hub = await another_hub()
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    hub.listen("room.typing", heard.put_nowait)
    await hub.link.join_now(room_group(world.garden.pk))
    await post(world.bob, "Here it is")
    async with asyncio.timeout(10):
        message = await heard.get()
    assert (message["user"]["id"], message["typing"]) == (world.bob.pk, False)
