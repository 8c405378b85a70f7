"""Presence: which members of a room listen to it now, over all processes.

Derived from connections, never counted up and down between processes: each process reads who is
there for the rooms that its own sockets have asked about, tells what has changed, and forgets the
rest. A message over the layer says where to look; without one every room is looked at anyway.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, ClassVar

import msgspec
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from msgspec import Struct

from chat.access import Viewer, access_membership, access_room
from chat.gateway.table import PRESENCE_GROUP, ConnectionsTable
from chat.models import Membership, Presence
from chat.realtime import lease
from chat.realtime.close_codes import CloseCode
from chat.realtime.connection import Connection
from chat.realtime.database import DatabaseFailure, in_database, in_hub_database
from chat.realtime.doorbell import ring_group
from chat.realtime.envelope import Notice, wire_time
from chat.realtime.events import VolatileEvent
from chat.realtime.parts import Part, part
from chat.realtime.router import Request, router
from chat.realtime.server import Server
from chat.shapes import Examples, Refusals, Slug, Time

logger = logging.getLogger(__name__)

# Seconds between looks at all rooms that somebody has asked about.
LOOK_EVERY_S = 5.0
# Seconds between looks that were prompted, at least; and how many times as long as the last one
# took, so that rooms of thousands keep no database busy.
PAUSE_S, PAUSE_FACTOR = 0.25, 10
# Seconds that somebody is away before it is told: reloading a page is no news.
LINGER_S = 2.0
# People of one room that are told of: those who are there longest. More than a list shows.
PEOPLE_MAX = 1000


class AskPresence(Struct):
    room: Slug

    refusals: ClassVar[Refusals] = {"not_authenticated": "Nobody is signed in."}


class Present(Struct):
    """A member who listens to the room."""

    id: Annotated[int, msgspec.Meta(examples=[1])]
    username: Annotated[str, msgspec.Meta(examples=["ada"])]
    # When they came.
    since: Time


class Absent(Struct):
    """A member who does so no more."""

    id: Annotated[int, msgspec.Meta(examples=[2])]
    username: Annotated[str, msgspec.Meta(examples=["grace"])]


class RoomPresence(Struct):
    room: Slug
    # Who came first stands first; at most 1,000.
    users: list[Present]


class RoomPresenceChanged(Struct):
    room: Slug
    joined: list[Present]
    left: list[Absent]

    examples: ClassVar[Examples] = (
        {
            "room": "lobby",
            "joined": [{"id": 1, "username": "ada", "since": "2025-03-01T12:00:00.123456Z"}],
            "left": [{"id": 2, "username": "grace"}],
        },
    )


class PresenceUpdated(VolatileEvent, name="presence.updated"):
    """Members came to a room, or left it; told to sockets that asked for `presence` there."""

    shape = RoomPresenceChanged


@router.action("presence", body=AskPresence, result=RoomPresence)
async def presence(request: Request, body: AskPresence) -> dict[str, Any]:
    """Tell which members listen to a room now, and their coming and going from then on.

    The latter for as long as this socket is subscribed to the room.
    """
    connection = request.connection
    room_id = await in_database(_access, connection.identity.viewer, body.room)
    return await connection.server.part(PresenceWatch).ask(connection, room_id, body.room)


def _access(viewer: Viewer, slug: str) -> int:
    room = access_room(viewer, slug)
    return access_membership(viewer, room).room_id


@receiver([post_save, post_delete], sender=Membership)
def prompt_by_membership(instance: Membership, **_: object) -> None:
    """Have the room looked at when who belongs to it has changed."""
    message = {"type": "presence.changed", "room_ids": [instance.room_id]}
    transaction.on_commit(lambda: ring_group(PRESENCE_GROUP, message))


@dataclass(frozen=True, slots=True)
class Person:
    username: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look found in one room: who belongs to it, and who of them is there."""

    members: frozenset[int]
    people: dict[int, Person]


