"""Who hears of topics: rooms' rights hold for what is below them, at once and in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from chat import services
from chat.gateway.topics.hub import TopicHub
from chat.models import Membership, User
from tests.people import World
from tests.socket.acts import do
from tests.socket.conftest import Gateway
from tests.socket.test_topics import (
    CLOSED,
    RACE,
    ROOM,
    follow,
    heard,
    numbers,
    publish,
    publish_many,
    taken,
)

pytestmark = pytest.mark.django_db(transaction=True)


async def test_anonymous_sockets_follow_topics_of_public_rooms_alone(
    gateway: Gateway, world: World
) -> None:
    nobody, alice = await gateway.open(), await gateway.open(world.alice)
    error = await nobody.refusal("subscribe", id=RACE)
    assert (error["code"], error["fields"]) == ("not_authenticated", {"topic": RACE})
    assert (await nobody.refusal("subscribe", id=CLOSED))["code"] == "not_found"
    await follow(nobody, ROOM)
    await nobody.result("subscribe", subscriptions=[{"event_type": "*"}])
    await publish(alice, 1, topic=RACE)
    await publish(alice, 2, topic=CLOSED)
    await publish(alice, 3, topic=ROOM)
    event = await taken(nobody)
    assert (event["topic"], json.loads(event["payload"])) == (ROOM, {"number": 3})
    assert await nobody.so_far() == []


async def test_anonymous_sockets_follow_nothing_where_they_may_not_read(
    gateway: Gateway, world: World, settings: Settings
) -> None:
    settings.ANONYMOUS_MAY_READ = False
    nobody, alice = await gateway.open(), await gateway.open(world.alice)
    assert (await nobody.refusal("subscribe", id=ROOM))["code"] == "not_found"
    await nobody.result("subscribe", subscriptions=[{"event_type": "*"}])
    await follow(alice, ROOM)
    await publish(alice, 1, topic=ROOM)
    await taken(alice)
    assert await nobody.so_far() == []


@pytest.mark.parametrize("topic", [CLOSED, "room/cellar", "room/nowhere/x", "room", "room/A/b"])
async def test_a_stranger_follows_no_topic_of_a_room_that_they_cannot_see(
    gateway: Gateway, world: World, topic: str
) -> None:
    charlie = await gateway.open(world.charlie)
    error = await charlie.refusal("subscribe", topics=[RACE, topic])
    assert (error["code"], error["fields"]) == ("not_found", {"topic": topic})
    filter = {"event_type": "*", "topic": topic}
    error = await charlie.refusal("subscribe", subscriptions=[filter])
    assert (error["code"], error["fields"]) == ("not_found", {"topic": topic})
    hub = (await gateway.server()).part(TopicHub)
    assert hub.states.keys() <= {RACE}
    assert hub.interests == {}


async def test_filters_without_a_topic_match_only_what_each_may_read(
    gateway: Gateway, world: World
) -> None:
    sockets = [await gateway.open(user) for user in (world.alice, world.bob, world.charlie)]
    for socket in sockets:
        await socket.result("subscribe", subscriptions=[{"event_type": "*"}])
    alice, bob, charlie = sockets
    for number in range(3):
        await publish(bob, number, topic=CLOSED)
    await publish(bob, 9)
    for socket in (alice, bob):
        frames = [await taken(socket) for _ in range(4)]
        assert numbers(frames, topic=CLOSED) == [0, 1, 2]
        assert numbers(frames) == [9]
    assert numbers([await taken(charlie)]) == [9]
    assert await charlie.so_far() == []


def leave(world: World) -> None:
    services.leave_room(viewer=world.bob, slug="cellar")


def ban(world: World) -> None:
    services.remove_member(viewer=world.alice, slug="cellar", username="bob", is_ban=True)


def close_garden(world: World) -> None:
    """Leave bob behind in a room that is private from now on."""
    services.leave_room(viewer=world.bob, slug="garden")
    services.update_room(viewer=world.alice, slug="garden", visibility="private")


@pytest.mark.parametrize(("lose", "topic"), [(leave, CLOSED), (ban, CLOSED), (close_garden, ROOM)])
@pytest.mark.parametrize("form", ["topic", "filter"])
async def test_who_loses_the_room_is_told_and_hears_nothing_more(
    gateway: Gateway, world: World, lose: Callable[[World], None], topic: str, form: str
) -> None:
    alice, bob = await gateway.open(world.alice), await gateway.open(world.bob)
    forms: dict[str, dict[str, Any]] = {
        "topic": {"id": topic},
        "filter": {"subscriptions": [{"event_type": "*", "topic": topic}]},
    }
    named = forms[form]
    everything = {"subscriptions": [{"event_type": "*"}]}
    for socket in (alice, bob):
        await socket.result("subscribe", **named)
        await socket.result("subscribe", **everything)
    await publish(alice, 1, topic=topic)
    for socket in (alice, bob):
        assert await heard(socket, 1, topic=topic) == [1]
    await do(lose, world)
    assert await taken(bob, "unsubscribed") == {
        "type": "unsubscribed",
        "topic": topic,
        "reason": "forbidden",
    }
    await publish(alice, 2, topic=topic)
    await publish(alice, 3)
    assert await heard(alice, 1, topic=topic) == [2]
    assert numbers([await taken(bob)]) == [3]
    assert await bob.so_far() == []
    told = await bob.result("subscribe", **everything)
    assert told["subscriptions"] == [{"event_type": "*", "filter_expr": "*"}]


async def test_who_has_just_joined_follows_at_once(gateway: Gateway, world: World) -> None:
    """Whatever was believed of them a moment ago, because of another socket of theirs."""
    alice, charlie = await gateway.open(world.alice), await gateway.open(world.charlie)
    await charlie.result("subscribe", subscriptions=[{"event_type": "*"}])
    await follow(alice, CLOSED)
    for number in range(5):
        await publish(alice, number, topic=CLOSED)
        await taken(alice)
        await do(services.add_member, viewer=world.alice, slug="cellar", username="charlie")
        other = await gateway.open(world.charlie)
        await follow(other, CLOSED)
        await publish(alice, 10 + number, topic=CLOSED)
        await taken(alice)
        assert await heard(other, 1, topic=CLOSED) == [10 + number]
        await other.leave()
        await do(services.remove_member, viewer=world.alice, slug="cellar", username="charlie")
        hub = (await gateway.server()).part(TopicHub)
        hub.readers.forget(["cellar"])


async def test_events_of_a_room_cost_one_query_a_second(
    gateway: Gateway, world: World, queries: list[str]
) -> None:
    alice = await gateway.program(world.alice, "read", "publish")
    sockets = [await gateway.open(user) for user in (world.bob, world.alice) for _ in range(10)]
    for socket in sockets:
        await follow(socket, CLOSED)
        await socket.result("subscribe", subscriptions=[{"event_type": "*"}])
    loop = asyncio.get_running_loop()
    began = loop.time()
    queries.clear()
    await publish_many(alice, *range(100), topic=CLOSED)
    for socket in sockets:
        assert await heard(socket, 100, topic=CLOSED) == list(range(100))
    seconds = int(loop.time() - began) + 1
    # Who may hear, who may publish (three), each again after a second; and the tick's own.
    assert len(queries) <= 5 * seconds


@pytest.mark.parametrize("fails", [1, 3])
async def test_events_wait_while_rights_cannot_be_read(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    alice = await gateway.open(world.alice)
    await follow(alice, CLOSED)
    hub = (await gateway.server()).part(TopicHub)
    read_all = hub.readers.read_all
    failed: list[Any] = []

    async def failing(slugs: Any) -> None:
        if len(failed) < fails:
            failed.append(slugs)
            raise ConnectionError("The database is away.")
        await read_all(slugs)

    monkeypatch.setattr("chat.gateway.topics.hub.RETRY_S", 0.01)
    monkeypatch.setattr(hub.readers, "read_all", failing)
    hub.readers.forget(["cellar"])
    await publish_many(alice, 1, 2, 3, topic=CLOSED)
    assert await heard(alice, 3, topic=CLOSED) == [1, 2, 3]
    assert len(failed) == fails


async def test_a_key_needs_the_scope_read(gateway: Gateway, world: World) -> None:
    program = await gateway.program(world.alice, "publish")
    assert (await program.refusal("subscribe", id=RACE))["code"] == "forbidden"


async def test_members_of_a_room_are_believed_by_person(gateway: Gateway, world: World) -> None:
    def join(user: User) -> None:
        Membership.objects.create(room=world.cellar, user=user)

    await do(join, world.charlie)
    for user in (world.alice, world.bob, world.charlie):
        socket = await gateway.open(user)
        await follow(socket, CLOSED)
        await publish(socket, user.pk, topic=CLOSED)
        assert await heard(socket, 1, topic=CLOSED) == [user.pk]
