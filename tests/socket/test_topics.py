"""Topics: who may follow them, where one stands in them, and what a short absence costs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from pytest_django import Settings

from chat import services
from chat.gateway.topics.hub import TopicHub
from chat.gateway.topics.looking import look
from chat.models import Membership, User
from tests.people import World
from tests.socket.acts import do
from tests.socket.client import PACKED, Frame, Socket
from tests.socket.conftest import LAYERS, Gateway, eventually

pytestmark = pytest.mark.django_db(transaction=True)

RACE = "race/7"
ROOM = "room/garden/race"
CLOSED = "room/cellar/race"


async def publish(socket: Socket, number: int, *, topic: str = RACE) -> Any:
    return await socket.result(
        "publish", topic=topic, event_type="NESClick", payload={"number": number}
    )


async def publish_many(socket: Socket, *numbers: int, topic: str = RACE) -> None:
    for number in numbers:
        await publish(socket, number, topic=topic)


async def follow(socket: Socket, topic: str = RACE, **position: Any) -> Any:
    """Subscribe to one topic and return what is told of it."""
    (told,) = (await socket.result("subscribe", topics=[{"id": topic, **position}]))["topics"]
    return told


def numbers(frames: list[Frame], *, topic: str = RACE) -> list[int]:
    """What the events of a topic carry."""
    return [
        json.loads(frame["payload"])["number"]
        for frame in frames
        if frame.get("type") == "event" and frame["topic"] == topic
    ]


async def taken(socket: Socket, type: str = "event") -> Frame:
    """Return the next frame of a type, also one that came while an answer was waited for."""
    for place, frame in enumerate(socket.aside):
        if frame.get("type") == type:
            return socket.aside.pop(place)
    return await socket.event(type)


async def heard(socket: Socket, count: int, *, topic: str = RACE) -> list[int]:
    """Wait for so many events of a topic, and return what they carry."""
    return numbers([await taken(socket) for _ in range(count)], topic=topic)


# --- following ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layer_name", LAYERS)
async def test_who_follows_a_topic_hears_its_events_and_no_others(
    gateway: Gateway, world: World
) -> None:
    alice, bob = await gateway.open(world.alice), await gateway.open(world.bob)
    told = await alice.result("subscribe", id=RACE)
    epoch = told["topics"][0]["epoch"]
    assert told == {
        "topics": [{"id": RACE, "epoch": epoch, "offset": 0, "recovered": None, "events": []}]
    }
    position = await publish(bob, 1)
    assert position == {"topic": RACE, "epoch": epoch, "offset": 1}
    await publish(bob, 2, topic="race/8")
    await publish(bob, 3, topic="race")
    event = await taken(alice)
    assert datetime.fromisoformat(event.pop("time")).tzinfo is not None
    assert event == {
        "type": "event",
        "message_type": "NESClick",
        "payload": '{"number":1}',
        **position,
    }
    await publish(bob, 4)
    assert numbers(await alice.so_far()) == [4]
    assert await bob.so_far() == []


@pytest.mark.parametrize("form", ["id", "topics", "bare"])
async def test_a_topic_can_be_named_in_three_ways(
    gateway: Gateway, world: World, form: str
) -> None:
    forms: dict[str, dict[str, Any]] = {
        "id": {"id": RACE},
        "topics": {"topics": [{"id": RACE}]},
        "bare": {"topics": [RACE]},
    }
    named = forms[form]
    alice = await gateway.open(world.alice)
    assert (await alice.result("subscribe", **named))["topics"][0]["id"] == RACE
    await publish(alice, 1)
    assert numbers(await alice.so_far()) == [1]
    assert await alice.result("unsubscribe", **named) == {"topics": [RACE]}
    assert await alice.result("unsubscribe", **named) == {"topics": [RACE]}
    await publish(alice, 2)
    assert await alice.so_far() == []


async def test_all_kinds_can_be_named_in_one_request(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    filter = {"event_type": "*", "filter_expr": "*"}
    told = await alice.result(
        "subscribe",
        rooms=["garden"],
        id=RACE,
        topics=["race/8"],
        subscriptions=[{"event_type": "*"}],
    )
    assert [room["room"] for room in told["rooms"]] == ["garden"]
    assert [topic["id"] for topic in told["topics"]] == [RACE, "race/8"]
    assert told["subscriptions"] == [filter]
    left = await alice.result(
        "unsubscribe", rooms=["garden"], topics=[RACE], subscriptions=[filter]
    )
    assert left == {"rooms": ["garden"], "topics": [RACE], "subscriptions": []}


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "rooms"),
        ({"topics": []}, "topics"),
        ({"subscriptions": []}, "subscriptions"),
        ({"rooms": []}, "rooms"),
        ({"id": ""}, "id"),
        ({"id": "/race"}, "id"),
        ({"id": "race/"}, "id"),
        ({"id": "race//7"}, "id"),
        ({"id": "race 7"}, "id"),
        ({"id": "race/7\n"}, "id"),
        ({"id": "straße"}, "id"),
        ({"id": "x" * 201}, "id"),
        ({"id": 7}, "id"),
        ({"topics": [{}]}, "topics[0].id"),
        ({"topics": ["race/*"]}, "topics[0]"),
        ({"id": RACE, "topics": [RACE]}, "topics"),
        ({"topics": [RACE, {"id": RACE}]}, "topics"),
        ({"id": RACE, "epoch": "k3"}, "epoch"),
        ({"id": RACE, "offset": -1}, "offset"),
        ({"topics": [{"id": RACE, "epoch": "k3"}]}, "epoch"),
        ({"rooms": ["garden"], "offset": 1}, "id"),
        ({"id": RACE, "replace": "yes"}, "replace"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_changes_nothing(
    gateway: Gateway, world: World, asked: dict[str, Any], field: str
) -> None:
    alice = await gateway.open(world.alice)
    await follow(alice, "race/9")
    error = await alice.refusal("subscribe", **asked)
    assert error["code"] == "invalid"
    assert list(error["fields"]) == [field]
    hub = (await gateway.server()).part(TopicHub)
    assert list(hub.states) == ["race/9"]
    await publish(alice, 1, topic="race/9")
    assert numbers(await alice.so_far(), topic="race/9") == [1]


async def test_replacing_replaces_the_kinds_that_it_names(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    await alice.result(
        "subscribe", rooms=["garden"], topics=[RACE, "race/8"], subscriptions=[{"event_type": "A"}]
    )
    told = await alice.result("subscribe", topics=["race/8", "race/9"], replace=True)
    assert [topic["id"] for topic in told["topics"]] == ["race/8", "race/9"]
    for topic in (RACE, "race/8", "race/9"):
        await publish(alice, 1, topic=topic)
    assert [frame["topic"] for frame in await alice.so_far()] == ["race/8", "race/9"]
    hub = (await gateway.server()).part(TopicHub)
    (interests,) = hub.interests.values()
    assert len(interests.filters) == 1
    assert (await alice.result("ping"))["heads"].keys() == {"garden"}

    assert await alice.result("subscribe", rooms=["cellar"], replace=True)
    assert (await alice.result("ping"))["heads"].keys() == {"cellar"}
    assert await alice.result("subscribe", rooms=[], topics=[], replace=True) == {}
    assert (await alice.result("ping"))["heads"] == {}
    assert list(interests.topics) == []
    assert await alice.result("subscribe", subscriptions=[], replace=True) == {"subscriptions": []}
    assert hub.interests == {}


async def test_a_replacing_that_fails_replaces_nothing(gateway: Gateway, world: World) -> None:
    charlie = await gateway.open(world.charlie)
    await follow(charlie)
    error = await charlie.refusal("subscribe", topics=["race/8", CLOSED], replace=True)
    assert (error["code"], error["fields"]) == ("not_found", {"topic": CLOSED})
    await publish(charlie, 1)
    await publish(charlie, 2, topic="race/8")
    assert numbers(await charlie.so_far()) == [1]


async def test_all_kinds_together_are_limited(
    gateway: Gateway, world: World, settings: Settings
) -> None:
    settings.SUBSCRIPTIONS_MAX = 4
    alice = await gateway.open(world.alice)
    await alice.result(
        "subscribe", rooms=["garden"], topics=[RACE], subscriptions=[{"event_type": "A"}]
    )
    await alice.result("subscribe", topics=[RACE, "race/8"], subscriptions=[{"event_type": "A"}])
    for more in (
        {"rooms": ["cellar"]},
        {"topics": ["race/9"]},
        {"subscriptions": [{"event_type": "B"}]},
    ):
        assert (await alice.refusal("subscribe", **more))["code"] == "invalid"
    many = {"topics": ["race/9", "race/10"], "replace": True}
    assert len((await alice.result("subscribe", **many))["topics"]) == 2
    await alice.result("unsubscribe", topics=["race/9"])
    await alice.result("subscribe", rooms=["cellar"])


async def test_nothing_is_left_of_a_socket_that_is_gone(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", topics=[RACE], subscriptions=[{"event_type": "*"}])
    hub = (await gateway.server()).part(TopicHub)
    assert hub.interests
    await alice.leave()
    await eventually(lambda: not hub.interests)
    await look(hub)
    assert hub.states == {}
    assert None not in hub.book


# --- positions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layer_name", LAYERS)
async def test_a_short_reconnect_misses_nothing(gateway: Gateway, world: World) -> None:
    alice, bob = await gateway.open(world.alice), await gateway.open(world.bob)
    await follow(bob)
    await publish_many(alice, 1, 2)
    last = [await taken(bob) for _ in range(2)][-1]
    await bob.leave()
    await publish_many(alice, 3, 4)
    back = await gateway.open(world.bob)
    told = await follow(back, epoch=last["epoch"], offset=last["offset"])
    assert told["recovered"] is True
    assert told["offset"] == 4
    assert numbers(told["events"]) == [3, 4]
    await publish(alice, 5)
    event = await taken(back)
    assert event["offset"] == 5
    assert event.keys() == told["events"][0].keys()
    assert (await follow(back, epoch=event["epoch"], offset=5))["events"] == []


@pytest.mark.parametrize("layer_name", LAYERS)
async def test_the_position_before_the_first_event_is_one(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    empty = await follow(alice)
    await alice.leave()
    bob = await gateway.open(world.bob)
    await publish_many(bob, 1, 2)
    told = await follow(bob, epoch=empty["epoch"], offset=empty["offset"])
    assert (told["recovered"], numbers(told["events"])) == (True, [1, 2])


@pytest.mark.parametrize("layer_name", LAYERS)
@pytest.mark.parametrize(
    ("position", "reason"),
    [
        ({"epoch": "another", "offset": 1}, "epoch_changed"),
        ({"offset": 100}, "seq_ahead"),
        ({"offset": 0}, "trimmed"),
        ({"offset": 4}, "too_many"),
    ],
)
async def test_a_position_that_cannot_be_resumed_says_why(
    gateway: Gateway,
    world: World,
    settings: Settings,
    position: dict[str, Any],
    reason: str,
) -> None:
    settings.TOPIC_EVENTS_MAX = 4
    settings.REPLAY_EVENTS_MAX = 3 if reason == "too_many" else 500
    alice = await gateway.open(world.alice)
    await publish_many(alice, *range(8))
    told = await follow(alice, **position)
    assert (told["recovered"], told["reason"], told["events"]) == (False, reason, [])
    assert told["offset"] == 8
    await publish(alice, 9)
    assert numbers(await alice.so_far()) == [9]


@pytest.mark.parametrize("layer_name", LAYERS)
async def test_a_ring_is_bounded_in_bytes_too(
    gateway: Gateway, world: World, settings: Settings
) -> None:
    settings.TOPIC_BYTES_MAX = 10_000
    alice = await gateway.open(world.alice)
    for number in range(5):
        payload = {"number": number, "text": "x" * 4000}
        await alice.result("publish", topic=RACE, event_type="A", payload=payload)
    assert (await follow(alice, offset=2))["reason"] == "trimmed"
    assert numbers((await follow(alice, offset=3))["events"]) == [3, 4]


async def test_replays_of_rooms_and_topics_share_their_limits(
    gateway: Gateway, world: World, settings: Settings
) -> None:
    settings.REPLAY_EVENTS_MAX = 5
    alice = await gateway.open(world.alice)
    await publish_many(alice, 1, 2, 3)
    await publish_many(alice, 1, 2, 3, topic="race/8")
    told = await alice.result(
        "subscribe",
        rooms=[{"room": "garden", "seq": 0}],
        topics=[{"id": RACE, "offset": 0}, {"id": "race/8", "offset": 0}],
    )
    assert len(told["rooms"][0]["events"]) == 2
    assert numbers(told["topics"][0]["events"]) == [1, 2, 3]
    assert told["topics"][1]["reason"] == "too_many"


async def test_subscribing_again_replays_again_and_disturbs_nothing(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice)
    await follow(alice)
    await publish_many(alice, 1, 2)
    assert numbers(await alice.so_far()) == [1, 2]
    assert (await follow(alice))["offset"] == 2
    assert numbers((await follow(alice, offset=1))["events"]) == [2]
    await publish(alice, 3)
    assert numbers(await alice.so_far()) == [3]


# --- dialects -----------------------------------------------------------------------------------


async def test_quiet_clients_get_replayed_events_as_plain_events(
    gateway: Gateway, world: World
) -> None:
    bob = await gateway.plain(world.bob)
    await publish_many(bob, 1, 2)
    await bob.send({"action": "subscribe", "id": RACE, "offset": 0})
    assert await heard(bob, 2) == [1, 2]
    answer = await bob.ask("subscribe", id=RACE, offset=1)
    assert answer["result"]["topics"][0]["recovered"] is True
    assert answer["result"]["topics"][0]["events"] == []
    assert json.loads(answer["payload"]) == answer["result"]
    assert await heard(bob, 1) == [2]
    await bob.send({"action": "subscribe", "id": RACE, "epoch": "another", "offset": 1})
    gap = await taken(bob, "gap")
    assert json.loads(gap.pop("payload")) == gap
    assert gap["reason"] == "epoch_changed"
    assert (gap["topic"], gap["offset"]) == (RACE, 2)


async def test_a_quiet_client_gets_a_whole_ring_at_once(gateway: Gateway, world: World) -> None:
    alice = await gateway.program(world.alice, "read", "publish")
    bob = await gateway.plain(world.bob)
    await publish_many(alice, *range(256))
    await bob.send({"action": "subscribe", "id": RACE, "offset": 0})
    assert await heard(bob, 256) == list(range(256))


async def test_the_payload_is_json_text_in_binary_frames_too(
    gateway: Gateway, world: World
) -> None:
    packed = await gateway.open(world.bob, subprotocols=(PACKED,))
    text = await gateway.open(world.bob)
    for socket in (packed, text):
        await follow(socket)
    await publish(text, 1)
    event = await taken(packed)
    assert event == await taken(text)
    assert json.loads(event["payload"]) == {"number": 1}
    (replayed,) = (await follow(packed, offset=0))["events"]
    assert replayed == event


# --- rights -------------------------------------------------------------------------------------


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
