"""Filters on producer events: what matches, what of it comes, and how often."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chat.realtime.outbox import Outbox
from tests.people import World
from tests.socket.client import Socket
from tests.socket.conftest import LAYERS, Gateway

pytestmark = pytest.mark.django_db(transaction=True)


async def click(
    socket: Socket, *, topic: str = "race/7", type: str = "NESClick", **payload: Any
) -> None:
    await socket.result("publish", topic=topic, event_type=type, payload=payload)


def wanting(expression: str, *fields: str, field: str = "color", **more: Any) -> dict[str, Any]:
    filter = {
        "event_type": "NESClick",
        "filter_field": field,
        "filter_expr": expression,
        **more,
    }
    return {**filter, "desired_fields": list(fields)} if fields else filter


async def payloads(socket: Socket) -> list[Any]:
    """The payloads of the events that have come."""
    return [json.loads(frame["payload"]) for frame in await socket.so_far()]


@pytest.mark.parametrize("layer_name", LAYERS)
async def test_each_gets_what_their_filters_match(gateway: Gateway, world: World) -> None:
    """The check of the talk that the filters come from."""
    blue, anything = await gateway.open(world.alice), await gateway.open(world.bob)
    told = await blue.result("subscribe", subscriptions=[wanting("blue")])
    assert told == {"subscriptions": [wanting("blue")]}
    await anything.result("subscribe", subscriptions=[wanting("*")])
    producer = await gateway.program(world.charlie, "publish")
    await click(producer, color="blue")
    await click(producer, color="red", topic="elsewhere")
    await click(producer, color="blue", type="DashClick")
    await click(producer, color="blue", topic="another/place")
    for socket, count in ((blue, 2), (anything, 3)):
        frames = [await socket.event("event") for _ in range(count)]
        assert {frame["message_type"] for frame in frames} == {"NESClick"}
        assert await socket.so_far() == []


@pytest.mark.parametrize(
    ("expression", "matching", "others"),
    [
        ("5", [5, 5.0, "5"], [6, True, [5]]),
        (">5", [5.5, 6], [5, "6"]),
        ("<=0,>=10", [0, -1, 10, 11.5], [1, 9.5]),
        ("true", [True], [False, 1]),
        ("bl*,gr??n", ["blue", "green", "grown"], ["red", "gren"]),
        ("*", [None, [], {"a": 1}], []),
    ],
)
async def test_expressions_work_over_the_wire(
    gateway: Gateway, world: World, expression: str, matching: list[Any], others: list[Any]
) -> None:
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", subscriptions=[wanting(expression, field="value")])
    for value in (*others, *matching):
        await click(alice, value=value)
    assert await payloads(alice) == [{"value": value} for value in matching]


async def test_one_copy_with_all_that_any_of_the_filters_wants(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice)
    whole: dict[str, Any] = {"color": "blue", "button": "a", "value": 1}
    filters = [
        wanting("blue", "color"),
        wanting("b*", "button", "nothing"),
        wanting("a", field="button"),
    ]
    await alice.result("subscribe", subscriptions=filters[:1])
    await click(alice, **whole)
    await alice.result("subscribe", subscriptions=filters[1:2])
    await click(alice, **whole)
    await alice.result("subscribe", subscriptions=filters[2:])
    await click(alice, **whole)
    assert await payloads(alice) == [{"color": "blue"}, {"color": "blue", "button": "a"}, whole]
    await alice.result("unsubscribe", subscriptions=filters[2:])
    await alice.result("subscribe", topics=["race/7"])
    await click(alice, **whole)
    assert await payloads(alice) == [whole]


async def test_the_same_filter_again_adds_what_it_wants(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    for fields, known in (
        (["color"], ["color"]),
        (["button"], ["button", "color"]),
        (["color"], ["button", "color"]),
    ):
        told = await alice.result("subscribe", subscriptions=[wanting("blue", *fields)])
        assert told["subscriptions"] == [wanting("blue", *known)]
    told = await alice.result("subscribe", subscriptions=[wanting("blue")])
    assert told["subscriptions"] == [wanting("blue")]
    again = {"subscriptions": [wanting("blue", "color")], "replace": True}
    assert (await alice.result("subscribe", **again))["subscriptions"] == [wanting("blue", "color")]


async def test_unsubscribing_names_a_filter_without_what_it_wants(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", subscriptions=[wanting("blue", "color"), wanting("red")])
    left = await alice.result("unsubscribe", subscriptions=[wanting("blue"), wanting("green")])
    assert left == {"subscriptions": [wanting("red")]}
    await click(alice, color="blue")
    await click(alice, color="red")
    assert await payloads(alice) == [{"color": "red"}]


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (wanting(">blue"), "subscriptions[1].filter_expr"),
        (wanting(""), "subscriptions[1].filter_expr"),
        (wanting("*a?b*"), "subscriptions[1].filter_expr"),
        ({"event_type": "A", "filter_expr": "blue"}, "subscriptions[1].filter_field"),
        ({"filter_expr": "*"}, "subscriptions[1].event_type"),
        ({"event_type": " "}, "subscriptions[1].event_type"),
        (wanting("x" * 201), "subscriptions[1].filter_expr"),
        ({**wanting("*"), "desired_fields": []}, "subscriptions[1].desired_fields"),
        ({**wanting("*"), "desired_fields": "color"}, "subscriptions[1].desired_fields"),
        (wanting("*", topic="race/*"), "subscriptions[1].topic"),
        ("NESClick", "subscriptions[1]"),
    ],
)
async def test_a_bad_filter_refuses_all_and_the_old_ones_stay(
    gateway: Gateway, world: World, bad: Any, field: str
) -> None:
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", subscriptions=[wanting("blue")])
    error = await alice.refusal(
        "subscribe", subscriptions=[wanting("red"), bad], topics=["race/7"], replace=True
    )
    assert error["code"] == "invalid"
    assert list(error["fields"]) == [field]
    await click(alice, color="red")
    await click(alice, color="blue")
    assert await payloads(alice) == [{"color": "blue"}]


async def test_filters_of_one_topic_leave_others_alone(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", subscriptions=[wanting("*", topic="race/7")])
    await click(alice, number=1, topic="race/8")
    await click(alice, number=2, topic="race/7")
    assert await payloads(alice) == [{"number": 2}]


async def test_the_wildcard_type_matches_every_type(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", subscriptions=[{"event_type": "*"}])
    await click(alice, number=1, type="A")
    await click(alice, number=2, type="B")
    assert await payloads(alice) == [{"number": 1}, {"number": 2}]


async def test_in_the_quiet_dialect_payload_is_what_the_producer_sent(
    gateway: Gateway, world: World
) -> None:
    """A consumer that parses `payload` of everything needs no other member."""
    plain = await gateway.plain(world.alice)
    await plain.send({"action": "subscribe", "subscriptions": [wanting("*", "color")]})
    producer = await gateway.open(world.bob)
    await plain.ask("ping")
    await click(producer, color="blue", value=1)
    event = await plain.event("event")
    assert json.loads(event["payload"]) == {"color": "blue"}
    assert event["message_type"] == "NESClick"


async def test_an_event_is_one_object_in_all_outboxes(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets = [await gateway.open(world.alice) for _ in range(12)]
    for number, socket in enumerate(sockets):
        fields = [["color"], ["value"], ["color", "value"]][number % 3]
        await socket.result("subscribe", subscriptions=[wanting("blue", *fields)])
    entries: list[Any] = []
    put = Outbox.put

    def noting(self: Outbox, entry: Any) -> None:
        if getattr(entry, "is_volatile", False):
            entries.append(entry)
        put(self, entry)

    monkeypatch.setattr(Outbox, "put", noting)
    await click(sockets[0], color="blue", value=1, button="a")
    for socket in sockets:
        await socket.event("event")
    assert len(entries) == 12
    assert len({id(entry) for entry in entries}) == 3
