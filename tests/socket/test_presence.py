"""Presence: who of a room's members listens to it now, in this process and in others."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from chat import services
from chat.gateway import presence
from chat.gateway.presence import PresenceWatch
from chat.gateway.table import PRESENCE_GROUP
from chat.models import Lease, Membership, Presence, Room, User
from chat.models.lease import LEASE_SECONDS
from chat.realtime.doorbell import ring_group
from tests.people import World, make_person
from tests.socket.acts import do
from tests.socket.client import Frame, Socket
from tests.socket.conftest import LAYERS, Gateway, eventually

pytestmark = pytest.mark.django_db(transaction=True)

GARDEN = "/ws/rooms/garden/"
ON_EACH_LAYER = pytest.mark.parametrize("layer_name", LAYERS)


class OtherProcess:
    """Writes presence as another process would, whose lease it holds."""

    node = "0badcafe"

    def renew(self, ago_s: float = 0) -> None:
        renewed_at = timezone.now() - timedelta(seconds=ago_s)
        defaults = {"host": "elsewhere", "pid": 1, "is_shared": True, "renewed_at": renewed_at}
        Lease.objects.update_or_create(node=self.node, defaults=defaults)

    def enter(self, room: Room, user: User) -> None:
        self.renew()
        key = f"{self.node}.{room.pk}.{user.pk}"
        Presence.objects.create(
            key=key, node=self.node, room_id=room.pk, user_id=user.pk, since=timezone.now()
        )
        self.ring(room)

    def leave(self, room: Room, user: User) -> None:
        Presence.objects.filter(room_id=room.pk, user_id=user.pk).delete()
        self.ring(room)

    def ring(self, room: Room) -> None:
        ring_group(PRESENCE_GROUP, {"type": "presence.changed", "room_ids": [room.pk]})


@pytest.fixture(autouse=True)
def short_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make who goes leave sooner, for tests that wait for it."""
    monkeypatch.setattr(presence, "LINGER_S", 0.3)


@pytest.fixture
def other_process(world: World) -> OtherProcess:
    return OtherProcess()


async def who(socket: Socket, room: str = "garden") -> list[str]:
    """Ask who is present; from then on the socket is told."""
    result = await socket.result("presence", room=room)
    assert result["room"] == room
    return [user["username"] for user in result["users"]]


async def news(socket: Socket) -> tuple[list[str], list[str]]:
    """Return who has joined and who has left, by the next frame that says so."""
    frame = await socket.event("presence.updated")
    return names(frame["joined"]), names(frame["left"])


def names(people: list[Frame]) -> list[str]:
    return [user["username"] for user in people]


def presence_among(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame.get("type") == "presence.updated"]


async def looked(gateway: Gateway) -> None:
    """Wait until a look at everything has been told that began after this was called."""
    part = (await gateway.server()).part(PresenceWatch)
    for room in list(part._rooms.values()):
        await part._look([room])


async def test_members_who_listen_are_present(gateway: Gateway, world: World) -> None:
    alice, bob = [await gateway.open(user, GARDEN) for user in (world.alice, world.bob)]
    await gateway.open(world.charlie, GARDEN)
    await gateway.open(path=GARDEN)
    result = await bob.result("presence", room="garden")
    assert result["room"] == "garden"
    assert names(result["users"]) == ["alice", "bob"]
    assert set(result["users"][0]) == {"id", "username", "since"}
    assert result["users"][0]["id"] == world.alice.pk
    assert result["users"][0]["since"] < result["users"][1]["since"]
    assert await who(alice) == ["alice", "bob"]


async def test_who_comes_and_goes_is_told_to_those_who_asked(
    gateway: Gateway, world: World
) -> None:
    alice, silent = [await gateway.open(world.alice, GARDEN) for _ in range(2)]
    assert await who(alice) == ["alice"]
    bob = await gateway.open(world.bob, GARDEN)
    frame = await alice.event("presence.updated")
    assert set(frame) == {"type", "room", "joined", "left"}
    assert (frame["room"], names(frame["joined"]), frame["left"]) == ("garden", ["bob"], [])
    assert set(frame["joined"][0]) == {"id", "username", "since"}
    await bob.leave()
    frame = await alice.event("presence.updated")
    assert (frame["joined"], frame["left"]) == ([], [{"id": world.bob.pk, "username": "bob"}])
    assert not presence_among(await silent.so_far())