@dataclass(slots=True)
class Watched:
    """A room that sockets of this process have asked about."""

    room_id: int
    slug: str
    # None until it was looked at.
    people: dict[int, Person] | None = None
    # Who is away, and when that will be told.
    lingering: dict[int, float] = field(default_factory=dict)
    askers: set[Connection] = field(default_factory=set)
    # Who waits for a look.
    asked: list[tuple[Connection, asyncio.Future[dict[str, Any]]]] = field(default_factory=list)

    def see(self, sight: Sight, now: float) -> dict[str, Any] | None:
        """Take in what a look found; return what there is to tell."""
        if self.people is None:
            self.people = dict(sight.people)
            return None
        joined, left = [], []
        for user_id, person in sight.people.items():
            self.lingering.pop(user_id, None)
            if user_id not in self.people:
                self.people[user_id] = person
                joined.append(_present(user_id, person))
        for user_id in [each for each in self.people if each not in sight.people]:
            goes_at = self.lingering.setdefault(user_id, now + LINGER_S)
            if now >= goes_at or user_id not in sight.members:
                del self.lingering[user_id]
                left.append({"id": user_id, "username": self.people.pop(user_id).username})
        return {"joined": joined, "left": left} if joined or left else None

    def listing(self) -> dict[str, Any]:
        found = sorted((self.people or {}).items(), key=lambda each: (each[1].since, each[0]))
        return {"room": self.slug, "users": [_present(*each) for each in found]}


