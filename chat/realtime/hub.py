"""The hub: one per process. It turns a lossy doorbell into gapless, ordered delivery.

It joins the group of a room when the first local subscriber comes, keeps the next expected
number, reads what is missing from the log, and hands every frame to the room's subscribers:
no query and no encoding per subscriber. Everything here runs on one event loop; only
`hear_frame`, `hear_rights` and `tell_group` may be called from other threads.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings

from chat.access import Viewer, access_room
from chat.errors import NotFound
from chat.realtime import stream
from chat.realtime.database import in_database, in_hub_database
from chat.realtime.doorbell import RIGHTS_GROUP, Doorbell, room_group
from chat.realtime.envelope import Frame
from chat.realtime.events import may_withdraw
from chat.realtime.layer import LayerLink
from chat.realtime.replay import Replay, ReplayBudget, read_replay
from chat.realtime.rights import RightsTail, SocketIndex, still_allowed
from chat.realtime.room_state import RoomState, Subscriber, Subscription
from chat.realtime.tasks import Tasks

logger = logging.getLogger(__name__)

# Doorbells ring after the lock is released and may cross: seconds to wait for a missing number.
GAP_WAIT_S = 0.03
# Frames fanned out before the sockets' writers get their turn.
FAN_OUT_BATCH = 64
# Frames kept that came ahead of a missing one; the log has the rest.
EARLY_MAX = 1000


class Hub:
    """Fans out the rooms' events to this process's subscribers."""

    def __init__(self, layer: Any, *, on_tick: Callable[[], Awaitable[None]] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.name = secrets.token_hex(4)
        self.rooms: dict[int, RoomState] = {}
        # Slugs of the rooms above; they never change.
        self.room_ids: dict[str, int] = {}
        self.sockets = SocketIndex()
        self.rights = RightsTail(self.sockets)
        self.doorbell = Doorbell(layer)
        self.link = LayerLink(layer, self._hear_message)
        self._on_tick = on_tick
        # What else is heard over the layer, by the message's type.
        self._listeners: dict[str, Callable[[dict[str, Any]], None]] = {}
        self._tasks = Tasks()
        self._tick_now = asyncio.Event()
        self.is_running = False

    # --- life -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin hearing and ticking. Waits for the database, not for the layer."""
        await self.rights.start()
        self.is_running = True
        self._tasks.spawn(self.doorbell.run())
        self._tasks.spawn(self.link.run())
        self._tasks.spawn(self._tick_forever())
        self.link.join(RIGHTS_GROUP)

    async def stop(self) -> None:
        """End every task of the hub."""
        self.is_running = False
        await self._tasks.end()
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
        between. Raises NotFound. Cancelling leaves everything as it was.
        """
        room_id = self.room_ids.get(slug)
        if room_id is None:
            room_id = (await in_database(access_room, viewer, slug)).pk
        state = await self._open(room_id, slug)
        if seq is not None and (seq > state.head().last_seq or epoch not in (None, state.epoch)):
            # The client may have come from a process or a page that was ahead of us; for a stranger
            # we don't look, since the time that it takes would tell that there is such a room.
            await self._catch_up(state, viewer)
            state = await self._open(room_id, slug)
        is_new = subscriber not in state.subscriptions
        if is_new:
            state.subscriptions[subscriber] = Subscription(state, subscriber)
        subscription = state.subscriptions[subscriber]
        subscription.hold()
        head = state.head()
        try:
            await in_database(access_room, viewer, slug)
            replay = await read_replay(state, head, epoch, seq, budget or ReplayBudget.full())
            return self.confirm(replay, subscription), subscription
        except BaseException:
            self.give_up(subscription)
            raise

    def confirm(self, replay: Replay, subscription: Subscription) -> Replay:
        """Return what holds of `replay` now; call it when something was awaited since it was read.

        Raises NotFound when the right to the room was lost meanwhile.
        """
        state = subscription.room
        if state.subscriptions.get(subscription.subscriber) is not subscription:
            raise NotFound("The right to this room was lost just now.")
        if state.generation == subscription.generation:
            return replay
        subscription.hold()
        reason = None if replay.recovered is None else "epoch_changed"
        return Replay.none(state, state.head(), reason)

    def give_up(self, subscription: Subscription) -> None:
        """Undo a subscribing whose answer will not be given."""
        if subscription.is_told:
            subscription.go_live()
        else:
            self.unsubscribe(subscription.subscriber, subscription.room.room_id)

    def unsubscribe(self, subscriber: Subscriber, room_id: int) -> None:
        """Detach; the room's group is left after the last one."""
        state = self.rooms.get(room_id)
        subscription = state.subscriptions.pop(subscriber, None) if state else None
        if state is None or subscription is None:
            return
        subscription.restart()
        if not state.subscriptions:
            self._tasks.spawn(self._close_if_empty(state))

    def position(self, subscriber: Subscriber, room_id: int) -> int | None:
        """Up to where the room's frames have been handed to the subscriber, if to anywhere."""
        state = self.rooms.get(room_id)
        subscription = state.subscriptions.get(subscriber) if state else None
        if state is None or subscription is None or subscription.is_held:
            return None
        return state.seq

    # --- hearing ----------------------------------------------------------------------------

    def hear_frame(self, frame: Frame) -> None:
        """A local commit: fan it out here at once and ring for the others. From any thread."""
        self._from_thread(self._hear_own, frame)

    def hear_rights(self) -> None:
        """The rights log has grown. From any thread."""
        self._from_thread(self._hear_own_rights)

    def tell_group(self, group: str, message: dict[str, Any]) -> None:
        """Something passed: let its listeners here hear it, and the group. From any thread."""
        self._from_thread(self._tell_group, group, message)

    def _from_thread(self, callback: Callable[..., None], *args: Any) -> None:
        """Call back on the hub's loop."""
        try:
            self.loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:  # The loop is closed: the process is ending.
            logger.debug("A doorbell rang after the end.")

    def _hear_own(self, frame: Frame) -> None:
        self.accept(frame)
        self.doorbell.put(room_group(frame.room_id), frame.as_message())

    def _hear_own_rights(self) -> None:
        self._tasks.spawn(self.rights.read())
        self.doorbell.put(RIGHTS_GROUP, {"type": "rights.changed"})

    def _tell_group(self, group: str, message: dict[str, Any]) -> None:
        self._hear_message(message)
        self.doorbell.put(group, {**message, "origin": self.name})

    def _hear_message(self, message: dict[str, Any]) -> None:
        if message.get("origin") == self.name:
            return  # heard when it was told
        if message["type"] == "room.event":
            self.accept(Frame.from_message(message))
        elif message["type"] == "rights.changed":
            self._tasks.spawn(self.rights.read())
        elif message["type"] in self._listeners:
            self._listeners[message["type"]](message)

    def listen(self, type: str, callback: Callable[[dict[str, Any]], None]) -> None:
        """Hand over the layer's messages of one type; of a newer release's, nothing is known."""
        if type in self._listeners:
            raise TypeError(f"Messages {type} are listened to already.")
        self._listeners[type] = callback

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
                self._tasks.spawn(self._withdraw(state, frame))
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
                allowed = await in_hub_database(still_allowed, state.room_id, people)
            except Exception as error:  # Whatever it is: nobody gets what may not be theirs.
                logger.warning("Rights could not be read; room %s waits: %s", state.slug, error)
                await asyncio.sleep(0.5)
                continue
            reason = {"member.left": "left", "member.removed": "removed"}.get(frame.type, "private")
            for subscriber, subscription in list(state.subscriptions.items()):
                if subscriber.user_id in people and subscriber.user_id not in allowed:
                    self.unsubscribe(subscriber, state.room_id)
                    if subscription.is_told:
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
            state.gap_task = self._tasks.spawn(self._fill(state))

    async def _catch_up(self, state: RoomState, viewer: Viewer) -> None:
        """Read the log now, without waiting for a doorbell or the tick. Raises NotFound."""
        try:
            await in_database(access_room, viewer, state.slug)
            if state.gap_task is None:
                state.gap_task = self._tasks.spawn(self._fill(state))
            await asyncio.wait({state.gap_task})
        except BaseException:
            self._tasks.spawn(self._close_if_empty(state))
            raise

    async def _fill(self, state: RoomState) -> None:
        """Read everything behind the room's position from the log: one reader per room."""
        try:
            while (count := await self._read_on(state)) == settings.REPLAY_EVENTS_MAX:
                pass
        except Exception as error:
            logger.warning("Room %s could not be read: %s", state.slug, error)
            return
        finally:
            state.gap_task = None
        if count:
            self._drain(state)  # There may be a hole again, behind what was read.

    async def _read_on(self, state: RoomState) -> int:
        """Read a batch behind the room's position and wait until it is handed out."""
        after, generation = state.seq, state.generation
        head = (await in_hub_database(stream.heads, [state.room_id])).get(state.room_id)
        if state.is_closed or after is None or head is None or not self._fits(state, head, after):
            return 0
        limit = settings.REPLAY_EVENTS_MAX
        try:
            frames = await in_hub_database(stream.read, head, state.slug, after=after, limit=limit)
        except stream.Trimmed:
            state.reset(head, "trimmed")
            return 0
        if state.generation != generation:
            return 0
        for frame in frames:
            if state.seq is not None and frame.seq > state.seq:
                state.early[frame.seq] = state.ring.share(frame)
        self._drain(state)
        while state.is_handing_out:
            await asyncio.sleep(0.005)  # a batch, or a check of rights, is under way
        return len(frames)

    def _fits(self, state: RoomState, head: stream.Head, seq: int) -> bool:
        """Whether `seq`, our position before `head` was read, means something in the log.

        If not, the room is reset.
        """
        if head.epoch != state.epoch:
            state.reset(head, "epoch_changed")
        elif head.last_seq < seq:
            state.reset(head, "seq_ahead")
        else:
            state.first_seq = head.first_seq
            return True
        return False

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
                    try:
                        await self._begin(state)
                    except BaseException:
                        self._tasks.spawn(self._close_if_empty(state))
                        raise
                return state

    async def _begin(self, state: RoomState) -> None:
        """Join the room's group, and then see where its log stands."""
        await self.link.join_now(room_group(state.room_id))
        head = (await in_database(stream.heads, [state.room_id])).get(state.room_id)
        if head is None:
            raise NotFound
        state.begin(head)
        self._drain(state)

    async def _close_if_empty(self, state: RoomState) -> None:
        """Leave the group after the last subscriber. Who comes meanwhile waits for the lock."""
        async with state.lock:
            if state.subscriptions or state.is_closed:
                return
            state.is_closed = True
            if state.gap_timer is not None:
                state.gap_timer.cancel()
            try:
                await self.link.leave(room_group(state.room_id))
            finally:
                del self.rooms[state.room_id]
                del self.room_ids[state.slug]

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
            heads = await in_hub_database(stream.heads, [state.room_id for state, _ in known])
            for state, seq in known:
                head = heads.get(state.room_id)
                if head is not None and not state.is_closed and self._fits(state, head, seq):
                    self._expect(state, head.last_seq)
        await self.rights.read()
        if self._on_tick is not None:
            await self._on_tick()