async def test_only_members_ask(gateway: Gateway, world: World) -> None:
    charlie, nobody = await gateway.open(world.charlie), await gateway.open()
    assert (await charlie.refusal("presence", room="garden"))["code"] == "forbidden"
    assert (await charlie.refusal("presence", room="cellar"))["code"] == "not_found"
    assert (await charlie.refusal("presence", room="nowhere"))["code"] == "not_found"
    assert (await nobody.refusal("presence", room="garden"))["code"] == "not_authenticated"
    assert (await nobody.refusal("presence"))["code"] == "invalid"


async def test_a_person_with_two_sockets_comes_once_and_goes_with_the_last(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice, GARDEN)
    assert await who(alice) == ["alice"]
    first = await gateway.open(world.bob, GARDEN)
    assert await news(alice) == (["bob"], [])
    second = await gateway.open(world.bob, GARDEN)
    await first.leave()
    await second.leave()
    assert await news(alice) == ([], ["bob"])


async def test_who_reloads_is_no_news(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "LINGER_S", 5.0)
    alice, bob = [await gateway.open(user, GARDEN) for user in (world.alice, world.bob)]
    assert await who(alice) == ["alice", "bob"]
    await bob.leave()
    await looked(gateway)
    again = await gateway.open(world.bob, GARDEN)
    await looked(gateway)
    await again.leave()
    assert await news(alice) == ([], ["bob"]), "and nothing before that"


async def test_nothing_is_told_of_a_room_that_was_left(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice, GARDEN)
    assert await who(alice) == ["alice"]
    await alice.ask("unsubscribe", rooms=["garden"])
    await gateway.open(world.bob, GARDEN)
    await looked(gateway)
    server = await gateway.server()
    assert server.part(PresenceWatch)._rooms == {}
    assert not presence_among(await alice.so_far())


async def test_asking_without_a_subscription_answers_and_tells_nothing_later(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice)
    await gateway.open(world.bob, GARDEN)
    assert await who(alice) == ["bob"]
    assert (await gateway.server()).part(PresenceWatch)._rooms == {}


async def test_who_loses_the_membership_hears_and_is_seen_no_more(
    gateway: Gateway, world: World
) -> None:
    alice, bob = [await gateway.open(user, GARDEN) for user in (world.alice, world.bob)]
    assert await who(alice) == await who(bob) == ["alice", "bob"]
    await do(services.leave_room, viewer=world.bob, slug="garden")
    assert await news(alice) == ([], ["bob"]), "although the room is public, and still read"
    dora = await do(make_person, "dora")
    await do(services.join_room, viewer=dora, slug="garden")
    await gateway.open(dora, GARDEN)
    assert await news(alice) == (["dora"], [])
    assert not presence_among(await bob.so_far())


async def test_who_becomes_a_member_is_seen(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice, GARDEN)
    charlie = await gateway.open(world.charlie, GARDEN)
    assert await who(alice) == ["alice"]
    await charlie.ask("room.join", room="garden")
    assert await news(alice) == (["charlie"], [])


async def test_a_quiet_socket_is_told_when_it_asked(gateway: Gateway, world: World) -> None:
    asker, other = [await gateway.plain(world.alice, GARDEN) for _ in range(2)]
    assert await who(asker) == ["alice"]
    await gateway.open(world.bob, GARDEN)
    frame = await asker.event("presence.updated")
    assert names(frame["joined"]) == ["bob"]
    assert "bob" in frame["payload"]
    assert not presence_among(await other.so_far())


@ON_EACH_LAYER
async def test_people_of_other_processes_are_present(
    gateway: Gateway, world: World, other_process: OtherProcess
) -> None:
    alice = await gateway.open(world.alice, GARDEN)
    assert await who(alice) == ["alice"]
    await do(other_process.enter, world.garden, world.bob)
    await do(other_process.enter, world.garden, world.charlie)
    assert await news(alice) == (["bob"], [])
    assert await who(alice) == ["alice", "bob"]
    await do(other_process.leave, world.garden, world.bob)
    assert await news(alice) == ([], ["bob"])


