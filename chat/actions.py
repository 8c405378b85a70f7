"""What every socket can ask: subscribe, unsubscribe, ping."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar

import msgspec
from django.conf import settings
from msgspec import UNSET, Struct, UnsetType

from chat import people_actions, room_actions  # noqa: F401  (each registers its own)
from chat.errors import AppError, Invalid
from chat.gateway.topics.attaching import Attachment, TopicReplay, Wish
from chat.gateway.topics.hub import TopicHub
from chat.gateway.topics.interests import Interests
from chat.gateway.topics.names import TopicId
from chat.gateway.topics.shapes import EventFilter, Offset, TopicPosition
from chat.gateway.topics.shapes import TopicReplay as TopicReplayShape
from chat.realtime.connection import Connection, reply_members
from chat.realtime.envelope import Burst, Recovery, Replayed
from chat.realtime.frames import RoomReplay
from chat.realtime.replay import Replay, ReplayBudget
from chat.realtime.room_state import Subscription
from chat.realtime.router import ANSWERED, Request, router
from chat.shapes import Examples
from chat.shapes import Seq as Seq
from chat.shapes import Slug as Slug


class Position(Struct):
    """A room and, to resume it, where the client stands."""

    room: Slug
    epoch: str | UnsetType = UNSET
    seq: Seq | UnsetType = UNSET


Rooms = Annotated[list[Position | Slug], msgspec.Meta(max_length=200)]
Topics = Annotated[list[TopicPosition | TopicId], msgspec.Meta(max_length=200)]
Filters = Annotated[list[EventFilter], msgspec.Meta(max_length=200)]


class Selectors(Struct):
    # Slugs, or positions.
    rooms: Rooms | UnsetType = UNSET
    # A single topic.
    id: TopicId | UnsetType = UNSET
    # Names of topics, or positions.
    topics: Topics | UnsetType = UNSET
    # Filters on producer events.
    subscriptions: Filters | UnsetType = UNSET


class Subscribe(Selectors):
    # Where the client stands in the topic `id`.
    epoch: str | UnsetType = UNSET
    offset: Offset | UnsetType = UNSET
    # Whether what is named takes the place of all that was subscribed of its kind.
    replace: bool = False

    examples: ClassVar[Examples] = (
        {"rooms": ["lobby"]},
        {"rooms": [{"room": "lobby", "epoch": "k3", "seq": 41}]},
        {"id": "stats/email-campaign/1"},
        {
            "subscriptions": [
                {
                    "event_type": "NESClick",
                    "filter_field": "color",
                    "filter_expr": "blue",
                    "desired_fields": ["button", "color"],
                }
            ]
        },
    )


class Unsubscribe(Selectors):
    examples: ClassVar[Examples] = ({"rooms": ["lobby"]},)


class Subscribed(Struct):
    """The kinds that the request names."""

    # In the order of the request.
    rooms: list[RoomReplay] | UnsetType = UNSET
    # In the order of the request, `id` first.
    topics: list[TopicReplayShape] | UnsetType = UNSET
    # All filters of the connection.
    subscriptions: list[EventFilter] | UnsetType = UNSET

    examples: ClassVar[Examples] = (
        {"rooms": [{"room": "lobby", "epoch": "k3", "seq": 42, "recovered": None, "events": []}]},
        {"rooms": [{"room": "lobby", "epoch": "k3", "seq": 41, "recovered": True, "events": []}]},
        {
            "topics": [
                {
                    "id": "stats/email-campaign/1",
                    "epoch": "r8",
                    "offset": 17,
                    "recovered": None,
                    "events": [],
                }
            ]
        },
        {"subscriptions": Subscribe.examples[3]["subscriptions"]},
    )


class Unsubscribed(Struct):
    """The kinds that the request names."""

    # The slugs of the request.
    rooms: list[Slug] | UnsetType = UNSET
    # The topics of the request.
    topics: list[TopicId] | UnsetType = UNSET
    # The filters that are left.
    subscriptions: list[EventFilter] | UnsetType = UNSET

    examples: ClassVar[Examples] = ({"rooms": ["lobby"]},)


class Ping(Struct):
    # The client's positions by room; taken for those who count what has arrived.
    seqs: dict[str, Seq] | UnsetType = UNSET


class Cancelled(Struct):
    # False: there was no such stream, or it had ended.
    cancelled: bool


class Heads(Struct):
    # By room: the seq of the last event that was put into this socket.
    heads: Annotated[dict[str, Seq], msgspec.Meta(examples=[{"lobby": 42}])]


class RoomAttachment:
    """The rooms of one subscribe on its way; as the topics' Attachment."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._found: list[tuple[Replay, Subscription]] = []

    async def attach(self, positions: list[Position], budget: ReplayBudget) -> None:
        """Attach to every room and read what was missed. Raises AppError that names the room."""
        for position in positions:
            with _naming(position.room):
                found = await self.connection.hub.subscribe(
                    self.connection,
                    self.connection.identity.viewer,
                    position.room,
                    epoch=None if position.epoch is UNSET else position.epoch,
                    seq=None if position.seq is UNSET else position.seq,
                    budget=budget,
                )
            self._found.append(found)

    def confirm(self) -> list[Replay]:
        """Return the replays as they hold now. Raises NotFound that names the room."""
        replays = []
        for replay, subscription in self._found:
            with _naming(replay.room):
                replays.append(self.connection.hub.confirm(replay, subscription))
        return replays

    def commit(self, *, is_replacing: bool) -> None:
        """Make it so; `is_replacing`: other rooms are left."""
        connection = self.connection
        found = {replay.room: subscription.room.room_id for replay, subscription in self._found}
        for slug in list(connection.rooms) if is_replacing else ():
            if slug not in found:
                connection.hub.unsubscribe(connection, connection.rooms.pop(slug))
        connection.rooms.update(found)

    def go_live(self) -> None:
        for _, subscription in self._found:
            subscription.go_live()

    def give_up(self) -> None:
        for _, subscription in self._found:
            self.connection.hub.give_up(subscription)


