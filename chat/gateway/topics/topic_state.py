"""What a hub keeps of one topic: where it stands, and who follows it by name."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from chat.gateway.topics.events import TopicEvent
from chat.gateway.topics.names import bucket_of, room_of
from chat.gateway.topics.rings import Head
from chat.realtime.envelope import Notice
from chat.realtime.outbox import Entry

# What a process keeps of a topic, so that a thousand returners are not a thousand reads.
RECENT_EVENTS_MAX = 256
RECENT_BYTES_MAX = 256 * 1024


class Listener(Protocol):
    """Who gets producer events: a connection. Nothing here may block."""

    # None for anonymous readers.
    user_id: int | None

    def deliver(self, entry: Entry) -> None:
        """Take the next event."""

    def tell_event(self, members: dict[str, Any]) -> None:
        """Learn something of a subscription, in its place among the events."""


class TopicSubscription:
    """Ties a listener to a topic. Live events wait in it until the replay is on its way."""

    __slots__ = ("_held", "generation", "is_told", "listener", "state")

    def __init__(self, state: TopicState, listener: Listener) -> None:
        self.state = state
        self.listener = listener
        # Whether the listener knows of it; before that it hears nothing of the topic.
        self.is_told = False
        self.generation = state.generation
        self._held: list[Notice] | None = []

    def offer(self, notice: Notice) -> None:
        if self._held is None:
            self.listener.deliver(notice)
        else:
            self._held.append(notice)

    def hold(self) -> None:
        """Keep live events back from here on, for a replay up to here."""
        self.generation = self.state.generation
        if self._held is None:
            self._held = []
        else:
            self._held.clear()

    def go_live(self) -> None:
        """Let what waited out, behind the reply that the listener has just been given."""
        self.is_told = True
        held, self._held = self._held, None
        for notice in held or ():
            self.listener.deliver(notice)

    def restart(self) -> None:
        """Forget what waited: the topic was reset, or the subscription is over."""
        if self._held:
            self._held.clear()


class TopicState:
    """One topic of a hub. `offset` is the last number handed out; None until that is known."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.room = room_of(topic)
        self.bucket = bucket_of(topic)
        self.epoch = ""
        self.offset: int | None = None
        # Counts resets, so that a reader notices one that happened meanwhile; and why the last.
        self.generation = 0
        self.reset_reason = ""
        self.followers: dict[Listener, TopicSubscription] = {}
        # Subscribes under way, for which the state must not go.
        self.pins = 0
        # Events that came ahead of a missing one, by number; all of one epoch.
        self.early: dict[int, TopicEvent] = {}
        self.recent: deque[TopicEvent] = deque()
        self._recent_size = 0
        # Whether what is next waits for who may see the topic's room.
        self.is_paused = False
        self.is_closed = False
        self.lock = asyncio.Lock()
        self.timer: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def is_known(self) -> bool:
        return self.offset is not None

    @property
    def position(self) -> int:
        assert self.offset is not None
        return self.offset

    def keep_early(self, event: TopicEvent, most: int) -> None:
        """Keep an event until its turn comes; beyond `most` the ring has the rest."""
        other = next(iter(self.early.values()), event)
        if other.epoch != event.epoch:
            self.early.clear()
        if len(self.early) < most:
            self.early[event.offset] = event

    def begin(self, head: Head | None = None) -> None:
        """Go on from the ring's head; or without one, from the first event that has come.

        Events that came before the head was read are handed out all the same: those who follow
        no topic by name must not miss them.
        """
        first = min(self.early) if self.early else None
        if head is not None and first is not None and self.early[first].epoch != head.epoch:
            self.early.clear()
            first = None
        if head is not None:
            self.epoch, self.offset = head.epoch, head.offset
        if first is not None and (self.offset is None or first <= self.offset):
            self.epoch, self.offset = self.early[first].epoch, first - 1

    def reset(self, epoch: str, offset: int, reason: str) -> None:
        """Go on behind `offset`, and tell the followers that they have missed something."""
        self.epoch, self.offset = epoch, offset
        self.generation += 1
        self.reset_reason = reason
        self.early = {
            number: event
            for number, event in self.early.items()
            if event.epoch == epoch and number > offset
        }
        self.forget_recent()
        for subscription in list(self.followers.values()):
            subscription.restart()
            if subscription.is_told:
                told = {"topic": self.topic, "epoch": epoch, "offset": offset, "reason": reason}
                subscription.listener.tell_event({"type": "gap", **told})

    def pass_by(self, event: TopicEvent) -> None:
        """Count the next event as handed out."""
        self.offset = event.offset
        if not self.followers:
            self.forget_recent()
            return
        self.recent.append(event)
        self._recent_size += event.size
        while len(self.recent) > RECENT_EVENTS_MAX or self._recent_size > RECENT_BYTES_MAX:
            self._recent_size -= self.recent.popleft().size

    def forget_recent(self) -> None:
        """Keep no event: nobody here is likely to resume."""
        self.recent.clear()
        self._recent_size = 0

    def remember(self, events: Sequence[TopicEvent]) -> None:
        """Keep events that were read from the ring, where they join what is kept already."""
        for event in reversed(events):
            first = self.recent[0].offset if self.recent else self.position + 1
            is_full = len(self.recent) >= RECENT_EVENTS_MAX
            if is_full or self._recent_size + event.size > RECENT_BYTES_MAX:
                break
            if event.offset == first - 1 and event.epoch == self.epoch:
                self.recent.appendleft(event)
                self._recent_size += event.size

    def recent_after(self, offset: int) -> list[TopicEvent] | None:
        """Every event behind a position, or None when that reaches back too far."""
        if not self.recent or self.recent[0].offset > offset + 1:
            return None
        return [event for event in self.recent if event.offset > offset]

    def close(self) -> None:
        self.is_closed = True
        if self.timer is not None:
            self.timer.cancel()
