"""Shared state: who may, who is told, and one winner for every version."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import msgspec
import pytest
from django.db import connection

from chat import services as rooms
from chat.errors import VersionConflict
from chat.gateway.state import State, StateUpdated, write_state
from chat.models import Membership, SharedState, User
from tests.people import World, make_person
from tests.socket.acts import do, head
from tests.socket.conftest import LAYERS, Gateway

pytestmark = pytest.mark.django_db(transaction=True)

TOPICS = ["room/cellar/cards", "race/7"]
SCOPES = ["cellar", *TOPICS]
RACERS = 20


# --- get and set --------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_state_is_set_and_told_with_its_version(
    gateway: Gateway, world: World, scope: str
) -> None:
    alice, bob = await gateway.open(world.alice), await gateway.open(world.bob)
    assert await bob.result("state.get", scope=scope) == {
        "scope": scope,
        "version": 0,
        "data": None,
    }
    first = await alice.result("state.set", scope=scope, data={"turn": "bob"}, version=0)
    assert first == {"scope": scope, "version": 1, "data": {"turn": "bob"}}
    assert await bob.result("state.get", scope=scope) == first
    second = await bob.result("state.set", scope=scope, data={"turn": "alice"}, version=1)
    assert second["version"] == 2
    assert msgspec.convert(await alice.result("state.get", scope=scope), State) == State(
        scope, 2, {"turn": "alice"}
    )


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("version", [0, 1, 3])
async def test_whoever_has_not_seen_the_newest_is_shown_it(
    gateway: Gateway, world: World, scope: str, version: int
) -> None:
    alice, bob = await gateway.open(world.alice), await gateway.open(world.bob)
    for number in (0, 1):
        await alice.result("state.set", scope=scope, data=number, version=number)
    error = await bob.refusal("state.set", scope=scope, data="bob's", version=version)
    assert error["code"] == "conflict"
    assert error["current"] == {"scope": scope, "version": 2, "data": 1}
    assert (await alice.result("state.get", scope=scope))["data"] == 1
    mine = await bob.result("state.set", scope=scope, data="bob's", version=2)
    assert mine["version"] == 3


async def test_a_version_of_nothing_is_a_conflict_with_nothing(
    gateway: Gateway, world: World
) -> None:
    bob = await gateway.open(world.bob)
    error = await bob.refusal("state.set", scope="cellar", data=1, version=5)
    assert error["current"] == {"scope": "cellar", "version": 0, "data": None}


async def test_a_plain_client_finds_the_current_state_in_the_payload(
    gateway: Gateway, world: World
) -> None:
    plain = await gateway.plain(world.bob)
    await plain.send({"action": "state.set", "scope": "race/7", "data": 1, "version": 5})
    answer = await plain.frame()
    assert msgspec.json.decode(answer["payload"])["current"]["version"] == 0


VALUES: list[Any] = [
    None,
    False,
    0,
    "Grüße 👩‍🚀",
    [],
    {"a": {"b": [1, 2.5, 1e300, -0.0, 2**63 - 1]}},
    ["x" * 60_000],
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("scope", SCOPES)
async def test_any_json_comes_back_as_it_was_set(
    gateway: Gateway, world: World, scope: str, value: Any
) -> None:
    bob = await gateway.open(world.bob)
    await bob.result("state.set", scope=scope, data=value, version=0)
    found = (await bob.result("state.get", scope=scope))["data"]
    assert msgspec.json.encode(found) == msgspec.json.encode(value)


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_state_has_a_greatest_size(gateway: Gateway, world: World, scope: str) -> None:
    bob = await gateway.open(world.bob)
    most = "x" * (64 * 1024 - 2)
    assert (await bob.refusal("state.set", scope=scope, data=f"{most}x", version=0))[
        "code"
    ] == "too_large"
    await bob.result("state.set", scope=scope, data=most, version=0)
    text = json.dumps({"scope": scope, "data": "ü" * 33_000, "version": 1}, ensure_ascii=False)
    await bob.send(f'{{"action": "state.set", "request_id": "bytes", {text[1:]}')
    assert (await bob.frame())["error"]["code"] == "too_large", "bytes count, not characters"


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"data": 1, "version": 0}, "scope"),
        ({"scope": "cellar", "version": 0}, "data"),
        ({"scope": "cellar", "data": 1}, "version"),
        ({"scope": "cellar", "data": 1, "version": -1}, "version"),
        ({"scope": "cellar", "data": 1, "version": "0"}, "version"),
        ({"scope": "", "data": 1, "version": 0}, "scope"),
        ({"scope": "two words/1", "data": 1, "version": 0}, "scope"),
        ({"scope": "race//7", "data": 1, "version": 0}, "scope"),
        ({"scope": "x/" * 101, "data": 1, "version": 0}, "scope"),
    ],
)
async def test_malformed_requests_are_refused_by_field(
    gateway: Gateway, world: World, fields: dict[str, Any], name: str
) -> None:
    bob = await gateway.open(world.bob)
    error = await bob.refusal("state.set", **fields)
    assert (error["code"], list(error["fields"])) == ("invalid", [name])


# --- who may ------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["cellar", "room/cellar", "room/cellar/cards", "nowhere"])
async def test_a_stranger_neither_sees_nor_sets_the_state_of_a_private_room(
    gateway: Gateway, world: World, scope: str
) -> None:
    charlie, nobody = await gateway.open(world.charlie), await gateway.open()
    for socket in (charlie, nobody):
        assert (await socket.refusal("state.get", scope=scope))["code"] == "not_found"
    error = await charlie.refusal("state.set", scope=scope, data=1, version=0)
    assert error["code"] == "not_found"
    error = await nobody.refusal("state.set", scope=scope, data=1, version=0)
    assert error["code"] == "not_authenticated"
    assert not await do(SharedState.objects.exists)


@pytest.mark.parametrize("scope", ["garden", "room/garden/cards"])
async def test_a_stranger_sees_and_does_not_set_the_state_of_a_public_room(
    gateway: Gateway, world: World, scope: str
) -> None:
    bob = await gateway.open(world.bob)
    await bob.result("state.set", scope=scope, data="bob's", version=0)
    for socket in (await gateway.open(world.charlie), await gateway.open()):
        assert (await socket.result("state.get", scope=scope))["data"] == "bob's"
    charlie = await gateway.open(world.charlie)
    error = await charlie.refusal("state.set", scope=scope, data=1, version=1)
    assert error["code"] == "forbidden"


async def test_a_topic_of_its_own_is_for_everybody_who_is_signed_in(
    gateway: Gateway, world: World
) -> None:
    charlie, nobody = await gateway.open(world.charlie), await gateway.open()
    await charlie.result("state.set", scope="race/7", data=1, version=0)
    for action, fields in (("get", {}), ("set", {"data": 2, "version": 1})):
        error = await nobody.refusal(f"state.{action}", scope="race/7", **fields)
        assert error["code"] == "not_authenticated"


@pytest.mark.parametrize("change", [{"is_archived": True}, {"is_announcement_only": True}])
async def test_where_bob_may_not_post_he_sets_no_state(
    gateway: Gateway, world: World, change: dict[str, bool]
) -> None:
    bob = await gateway.open(world.bob)
    await do(rooms.update_room, viewer=world.alice, slug="garden", **change)
    for scope in ("garden", "room/garden/cards"):
        error = await bob.refusal("state.set", scope=scope, data=1, version=0)
        assert error["code"] == "forbidden"


async def test_a_key_reads_with_read_and_sets_with_post(gateway: Gateway, world: World) -> None:
    reader, writer = (
        await gateway.program(world.bob, "read"),
        await gateway.program(world.bob, "post"),
    )
    assert (await reader.result("state.get", scope="race/7"))["version"] == 0
    error = await reader.refusal("state.set", scope="race/7", data=1, version=0)
    assert error["code"] == "forbidden"
    await writer.result("state.set", scope="race/7", data=1, version=0)
    assert (await writer.refusal("state.get", scope="race/7"))["code"] == "forbidden"


# --- who is told --------------------------------------------------------------------------------


async def test_a_rooms_state_is_an_event_of_its_log(gateway: Gateway, world: World) -> None:
    bob, charlie = await gateway.open(world.bob), await gateway.open(world.charlie)
    await charlie.result("subscribe", rooms=["garden"])
    epoch, seq = await head(world.garden)
    state = await bob.result("state.set", scope="garden", data={"turn": "bob"}, version=0)
    event = await charlie.event("state.updated")
    assert (event["room"], event["seq"], event["epoch"]) == ("garden", seq + 1, epoch)
    assert event["actor"]["username"] == "bob"
    assert event["data"] == state == await charlie.result("state.get", scope="garden")
    assert msgspec.convert(event["data"], StateUpdated.data_shape) == State(**state)
    position = {"room": "garden", "epoch": epoch, "seq": seq}
    (replay,) = (await charlie.result("subscribe", rooms=[position]))["rooms"]
    assert replay["events"] == [event]


@pytest.mark.parametrize("seen", [0, 1, 2])
async def test_a_snapshot_plus_the_events_is_a_fresh_fetch(
    gateway: Gateway, world: World, seen: int
) -> None:
    """Whatever the position that the snapshot was read at, and however often events come."""
    alice, bob = await gateway.open(world.alice), await gateway.open(world.bob)
    for version in range(seen):
        await alice.result("state.set", scope="cellar", data=[version], version=version)
    epoch, seq = await head(world.cellar)
    copy = await bob.result("state.get", scope="cellar")
    for version in range(seen, seen + 3):
        await alice.result("state.set", scope="cellar", data=[version], version=version)
    await alice.refusal("state.set", scope="cellar", data="too late", version=seen)
    position = {"room": "cellar", "epoch": epoch, "seq": seq}
    (replay,) = (await bob.result("subscribe", rooms=[position]))["rooms"]
    for event in [*replay["events"], *replay["events"]]:
        if event["data"]["version"] > copy["version"]:
            copy = event["data"]
    assert [event["data"]["version"] for event in replay["events"]] == [
        seen + 1,
        seen + 2,
        seen + 3,
    ]
    assert copy == await bob.result("state.get", scope="cellar")


async def test_a_refused_state_is_no_event(gateway: Gateway, world: World) -> None:
    bob = await gateway.open(world.bob)
    before = await head(world.garden)
    await bob.refusal("state.set", scope="garden", data=1, version=1)
    await bob.refusal("state.set", scope="garden", data="x" * 70_000, version=0)
    assert await head(world.garden) == before


async def test_a_topics_state_stands_in_no_log(gateway: Gateway, world: World) -> None:
    bob = await gateway.open(world.bob)
    before = await head(world.garden)
    await bob.result("state.set", scope="room/garden/cards", data=1, version=0)
    assert await head(world.garden) == before


@pytest.mark.parametrize("layer_name", LAYERS)
@pytest.mark.parametrize("topic", TOPICS)
async def test_a_topics_subscribers_hear_of_its_state(
    gateway: Gateway, world: World, topic: str
) -> None:
    alice, bob = await gateway.open(world.alice), await gateway.plain(world.bob)
    await alice.result("subscribe", id=topic)
    await bob.result("subscribe", id=topic)
    setter = await gateway.open(world.bob)
    state = await setter.result("state.set", scope=topic, data=["x" * 60_000], version=0)
    for socket in (alice, bob):
        event = await socket.event("event")
        assert (event["topic"], event["message_type"]) == (topic, "state.updated")
        assert json.loads(event["payload"]) == state
    assert "seq" not in event


async def test_a_state_that_is_saved_by_hand_is_an_event_too(
    gateway: Gateway, world: World
) -> None:
    bob = await gateway.open(world.bob)
    await bob.result("subscribe", rooms=["garden"])
    await bob.result("state.set", scope="garden", data=1, version=0)

    def save() -> None:
        state = SharedState.objects.get(scope="garden")
        state.version, state.data = 2, '"by hand"'
        state.save()

    await do(save)
    event = await bob.until(lambda frame: frame.get("data", {}).get("version") == 2)
    assert event["data"] == {"scope": "garden", "version": 2, "data": "by hand"}
    assert event["actor"] is None


async def test_a_state_is_never_deleted(gateway: Gateway, world: World) -> None:
    state = await do(SharedState.objects.swap, "race/7", 1, version=0)
    with pytest.raises(TypeError):
        state.delete()


# --- races --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", SCOPES)
async def test_of_twenty_racers_one_wins_each_version(
    gateway: Gateway, world: World, scope: str
) -> None:
    sockets = [await gateway.open(world.bob) for _ in range(RACERS)]
    for version in range(3):
        answers = await asyncio.gather(
            *(
                socket.ask("state.set", scope=scope, data=number, version=version)
                for number, socket in enumerate(sockets)
            )
        )
        (won,) = [answer["result"] for answer in answers if answer["ok"]]
        assert won["version"] == version + 1
        for answer in answers:
            if not answer["ok"]:
                assert answer["error"]["code"] == "conflict"
                assert answer["error"]["current"] == won
        assert await sockets[0].result("state.get", scope=scope) == won


def racers(world: World) -> list[User]:
    people = [make_person(f"racer{number}") for number in range(RACERS)]
    for person in people:
        Membership.objects.create(room=world.cellar, user=person)
    return people


@pytest.mark.parametrize("scope", SCOPES)
async def test_of_twenty_threads_one_wins_each_version(world: World, scope: str) -> None:
    """At the very same moment, as many as the database's pool has connections for."""
    people = await do(racers, world)
    together = threading.Barrier(RACERS, timeout=60)

    def race(person: User) -> list[int]:
        won = []
        for version in range(3):
            together.wait()
            with suppress(VersionConflict), closing(connection):
                write_state(viewer=person, scope=scope, data=person.username, version=version)
                won.append(version)
        return won

    def run() -> list[int]:
        with ThreadPoolExecutor(RACERS) as pool:
            return [version for won in pool.map(race, people) for version in won]

    assert sorted(await asyncio.to_thread(run)) == [0, 1, 2]
    state = await do(SharedState.objects.get, scope=scope)
    assert (state.version, state.updated_by_id in {each.pk for each in people}) == (3, True)
