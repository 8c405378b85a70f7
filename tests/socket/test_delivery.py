"""Gapless, in order, without doubles, over a layer that may lose everything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from channels.layers import get_channel_layer
from redis import asyncio as aioredis

from chat.models import Room, RoomEvent
from chat.realtime import envelope, stream
from chat.realtime.envelope import Frame
from chat.realtime.hub import Hub
from posts.models import Post
from tests.people import World, make_room
from tests.socket.acts import caught_bells, do, head, logged, post, post_many
from tests.socket.client import Socket, seqs
from tests.socket.conftest import LAYERS, Gateway, eventually

pytestmark = pytest.mark.django_db(transaction=True)
MakeHub = Callable[..., Awaitable[Hub]]


class Listener:
    """A subscriber in another process."""

    def __init__(self, user_id: int | None = None) -> None:
        self.user_id = user_id
        self.frames: list[Frame] = []
        self.gaps: list[tuple[str, str, int]] = []
        self.lost: list[str] = []

    @property
    def seqs(self) -> list[int]:
        return [frame.seq for frame in self.frames]

    def deliver(self, frame: Frame) -> None:
        self.frames.append(frame)

    def tell_gap(self, room: str, epoch: str, seq: int, reason: str) -> None:
        self.gaps.append((reason, epoch, seq))

    def lose_room(self, room: str, reason: str) -> None:
        self.lost.append(reason)

    @classmethod
    async def on(cls, hub: Hub, world: World, slug: str = "garden") -> Listener:
        listener = cls(world.alice.pk)
        _, subscription = await hub.subscribe(listener, world.alice, slug)
        subscription.go_live()
        return listener


@pytest.mark.parametrize("layer_name", LAYERS)
async def test_posts_reach_the_sockets_of_all_processes_in_order(
    gateway: Gateway, another_hub: MakeHub, world: World
) -> None:
    alice = await gateway.open(world.alice)
    start = (await alice.result("subscribe", rooms=["garden"]))["rooms"][0]["seq"]
    other = await Listener.on(await another_hub(), world)
    writers = [post_many(person, 10) for person in (world.alice, world.bob) for _ in range(2)]
    await asyncio.gather(*writers)
    expected = list(range(start + 1, start + 41))
    await eventually(lambda: len(other.frames) == 40)
    while len(alice.aside) < 40:
        alice.aside.append(await alice.event("post.created"))
    assert other.seqs == seqs(alice.aside) == expected
    assert await logged(world.garden) == list(range(1, start + 41))


@pytest.mark.parametrize("layer_name", LAYERS)
async def test_doorbells_in_any_order_are_handed_out_in_order(
    gateway: Gateway, another_hub: MakeHub, world: World
) -> None:
    hub = await another_hub()
    other = await Listener.on(hub, world)
    with caught_bells() as bells:
        await post_many(world.alice, 6)
    first, second, third, *rest = bells.frames
    for frame in (third, first, third, second, *reversed(rest), first):
        hub.hear_frame(frame)
    await eventually(lambda: len(other.frames) == 6)
    assert other.seqs == [frame.seq for frame in bells.frames]


async def test_a_lost_doorbell_is_filled_from_the_log_when_the_next_one_rings(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", rooms=["garden"])
    with caught_bells():
        await post(world.bob, "unheard")
    await post(world.bob, "heard")
    texts = [(await alice.event("post.created"))["data"]["text"] for _ in range(2)]
    assert texts == ["unheard", "heard"]


async def test_a_lost_last_doorbell_is_noticed_without_a_next_one(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", rooms=["garden"])
    with caught_bells():
        await post(world.bob, "unheard")
    assert await alice.so_far() == []
    await (await gateway.hub()).tick()
    assert (await alice.event("post.created"))["data"]["text"] == "unheard"


async def test_the_background_tick_comes_by_itself(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", rooms=["garden"])
    with caught_bells():
        await post(world.bob, "unheard")
    assert (await alice.event("post.created"))["data"]["text"] == "unheard"


async def test_a_long_hole_is_filled_in_several_reads(
    gateway: Gateway, world: World, settings: Any
) -> None:
    settings.REPLAY_EVENTS_MAX = 7
    alice = await gateway.open(world.alice)
    start = (await alice.result("subscribe", rooms=["garden"]))["rooms"][0]["seq"]
    with caught_bells():
        await post_many(world.bob, 30)
    await post(world.bob, "heard")
    got = [(await alice.event("post.created"))["seq"] for _ in range(31)]
    assert got == list(range(start + 1, start + 32))


async def test_one_tick_asks_one_question_whatever_the_number_of_rooms(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    slugs = [f"room-{number}" for number in range(12)]
    for slug in slugs:
        await do(make_room, slug, world.alice)
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", rooms=slugs)
    asked: list[int] = []
    heads = stream.heads

    def asking(room_ids: list[int]) -> dict[int, stream.Head]:
        asked.append(len(room_ids))
        return heads(room_ids)

    monkeypatch.setattr(stream, "heads", asking)
    await (await gateway.hub()).tick()
    assert asked[0] == 12
    assert set(asked) == {12}


# --- resets ------------------------------------------------------------------------------------


async def restore(room: Room, *, last_seq: int, epoch: str | None = None) -> None:
    """Do to a room's log what restoring a backup does."""

    def work() -> None:
        RoomEvent.objects.in_room(room).filter(seq__gt=last_seq).delete()
        Post._base_manager.filter(room=room, seq__gt=last_seq).delete()
        values: dict[str, Any] = {"last_seq": last_seq}
        if epoch is not None:
            values["epoch"] = epoch
        Room.objects.filter(pk=room.pk).update_unpublished(**values)

    await do(work)