@contextmanager
def _naming(room: str) -> Iterator[None]:
    """Let a refusal inside the block name the room."""
    try:
        yield
    except AppError as error:
        if error.fields is None:
            error.fields = {"room": room}
        raise


@router.action("subscribe", body=Subscribe, result=Subscribed)
async def subscribe(request: Request, body: Subscribe) -> object:
    """Attach to rooms, topics and filters, and answer each position.

    One of them that cannot be had refuses all.
    """
    connection = request.connection
    topics = connection.server.part(TopicHub)
    positions = [_position(room) for room in _given(body.rooms)]
    single = None if body.id is UNSET else TopicPosition(body.id, body.epoch, body.offset)
    wish = Wish.read(single, body.topics, body.subscriptions)
    _check(connection, body, positions, wish)
    budget = ReplayBudget.full()
    rooms = RoomAttachment(connection)
    attachment = Attachment(topics, connection, wish)
    try:
        await rooms.attach(positions, budget)
        await attachment.attach(connection.identity.viewer, budget)
        replays, topic_replays = rooms.confirm(), attachment.confirm()
    except BaseException:
        rooms.give_up()
        attachment.give_up()
        raise
    rooms.commit(is_replacing=body.replace and body.rooms is not UNSET)
    attachment.commit(is_replacing=body.replace)
    connection.server.changed(connection)
    rest: dict[str, Any] = {}
    if wish.filters is not None:
        rest["subscriptions"] = topics.filters_of(connection)
    _answer(request, replays, topic_replays, rest)
    rooms.go_live()
    attachment.go_live()
    return ANSWERED


@router.action("unsubscribe", body=Unsubscribe, result=Unsubscribed)
async def unsubscribe(request: Request, body: Unsubscribe) -> dict[str, Any]:
    """Leave rooms, topics and filters; one that was not subscribed is no error."""
    connection = request.connection
    topics = connection.server.part(TopicHub)
    single = None if body.id is UNSET else TopicPosition(body.id)
    wish = Wish.read(single, body.topics, body.subscriptions)
    _check_names_something(body)
    result: dict[str, Any] = {}
    if body.rooms is not UNSET:
        result["rooms"] = [_position(room).room for room in body.rooms]
        for slug in result["rooms"]:
            room_id = connection.rooms.pop(slug, None)
            if room_id is not None:
                connection.hub.unsubscribe(connection, room_id)
    if wish.topics is not None:
        result["topics"] = [position.id for position in wish.topics]
    topics.unsubscribe(connection, result.get("topics", ()), wish.filters or ())
    if wish.filters is not None:
        result["subscriptions"] = topics.filters_of(connection)
    connection.server.changed(connection)
    return result


