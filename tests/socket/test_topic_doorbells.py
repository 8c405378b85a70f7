"""Topics between processes: doorbells may be lost and Redis may go; the rings make up for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pytest_django import Settings

from chat.errors import AppError, Unavailable
from chat.gateway.topics import publishing, redis_rings
from chat.gateway.topics.attaching import Attachment, Wish
from chat.gateway.topics.hub import TopicHub
from chat.gateway.topics.looking import look
from chat.gateway.topics.names import bucket_group, bucket_of
from chat.gateway.topics.shapes import EventFilter
from chat.models import User
from chat.realtime import layer as layer_module
from chat.realtime.replay import ReplayBudget
from chat.realtime.server import Server
from tests.people import World
from tests.services.redis import redis_server
from tests.services.server import Server as Service
from tests.socket.acts import do
from tests.socket.client import Socket
from tests.socket.conftest import Gateway, eventually
from tests.socket.test_delivery import MakeHub
from tests.socket.test_layer_faults import configuration
from tests.socket.test_publish import Program, event
from tests.socket.test_topics import CLOSED, RACE, follow, numbers, publish, publish_many, taken
from tests.unit.gateway.listeners import FakeListener

pytestmark = pytest.mark.django_db(transaction=True)

MakeTopicHub = Callable[[], Awaitable[TopicHub]]


@pytest.fixture(scope="module")
def own_redis() -> Iterator[Service]:
    """Redis servers that these tests stop and start."""
    with redis_server() as server:
        yield server


@pytest.fixture
def redis(own_redis: Service) -> Iterator[Service]:
    yield own_redis
    if own_redis._process is None:
        own_redis.start()


@pytest.fixture(autouse=True)
def channel_layer(redis: Service, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the Redis that is stopped here, and look after things quickly."""
    settings.REDIS_URLS = [redis.url]
    settings.CHANNEL_LAYERS = {"default": configuration(redis.url)}
    settings.REDIS_PREFIX = settings.CHANNEL_LAYERS["default"]["CONFIG"]["prefix"]
    monkeypatch.setattr(layer_module, "TICK_S", 0.2)
    monkeypatch.setattr(layer_module, "DEAF_TICK_S", 0.1)
    monkeypatch.setattr(layer_module, "TIMEOUT_S", 0.5)
    monkeypatch.setattr(redis_rings, "AWAY_S", 0.2)


@pytest.fixture
async def another_topic_hub(another_hub: MakeHub) -> AsyncIterator[MakeTopicHub]:
    """Make topics' hubs that stand for other processes: they hear this one by the layer alone."""
    hubs: list[TopicHub] = []

    async def make() -> TopicHub:
        hub = await another_hub()
        await eventually(lambda: hub.link.is_hearing)
        server = SimpleNamespace(hub=hub, changed=lambda connection: None)
        topic_hub = TopicHub(cast(Server, server))
        await topic_hub.start()
        hubs.append(topic_hub)
        return topic_hub

    yield make
    for hub in hubs:
        await hub._tasks.end()


async def join(hub: TopicHub, user: User, *topics: str, **filter: Any) -> FakeListener:
    """Follow topics, or filter events, in another process."""
    listener = FakeListener(user.pk)
    wish = Wish.read(None, list(topics), [EventFilter(**filter)] if filter else [])
    attachment = Attachment(hub, listener, wish)
    await attachment.attach(user, ReplayBudget.full())
    attachment.confirm()
    attachment.commit(is_replacing=False)
    attachment.go_live()
    return listener


async def test_events_reach_other_processes_once_and_in_order(
    gateway: Gateway, another_topic_hub: MakeTopicHub, world: World
) -> None:
    hub = await another_topic_hub()
    following = await join(hub, world.alice, RACE, CLOSED)
    filtering = await join(hub, world.bob, event_type="*")
    stranger = await join(hub, world.charlie, event_type="*")
    here = await gateway.open(world.alice)
    await follow(here)
    sockets = [await gateway.program(world.bob, "publish") for _ in range(3)]
    program = await Program.of(world.bob)

    async def produce(socket: Socket, start: int) -> None:
        for number in range(start, start + 20):
            await publish(socket, number)
            await publish(socket, number, topic=CLOSED)

    await asyncio.gather(*(produce(each, 100 * place) for place, each in enumerate(sockets)))
    await program.post({"records": [event(payload={"number": 900 + n}) for n in range(5)]})
    await eventually(lambda: len(following.offsets()) == 125)
    await eventually(lambda: len(filtering.offsets()) == 125)
    await eventually(lambda: len(stranger.offsets()) == 65)
    for listener in (following, filtering, stranger):
        for topic, count in ((RACE, 65), (CLOSED, 60 if listener is not stranger else 0)):
            found = [each["offset"] for each in listener.frames() if each["topic"] == topic]
            assert found == list(range(1, count + 1))
    assert numbers(following.frames()) == numbers(filtering.frames())
    assert numbers([await taken(here) for _ in range(65)]) == numbers(following.frames())


