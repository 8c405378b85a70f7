"""Whatever becomes of the doorbells, the hub hands out the log: each number once, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from django.contrib.auth.models import AnonymousUser
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.realtime import hub as hub_module
from chat.realtime import replay as replay_module
from chat.realtime.envelope import Frame
from chat.realtime.hub import Hub
from chat.realtime.stream import Head, Trimmed
from tests.unit.realtime.frames import frame

ROOM = 1


class Log:
    """Stands for `chat.realtime.stream`: a room's log in memory."""

    Trimmed = Trimmed

    def __init__(self) -> None:
        self.epoch = "e1"
        self.rows: list[Frame] = []
        self.read_count = 0

    def write(self) -> Frame:
        row = frame(len(self.rows) + 1, subject_id="", epoch=self.epoch)
        self.rows.append(row)
        return Frame.from_message(row.as_message())

    def heads(self, room_ids: Iterable[int]) -> dict[int, Head]:
        return {room_id: Head(room_id, self.epoch, len(self.rows), 1) for room_id in room_ids}

    def read(self, head: Head, room: str, *, after: int, limit: int) -> list[Frame]:
        self.read_count += 1
        return [Frame.from_message(row.as_message()) for row in self.rows[after : after + limit]]


class Listener:
    def __init__(self) -> None:
        self.user_id: int | None = None
        self.seqs: list[int] = []
        self.gaps: list[tuple[str, int]] = []

    def deliver(self, frame: Frame) -> None:
        self.seqs.append(frame.seq)

    def tell_gap(self, room: str, epoch: str, seq: int, reason: str) -> None:
        self.gaps.append((reason, seq))

    def lose_room(self, room: str, reason: str) -> None:
        raise AssertionError("Nobody loses anything here.")


class Room:
    id = pk = ROOM


async def directly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    await asyncio.sleep(0)
    return function(*args, **kwargs)


async def listening(monkeypatch: pytest.MonkeyPatch, log: Log) -> tuple[Hub, Listener]:
    """Return a hub on that log and somebody who has just subscribed."""
    monkeypatch.setattr(hub_module, "stream", log)
    monkeypatch.setattr(replay_module, "stream", log)
    monkeypatch.setattr(hub_module, "in_database", directly)
    monkeypatch.setattr(hub_module, "in_hub_database", directly)
    monkeypatch.setattr(hub_module, "in_hub_database", directly)
    monkeypatch.setattr(replay_module, "in_database", directly)
    monkeypatch.setattr(hub_module, "access_room", lambda viewer, slug: Room)
    monkeypatch.setattr(hub_module, "GAP_WAIT_S", 0.001)
    hub = Hub(InMemoryChannelLayer())
    monkeypatch.setattr(hub.rights, "read", lambda: asyncio.sleep(0))
    hub.is_running = True
    listener = Listener()
    _, subscription = await hub.subscribe(listener, AnonymousUser(), "garden")
    subscription.go_live()
    return hub, listener


async def settled(hub: Hub, listener: Listener, count: int) -> None:
    """Tick until the listener has had everything; the tick is what makes up for lost bells."""
    async with asyncio.timeout(5):
        while len(listener.seqs) < count:
            await hub.tick()
            await asyncio.sleep(0.002)
        await asyncio.sleep(0.005)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_loss_doubling_and_order_of_doorbells_gives_each_number_once_in_order(
    data: st.DataObject,
) -> None:
    count = data.draw(st.integers(0, 40))
    bells = data.draw(st.lists(st.integers(1, max(1, count)), max_size=2 * count)) if count else []
    pauses = data.draw(st.sets(st.integers(0, max(0, len(bells) - 1)), max_size=5))

    async def run(monkeypatch: pytest.MonkeyPatch) -> None:
        log = Log()
        hub, listener = await listening(monkeypatch, log)
        rows = [log.write() for _ in range(count)]
        for index, seq in enumerate(bells):
            hub.accept(Frame.from_message(rows[seq - 1].as_message()))
            if index in pauses:
                await asyncio.sleep(0.002)
        await settled(hub, listener, count)
        assert listener.seqs == list(range(1, count + 1))
        assert listener.gaps == []
        await hub.stop()

    with pytest.MonkeyPatch.context() as monkeypatch:
        asyncio.run(run(monkeypatch))


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_whoever_comes_while_it_rings_gets_a_whole_tail(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 30))
    order = data.draw(st.permutations(range(1, count + 1)))
    position = data.draw(st.integers(0, count))
    moment = data.draw(st.integers(0, count))

    async def run(monkeypatch: pytest.MonkeyPatch) -> None:
        log = Log()
        hub, first = await listening(monkeypatch, log)
        rows = [log.write() for _ in range(count)]
        late, had = Listener(), []
        for index, seq in enumerate([*order, 0]):
            if index == moment:
                replay, subscription = await hub.subscribe(
                    late,
                    AnonymousUser(),
                    "garden",
                    epoch="e1",
                    seq=position,
                )
                had = [each.seq for each in replay.frames]
                subscription.go_live()
            if seq:
                hub.accept(rows[seq - 1])
        await settled(hub, first, count)
        assert first.seqs == list(range(1, count + 1))
        assert replay.recovered
        assert had + late.seqs == list(range(position + 1, count + 1))
        await hub.stop()

    with pytest.MonkeyPatch.context() as monkeypatch:
        asyncio.run(run(monkeypatch))


async def test_the_log_is_not_read_when_every_doorbell_rings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = Log()
    hub, listener = await listening(monkeypatch, log)
    for _ in range(300):
        hub.accept(log.write())
    async with asyncio.timeout(5):
        while len(listener.seqs) < 300:
            await asyncio.sleep(0)
    assert listener.seqs == list(range(1, 301))
    assert log.read_count == 0
    await hub.stop()


async def test_one_reader_fills_the_hole_whatever_rings_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = Log()
    hub, listener = await listening(monkeypatch, log)
    lost = log.write()
    assert lost.seq == 1
    for _ in range(100):
        hub.accept(log.write())
    async with asyncio.timeout(5):
        while len(listener.seqs) < 101:
            await asyncio.sleep(0.001)
    assert listener.seqs == list(range(1, 102))
    assert log.read_count == 1
    await hub.stop()