class Cancel(Struct):
    """Names a stream of this connection by the `request_id` that it answers."""


@router.action("cancel", body=Cancel, result=Cancelled, scope="")
async def cancel(request: Request, body: Cancel) -> object:
    """End a stream; its end frame is the answer, and says `cancelled`."""
    if request.request_id is None:
        raise Invalid(fields={"request_id": "Name the stream to cancel."})
    if request.connection.dialog.cancel(request.request_id):
        return ANSWERED
    return {"cancelled": False}


@router.action("ping", body=Ping, result=Heads, scope="")
async def ping(request: Request, body: Ping) -> dict[str, Any]:
    """Tell up to where each room's events have been put into this socket."""
    return {"heads": request.connection.heads()}


def _position(room: Position | str) -> Position:
    return Position(room) if isinstance(room, str) else room


def _given(rooms: list[Position | Slug] | UnsetType) -> list[Position | Slug]:
    return [] if rooms is UNSET else rooms


def _check_names_something(body: Selectors, *, may_be_empty: bool = False) -> None:
    """Raise Invalid for a request that names nothing; an empty list may mean that, to replace."""
    lists = {"rooms": body.rooms, "topics": body.topics, "subscriptions": body.subscriptions}
    given = {name: each for name, each in lists.items() if each is not UNSET}
    if body.id is UNSET and not given:
        raise Invalid(fields={"rooms": "Is missing: rooms, id, topics or subscriptions."})
    for name, each in given.items():
        if not each and not may_be_empty:
            raise Invalid(fields={name: "Is empty."})


def _check(connection: Connection, body: Subscribe, positions: list[Position], wish: Wish) -> None:
    _check_names_something(body, may_be_empty=body.replace)
    if body.id is UNSET and not (body.epoch is UNSET and body.offset is UNSET):
        raise Invalid(fields={"id": "Is missing: which topic is the position of?"})
    slugs = [position.room for position in positions]
    if len(set(slugs)) < len(slugs):
        raise Invalid(fields={"rooms": "A room is named twice."})
    if any(each.epoch is not UNSET and each.seq is UNSET for each in positions):
        raise Invalid(fields={"epoch": "Means nothing without seq."})
    is_keeping_rooms = body.rooms is UNSET or not body.replace
    count = len({*slugs, *(connection.rooms if is_keeping_rooms else ())})
    had = connection.server.part(TopicHub).interests.get(connection, Interests())
    count += wish.count_with(had, is_replacing=body.replace)
    if count > settings.SUBSCRIPTIONS_MAX:
        kind = "rooms" if positions else "topics" if wish.topics else "subscriptions"
        raise Invalid(fields={kind: f"At most {settings.SUBSCRIPTIONS_MAX} subscriptions."})


def _answer(
    request: Request, rooms: list[Replay], topics: list[TopicReplay], rest: dict[str, Any]
) -> None:
    """Tell the positions and the replays: in the reply, or quiet clients as plain events."""
    connection = request.connection
    told_rooms: list[Replayed] = [(_told(replay), replay.frames) for replay in rooms]
    told_topics: list[Replayed] = [
        (each.told(), [event.whole() for event in each.events]) for each in topics
    ]
    if not connection.is_quiet:
        members = reply_members(request)
        connection.outbox.put(Recovery(members, told_rooms, rest, topics=told_topics))
        return
    named = {
        name: [{**told, "events": []} for told, _ in replayed]
        for name, replayed in (("rooms", told_rooms), ("topics", told_topics))
        if replayed
    }
    connection.reply(request, {**named, **rest})
    for _, frames in (*told_rooms, *told_topics):
        if frames:
            connection.outbox.put(Burst(frames))
    if request.request_id is not None:
        return
    for replay in rooms:
        if replay.reason is not None:
            connection.tell_gap(replay.room, replay.epoch, replay.seq, replay.reason)
    for each in topics:
        if each.reason is not None:
            connection.tell(each.gap())


def _told(replay: Replay) -> dict[str, Any]:
    told: dict[str, Any] = {
        "room": replay.room,
        "epoch": replay.epoch,
        "seq": replay.seq,
        "recovered": replay.recovered,
    }
    if replay.reason is not None:
        told["reason"] = replay.reason
    return told
