"""The log of a room: the truth that every reader catches up from.

Positions are taken by `UPDATE … RETURNING`: the row lock it holds until commit makes commit
order equal seq order, so a reader never meets a hole that fills in later.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection

from chat.acting import acting_now
from chat.models.room_event import RoomEvent
from chat.realtime.envelope import Frame, encode
from chat.realtime.events import Event, is_overwriting, overwritten_names
from chat.representation import person

if TYPE_CHECKING:
    from chat.models import User

EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)

# Microseconds since 1970 that stand in for the clock; None is the clock itself.
_moment_us: ContextVar[int | None] = ContextVar("moment", default=None)


@contextmanager
def dated(moment: datetime) -> Iterator[None]:
    """Let events inside the block be of this moment; still strictly rising within each room.

    For histories that are made later, such as the demo's.
    """
    token = _moment_us.set((moment - EPOCH_START) // timedelta(microseconds=1))
    try:
        yield
    finally:
        _moment_us.reset(token)


@dataclass(frozen=True, slots=True)
class Place:
    """A number in a room's log, taken and not yet filled. Its room is locked until commit."""

    room_id: int
    room: str
    epoch: str
    seq: int
    # Strictly rising within the room, whatever the clock does.
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Head:
    """Where a room's log stands."""

    room_id: int
    epoch: str
    last_seq: int
    first_seq: int


class Trimmed(Exception):
    """The log no longer holds what was asked for."""


def lock(room_id: int) -> None:
    """Hold the room against writers until the transaction ends; take no number.

    SQLite's transactions are IMMEDIATE, so there the whole database is held already.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("A room is locked inside a transaction.")
    if connection.features.has_select_for_update:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM chat_room WHERE id = %s FOR NO KEY UPDATE", [room_id])


def take(room_id: int) -> Place:
    """Lock the room and take its next number, which must be filled in this transaction."""
    if not connection.in_atomic_block:
        raise RuntimeError("A number is taken inside a transaction.")
    now_us = _moment_us.get()
    if now_us is None:
        now_us = time.time_ns() // 1000
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE chat_room SET last_seq = last_seq + 1, last_event_us = CASE "
            "WHEN last_event_us >= %s THEN last_event_us + 1 ELSE %s END "
            "WHERE id = %s RETURNING slug, epoch, last_seq, last_event_us",
            [now_us, now_us, room_id],
        )
        row = cursor.fetchone()
    if row is None:
        raise LookupError(f"There is no room {room_id}.")
    slug, epoch, seq, event_us = row
    return Place(room_id, slug, epoch, seq, EPOCH_START + timedelta(microseconds=event_us))


def append(place: Place, event: Event, *, actor: User | None = None) -> Frame:
    """Fill `place` with `event`, overwrite what it replaces, and return its frame."""
    row = RoomEvent(
        room_id=place.room_id,
        seq=place.seq,
        type=event.name,
        data=encode(event.data),
        client_id=event.client_id,
        subject_id=event.subject_id,
        created_at=place.created_at,
    )
    if actor is not None:
        row.actor = actor
    else:
        row.actor_id = event.actor_id or acting_now().user_id
    row.save(force_insert=True)
    if is_overwriting(event.name):
        RoomEvent.objects.in_room(place.room_id).about(event.subject_id).filter(
            seq__lt=place.seq, type__in=overwritten_names()
        ).update(data=row.data)
    return _frame(row, place.room, place.epoch)


def read(head: Head, room: str, *, after: int, limit: int) -> list[Frame]:
    """Up to `limit` events behind the position `after`, in order and without a hole.

    Raises Trimmed when the next one, which was there at `head`, is no longer.
    """
    rows = RoomEvent.objects.in_room(head.room_id).after(after).select_related("actor")[:limit]
    frames = [_frame(row, room, head.epoch) for row in rows]
    if head.last_seq > after and (not frames or frames[0].seq != after + 1):
        raise Trimmed
    return frames


def trim(room_id: int, *, below: int) -> None:
    """Forget the events before seq `below`; positions before it cannot be resumed any more."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE chat_room SET first_seq = %s WHERE id = %s AND first_seq < %s",
            [below, room_id, below],
        )
    RoomEvent.objects.in_room(room_id).filter(seq__lt=below).delete()


def heads(room_ids: Iterable[int]) -> dict[int, Head]:
    """Where these rooms' logs stand: one query, whatever their number."""
    Room = RoomEvent._meta.get_field("room").related_model
    rows = Room._base_manager.filter(pk__in=list(room_ids)).values_list(
        "pk", "epoch", "last_seq", "first_seq"
    )
    return {row[0]: Head(*row) for row in rows}


def _frame(row: RoomEvent, room: str, epoch: str) -> Frame:
    actor: dict[str, Any] | None = person(row.actor) if row.actor_id is not None else None
    return Frame.build(
        room_id=row.room_id,
        room=room,
        epoch=epoch,
        seq=row.seq,
        type=row.type,
        time=row.created_at,
        actor=actor,
        client_id=row.client_id,
        subject_id=row.subject_id,
        data=row.data,
    )