@part
class PresenceWatch(Part):
    """Looks at the rooms that this process's sockets have asked about."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._rooms: dict[int, Watched] = {}
        self._by_asker: defaultdict[Connection, set[int]] = defaultdict(set)
        # Rooms to look at before their time.
        self._prompted: set[int] = set()
        self._wake = asyncio.Event()
        self._all_looked_at = server.now()
        self._rests_until = 0.0
        self._looking: asyncio.Task[None] | None = None

    # --- life -------------------------------------------------------------------------------

    async def start(self) -> None:
        self.server.hub.listen("presence.changed", self._hear)
        self.server.hub.link.join(PRESENCE_GROUP)
        self._looking = asyncio.create_task(self._look_forever())

    async def stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def changed(self, connection: Connection) -> None:
        """Forget what was asked for rooms that it is subscribed to no more."""
        if connection in self._by_asker:
            for room_id in self._by_asker[connection] - set(connection.rooms.values()):
                self._drop(connection, self._rooms[room_id])

    def closed(self, connection: Connection, code: int | CloseCode) -> None:
        for room_id in list(self._by_asker.get(connection, ())):
            self._drop(connection, self._rooms[room_id])

    def _drop(self, connection: Connection, room: Watched) -> None:
        room.askers.discard(connection)
        self._by_asker[connection].discard(room.room_id)
        if not self._by_asker[connection]:
            del self._by_asker[connection]
        self._forget_if_unasked(room)

    def _forget_if_unasked(self, room: Watched) -> None:
        # A look may end for a room that was forgotten meanwhile, and asked about anew.
        is_current = self._rooms.get(room.room_id) is room
        if is_current and not room.askers and not room.asked:
            del self._rooms[room.room_id]

    # --- asking -----------------------------------------------------------------------------

    async def ask(self, connection: Connection, room_id: int, slug: str) -> dict[str, Any]:
        """Return who is there, as the next look finds it; however many ask, it is one look."""
        room = self._rooms.setdefault(room_id, Watched(room_id, slug))
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        asked = (connection, answer)
        room.asked.append(asked)
        self._wake.set()
        try:
            return await answer
        finally:
            with suppress(ValueError):
                room.asked.remove(asked)
            self._forget_if_unasked(room)

    def _hear(self, message: dict[str, Any]) -> None:
        self._prompt(message["room_ids"])

    def _prompt(self, room_ids: Iterable[int]) -> None:
        if watched := self._rooms.keys() & set(room_ids):
            self._prompted |= watched
            self._wake.set()

    # --- looking ----------------------------------------------------------------------------

    async def _look_forever(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._next_look_at() - self.server.now()):
                    await self._wake.wait()
            self._wake.clear()
            began = self.server.now()
            rooms = self._due(began)
            try:
                await self._look(rooms)
            except DatabaseFailure as error:
                logger.warning("Presence has to wait for the database: %s", error)
            except Exception:
                logger.exception("Presence could not be told.")
            if rooms and began >= self._rests_until:
                now = self.server.now()
                self._rests_until = now + max(PAUSE_S, PAUSE_FACTOR * (now - began))

    def _next_look_at(self) -> float:
        """When to look again if nobody asks."""
        goings = [at for room in self._rooms.values() for at in room.lingering.values()]
        look_at = min([self._all_looked_at + LOOK_EVERY_S, *goings])
        if self._prompted:
            look_at = 0.0
        return max(look_at, self._rests_until)

    def _due(self, now: float) -> list[Watched]:
        """Rooms to look at now: who asks waits for no pause."""
        rooms = {room.room_id for room in self._rooms.values() if room.asked}
        if now >= self._rests_until:
            rooms |= self._prompted
            self._prompted.clear()
            rooms |= {room.room_id for room in self._rooms.values() if room.lingering}
            if now >= self._all_looked_at + LOOK_EVERY_S:
                self._all_looked_at = now
                rooms.update(self._rooms)
        return [self._rooms[room_id] for room_id in rooms if room_id in self._rooms]

    async def _look(self, rooms: list[Watched]) -> None:
        """Read who is in these rooms, and tell."""
        if not rooms:
            return
        here = self.server.part(ConnectionsTable).attendance
        people = {room.room_id: set(here.people(room.room_id)) for room in rooms}
        for room in rooms:
            people[room.room_id] |= {each.user_id for each in room.askers if each.user_id}
            people[room.room_id] |= {each.user_id for each, _ in room.asked if each.user_id}
            people[room.room_id] |= set(room.people or ())
        try:
            found = await in_hub_database(read_others, people)
        except Exception as error:
            logger.warning("Who is present could not be read: %s", error)
            for room in rooms:
                self._refuse(room, error)
            return
        now = self.server.now()
        for room in rooms:
            others, members = found[room.room_id]
            self._tell(room, sight_of(members, others, here.people(room.room_id)), now)

    def _refuse(self, room: Watched, error: Exception) -> None:
        for _, answer in room.asked:
            if not answer.done():
                answer.set_exception(error)

    def _tell(self, room: Watched, sight: Sight, now: float) -> None:
        """Tell the askers what has changed, and answer the new ones."""
        for asker in [each for each in room.askers if each.user_id not in sight.members]:
            self._drop(asker, room)
        news = room.see(sight, now)
        if news is not None and room.askers:
            notice = Notice({"type": PresenceUpdated.name, "room": room.slug, **news})
            for asker in room.askers:
                asker.outbox.put(notice)
        listing = room.listing() if room.asked else {}
        for connection, answer in room.asked:
            if answer.done():
                continue
            answer.set_result(listing)
            if room.slug in connection.rooms and connection.user_id in sight.members:
                room.askers.add(connection)
                self._by_asker[connection].add(room.room_id)
        self._forget_if_unasked(room)


# By person: since when they are there, as their processes wrote it down.
Others = dict[int, datetime]
# By person: the username.
Members = dict[int, str]


def read_others(people: dict[int, set[int]]) -> dict[int, tuple[Others, Members]]:
    """Read who is in these rooms through other processes, and who of all belongs there.

    `people` are those who may be there by what is known here. Two queries, whatever the number of
    rooms.
    """
    others: dict[int, Others] = {room_id: {} for room_id in people}
    rows = Presence.objects.alive().filter(room_id__in=people).exclude(node=lease.NODE.hex())
    for room_id, user_id, since in rows.values_list("room_id", "user_id", "since"):
        earlier = others[room_id].get(user_id)
        others[room_id][user_id] = since if earlier is None else min(since, earlier)
    asked = set().union(*people.values(), *others.values())
    members: dict[int, Members] = {room_id: {} for room_id in people}
    belonging = Membership.objects.present().filter(
        room__in=people, user__in=asked, user__is_active=True
    )
    for room_id, user_id, username in belonging.order_by().values_list(
        "room_id", "user_id", "user__username"
    ):
        members[room_id][user_id] = username
    return {room_id: (others[room_id], members[room_id]) for room_id in people}


def sight_of(members: Members, others: Others, here: Others) -> Sight:
    """Put together who is there, here and elsewhere."""
    since = dict(others)
    for user_id, came_at in here.items():
        since[user_id] = min(came_at, since.get(user_id, came_at))
    found = sorted((came_at, user_id) for user_id, came_at in since.items() if user_id in members)
    people = {user_id: Person(members[user_id], came_at) for came_at, user_id in found[:PEOPLE_MAX]}
    return Sight(frozenset(members), people)


def _present(user_id: int, person: Person) -> dict[str, Any]:
    return {"id": user_id, "username": person.username, "since": wire_time(person.since)}
