"""What every socket can ask: subscribe, unsubscribe, ping."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from django.conf import settings
from msgspec import UNSET, Struct, UnsetType

from chat import people_actions, room_actions  # noqa: F401  (each registers its own)
from chat.errors import AppError, Invalid
from chat.realtime.connection import Connection, reply_members
from chat.realtime.envelope import Burst, Recovery
from chat.realtime.frames import RoomReplay
from chat.realtime.replay import Replay, ReplayBudget
from chat.realtime.room_state import Subscription
from chat.realtime.router import ANSWERED, Request, router
from chat.shapes import Seq as Seq
from chat.shapes import Slug as Slug


class Position(Struct):
    """A room and, to resume it, where the client stands."""

    room: Slug
    epoch: str | UnsetType = UNSET
    seq: Seq | UnsetType = UNSET


class Subscribe(Struct):
    rooms: Annotated[list[Position | Slug], msgspec.Meta(min_length=1, max_length=200)]


class Unsubscribe(Struct):
    rooms: Annotated[list[Position | Slug], msgspec.Meta(min_length=1, max_length=200)]


class Subscribed(Struct):
    # In the order of the request.
    rooms: list[RoomReplay]


class Unsubscribed(Struct):
    # The slugs of the request.
    rooms: list[Slug]


class Ping(Struct):
    # The client's positions by room; taken for those who count what has arrived.
    seqs: dict[str, Seq] | UnsetType = UNSET


class Cancelled(Struct):
    # False: there was no such stream, or it had ended.
    cancelled: bool


class Heads(Struct):
    # By room: the seq of the last event that was put into this socket.
    heads: dict[str, Seq]


@router.action("subscribe", body=Subscribe, result=Subscribed)
async def subscribe(request: Request, body: Subscribe) -> object:
    """Attach to rooms and answer each position. One room that cannot be had refuses all."""
    connection = request.connection
    positions = [_position(room) for room in body.rooms]
    _check(connection, positions)
    budget = ReplayBudget.full()
    hub = connection.hub
    found: list[tuple[Replay, Subscription]] = []
    replays: list[Replay] = []
    room = ""
    try:
        for position in positions:
            room = position.room
            replay, subscription = await hub.subscribe(
                connection,
                connection.identity.viewer,
                room,
                epoch=None if position.epoch is UNSET else position.epoch,
                seq=None if position.seq is UNSET else position.seq,
                budget=budget,
            )
            found.append((replay, subscription))
        for replay, subscription in found:
            room = replay.room
            replays.append(hub.confirm(replay, subscription))
    except BaseException as error:
        for _, subscription in found:
            hub.give_up(subscription)
        if isinstance(error, AppError) and error.fields is None:
            error.fields = {"room": room}
        raise
    for replay, subscription in found:
        connection.rooms[replay.room] = subscription.room.room_id
    connection.server.changed(connection)
    _answer(request, replays)
    for _, subscription in found:
        subscription.go_live()
    return ANSWERED


@router.action("unsubscribe", body=Unsubscribe, result=Unsubscribed)
async def unsubscribe(request: Request, body: Unsubscribe) -> dict[str, Any]:
    """Leave rooms; one that was not subscribed is no error."""
    slugs = [_position(room).room for room in body.rooms]
    for slug in slugs:
        room_id = request.connection.rooms.pop(slug, None)
        if room_id is not None:
            request.connection.hub.unsubscribe(request.connection, room_id)
    request.connection.server.changed(request.connection)
    return {"rooms": slugs}


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


def _check(connection: Connection, positions: list[Position]) -> None:
    slugs = [position.room for position in positions]
    if len(set(slugs)) < len(slugs):
        raise Invalid(fields={"rooms": "A room is named twice."})
    if any(each.epoch is not UNSET and each.seq is UNSET for each in positions):
        raise Invalid(fields={"epoch": "Means nothing without seq."})
    if len(connection.rooms.keys() | set(slugs)) > settings.SUBSCRIPTIONS_MAX:
        raise Invalid(fields={"rooms": f"At most {settings.SUBSCRIPTIONS_MAX} subscriptions."})


def _answer(request: Request, replays: list[Replay]) -> None:
    """Tell the positions and the replays: in the reply, or quiet clients as plain events."""
    connection = request.connection
    rooms = [(_told(replay), replay.frames) for replay in replays]
    if not connection.is_quiet:
        connection.outbox.put(Recovery(reply_members(request), rooms))
        return
    connection.reply(request, {"rooms": [{**told, "events": []} for told, _ in rooms]})
    for replay in replays:
        if replay.frames:
            connection.outbox.put(Burst(replay.frames))
        elif replay.reason is not None and request.request_id is None:
            connection.tell_gap(replay.room, replay.epoch, replay.seq, replay.reason)


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
