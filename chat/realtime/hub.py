"""The hub: one per process. It turns a lossy doorbell into gapless, ordered delivery.

It joins the group of a room when the first local subscriber comes, keeps the next expected
number, reads what is missing from the log, and hands every frame to the room's subscribers:
no query and no encoding per subscriber. Everything here runs on one event loop; only
`hear_frame` and `hear_rights` may be called from other threads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import DatabaseError

from chat.access import Viewer, access_room
from chat.errors import NotFound
from chat.realtime import stream
from chat.realtime.database import in_database
from chat.realtime.doorbell import RIGHTS_GROUP, Doorbell, room_group
from chat.realtime.envelope import Frame
from chat.realtime.events import may_withdraw
from chat.realtime.layer import LayerLink
from chat.realtime.rights import RightsTail, SocketIndex, still_allowed
from chat.realtime.room_state import RoomState, Subscriber, Subscription

logger = logging.getLogger(__name__)

# Doorbells ring after the lock is released and may cross: seconds to wait for a missing number.
GAP_WAIT_S = 0.03
# Frames fanned out before the sockets' writers get their turn.
FAN_OUT_BATCH = 64
# Frames kept that came ahead of a missing one; the log has the rest.
EARLY_MAX = 1000


@dataclass(slots=True)
class Replay:
    """The answer to a position. `recovered` is None when none was given."""

    room: str
    epoch: str
    seq: int
    recovered: bool | None
    reason: str | None
    frames: list[Frame]


@dataclass(slots=True)
class ReplayBudget:
    """What one reply may still carry, over all its rooms."""

    events: int
    bytes: int

    @classmethod
    def full(cls) -> ReplayBudget:
        return cls(settings.REPLAY_EVENTS_MAX, settings.REPLAY_BYTES_MAX)

    def spend(self, frames: list[Frame]) -> bool:
        size = sum(frame.size for frame in frames)
        if len(frames) > self.events or size > self.bytes:
            return False
        self.events -= len(frames)
        self.bytes -= size
        return True


class Hub:
    """Fans out the rooms' events to this process's subscribers."""

    def __init__(self, layer: Any, *, on_tick: Callable[[], Awaitable[None]] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.rooms: dict[int, RoomState] = {}
        # Slugs of the rooms above; they never change.
        self.room_ids: dict[str, int] = {}
        self.sockets = SocketIndex()
        self.rights = RightsTail(self.sockets)
        self.doorbell = Doorbell(layer)
        self.link = LayerLink(layer, self._hear_message)
        self._on_tick = on_tick
        self._tasks: set[asyncio.Task[Any]] = set()
        self._tick_now = asyncio.Event()
        self.is_running = False

    # --- life -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin hearing and ticking. Waits for the database, not for the layer."""
        await self.rights.start()
        self.is_running = True
        self._spawn(self.doorbell.run())
        self._spawn(self.link.run())
        self._spawn(self._tick_forever())
        self.link.join(RIGHTS_GROUP)

    async def stop(self) -> None:
        """End every task of the hub."""
        self.is_running = False
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.link.close()

    # --- subscribing ------------------------------------------------------------------------

    async def subscribe(
        self,
        subscriber: Subscriber,
        viewer: Viewer,
        slug: str,
        *,
        epoch: str | None = None,
        seq: int | None = None,
        budget: ReplayBudget | None = None,
    ) -> tuple[Replay, Subscription]:
        """Attach `subscriber` to a room that `viewer` may see, and read what it has missed.

        Live frames are held until the caller has passed the replay on and calls `go_live`. The
        subscriber is attached first and the right is read second, so that no loss of it slips
        between. Raises NotFound. Cancelling leaves a new subscription detached.
        """
        room_id = self.room_ids.get(slug)
        if room_id is None:
            room_id = (await in_database(access_room, viewer, slug)).pk
        state = await self._open(room_id, slug)
        is_new = subscriber not in state.subscriptions
        if is_new:
            state.subscriptions[subscriber] = Subscription(state, subscriber)
        subscription = state.subscriptions[subscriber]
        subscription.hold()
        assert state.seq is not None
        head = stream.Head(state.room_id, state.epoch, state.seq, state.first_seq)
        generation = state.generation
        try:
            await in_database(access_room, viewer, slug)
            replay = await self._replay(state, head, epoch, seq, budget or ReplayBudget.full())
        except BaseException:
            if is_new:
                self.unsubscribe(subscriber, state.room_id)
            else:
                subscription.go_live()
            raise
        if state.generation != generation:  # reset while reading
            replay = self._fresh(state, "epoch_changed" if seq is not None else None)
        if subscriber not in state.subscriptions:
            raise NotFound("The right to this room was lost just now.")
        return replay, subscription

    def unsubscribe(self, subscriber: Subscriber, room_id: int) -> None:
        """Detach; the room's group is left after the last one."""
        state = self.rooms.get(room_id)
        if state is None or state.subscriptions.pop(subscriber, None) is None:
            return
        if not state.subscriptions:
            self._spawn(self._close_if_empty(state))

    def position(self, room_id: int) -> int | None:
        """The number up to which the room's frames have been handed out here."""
        state = self.rooms.get(room_id)
        return state.seq if state else None

    # --- hearing ----------------------------------------------------------------------------

    def hear_frame(self, frame: Frame) -> None:
        """A local commit: fan it out here at once and ring for the others. From any thread."""
        self._from_thread(self._hear_own, frame)

    def hear_rights(self) -> None:
        """The rights log has grown. From any thread."""
        self._from_thread(self._hear_own_rights)

    def _from_thread(self, callback: Callable[..., None], *args: Any) -> None:
        try:
            self.loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:  # The loop is closed: the process is ending.
            logger.debug("A doorbell rang after the end.")

    def _hear_own(self, frame: Frame) -> None:
        self.accept(frame)
        self.doorbell.put(room_group(frame.room_id), frame.as_message())

    def _hear_own_rights(self) -> None:
        self._spawn(self.rights.read())
        self.doorbell.put(RIGHTS_GROUP, {"type": "rights.changed"})

    def _hear_message(self, message: dict[str, Any]) -> None:
        if message["type"] == "room.event":
            self.accept(Frame.from_message(message))
        elif message["type"] == "rights.changed":
            self._spawn(self.rights.read())

    def accept(self, frame: Frame) -> None:
        """Take a frame in whatever order; hand out what is next, drop what was."""
        state = self.rooms.get(frame.room_id)
        if state is None:
            return
        if state.seq is not None and frame.epoch != state.epoch:
            self.check_soon()
            return
        if state.seq is not None and frame.seq <= state.seq:
            return
        if len(state.early) < EARLY_MAX:
            state.early[frame.seq] = state.ring.share(frame)
        self._drain(state)

    def _drain(self, state: RoomState) -> None:
        """Hand out the frames that are next, in batches, and look after a hole behind them."""
        if state.seq is None or state.is_paused or state.is_closed:
            return
        for _ in range(FAN_OUT_BATCH):
            frame = state.early.pop(state.seq + 1, None)
            if frame is None:
                break
            if may_withdraw(frame.type):
                state.is_paused = True
                self._spawn(self._withdraw(state, frame))
                return
            self._fan_out(state, frame)
        else:
            self.loop.call_soon(self._drain, state)
            return
        if state.early and state.gap_timer is None and state.gap_task is None:
            state.gap_timer = self.loop.call_later(GAP_WAIT_S, self._fill_soon, state)

    def _fan_out(self, state: RoomState, frame: Frame) -> None:
        state.seq = frame.seq
        state.ring.append(frame)
        for subscription in list(state.subscriptions.values()):
            subscription.offer(frame)

    async def _withdraw(self, state: RoomState, frame: Frame) -> None:
        """Drop who lost the room by this event, exactly here, then go on behind it."""
        while state.subscriptions and self.is_running:
            people = {s.user_id for s in state.subscriptions}
            try:
                allowed = await in_database(still_allowed, state.room_id, people)
            except DatabaseError:
                logger.warning("Rights could not be read; room %s waits.", state.slug)
                await asyncio.sleep(0.5)
                continue
            reason = {"member.left": "left", "member.removed": "removed"}.get(frame.type, "private")
            for subscriber in list(state.subscriptions):
                if subscriber.user_id in people and subscriber.user_id not in allowed:
                    self.unsubscribe(subscriber, state.room_id)
                    subscriber.lose_room(state.slug, reason)
            if {s.user_id for s in state.subscriptions} <= people:
                break
        state.is_paused = False
        if frame.epoch == state.epoch and state.seq is not None and frame.seq == state.seq + 1:
            self._fan_out(state, frame)
        self._drain(state)

    # --- the log ----------------------------------------------------------------------------

    def _is_busy(self, state: RoomState) -> bool:
        """Whether what has been read is still being handed out."""
        if state.is_closed or state.seq is None:
            return False
        return state.is_paused or state.seq + 1 in state.early

    def _expect(self, state: RoomState, seq: int) -> None:
        """Read the log if number `seq`, which is there, has not come by itself in a moment."""
        if state.seq is not None and state.seq < seq and state.gap_timer is None:
            state.gap_timer = self.loop.call_later(GAP_WAIT_S, self._fill_soon, state, seq)

    def _fill_soon(self, state: RoomState, seq: int = 0) -> None:
        state.gap_timer = None
        if seq and state.seq is not None and state.seq >= seq:
            return
        if state.gap_task is None and not state.is_closed:
            state.gap_task = self._spawn(self._fill(state))

    async def _fill(self, state: RoomState) -> None:
        """Read everything behind the room's position from the log: one reader per room."""
        head: stream.Head | None = None
        try:
            while not state.is_closed:
                after = state.seq or 0
                head = (await in_database(stream.heads, [state.room_id])).get(state.room_id)
                if head is None or not self._fits(state, head, after):
                    return
                frames = await in_database(
                    stream.read, head, state.slug, after=after, limit=settings.REPLAY_EVENTS_MAX
                )
                for frame in frames:
                    if frame.seq > (state.seq or 0):
                        state.early[frame.seq] = state.ring.share(frame)
                self._drain(state)
                while self._is_busy(state):
                    await asyncio.sleep(0.005)  # a batch, or a check of rights, is under way
                if len(frames) < settings.REPLAY_EVENTS_MAX:
                    return
        except stream.Trimmed:
            if head is not None:
                self._reset(state, head, "trimmed")
        except Exception as error:
            logger.warning("Room %s could not be read: %s", state.slug, error)
        finally:
            state.gap_task = None

    def _fits(self, state: RoomState, head: stream.Head, seq: int) -> bool:
        """Whether `seq`, our position before `head` was read, means something in the log.

        If not, the room is reset.
        """
        if head.epoch != state.epoch:
            self._reset(state, head, "epoch_changed")
        elif head.last_seq < seq:
            self._reset(state, head, "seq_ahead")
        else:
            state.first_seq = head.first_seq
            return True
        return False

    def _reset(self, state: RoomState, head: stream.Head, reason: str) -> None:
        """Begin anew at the log's head, and tell everybody that their position is void."""
        state.epoch, state.seq, state.first_seq = head.epoch, head.last_seq, head.first_seq
        state.generation += 1
        state.early.clear()
        state.ring.clear()
        for subscription in list(state.subscriptions.values()):
            subscription.restart()
            subscription.subscriber.tell_gap(state.slug, state.epoch, state.seq, reason)

    async def _replay(
        self,
        state: RoomState,
        head: stream.Head,
        epoch: str | None,
        seq: int | None,
        budget: ReplayBudget,
    ) -> Replay:
        """Answer a position: every event up to `head`, or none and a reason."""
        if seq is None:
            return self._fresh(state, None, head)
        if epoch is not None and epoch != head.epoch:
            return self._fresh(state, "epoch_changed", head)
        if seq > head.last_seq:
            return self._fresh(state, "seq_ahead", head)
        if head.last_seq - seq > budget.events:
            return self._fresh(state, "too_many", head)
        frames = state.ring.after(seq) if seq < head.last_seq else []
        if frames is None:
            try:
                frames = await in_database(
                    stream.read, head, state.slug, after=seq, limit=head.last_seq - seq
                )
            except stream.Trimmed:
                frames = []
            frames = [state.ring.share(frame) for frame in frames]
        frames = [frame for frame in frames if frame.seq <= head.last_seq]
        if len(frames) != head.last_seq - seq:
            return self._fresh(state, "trimmed", head)
        if not budget.spend(frames):
            return self._fresh(state, "too_many", head)
        return Replay(state.slug, head.epoch, head.last_seq, True, None, frames)

    def _fresh(
        self, state: RoomState, reason: str | None, head: stream.Head | None = None
    ) -> Replay:
        epoch, seq = (head.epoch, head.last_seq) if head else (state.epoch, state.seq or 0)
        return Replay(state.slug, epoch, seq, False if reason else None, reason, [])

    # --- joining and leaving ----------------------------------------------------------------

    async def _open(self, room_id: int, slug: str) -> RoomState:
        """Return the room's state with its head known; joins the group before reading it."""
        while True:
            state = self.rooms.get(room_id)
            if state is None:
                state = self.rooms[room_id] = RoomState(room_id, slug)
                self.room_ids[slug] = room_id
            async with state.lock:
                if state.is_closed:
                    continue
                if state.seq is None:
                    await self.link.join_now(room_group(room_id))
                    head = (await in_database(stream.heads, [room_id])).get(room_id)
                    if head is None:
                        raise NotFound
                    state.epoch, state.seq = head.epoch, head.last_seq
                    state.first_seq = head.first_seq
                    for seq in [seq for seq in state.early if seq <= head.last_seq]:
                        del state.early[seq]
                    self._drain(state)
                return state

    async def _close_if_empty(self, state: RoomState) -> None:
        async with state.lock:
            if state.subscriptions or state.is_closed:
                return
            state.is_closed = True
            if state.gap_timer is not None:
                state.gap_timer.cancel()
            if self.rooms.get(state.room_id) is state:
                del self.rooms[state.room_id]
                del self.room_ids[state.slug]
            await self.link.leave(room_group(state.room_id))

    # --- the tick ---------------------------------------------------------------------------

    def check_soon(self) -> None:
        """Compare with the log's heads at once instead of at the next tick."""
        self._tick_now.set()

    async def _tick_forever(self) -> None:
        while True:
            try:
                await self.tick()
            except Exception as error:
                logger.warning("A tick failed: %s", error)
            try:
                async with asyncio.timeout(self.link.tick_s):
                    await self._tick_now.wait()
            except TimeoutError:
                pass
            self._tick_now.clear()

    async def tick(self) -> None:
        """Compare positions with the log, tail the rights, renew the lease."""
        self.link.beat()
        known = [(state, state.seq) for state in self.rooms.values() if state.seq is not None]
        if known:
            heads = await in_database(stream.heads, [state.room_id for state, _ in known])
            for state, seq in known:
                head = heads.get(state.room_id)
                if head is not None and not state.is_closed and self._fits(state, head, seq):
                    self._expect(state, head.last_seq)
        await self.rights.read()
        if self._on_tick is not None:
            await self._on_tick()

    # --- tasks ------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
