"""Subscribing a connection to topics and filters: all of what it asks for, or nothing.

It is attached first and the ring is read second, and live events wait until the reply is on its
way: no hole, no doubles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec import UNSET, UnsetType

from chat.access import Viewer
from chat.errors import Invalid, NotFound
from chat.gateway.topics.events import TopicEvent
from chat.gateway.topics.filters import Condition, Fields, Filter, as_filter, united
from chat.gateway.topics.hub import TopicHub
from chat.gateway.topics.interests import Interests
from chat.gateway.topics.names import room_of
from chat.gateway.topics.rights import check_may_follow
from chat.gateway.topics.shapes import EventFilter, TopicPosition
from chat.gateway.topics.topic_state import Listener, TopicState, TopicSubscription
from chat.realtime.database import in_database
from chat.realtime.replay import ReplayBudget


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request names: topics, filters, or neither."""

    # None: the request says nothing of this kind.
    topics: list[TopicPosition] | None = None
    filters: dict[Filter, tuple[Condition, Fields]] | None = None

    @classmethod
    def read(
        cls,
        single: TopicPosition | None,
        topics: Sequence[TopicPosition | str] | UnsetType,
        subscriptions: Sequence[EventFilter] | UnsetType,
    ) -> Wish:
        """Read what a request says. Raises Invalid that names the item."""
        named = [] if single is None else [single]
        if topics is not UNSET:
            named += [TopicPosition(each) if isinstance(each, str) else each for each in topics]
        ids = [position.id for position in named]
        if len(set(ids)) < len(ids):
            raise Invalid(fields={"topics": "A topic is named twice."})
        if any(each.epoch is not UNSET and each.offset is UNSET for each in named):
            raise Invalid(fields={"epoch": "Means nothing without offset."})
        return cls(
            None if single is None and topics is UNSET else named,
            None if subscriptions is UNSET else read_filters(subscriptions),
        )

    def names(self) -> list[str]:
        """Every topic that is named, by itself or by a filter."""
        topics = [position.id for position in self.topics or ()]
        filtered = [filter.topic for filter in self.filters or () if filter.topic is not None]
        return list(dict.fromkeys([*topics, *filtered]))

    def count_with(self, had: Interests, *, is_replacing: bool) -> int:
        """How many topics and filters a connection has once this is done."""
        ids = [position.id for position in self.topics or ()]
        topics, filters = set(ids), set(self.filters or ())
        if self.topics is None or not is_replacing:
            topics |= had.topics.keys()
        if self.filters is None or not is_replacing:
            filters |= had.filters.keys()
        return len(topics) + len(filters)


def read_filters(
    subscriptions: Sequence[EventFilter],
) -> dict[Filter, tuple[Condition, Fields]]:
    """Compile filters. The same one twice wants what either wants. Raises Invalid."""
    found: dict[Filter, tuple[Condition, Fields]] = {}
    for place, each in enumerate(subscriptions):
        field_name = "" if each.filter_field is UNSET else each.filter_field
        topic = None if each.topic is UNSET else each.topic
        try:
            filter, condition = as_filter(each.event_type, field_name, each.filter_expr, topic)
        except Invalid as error:
            wrong = error.fields or {}
            raise Invalid(
                fields={f"subscriptions[{place}].{name}": told for name, told in wrong.items()}
            ) from None
        fields = None if each.desired_fields is UNSET else frozenset(each.desired_fields)
        if filter in found:
            fields = united(fields, found[filter][1])
        found[filter] = condition, fields
    return found


@dataclass(slots=True)
class TopicReplay:
    """The answer to one topic. `recovered` is None when no position was given."""

    topic: str
    epoch: str
    offset: int
    recovered: bool | None = None
    reason: str | None = None
    events: list[TopicEvent] = field(default_factory=list)

    def told(self) -> dict[str, object]:
        """What the reply says of it, but for the events."""
        members: dict[str, object] = {
            "id": self.topic,
            "epoch": self.epoch,
            "offset": self.offset,
            "recovered": self.recovered,
        }
        return members if self.reason is None else {**members, "reason": self.reason}

    def gap(self) -> dict[str, object]:
        """What says by itself that the position was void."""
        position = {"topic": self.topic, "epoch": self.epoch, "offset": self.offset}
        return {"type": "gap", **position, "reason": self.reason}