async def test_a_lost_last_doorbell_is_noticed_at_the_tick(
    gateway: Gateway,
    another_topic_hub: MakeTopicHub,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = await another_topic_hub()
    following = await join(hub, world.alice, RACE)
    filtering = await join(hub, world.alice, event_type="*", topic=RACE)
    alice = await gateway.open(world.alice)
    doorbell = (await gateway.hub()).doorbell
    monkeypatch.setattr(doorbell, "put", lambda group, message: None)
    await publish_many(alice, 1, 2, 3)
    assert following.offsets() == []
    await look(hub)
    await eventually(lambda: following.offsets() == filtering.offsets() == [1, 2, 3])


async def test_a_lost_doorbell_is_noticed_by_the_next(
    gateway: Gateway,
    another_topic_hub: MakeTopicHub,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = await another_topic_hub()
    listener = await join(hub, world.alice, event_type="*")
    alice = await gateway.open(world.alice)
    doorbell = (await gateway.hub()).doorbell
    put = doorbell.put
    for number in range(10):
        is_lost = number in (1, 2, 5)
        monkeypatch.setattr(doorbell, "put", (lambda *_: None) if is_lost else put)
        await publish(alice, number)
    await eventually(lambda: len(listener.offsets()) == 10)
    assert numbers(listener.frames()) == list(range(10))


async def test_a_process_without_sockets_rings_too(
    gateway: Gateway, another_topic_hub: MakeTopicHub, world: World
) -> None:
    """A command, or a server that nobody has connected to yet."""
    hub = await another_topic_hub()
    listener = await join(hub, world.alice, event_type="*")
    program = await Program.of(world.bob)
    assert (await program.post(event()))[0] == 201
    await eventually(lambda: listener.offsets() == [1])


async def test_sending_again_reaches_who_missed_the_doorbell(
    gateway: Gateway,
    another_topic_hub: MakeTopicHub,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after a process was killed between keeping an event and ringing for it."""
    hub = await another_topic_hub()
    listener = await join(hub, world.alice, event_type="*")
    alice = await gateway.open(world.alice)
    with monkeypatch.context() as silence:
        silence.setattr(publishing, "tell", lambda events: None)
        first = await alice.result("publish", **event(client_id="c-1"))
    assert await alice.result("publish", **event(client_id="c-1")) == first
    await eventually(lambda: listener.offsets() == [1])


# --- Redis goes ---------------------------------------------------------------------------------


async def test_a_redis_that_is_away_is_told_at_once_and_nothing_hangs(
    gateway: Gateway, world: World, redis: Service
) -> None:
    alice = await gateway.open(world.alice)
    await follow(alice)
    program = await Program.of(world.alice)
    await asyncio.to_thread(redis.stop)
    for refused in (
        await alice.refusal("publish", **event()),
        await alice.refusal("subscribe", id="race/8"),
        (await program.post(event()))[1]["error"],
        (await program.post({"records": [event()]}))[1]["records"][0]["error"],
    ):
        assert refused["code"] == "unavailable"
        assert refused["retry_after_ms"] > 0
    # What needs no Redis goes on.
    assert await alice.result("post.create", room="garden", text="Hello")
    assert await alice.result("subscribe", rooms=["garden"], subscriptions=[{"event_type": "*"}])

    await asyncio.to_thread(redis.start)
    await eventually_published(alice)
    gap = await taken(alice, "gap")
    assert (gap["topic"], gap["reason"], gap["offset"]) == (RACE, "epoch_changed", 0)
    found = await taken(alice)
    assert (found["epoch"], found["offset"]) == (gap["epoch"], 1)


async def eventually_published(socket: Socket) -> None:
    """Ask again as clients do."""
    async with asyncio.timeout(10):
        while not (answer := await socket.ask("publish", **event(client_id="c-1")))["ok"]:
            assert answer["error"]["code"] == "unavailable"
            await asyncio.sleep(answer["error"]["retry_after_ms"] / 1000)


async def test_a_redis_that_stands_still_holds_nobody_up_for_long(
    gateway: Gateway, world: World, redis: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets = [await gateway.open(world.alice) for _ in range(20)]
    await publish(sockets[0], 1)
    loop = asyncio.get_running_loop()
    redis.pause()
    try:
        began = loop.time()
        errors = await asyncio.gather(*(each.refusal("publish", **event()) for each in sockets))
        took_s = loop.time() - began
        assert {error["code"] for error in errors} == {"unavailable"}
        # One wait for all, not one each.
        assert took_s < 3 * redis_rings.ANSWER_S
        assert await sockets[0].result("ping")
    finally:
        redis.resume()
    await eventually_published(sockets[0])


async def test_topics_are_spread_over_several_redis_and_fail_apart(
    gateway: Gateway, world: World, redis: Service, settings: Settings
) -> None:
    with redis_server() as second:
        settings.REDIS_URLS = [redis.url, second.url]
        alice = await gateway.open(world.alice)
        topics = [f"race/{number}" for number in range(16)]
        await alice.result("subscribe", topics=topics)
        for topic in topics:
            await publish(alice, 1, topic=topic)
        assert {(await taken(alice))["topic"] for _ in topics} == set(topics)
        await asyncio.to_thread(second.stop)
        program = await Program.of(world.bob)
        records = [event(topic=topic) for topic in topics]
        _, answer = await program.post({"records": records})
        failed = [each for each in answer["records"] if "error" in each]
        assert 0 < len(failed) == answer["failed_record_count"] < len(topics)
        assert {each["error"]["code"] for each in failed} == {"unavailable"}
        found = {(await taken(alice))["topic"] for _ in range(len(topics) - len(failed))}
        assert len(found) == len(topics) - len(failed)


async def test_a_ring_of_which_redis_has_thrown_away_a_part_begins_anew(
    gateway: Gateway, world: World, redis: Service, settings: Settings
) -> None:
    alice = await gateway.open(world.alice)
    await publish_many(alice, 1, 2)
    told = await follow(alice)
    rings = redis_rings.rings()
    assert isinstance(rings, redis_rings.RedisRings)
    _, entries, _ = rings._keys(RACE)
    await asyncio.to_thread(rings._shards[0].client.delete, entries)
    await publish(alice, 3)
    gap = await taken(alice, "gap")
    assert gap["epoch"] != told["epoch"]
    assert numbers([await taken(alice)]) == [3]


async def test_rings_expire_unless_somebody_follows(
    gateway: Gateway, world: World, settings: Settings
) -> None:
    settings.TOPIC_LIFETIME_S = 1
    alice = await gateway.open(world.alice)
    told = await follow(alice)
    rings = redis_rings.rings()
    assert isinstance(rings, redis_rings.RedisRings)
    client = rings._shards[0].client
    await publish(alice, 1)
    await publish(alice, 1, topic="race/8")
    other = rings._keys("race/8")
    async with asyncio.timeout(10):
        while await asyncio.to_thread(client.exists, *other):
            await asyncio.sleep(0.05)
    await look((await gateway.server()).part(TopicHub))
    assert await asyncio.to_thread(client.exists, *rings._keys(RACE)) == 2
    back = await gateway.open(world.alice)
    again = await follow(back, epoch=told["epoch"], offset=0)
    assert (again["recovered"], numbers(again["events"])) == (True, [1])


async def test_a_publishing_that_redis_refuses_is_unavailable(
    gateway: Gateway, world: World
) -> None:
    """As when it has no memory left."""
    rings = redis_rings.rings()
    assert isinstance(rings, redis_rings.RedisRings)
    client = rings._shards[0].client
    head, _, _ = rings._keys(RACE)
    await asyncio.to_thread(client.lpush, head, "no text")
    draft = await do(
        publishing.draft_of,
        world.alice,
        topic=RACE,
        event_type="A",
        payload={},
        client_id=None,
    )
    for drafts in ([draft], [draft, draft]):
        answers = await asyncio.to_thread(rings.publish, drafts)
        assert all(isinstance(answer, Unavailable) for answer in answers)
        rings._shards[0]._away_until = 0.0
    assert isinstance(answers[0], AppError)


def test_topics_are_spread_over_all_groups() -> None:
    groups = {bucket_group(bucket_of(f"race/{number}")) for number in range(500)}
    assert len(groups) == 16
