"""Whatever becomes of the doorbells, a topic's events come once, in order, and cost little."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ParamSpec, TypeVar, cast

import pytest
from django.contrib.auth.models import AnonymousUser
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.gateway.topics import events as events_module
from chat.gateway.topics import topic_state
from chat.gateway.topics.attaching import Attachment, TopicReplay, Wish
from chat.gateway.topics.book import Entry
from chat.gateway.topics.events import Draft, TopicEvent
from chat.gateway.topics.hub import TopicHub
from chat.gateway.topics.looking import look
from chat.gateway.topics.rings import MemoryRings
from chat.gateway.topics.shapes import EventFilter, TopicPosition
from chat.models import User
from chat.realtime.envelope import Notice
from chat.realtime.replay import ReplayBudget
from chat.realtime.server import Server
from tests.unit.gateway.listeners import FakeListener

P = ParamSpec("P")
R = TypeVar("R")
TOPIC = "race/7"
DEADLINE_S = 10.0


class FakeLink:
    def __init__(self) -> None:
        self.joined: set[str] = set()

    def join(self, group: str) -> None:
        self.joined.add(group)

    async def join_now(self, group: str) -> None:
        await asyncio.sleep(0)
        self.joined.add(group)

    async def leave(self, group: str) -> None:
        await asyncio.sleep(0)
        self.joined.discard(group)


class CountedRings(MemoryRings):
    """Rings that take a moment to answer, and count what they are asked."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.meanwhile: Callable[[], object] = lambda: None

    async def ask(self, method: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        self.counts[method.__name__] += 1
        await asyncio.sleep(0)
        self.meanwhile()
        found = method(*args, **kwargs)
        await asyncio.sleep(0)
        return found


class Site:
    """A hub, its rings, and the doorbells that have not come yet."""

    def __init__(self) -> None:
        self.link = FakeLink()
        hub = SimpleNamespace(link=self.link, loop=asyncio.get_running_loop())
        server = SimpleNamespace(hub=hub, changed=lambda connection: None)
        self.hub = TopicHub(cast(Server, server))
        self.rings = CountedRings()
        self.hub.rings = self.rings
        self.bells: list[TopicEvent] = []

    def write(self, count: int = 1, *, topic: str = TOPIC, payload: str = "{}") -> None:
        """Publish at another process; its doorbells wait in `bells`."""
        for _ in range(count):
            draft = Draft(topic, "NESClick", payload, "2025-03-01T12:00:00.123456Z")
            (event,) = self.rings.publish([draft])
            assert isinstance(event, TopicEvent)
            self.bells.append(TopicEvent.from_message(event.as_message()))

    def ring(self) -> None:
        """Let all doorbells come."""
        for event in self.bells:
            self.hub.accept(event)
        self.bells.clear()

    async def follow(
        self,
        listener: FakeListener,
        topic: str = TOPIC,
        *,
        after: int | None = None,
        epoch: str | None = None,
    ) -> TopicReplay:
        position = TopicPosition(topic)
        if after is not None:
            position = TopicPosition(topic, epoch or self.epoch(topic), after)
        (replay,) = await self.subscribe(listener, Wish(topics=[position]))
        return replay

    async def filter(self, listener: FakeListener, **filter: Any) -> None:
        await self.subscribe(listener, Wish.read(None, [], [EventFilter(**filter)]))

    async def subscribe(self, listener: FakeListener, wish: Wish) -> list[TopicReplay]:
        viewer = AnonymousUser() if listener.user_id is None else User(pk=listener.user_id)
        attachment = Attachment(self.hub, listener, wish)
        try:
            await attachment.attach(viewer, ReplayBudget.full())
            replays = attachment.confirm()
        except BaseException:
            attachment.give_up()
            raise
        attachment.commit(is_replacing=False)
        attachment.go_live()
        return replays

    def epoch(self, topic: str = TOPIC) -> str:
        return self.rings.follow([topic])[topic].epoch

    async def settled(self, listener: FakeListener, last: int) -> None:
        """Wait until a listener has everything; look as the tick would."""
        async with asyncio.timeout(DEADLINE_S):
            while not listener.offsets() or listener.offsets()[-1] < last:
                await look(self.hub)
                await asyncio.sleep(0.01)


# --- order ------------------------------------------------------------------------------------


async def test_an_event_comes_at_once_and_asks_the_ring_nothing() -> None:
    site, listener = Site(), FakeListener()
    replay = await site.follow(listener)
    assert (replay.offset, replay.recovered, replay.events) == (0, None, [])
    site.rings.counts.clear()
    site.write(3)
    site.ring()
    assert listener.frames()[0] == {
        "type": "event",
        "message_type": "NESClick",
        "payload": "{}",
        "topic": TOPIC,
        "epoch": site.epoch(),
        "offset": 1,
        "time": "2025-03-01T12:00:00.123456Z",
    }
    assert listener.offsets() == [1, 2, 3]
    assert not site.rings.counts


# What becomes of a doorbell: it is lost, comes, comes twice, or comes after the next ones.
FATES = st.lists(st.sampled_from(["lost", "comes", "twice", "late"]), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(FATES, st.booleans())
def test_lost_doubled_and_crossing_doorbells_make_no_difference(
    fates: list[str], is_filter: bool
) -> None:
    async def play() -> None:
        site, listener = Site(), FakeListener()
        if is_filter:
            await site.filter(listener, event_type="*", topic=TOPIC)
        else:
            await site.follow(listener)
        late: list[TopicEvent] = []
        for fate in fates:
            site.write()
            (event,) = site.bells
            site.bells = [event] * {"lost": 0, "comes": 1, "twice": 2, "late": 0}[fate]
            site.ring()
            if fate == "late":
                late.append(event)
        site.bells = late
        site.ring()
        await site.settled(listener, len(fates))
        assert listener.offsets() == list(range(1, len(fates) + 1))
        assert listener.told == []
        await site.hub._tasks.end()

    asyncio.run(play())


async def test_a_hole_is_read_once_whatever_comes_behind_it() -> None:
    site, listener = Site(), FakeListener()
    await site.follow(listener)
    site.write(40)
    site.bells = site.bells[1:]
    site.ring()
    assert listener.offsets() == []
    site.rings.counts.clear()
    async with asyncio.timeout(DEADLINE_S):
        while len(listener.offsets()) < 40:
            await asyncio.sleep(0.01)
    assert site.rings.counts == {"read": 1}


async def test_a_hole_that_the_ring_has_lost_is_told_once() -> None:
    site, listener, filtering = Site(), FakeListener(), FakeListener()
    await site.follow(listener)
    await site.filter(filtering, event_type="*")
    site.write(300)
    site.bells = site.bells[-1:]
    site.ring()
    await site.settled(listener, 300)
    gap = {"topic": TOPIC, "epoch": site.epoch(), "offset": 44, "reason": "trimmed"}
    assert listener.told == [{"type": "gap", **gap}]
    assert listener.offsets() == list(range(45, 301))
    assert filtering.told == []
    assert filtering.offsets() == list(range(45, 301))


async def test_a_ring_that_was_lost_is_told_and_its_new_events_come() -> None:
    site, listener = Site(), FakeListener()
    await site.follow(listener)
    site.write(5)
    site.ring()
    old = site.epoch()
    site.rings._forget(TOPIC)
    site.write(2)
    site.ring()
    async with asyncio.timeout(DEADLINE_S):
        while len(listener.offsets()) < 7:
            await asyncio.sleep(0)
    assert listener.offsets() == [1, 2, 3, 4, 5, 1, 2]
    gap = {"topic": TOPIC, "epoch": site.epoch(), "offset": 0, "reason": "epoch_changed"}
    assert listener.told == [{"type": "gap", **gap}]
    assert site.epoch() != old


async def test_a_ring_that_went_back_is_told() -> None:
    """As after a Redis fails over to a copy that had not heard of everything."""
    site, listener = Site(), FakeListener()
    await site.follow(listener)
    site.write(5)
    site.ring()
    ring = site.rings._rings[TOPIC]
    ring.entries.pop()
    ring.offset -= 1
    await look(site.hub)
    async with asyncio.timeout(DEADLINE_S):
        while not listener.told:
            await asyncio.sleep(0)
    assert (listener.told[0]["offset"], listener.told[0]["reason"]) == (4, "seq_ahead")
    site.write()
    site.ring()
    assert listener.offsets() == [1, 2, 3, 4, 5, 5]


async def test_crossing_doorbells_of_a_topic_that_was_never_heard_of_lose_nothing() -> None:
    site, listener = Site(), FakeListener()
    await site.filter(listener, event_type="*")
    for topic, order in (("a", [2, 1, 3]), ("b", [1, 2, 3]), ("c", [3, 2, 1])):
        site.write(3, topic=topic)
        site.bells = [site.bells[number - 1] for number in order]
        site.ring()
    async with asyncio.timeout(DEADLINE_S):
        while len(listener.offsets()) < 9:
            await asyncio.sleep(0)
    for topic in "abc":
        found = [frame["offset"] for frame in listener.frames() if frame["topic"] == topic]
        assert found == [1, 2, 3]


async def test_a_topic_that_began_long_ago_is_taken_up_where_it_is_heard_first() -> None:
    site, listener = Site(), FakeListener()
    site.write(10)
    site.bells.clear()
    await site.filter(listener, event_type="*")
    site.write(2)
    site.ring()
    async with asyncio.timeout(DEADLINE_S):
        while len(listener.offsets()) < 2:
            await asyncio.sleep(0)
    assert listener.offsets() == [11, 12]


# --- cost -------------------------------------------------------------------------------------


async def test_filters_are_asked_and_events_encoded_once_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = Site()
    wanted = [["color"], ["button"], ["color", "button"], None]
    listeners = [FakeListener(number) for number in range(120)]
    for number, listener in enumerate(listeners):
        fields = wanted[number % 4]
        choice = {} if fields is None else {"desired_fields": fields}
        color = f"color{number % 6}"
        await site.filter(
            listener, event_type="NESClick", filter_field="color", filter_expr=color, **choice
        )
    asked: Counter[Entry] = Counter()
    encoded: list[dict[str, Any]] = []
    matches = Entry.matches

    def counted_matches(self: Entry, event: TopicEvent) -> bool:
        asked[self] += 1
        return matches(self, event)

    class CountedNotice(Notice):
        def __init__(self, members: dict[str, Any], **options: Any) -> None:
            encoded.append(members)
            super().__init__(members, **options)

    monkeypatch.setattr(Entry, "matches", counted_matches)
    monkeypatch.setattr(events_module, "Notice", CountedNotice)
    site.write(payload='{"color":"color3","button":"a","value":1}')
    site.ring()
    assert len(asked) == 6
    assert set(asked.values()) == {1}
    receivers = [listener for listener in listeners if listener.outbox.entries]
    assert len(receivers) == 20
    # Only two of the four choices are held with this color.
    assert len(encoded) == 2
    assert len({id(each.outbox.entries[0]) for each in receivers}) == 2
    assert sorted({members["payload"] for members in encoded}) == [
        '{"button":"a"}',
        '{"color":"color3","button":"a","value":1}',
    ]


async def test_a_thousand_returners_are_not_a_thousand_reads() -> None:
    site = Site()
    site.write(30)
    site.bells.clear()
    listeners = [FakeListener(number) for number in range(200)]
    replays = await asyncio.gather(*(site.follow(each, after=10) for each in listeners))
    assert all([event.offset for event in each.events] == [*range(11, 31)] for each in replays)
    assert site.rings.counts["read"] == 1


async def test_groups_are_joined_while_they_are_needed() -> None:
    site, one, other = Site(), FakeListener(1), FakeListener(2)
    await site.follow(one)
    await site.filter(other, event_type="*", topic=TOPIC)
    assert len(site.link.joined) == 1
    await site.filter(other, event_type="*")
    assert len(site.link.joined) == 16
    site.hub.forget(other)
    await look(site.hub)
    assert len(site.link.joined) == 1
    site.hub.forget(one)
    await look(site.hub)
    assert site.link.joined == set()
    assert site.hub.states == {}
    assert site.hub.interests == {}
    site.write()
    site.ring()
    assert site.hub.states == {}


async def test_topics_that_are_only_overheard_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.gateway.topics.hub.OVERHEARD_MAX", 50)
    site, listener = Site(), FakeListener()
    await site.filter(listener, event_type="*")
    for number in range(120):
        site.write(topic=f"topic/{number}")
        site.ring()
        await asyncio.sleep(0)
    assert len(listener.outbox.entries) == 120
    assert len(site.hub.states) <= 51


# --- subscribing ------------------------------------------------------------------------------


@pytest.mark.parametrize("has_heard", [False, True])
async def test_what_comes_while_the_ring_is_read_comes_once(has_heard: bool) -> None:
    site, other, listener = Site(), FakeListener(2), FakeListener(1)
    site.write(3)
    if has_heard:
        await site.follow(other)
        site.ring()
    site.bells.clear()

    def publish() -> None:
        site.write()
        site.ring()
        assert listener.outbox.entries == []

    site.rings.meanwhile = publish
    replay = await site.follow(listener, after=1)
    site.rings.meanwhile = lambda: None
    site.write()
    site.ring()
    assert replay.recovered
    replayed = [event.offset for event in replay.events]
    assert [*replayed, *listener.offsets()] == list(
        range(2, site.rings.follow([TOPIC])[TOPIC].offset + 1)
    )


async def test_who_names_no_topic_misses_nothing_while_another_begins_to_follow_one() -> None:
    site, overhearing, listener = Site(), FakeListener(2), FakeListener(1)
    await site.filter(overhearing, event_type="*")

    def publish() -> None:
        site.write()
        site.ring()

    site.rings.meanwhile = publish
    await site.follow(listener)
    last = site.rings.follow([TOPIC])[TOPIC].offset
    assert overhearing.offsets() == list(range(1, last + 1))


async def test_a_topic_that_is_lost_while_it_is_subscribed_says_so() -> None:
    site, listener = Site(), FakeListener()
    await site.follow(FakeListener(2))
    site.write(3)
    site.ring()

    def lose() -> None:
        site.rings.meanwhile = lambda: None
        site.hub.states[TOPIC].reset("other", 7, "epoch_changed")

    site.rings.meanwhile = lose
    site.hub.states[TOPIC].recent.clear()
    replay = await site.follow(listener, after=1)
    assert (replay.epoch, replay.offset) == ("other", 7)
    assert (replay.recovered, replay.reason) == (False, "epoch_changed")
    assert listener.told == []


@pytest.mark.parametrize(
    ("epoch", "after", "reason"),
    [
        ("another", 3, "epoch_changed"),
        (None, 301, "seq_ahead"),
        (None, 0, "trimmed"),
        (None, 43, "trimmed"),
        (None, 44, None),
        (None, 300, None),
    ],
)
async def test_a_position_is_answered_with_all_or_nothing(
    epoch: str | None, after: int, reason: str | None
) -> None:
    site, listener = Site(), FakeListener()
    site.write(300)
    replay = await site.follow(listener, after=after, epoch=epoch)
    assert replay.reason == reason
    assert replay.recovered == (reason is None)
    expected = [] if reason else list(range(after + 1, 301))
    assert [event.offset for event in replay.events] == expected
    assert replay.offset == 300


async def test_a_socket_that_follows_and_filters_gets_one_whole_copy() -> None:
    site, listener = Site(), FakeListener()
    await site.filter(listener, event_type="*", desired_fields=["color"])
    await site.follow(listener)
    site.write(payload='{"color":"blue","value":1}')
    site.ring()
    (frame,) = listener.frames()
    assert frame["payload"] == '{"color":"blue","value":1}'


async def test_who_has_no_name_hears_only_of_rooms() -> None:
    site, nobody, somebody = Site(), FakeListener(None), FakeListener(1)
    for listener in (nobody, somebody):
        await site.filter(listener, event_type="*")
    site.write()
    site.ring()
    assert somebody.offsets() == [1]
    assert nobody.offsets() == []


async def test_recent_events_are_kept_only_for_who_follows_and_within_bounds() -> None:
    site, listener, overhearing = Site(), FakeListener(1), FakeListener(2)
    await site.filter(overhearing, event_type="*")
    site.write(5)
    site.ring()
    assert not site.hub.states[TOPIC].recent
    await site.follow(listener)
    site.write(20, payload=f'{{"text":"{"x" * 30_000}"}}')
    site.ring()
    kept = site.hub.states[TOPIC].recent
    assert 1 < len(kept) < 20
    assert sum(event.size for event in kept) <= topic_state.RECENT_BYTES_MAX