async def test_another_epoch_is_told_as_a_gap_and_the_room_goes_on(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", rooms=["garden"])
    await post(world.bob, "before")
    await alice.event("post.created")
    await restore(world.garden, last_seq=2, epoch="restored")
    await (await gateway.hub()).tick()
    gap = await alice.event("gap")
    assert gap == {
        "type": "gap",
        "room": "garden",
        "epoch": "restored",
        "seq": 2,
        "reason": "epoch_changed",
    }
    await post(world.alice, "after")
    event = await alice.event("post.created")
    assert (event["epoch"], event["seq"], event["data"]["text"]) == ("restored", 3, "after")


async def test_the_first_event_of_another_epoch_is_noticed_at_once(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", rooms=["garden"])
    await restore(world.garden, last_seq=2, epoch="restored")
    await post(world.bob, "after")
    gap = await alice.event("gap")
    assert (gap["epoch"], gap["seq"], gap["reason"]) == ("restored", 3, "epoch_changed")


async def test_a_head_below_our_position_is_told_as_a_gap(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", rooms=["garden"])
    await post_many(world.bob, 3)
    await alice.event("post.created")
    await eventually(lambda: len(alice.aside) + alice._from_server.qsize() >= 2)
    await restore(world.garden, last_seq=2)
    await (await gateway.hub()).tick()
    gap = await alice.event("gap")
    assert (gap["seq"], gap["reason"]) == (2, "seq_ahead")


async def test_a_tail_that_was_trimmed_unheard_is_told_as_a_gap(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", rooms=["garden"])
    with caught_bells():
        await post_many(world.bob, 4)
    _, last = await head(world.garden)
    await do(stream.trim, world.garden.pk, below=last)
    await (await gateway.hub()).tick()
    gap = await alice.event("gap")
    assert (gap["seq"], gap["reason"]) == (last, "trimmed")
    await post(world.bob, "after")
    assert (await alice.event("post.created"))["seq"] == last + 1


async def test_a_log_that_was_trimmed_to_nothing_unheard_is_told_as_a_gap(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", rooms=["garden"])
    with caught_bells():
        await post_many(world.bob, 2)
    _, last = await head(world.garden)
    await do(stream.trim, world.garden.pk, below=last + 1)
    await (await gateway.hub()).tick()
    gap = await alice.event("gap")
    assert (gap["seq"], gap["reason"]) == (last, "trimmed")


# --- what a subscriber costs -------------------------------------------------------------------


class CountingEncoder:
    """Counts how often anything is encoded as JSON."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self.count = 0

    def encode(self, value: object) -> bytes:
        self.count += 1
        encoded: bytes = self._encoder.encode(value)
        return encoded


async def test_a_subscriber_costs_no_query_and_no_encoding(
    gateway: Gateway, world: World, queries: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = CountingEncoder(envelope._encoder)
    monkeypatch.setattr(envelope, "_encoder", encoder)
    sockets: list[Socket] = []
    costs = []
    for count in (50, 200):
        while len(sockets) < count:
            opening = gateway.plain() if len(sockets) % 2 else gateway.open()
            sockets.append(await opening)
            await sockets[-1].result("subscribe", rooms=["garden"])
        queries.clear()
        encoder.count = 0
        await post(world.alice, "Hello")
        await asyncio.gather(*(socket.event("post.created") for socket in sockets))
        costs.append((len(queries), encoder.count))
    assert costs[0] == costs[1]


async def never() -> None:
    """A tick that does not come."""


# --- groups ------------------------------------------------------------------------------------


async def numbers_subscribed(pattern: str) -> dict[str, int]:
    """Ask Redis how many processes hear which of the test's groups."""
    layer: Any = get_channel_layer()
    client = aioredis.Redis.from_url(layer._kwargs["hosts"][0]["address"])
    try:
        channels = await client.pubsub_channels(f"{layer._kwargs['prefix']}{pattern}")
        return {str(name): count for name, count in await client.pubsub_numsub(*channels)}
    finally:
        await client.aclose()


async def until_subscribed(pattern: str, numbers: list[int]) -> None:
    async with asyncio.timeout(5):
        while list((await numbers_subscribed(pattern)).values()) != numbers:
            await asyncio.sleep(0.02)


async def test_a_process_is_one_member_of_a_group_whatever_the_number_of_sockets(
    gateway: Gateway, world: World
) -> None:
    for _ in range(10):
        socket = await gateway.open()
        await socket.result("subscribe", rooms=["garden"])
    layer: Any = get_channel_layer()
    assert len(layer.groups[f"room.{world.garden.pk}"]) == 1
    assert len({channel for members in layer.groups.values() for channel in members}) == 1


@pytest.mark.parametrize("layer_name", ["redis"])
async def test_a_process_is_one_subscriber_of_redis_whatever_the_number_of_sockets(
    gateway: Gateway, another_hub: MakeHub, world: World
) -> None:
    for _ in range(10):
        socket = await gateway.open()
        await socket.result("subscribe", rooms=["garden"])
    group = f"__group__room.{world.garden.pk}"
    await until_subscribed(group, [1])
    await until_subscribed("specific*", [1])
    await Listener.on(await another_hub(), world)
    await until_subscribed(group, [2])
    await until_subscribed("specific*", [1, 1])


@pytest.mark.parametrize("layer_name", LAYERS)
async def test_the_group_is_left_after_the_last_subscriber(gateway: Gateway, world: World) -> None:
    first, second = await gateway.open(), await gateway.open()
    for socket in (first, second):
        await socket.result("subscribe", rooms=["garden"])
    hub = await gateway.hub()
    group = f"room.{world.garden.pk}"
    await first.result("unsubscribe", rooms=["garden"])
    assert group in hub.link._joined
    await second.leave()
    await eventually(lambda: not hub.rooms)
    assert hub.room_ids == {}
    assert group not in hub.link._joined
    layer: Any = get_channel_layer()
    groups = layer.groups if not hasattr(layer, "_get_layer") else layer._get_layer().groups
    assert not any(name.endswith(group) for name in groups)


@pytest.mark.parametrize("layer_name", LAYERS)
async def test_joining_and_leaving_are_ordered(
    gateway: Gateway, another_hub: MakeHub, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes while the last one leaves hears the room through the layer."""
    await gateway.server()
    hub = await another_hub()
    await eventually(lambda: hub.link.is_hearing)
    monkeypatch.setattr(hub, "tick", never)
    for _ in range(20):
        leaver = await Listener.on(hub, world)
        hub.unsubscribe(leaver, world.garden.pk)
        comer = await Listener.on(hub, world)
        hub.unsubscribe(comer, world.garden.pk)
        await asyncio.sleep(0)
    last = await Listener.on(hub, world)
    layer: Any = hub.link.layer
    groups = layer.groups if not hasattr(layer, "_get_layer") else layer._get_layer().groups
    members = next(members for name, members in groups.items() if f"room.{world.garden.pk}" in name)
    assert hub.link._channel in members
    await post(world.alice, "heard")
    await eventually(lambda: last.frames)


class SlowLeaving:
    """A layer whose groups are left slowly, as they are over a network."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self.leaving = asyncio.Event()
        self.may_leave = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)

    async def group_discard(self, group: str, channel: str) -> None:
        self.leaving.set()
        await self.may_leave.wait()
        await self._layer.group_discard(group, channel)


async def test_who_comes_while_the_group_is_left_waits_and_joins_it_again(
    gateway: Gateway, another_hub: MakeHub, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gateway.server()
    layer = SlowLeaving(get_channel_layer())
    hub = await another_hub(layer)
    await eventually(lambda: hub.link.is_hearing)
    monkeypatch.setattr(hub, "tick", never)
    hub.unsubscribe(await Listener.on(hub, world), world.garden.pk)
    await layer.leaving.wait()
    coming = asyncio.create_task(Listener.on(hub, world))
    await asyncio.sleep(0.02)
    layer.may_leave.set()
    last = await coming
    assert hub.link._channel in layer.groups[f"room.{world.garden.pk}"]
    await post(world.alice, "heard")
    await eventually(lambda: last.frames)


async def test_nothing_is_kept_of_sockets_that_are_gone(gateway: Gateway, world: World) -> None:
    server = await gateway.server()
    for _ in range(30):
        socket = await gateway.open(world.alice, "/ws/rooms/garden/")
        await socket.result("subscribe", rooms=["cellar"])
        await socket.leave()
    await eventually(lambda: not server.hub.rooms)
    assert not server.connections
    assert not server.hub.sockets.all
    index = server.hub.sockets
    assert not [*index._by_user, *index._by_session, *index._by_key]


async def test_a_message_that_makes_no_sense_does_not_cut_the_link(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", rooms=["garden"])
    hub = await gateway.hub()
    await eventually(lambda: hub.link.is_hearing)
    channel = hub.link._channel
    layer: Any = get_channel_layer()
    await layer.group_send(f"room.{world.garden.pk}", {"type": "room.event", "new": 1})
    await layer.group_send(f"room.{world.garden.pk}", {"type": "room.unheard_of"})
    await post(world.bob, "after")
    await alice.event("post.created")
    assert hub.link._channel == channel
