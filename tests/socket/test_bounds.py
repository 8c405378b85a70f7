"""What one socket can make a process keep for it."""

from __future__ import annotations

import pytest

from chat.gateway.topics import hub as hub_module
from chat.gateway.topics.hub import TopicHub
from chat.gateway.topics.looking import look
from tests.people import World
from tests.socket.conftest import Gateway, eventually

pytestmark = pytest.mark.django_db(transaction=True)


async def test_topics_that_were_left_go_also_while_a_filter_names_none(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "OVERHEARD_MAX", 100)
    alice, bob = await gateway.open(world.alice), await gateway.open(world.bob)
    topics = (await gateway.server()).part(TopicHub)
    await alice.result("subscribe", subscriptions=[{"event_type": "*"}])
    for race in range(5):
        named = [f"race/{race}/{lap}" for lap in range(50)]
        await bob.result("subscribe", topics=named, replace=True)
    await look(topics)
    assert len(topics.states) == 50


async def test_events_of_a_topic_that_was_left_are_not_kept(gateway: Gateway, world: World) -> None:
    alice, bob = await gateway.open(world.alice), await gateway.open(world.bob)
    topics = (await gateway.server()).part(TopicHub)
    await alice.result("subscribe", subscriptions=[{"event_type": "*"}])
    await bob.result("subscribe", id="race/7")
    await bob.result("publish", topic="race/7", event_type="Lap", payload={"words": "x" * 1000})
    await bob.event("event")
    assert topics.states["race/7"].recent
    await bob.result("unsubscribe", id="race/7")
    await look(topics)
    assert not topics.states["race/7"].recent


async def test_filters_that_are_told_count_towards_what_a_slow_reader_may_leave_waiting(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice)
    (connection,) = (await gateway.server()).connections
    wanted = [f"{number:02}{'x' * 90}" for number in range(20)]
    for first in range(0, 200, 50):
        filters = [
            {"event_type": f"Lap{number}", "desired_fields": wanted}
            for number in range(first, first + 50)
        ]
        answer = await alice.result("subscribe", subscriptions=filters)
    assert len(answer["subscriptions"]) == 200
    alice.reading.clear()
    for number in range(20):
        # Each is answered with all 200 filters, some 400 KB.
        await alice.send({"action": "subscribe", "subscriptions": [{"event_type": f"Lap{number}"}]})
    await eventually(lambda: connection.is_closing)
    alice.reading.set()
    assert await alice.closed() == 4210