async def test_what_no_message_told_is_found_by_looking(
    gateway: Gateway, world: World, other_process: OtherProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "LOOK_EVERY_S", 0.5)
    monkeypatch.setattr(other_process, "ring", lambda room: None)
    alice = await gateway.open(world.alice, GARDEN)
    assert await who(alice) == ["alice"]
    await do(other_process.enter, world.garden, world.bob)
    assert await news(alice) == (["bob"], [])


async def test_people_of_a_process_that_died_leave_with_its_lease(
    gateway: Gateway, world: World, other_process: OtherProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "LOOK_EVERY_S", 0.5)
    alice = await gateway.open(world.alice, GARDEN)
    await do(other_process.enter, world.garden, world.bob)
    assert await who(alice) == ["alice", "bob"]
    await do(other_process.renew, LEASE_SECONDS + 1)
    assert await news(alice) == ([], ["bob"])


async def test_looking_costs_two_queries_however_many_rooms_and_askers(
    gateway: Gateway, world: World, queries: list[str]
) -> None:
    rooms = [*(f"room-{number}" for number in range(5)), "garden"]
    for slug in rooms[:-1]:
        await do(services.create_room, viewer=world.alice, slug=slug, title=slug)
    sockets = [await gateway.open(world.alice) for _ in range(3)]
    for socket in sockets:
        await socket.result("subscribe", rooms=rooms)
        for room in rooms:
            assert await who(socket, room) == ["alice"]
    part = (await gateway.server()).part(PresenceWatch)
    queries.clear()
    await part._look(list(part._rooms.values()))
    assert len(queries) <= 2, queries


async def test_many_who_ask_at_once_cost_one_look(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    read_others = presence.read_others

    def counting(people: dict[int, set[int]]) -> Any:
        looks.append(len(people))
        return read_others(people)

    monkeypatch.setattr(presence, "read_others", counting)
    sockets = [await gateway.open(world.alice, GARDEN) for _ in range(20)]
    found = await asyncio.gather(*(who(socket) for socket in sockets))
    assert found == [["alice"]] * 20
    assert len(looks) < 20, "fewer looks than people who ask, however slow the machine"


async def test_a_room_of_more_people_than_are_told_of_lists_the_first(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "PEOPLE_MAX", 2)
    people = [await do(make_person, name) for name in ("dora", "emil", "finn")]

    def join() -> None:
        for person in people:
            Membership.objects.create(room=world.garden, user=person)

    await do(join)
    sockets = [await gateway.open(person, GARDEN) for person in people]
    assert await who(sockets[2]) == ["dora", "emil"]
    await sockets[0].leave()
    assert await news(sockets[2]) == (["finn"], [])
    assert await news(sockets[2]) == ([], ["dora"])


async def test_who_asks_while_a_look_for_somebody_else_ends_is_answered(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = [await gateway.open(user, GARDEN) for user in (world.alice, world.bob)]
    assert "alice" in await who(alice)
    is_looking, may_end = threading.Event(), threading.Event()
    read_others = presence.read_others

    def slowly(people: dict[int, set[int]]) -> Any:
        is_looking.set()
        may_end.wait(10)
        return read_others(people)

    monkeypatch.setattr(presence, "read_others", slowly)
    ring_group(PRESENCE_GROUP, {"type": "presence.changed", "room_ids": [world.garden.pk]})
    await eventually(is_looking.is_set)
    await alice.result("unsubscribe", rooms=["garden"])
    watch = (await gateway.server()).part(PresenceWatch)
    await bob.send({"action": "presence", "request_id": "asked", "room": "garden"})
    await eventually(lambda: any(room.asked for room in watch._rooms.values()))
    may_end.set()
    answer = await bob.until(lambda frame: frame.get("request_id") == "asked")
    assert [user["username"] for user in answer["result"]["users"]] == ["bob"]
    await bob.leave()
    assert not watch._rooms
