"""Topics: who may follow them, where one stands in them, and what a short absence costs."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from pytest_django import Settings

from chat.gateway.topics.hub import TopicHub
from chat.gateway.topics.looking import look
from tests.people import World
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
