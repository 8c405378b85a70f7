"""What a hub keeps of one room: where it stands, and who listens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from django.conf import settings

from chat.realtime.ring import Ring
from chat.realtime.stream import Head

if TYPE_CHECKING:
    from chat.realtime.envelope import Frame


class Subscriber(Protocol):
    """Who receives a room's frames: a socket or an event stream. Nothing here may block."""

    # None for anonymous readers.
    user_id: int | None

    def deliver(self, frame: Frame) -> None:
        """Take the room's next frame."""

    def tell_gap(self, room: str, epoch: str, seq: int, reason: str) -> None:
        """Learn that the position is void; what follows continues at `seq` + 1."""

    def lose_room(self, room: str, reason: str) -> None:
        """Learn that the right to the room is lost; nothing of it follows."""


class Subscription:
    """Ties a subscriber to a room. Live frames wait in it until the replay is on its way."""

    __slots__ = ("_held", "generation", "is_told", "room", "subscriber")

    def __init__(self, room: RoomState, subscriber: Subscriber) -> None:
        self.room = room
        self.subscriber = subscriber
        # Whether the subscriber knows of it. Before that its right to the room has not been
        # answered, and it hears nothing of the room, neither a gap nor the loss of it.
        self.is_told = False
        self.generation = room.generation
        self._held: list[Frame] | None = []

    @property
    def is_held(self) -> bool:
        return self._held is not None

    def offer(self, frame: Frame) -> None:
        if self._held is None:
            self.subscriber.deliver(frame)
        else:
            self._held.append(frame)

    def go_live(self) -> None:
        """Let what waited out, behind the reply that the subscriber has just been given."""
        self.is_told = True
        held, self._held = self._held, None
        for frame in held or ():
            self.subscriber.deliver(frame)

    def hold(self) -> None:
        """Keep live frames back from here on, for a replay up to here."""
        self.generation = self.room.generation
        if self._held is None:
            self._held = []
        else:
            self._held.clear()

    def restart(self) -> None:
        """Forget what waited: the room's log was reset, or the subscription is over."""
        if self._held:
            self._held.clear()


class RoomState:
    """One room of a hub. `seq` is the last number fanned out; None until the head is known."""

    def __init__(self, room_id: int, slug: str) -> None:
        self.room_id = room_id
        self.slug = slug
        self.epoch = ""
        self.seq: int | None = None
        self.first_seq = 1
        # Counts resets, so that a reader notices one that happened meanwhile.
        self.generation = 0
        self.subscriptions: dict[Subscriber, Subscription] = {}
        self.ring = Ring(events_max=settings.RING_EVENTS_MAX, bytes_max=settings.RING_BYTES_MAX)
        # Frames that came ahead of a missing one, by number.
        self.early: dict[int, Frame] = {}
        # Serialises joining and leaving the room's group.
        self.lock = asyncio.Lock()
        self.is_joined = False
        self.is_closed = False
        # A check of rights holds back everything behind the event that asked for it.
        self.is_paused = False
        self.gap_timer: asyncio.TimerHandle | None = None
        self.gap_task: asyncio.Task[None] | None = None

    def head(self) -> Head:
        """Where the room stands here; its head must be known."""
        assert self.seq is not None
        return Head(self.room_id, self.epoch, self.seq, self.first_seq)

    @property
    def is_handing_out(self) -> bool:
        """Whether frames that are next wait for a batch or for a check of rights."""
        if self.is_closed or self.seq is None:
            return False
        return self.is_paused or self.seq + 1 in self.early

    def begin(self, head: Head) -> None:
        """Go on from the log's head, and from what came early behind it."""
        self.epoch, self.seq, self.first_seq = head.epoch, head.last_seq, head.first_seq
        for seq in [seq for seq in self.early if seq <= head.last_seq]:
            del self.early[seq]

    def reset(self, head: Head, reason: str) -> None:
        """Begin anew at the log's head, and tell everybody that their position is void."""
        self.epoch, self.seq, self.first_seq = head.epoch, head.last_seq, head.first_seq
        self.generation += 1
        self.early.clear()
        self.ring.clear()
        for subscription in list(self.subscriptions.values()):
            subscription.restart()
            if subscription.is_told:
                subscription.subscriber.tell_gap(self.slug, head.epoch, head.last_seq, reason)