class Attachment:
    """One subscribe on its way: `attach`, `confirm`, `commit`, and `go_live` behind the reply.

    Whatever fails in between, `give_up` leaves everything as it was.
    """

    def __init__(self, hub: TopicHub, listener: Listener, wish: Wish) -> None:
        self.hub = hub
        self.listener = listener
        self.wish = wish
        self._pinned: list[TopicState] = []
        self._is_everywhere = False
        self._found: list[tuple[TopicReplay, TopicSubscription]] = []

    async def attach(self, viewer: Viewer, budget: ReplayBudget) -> None:
        """Attach to everything and read what was missed. Raises AppError."""
        hub, wish = self.hub, self.wish
        names = wish.names()
        rooms = {room for name in names if (room := room_of(name)) is not None}
        await self._check(viewer, names)
        hub.enlist(self.listener)
        hub.readers.forget(rooms)  # What is believed may be older than what was just read.
        subscriptions = [await self._subscription(each) for each in wish.topics or ()]
        for filter in wish.filters or ():
            if filter.topic is not None:
                await self._open(filter.topic)
            elif not self._is_everywhere:
                self._is_everywhere = True
                hub.everywhere_pins += 1
                await hub.join_everywhere()
        heads = [
            TopicReplay(each.state.topic, each.state.epoch, each.state.position)
            for each in subscriptions
        ]
        for subscription in subscriptions:
            subscription.hold()
        if rooms:
            await self._check(viewer, names)
        for position, replay, subscription in zip(
            wish.topics or (), heads, subscriptions, strict=True
        ):
            await self._read(subscription.state, position, replay, budget)
            self._found.append((replay, subscription))

    async def _check(self, viewer: Viewer, names: list[str]) -> None:
        if any(room_of(name) is not None for name in names):
            await in_database(check_may_follow, viewer, names)
        else:
            check_may_follow(viewer, names)

    async def _open(self, topic: str) -> TopicState:
        state = await self.hub.open(topic)
        self._pinned.append(state)
        return state

    async def _subscription(self, position: TopicPosition) -> TopicSubscription:
        state = await self._open(position.id)
        if position.offset is not UNSET and (
            position.offset > state.position or position.epoch not in (UNSET, state.epoch)
        ):
            # The client may have come from a process that was ahead of us.
            await self.hub.catch_up(state)
        subscription = state.followers.get(self.listener)
        if subscription is None:
            subscription = TopicSubscription(state, self.listener)
            state.followers[self.listener] = subscription
        return subscription

    async def _read(
        self, state: TopicState, position: TopicPosition, replay: TopicReplay, budget: ReplayBudget
    ) -> None:
        """Put into `replay`, which tells the head, what was missed up to there."""
        if position.offset is UNSET:
            return
        replay.recovered = False
        missed = replay.offset - position.offset
        if position.epoch not in (UNSET, replay.epoch):
            replay.reason = "epoch_changed"
        elif missed < 0:
            replay.reason = "seq_ahead"
        elif missed > budget.events:
            replay.reason = "too_many"
        else:
            events = await self._missed(state, replay, position.offset) if missed else []
            size = sum(event.whole().size for event in events)
            if len(events) < missed:
                replay.reason = "trimmed"
            elif size > budget.bytes:
                replay.reason = "too_many"
            else:
                budget.events -= len(events)
                budget.bytes -= size
                replay.recovered, replay.events = True, events

    async def _missed(self, state: TopicState, replay: TopicReplay, after: int) -> list[TopicEvent]:
        """The events behind `after` up to the replay's head, as far as they are still there."""
        async with state.lock:
            events = state.recent_after(after)
            if events is None:
                tail = await self.hub.rings.ask(
                    self.hub.rings.read, state.topic, replay.epoch, after
                )
                if tail.head.epoch != replay.epoch:
                    return []
                events = tail.events
                state.remember(events)
        return [event for event in events if after < event.offset <= replay.offset]

    def confirm(self) -> list[TopicReplay]:
        """Return the replays as they hold now; call it when nothing is awaited any more.

        Raises NotFound when the right to a topic was lost meanwhile.
        """
        confirmed = []
        for replay, subscription in self._found:
            state = subscription.state
            if state.followers.get(self.listener) is not subscription:
                raise NotFound(
                    "The right to this topic was lost just now.", fields={"topic": state.topic}
                )
            if state.generation != subscription.generation:
                subscription.hold()
                is_asked = replay.recovered is not None
                replay = TopicReplay(state.topic, state.epoch, state.position)
                if is_asked:
                    replay.recovered, replay.reason = False, state.reset_reason
            confirmed.append(replay)
        return confirmed

    def commit(self, *, is_replacing: bool) -> None:
        """Make it so: what was wanted before stays, or goes with the kinds that are named."""
        hub, listener, wish = self.hub, self.listener, self.wish
        had = hub.interests[listener]
        if is_replacing and wish.topics is not None:
            for topic in had.topics.keys() - {position.id for position in wish.topics}:
                hub.drop_topic(listener, topic)
        for _, subscription in self._found:
            had.topics[subscription.state.topic] = subscription.state
        if is_replacing and wish.filters is not None:
            for filter in list(had.filters):
                hub.drop_filter(listener, filter)
        for filter, (condition, fields) in (wish.filters or {}).items():
            if filter in had.filters:
                fields = united(fields, had.filters[filter][1])
            hub.put_filter(listener, filter, condition, fields)
        self._let_go()

    def go_live(self) -> None:
        """Let live events follow the reply."""
        for _, subscription in self._found:
            subscription.go_live()

    def give_up(self) -> None:
        """Undo all of it: there will be no answer but an error."""
        had = self.hub.interests.get(self.listener, Interests())
        for position in self.wish.topics or ():
            state = self.hub.states.get(position.id)
            subscription = state.followers.get(self.listener) if state else None
            if state is None or subscription is None:
                continue
            if position.id in had.topics:
                subscription.go_live()
            else:
                del state.followers[self.listener]
        self._let_go()

    def _let_go(self) -> None:
        for state in self._pinned:
            state.pins -= 1
        self._pinned.clear()
        if self._is_everywhere:
            self.hub.everywhere_pins -= 1
            self._is_everywhere = False
        self.hub.delist_if_idle(self.listener)
