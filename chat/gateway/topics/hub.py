"""The topics' hub: one per process. It turns a lossy doorbell into ordered delivery of events.

It joins the groups of the buckets whose topics somebody here follows, and all of them once a filter
names no topic. Per topic it keeps the next number: what is missing is read from the ring, what was
already there is dropped. Each event is held once against each distinct filter, and encoded once for
each choice of members. Everything runs on one event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from chat.access import Viewer
from chat.errors import AppError, Unavailable
from chat.gateway.topics import publishing
from chat.gateway.topics.book import FilterBook
from chat.gateway.topics.buckets import Buckets
from chat.gateway.topics.events import Draft, TopicEvent
from chat.gateway.topics.filters import Condition, Fields, Filter
from chat.gateway.topics.interests import Interests
from chat.gateway.topics.looking import look
from chat.gateway.topics.names import BUCKETS, room_of
from chat.gateway.topics.redis_rings import rings
from chat.gateway.topics.rights import People, Producers, Readers, check_may_publish
from chat.gateway.topics.rings import Tail
from chat.gateway.topics.topic_state import Listener, TopicState
from chat.realtime.database import in_database
from chat.realtime.envelope import Notice
from chat.realtime.hub import FAN_OUT_BATCH, GAP_WAIT_S
from chat.realtime.parts import Part, part
from chat.realtime.tasks import Tasks

if TYPE_CHECKING:
    from chat.realtime.close_codes import CloseCode
    from chat.realtime.connection import Connection
    from chat.realtime.server import Server

logger = logging.getLogger(__name__)

# Events kept that came ahead of a missing one; the ring has the rest.
EARLY_MAX = 1000
# Topics that nobody follows by name, known only because some filter names none.
OVERHEARD_MAX = 10_000
# Seconds after which rights that could not be read are sought again.
RETRY_S = 0.5
# Why a listener loses a topic, whatever took the right to its room.
LOST = "forbidden"


@part
class TopicHub(Part):
    """Fans out producer events to this process's listeners."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.rings = rings()
        self.states: dict[str, TopicState] = {}
        self.book = FilterBook()
        self.readers = Readers()
        self.producers = Producers()
        self.buckets = Buckets(server.hub.link)
        self.interests: dict[Listener, Interests] = {}
        # Subscribes under way with a filter that names no topic.
        self.everywhere_pins = 0
        # Events handed out in this turn of the loop: a batch that was published at once must not
        # run over outboxes whose writers were not asked yet.
        self._handed_count = 0
        self._tasks = Tasks()
        self._looking: asyncio.Task[None] | None = None

    # --- life -------------------------------------------------------------------------------

    async def start(self) -> None:
        self.server.hub.listen("topic.event", self._hear)

    async def stop(self) -> None:
        await self._tasks.end()

    def closed(self, connection: Connection, code: int | CloseCode) -> None:
        self.forget(connection)

    async def tick(self) -> None:
        """Look after everything beside the hub's own tick, which must wait for no Redis."""
        if self._looking is None or self._looking.done():
            self._looking = self._tasks.spawn(look(self))

    # --- publishing -------------------------------------------------------------------------

    async def publish(self, viewer: Viewer, draft: Draft) -> TopicEvent:
        """Number an event, keep it, and hand it out. Raises AppError.

        Cancelling stops the waiting, not the publishing.
        """
        if room_of(draft.topic) is None:
            check_may_publish(viewer, draft.topic)
        elif not self.producers.are_known(viewer, draft.topic):
            await in_database(check_may_publish, viewer, draft.topic)
            self.producers.note(viewer, draft.topic)
        (answer,) = await self.rings.ask(publishing.publish, [draft])
        if isinstance(answer, AppError):
            raise answer
        return answer

    # --- hearing ----------------------------------------------------------------------------

    def _hear(self, message: dict[str, Any]) -> None:
        self.accept(TopicEvent.from_message(message))

    def accept(self, event: TopicEvent) -> None:
        """Take an event in whatever order; hand out what is next, drop what was."""
        state = self.states.get(event.topic)
        if state is None:
            if not self.is_everywhere:
                return
            state = self._overhear(event.topic)
        if not state.is_known:
            state.keep_early(event, EARLY_MAX)
            self._begin_overhearing(state)
        elif event.epoch != state.epoch:
            self.fill(state)  # The ring knows which of the two is over.
        elif event.offset > state.position:
            state.keep_early(event, EARLY_MAX)
            self._drain(state)

    def _drain(self, state: TopicState) -> None:
        """Hand out the events that are next, in batches, and look after a hole behind them."""
        while self._has_turn():
            if state.is_paused or state.is_closed or not state.is_known:
                return
            event = state.early.get(state.position + 1)
            if event is None:
                break
            people: People | None = None
            if state.room is not None:
                people = self.readers.of(state.room)
                if people is None:
                    state.is_paused = True
                    self._tasks.spawn(self._go_on_with_rights(state, state.room))
                    return
            del state.early[event.offset]
            self._handed_count += 1
            self._fan_out(state, event, people)
        else:
            asyncio.get_running_loop().call_soon(self._drain, state)
            return
        if state.early:
            self.expect(state, max(state.early))

    def _has_turn(self) -> bool:
        """Whether more may be handed out before the sockets' writers get their turn."""
        if not self._handed_count:
            asyncio.get_running_loop().call_soon(self._begin_turn)
        return self._handed_count < FAN_OUT_BATCH

    def _begin_turn(self) -> None:
        self._handed_count = 0

    def _fan_out(self, state: TopicState, event: TopicEvent, people: People | None) -> None:
        """Give an event to everybody who wants it; `people` may see the topic's room."""
        state.pass_by(event)
        wanted = self.book.receivers(event)
        wanted.update(dict.fromkeys(state.followers))
        notices: dict[Fields, Notice] = {}
        for listener, fields in wanted.items():
            if people is None and listener.user_id is None:
                continue  # Nobody without a name hears of topics that are no room's.
            if people is not None and listener.user_id not in people:
                if self.is_followed(state):
                    self.take_away(state, listener)
                continue
            notice = notices.get(fields)
            if notice is None:
                notice = notices[fields] = event.notice(fields)
            subscription = state.followers.get(listener)
            if subscription is None:
                listener.deliver(notice)
            else:
                subscription.offer(notice)

    async def _go_on_with_rights(self, state: TopicState, room: str) -> None:
        """Find out who may see the room, then go on; nobody gets what may not be theirs."""
        while self.readers.of(room) is None:
            try:
                await self.readers.read(room)
            except Exception as error:
                logger.warning("Rights could not be read; topics of %s wait: %s", room, error)
                await asyncio.sleep(RETRY_S)
        state.is_paused = False
        self._drain(state)

    def take_away(self, state: TopicState, listener: Listener) -> None:
        """End what a listener has of a topic that is no longer for them, and say so once."""
        subscription = state.followers.pop(listener, None)
        interests = self.interests.get(listener, Interests())
        filters = interests.filters_on(state.topic)
        if subscription is not None:
            subscription.restart()
            interests.topics.pop(state.topic, None)
        for filter in filters:
            del interests.filters[filter]
            self.book.discard(listener, filter)
        if filters or (subscription is not None and subscription.is_told):
            listener.tell_event({"type": "unsubscribed", "topic": state.topic, "reason": LOST})
            self.server.changed(cast("Connection", listener))

    # --- what is missing --------------------------------------------------------------------

    def expect(self, state: TopicState, offset: int) -> None:
        """Read the ring if what is before number `offset` has not come by itself in a moment."""
        if state.timer is None and state.task is None:
            loop = asyncio.get_running_loop()
            state.timer = loop.call_later(GAP_WAIT_S, self._fill_missing, state, offset)

    def _fill_missing(self, state: TopicState, offset: int) -> None:
        state.timer = None
        if state.position < offset and not state.is_paused:
            self.fill(state)

    def fill(self, state: TopicState) -> None:
        """Read the ring: one reader per topic."""
        if state.task is None and not state.is_closed:
            state.task = self._tasks.spawn(self._read_on(state))

    async def catch_up(self, state: TopicState) -> None:
        """Read the ring now, without waiting for a doorbell or the tick."""
        self.fill(state)
        if state.task is not None:
            await asyncio.wait({state.task})

    async def _read_on(self, state: TopicState) -> None:
        epoch, after = state.epoch, state.position
        try:
            tail = await self.rings.ask(self.rings.read, state.topic, epoch, after)
        except Unavailable:
            return  # The tick tries again.
        finally:
            state.task = None
        if not state.is_closed:
            self._take(state, tail, epoch, after)

    def _take(self, state: TopicState, tail: Tail, epoch: str, after: int) -> None:
        """Take what the ring holds behind our position, as it was when that was asked."""
        head = tail.head
        if head.epoch != state.epoch:
            state.reset(head.epoch, head.first - 1, "epoch_changed")
        elif head.epoch == epoch and head.offset < after:
            state.reset(head.epoch, head.offset, "seq_ahead")
        elif head.first > state.position + 1 and state.position + 1 not in state.early:
            state.reset(head.epoch, head.first - 1, "trimmed")
        for event in tail.events:
            if event.offset > state.position:
                state.early.setdefault(event.offset, event)
        self._drain(state)

    # --- joining and leaving ----------------------------------------------------------------

    @property
    def is_everywhere(self) -> bool:
        """Whether events of all topics matter here."""
        return bool(self.everywhere_pins) or None in self.book

    @property
    def is_full(self) -> bool:
        """Whether topics that nobody names should go, even if their events matter here."""
        return len(self.states) >= OVERHEARD_MAX

    async def open(self, topic: str) -> TopicState:
        """Return a topic's state with its position known; it stays until it is unpinned.

        The bucket's group is joined before the ring's head is read. Raises Unavailable.
        """
        state = self.states.get(topic)
        if state is None:
            state = self.states[topic] = TopicState(topic)
        state.pins += 1
        try:
            async with state.lock:
                if not state.is_known:
                    await self._begin(state)
        except BaseException:
            state.pins -= 1
            if not state.is_known and state.early:
                self._begin_overhearing(state)
            raise
        return state

    async def _begin(self, state: TopicState) -> None:
        await self.buckets.join([state.bucket])
        head = (await self.rings.ask(self.rings.follow, [state.topic])).get(state.topic)
        if head is None:
            raise Unavailable(retry_after_ms=1000)
        state.begin(head)
        self._drain(state)

    async def join_everywhere(self) -> None:
        """Hear the events of all topics from now on; `everywhere_pins` says that it is wanted."""
        await self.buckets.join(range(BUCKETS))

    def _overhear(self, topic: str) -> TopicState:
        """Begin to know of a topic because some filter names none."""
        if self.is_full:
            self.close_unused()
        state = self.states[topic] = TopicState(topic)
        return state

    def _begin_overhearing(self, state: TopicState) -> None:
        """Begin with what has come, unless a subscribe is under way that reads the head.

        Doorbells may cross, so the first that comes need not be the first that was rung.
        """
        if state.pins or state.is_closed:
            return
        if 1 in state.early:
            state.begin()
            self._drain(state)
        elif state.timer is None:
            loop = asyncio.get_running_loop()
            state.timer = loop.call_later(GAP_WAIT_S, self._begin_late, state)

    def _begin_late(self, state: TopicState) -> None:
        state.timer = None
        if not state.is_known and not state.pins:
            state.begin()
        self._drain(state)

    def is_followed(self, state: TopicState) -> bool:
        """Whether somebody names the topic, by itself or in a filter."""
        return bool(state.followers) or state.topic in self.book

    def close_unused(self) -> None:
        """Forget the topics that nobody names."""
        for state in list(self.states.values()):
            if not (self.is_followed(state) or state.pins or state.early):
                state.close()
                del self.states[state.topic]

    # --- interests --------------------------------------------------------------------------

    def enlist(self, listener: Listener) -> None:
        """Know of a listener's person before anything can be theirs."""
        if listener not in self.interests:
            self.interests[listener] = Interests()
            self.readers.add(listener.user_id)

    def delist_if_idle(self, listener: Listener) -> None:
        interests = self.interests.get(listener)
        if interests is not None and not interests.count:
            self.forget(listener)

    def forget(self, listener: Listener) -> None:
        """Let go of everything that a listener has."""
        interests = self.interests.pop(listener, None)
        if interests is None:
            return
        for state in interests.topics.values():
            state.followers.pop(listener, None)
        for filter in interests.filters:
            self.book.discard(listener, filter)
        self.readers.discard(listener.user_id)

    def put_filter(
        self, listener: Listener, filter: Filter, condition: Condition, fields: Fields
    ) -> None:
        self.interests[listener].filters[filter] = condition, fields
        self.book.put(listener, filter, condition, fields)

    def unsubscribe(
        self, listener: Listener, topics: Iterable[str], filters: Iterable[Filter]
    ) -> None:
        """Let go of some topics and filters; those that it does not have are no error."""
        for topic in topics:
            self.drop_topic(listener, topic)
        for filter in filters:
            self.drop_filter(listener, filter)
        self.delist_if_idle(listener)

    def filters_of(self, listener: Listener) -> list[dict[str, Any]]:
        """A listener's filters, as subscribe takes them."""
        return self.interests.get(listener, Interests()).told_filters()

    def topics_of(self, listener: Listener) -> list[str]:
        """The topics that a listener follows by name."""
        return list(self.interests.get(listener, Interests()).topics)

    def drop_filter(self, listener: Listener, filter: Filter) -> None:
        interests = self.interests.get(listener)
        if interests is not None and interests.filters.pop(filter, None) is not None:
            self.book.discard(listener, filter)

    def drop_topic(self, listener: Listener, topic: str) -> None:
        interests = self.interests.get(listener)
        state = interests.topics.pop(topic, None) if interests is not None else None
        subscription = state.followers.pop(listener, None) if state else None
        if subscription is not None:
            subscription.restart()
