"""Who is typing: told to the other members who listen to the room, and over by itself.

The process that holds a typist's socket tells the room's group of it, again only while it goes on.
Each process shows that to its own sockets and ends it by its own clock, should the word that it is
over be lost, or the process that would have sent it.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Struct

from chat.access import Viewer, access_membership, access_person, access_room, access_room_to_post
from chat.models import Membership
from chat.realtime.close_codes import CloseCode
from chat.realtime.connection import Connection
from chat.realtime.database import in_database
from chat.realtime.doorbell import ring_group, room_group
from chat.realtime.envelope import Notice
from chat.realtime.events import VolatileEvent
from chat.realtime.parts import Part, part
from chat.realtime.router import Request, router
from chat.realtime.server import Server
from chat.realtime.tasks import Tasks
from chat.representation import person
from chat.shapes import Examples, Person, Slug

# How long typing lasts without a renewal.
EXPIRES_MS = 6000
# Seconds between renewals that are passed on, however often a client sends them.
PASSED_ON_EVERY_S = 3.0
# Seconds that the end of typing may be late before it is taken for lost.
LATE_S = 1.0
# Seconds between looks at what is over.
LOOK_EVERY_S = 0.25
# How old, in seconds, an answer to "who of my sockets is a member?" may be; and how young, when
# there are new ones.
MEMBERS_OLD_S, MEMBERS_YOUNG_S = 1.0, 0.25
# What may wait for that answer, for one room; more than this many people type in none.
WAITING_MAX = 100

# A room and a person.
Place = tuple[int, int]


class Type(Struct):
    room: Slug
    # False: not any more.
    typing: bool

    examples: ClassVar[Examples] = ({"room": "lobby", "typing": True},)


class Noted(Struct):
    """There is nothing more to say."""


class RoomTyping(Struct):
    room: Slug
    user: Person
    typing: bool
    # Milliseconds after which it counts as over, unless it comes again; 0 when it is over.
    expires_in_ms: Annotated[int, msgspec.Meta(ge=0, examples=[EXPIRES_MS])]

    examples: ClassVar[Examples] = (
        {
            "room": "lobby",
            "user": {"id": 1, "username": "ada", "display_name": "Ada", "avatar": None},
            "typing": True,
            "expires_in_ms": EXPIRES_MS,
        },
    )


class TypingUpdated(VolatileEvent, name="typing.updated"):
    """Another member began to type, goes on, or has stopped; v1 sockets of members hear it."""

    shape = RoomTyping


@router.action("typing", body=Type, result=Noted, scope="post")
async def typing(request: Request, body: Type) -> dict[str, Any]:
    """Say that you are typing in a room, every three seconds or so; or that you have stopped.

    It ends by itself after six seconds, when you post there, and with the connection.
    """
    connection = request.connection
    typists = connection.server.part(Typists)
    viewer = connection.identity.viewer
    if body.typing:
        room_id, who = await in_database(_access_to_type, viewer, body.room)
        typists.begin(connection, room_id, body.room, who)
    else:
        typists.end(connection, await in_database(_access, viewer, body.room))
    return {}


def has_posted(room_id: int, user_id: int) -> None:
    """End somebody's typing: what they typed is there. Never blocks; from any thread."""
    here = Typists.running
    if here is not None and here.knows_of_no_typing((room_id, user_id)):
        return
    message = {"type": "room.typing", "room_id": room_id, "user": {"id": user_id}}
    ring_group(room_group(room_id), {**message, "typing": False, "has_posted": True})


def _access_to_type(viewer: Viewer, slug: str) -> tuple[int, dict[str, Any]]:
    user = access_person(viewer)
    room, _ = access_room_to_post(user, slug)
    return room.pk, {**(person(user) or {})}


def _access(viewer: Viewer, slug: str) -> int:
    return access_membership(viewer, access_room(viewer, slug)).room_id


@dataclass(slots=True)
class Typist:
    """Somebody who types through this process."""

    room: str
    user: dict[str, Any]
    # When each of their sockets said so last.
    renewed_at: dict[Connection, float] = field(default_factory=dict)
    told_at: float = -math.inf


@dataclass(slots=True)
class Shown:
    """Somebody whom this process's sockets see typing."""

    room: str
    user: dict[str, Any]
    ends_at: float


@dataclass(slots=True)
class Audience:
    """A room's sockets of this process, as far as they belong to members."""

    room_id: int
    members: set[int] = field(default_factory=set)
    # Whom the database was asked about, and when.
    asked: set[int] = field(default_factory=set)
    asked_at: float = -math.inf
    waiting: deque[tuple[int, Notice]] = field(default_factory=lambda: deque(maxlen=WAITING_MAX))
    is_told: bool = False


@part
class Typists(Part):
    """Follows who types through this process, and shows its sockets who types anywhere."""

    # The one of this process.
    running: Typists | None = None

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._typists: dict[Place, Typist] = {}
        self._shown: dict[Place, Shown] = {}
        self._audiences: dict[int, Audience] = {}
        self._tasks = Tasks()
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.server.hub.listen("room.typing", self._hear)
        Typists.running = self

    async def stop(self) -> None:
        await self._tasks.end()
        if Typists.running is self:
            Typists.running = None

    def knows_of_no_typing(self, place: Place) -> bool:
        """Whether nobody need be told that it is over. Safe from any thread.

        Who listens to a room hears of all typing there.
        """
        is_heard = place[0] in self.server.hub.rooms
        return is_heard and place not in self._shown and place not in self._typists

    # --- through this process ---------------------------------------------------------------

    def begin(self, connection: Connection, room_id: int, room: str, user: dict[str, Any]) -> None:
        """Somebody types, or still does."""
        if connection.is_closing:
            return
        now = self.server.now()
        typist = self._typists.setdefault((room_id, user["id"]), Typist(room, user))
        typist.renewed_at[connection] = now
        if now - typist.told_at >= PASSED_ON_EVERY_S:
            self._pass_on((room_id, user["id"]), typist, now)
        self._look_soon()

    def end(self, connection: Connection, room_id: int) -> None:
        """One socket has stopped; the person has when it was the last."""
        place = (room_id, connection.user_id or 0)
        typist = self._typists.get(place)
        if typist is not None and typist.renewed_at.pop(connection, None) is not None:
            self._end_if_silent(place, typist)

    def changed(self, connection: Connection) -> None:
        if connection.is_closing:
            self._end_all(connection)

    def closed(self, connection: Connection, code: int | CloseCode) -> None:
        self._end_all(connection)

    def _end_all(self, connection: Connection) -> None:
        for room_id, user_id in list(self._typists):
            if user_id == connection.user_id:
                self.end(connection, room_id)

    def _end_if_silent(self, place: Place, typist: Typist) -> None:
        if not typist.renewed_at:
            del self._typists[place]
            self._tell(place, typist, is_typing=False)

    def _pass_on(self, place: Place, typist: Typist, now: float) -> None:
        typist.told_at = now
        self._tell(place, typist, is_typing=True)

    def _tell(self, place: Place, typist: Typist, *, is_typing: bool) -> None:
        message = {"type": "room.typing", "room_id": place[0], "room": typist.room}
        told = {**message, "user": typist.user, "typing": is_typing}
        self.server.hub.tell_group(room_group(place[0]), told)

    # --- to this process's sockets ----------------------------------------------------------

    def _hear(self, message: dict[str, Any]) -> None:
        place = (message["room_id"], message["user"]["id"])
        if message.get("has_posted"):
            self._typists.pop(place, None)
        if not message["typing"]:
            self._hide(place)
        elif message["room_id"] in self.server.hub.rooms:
            ends_at = self.server.now() + EXPIRES_MS / 1000 + LATE_S
            shown = self._shown[place] = Shown(message["room"], message["user"], ends_at)
            self._show(place, shown, is_typing=True)
            self._look_soon()

    def _hide(self, place: Place) -> None:
        shown = self._shown.pop(place, None)
        if shown is not None:
            self._show(place, shown, is_typing=False)

    def _show(self, place: Place, shown: Shown, *, is_typing: bool) -> None:
        room_id, user_id = place
        members: dict[str, Any] = {
            "type": TypingUpdated.name,
            "room": shown.room,
            "user": shown.user,
            "typing": is_typing,
            "expires_in_ms": EXPIRES_MS if is_typing else 0,
        }
        audience = self._audiences.setdefault(room_id, Audience(room_id))
        audience.waiting.append((user_id, Notice(members)))
        if not audience.is_told:
            audience.is_told = True
            self._tasks.spawn(self._tell_audience(audience))

    async def _tell_audience(self, audience: Audience) -> None:
        """Hand out what waits, in order, to members only."""
        try:
            while audience.waiting:
                await self._ask_who_belongs(audience)
                user_id, notice = audience.waiting.popleft()
                for connection in self._listeners(audience.room_id):
                    if connection.user_id != user_id and connection.user_id in audience.members:
                        connection.outbox.put(notice)
        finally:
            audience.waiting.clear()
            audience.is_told = False

    async def _ask_who_belongs(self, audience: Audience) -> None:
        people = {each.user_id for each in self._listeners(audience.room_id) if each.user_id}
        age = self.server.now() - audience.asked_at
        if age < (MEMBERS_OLD_S if people <= audience.asked else MEMBERS_YOUNG_S):
            return
        asked_at = self.server.now()
        audience.members = await in_database(_members, audience.room_id, people)
        audience.asked, audience.asked_at = people, asked_at

    def _listeners(self, room_id: int) -> Iterator[Connection]:
        """The room's v1 sockets of signed-in people; plain clients have not asked for this."""
        room = self.server.hub.rooms.get(room_id)
        for subscriber, subscription in list(room.subscriptions.items()) if room else ():
            if not isinstance(subscriber, Connection) or subscriber.is_quiet:
                continue
            if subscription.is_told and subscriber.user_id is not None:
                yield subscriber

    # --- what is over -----------------------------------------------------------------------

    def _look_soon(self) -> None:
        if self._looking is None or self._looking.done():
            self._looking = self._tasks.spawn(self._look_until_silent())

    async def _look_until_silent(self) -> None:
        while self._typists or self._shown or self._audiences:
            await asyncio.sleep(LOOK_EVERY_S)
            now = self.server.now()
            for place, typist in list(self._typists.items()):
                self._look_at(place, typist, now)
            for place, shown in list(self._shown.items()):
                if now >= shown.ends_at:
                    self._hide(place)
            for room_id, audience in list(self._audiences.items()):
                if not audience.is_told and now - audience.asked_at > MEMBERS_OLD_S:
                    del self._audiences[room_id]

    def _look_at(self, place: Place, typist: Typist, now: float) -> None:
        """Forget sockets that have not renewed, and pass on what was held back."""
        for connection, renewed_at in list(typist.renewed_at.items()):
            if now - renewed_at >= EXPIRES_MS / 1000:
                del typist.renewed_at[connection]
        self._end_if_silent(place, typist)
        if now - typist.told_at >= PASSED_ON_EVERY_S and any(
            renewed_at > typist.told_at for renewed_at in typist.renewed_at.values()
        ):
            self._pass_on(place, typist, now)


def _members(room_id: int, people: set[int]) -> set[int]:
    belonging = Membership.objects.in_room(room_id).present().filter(user__in=people)
    return set(belonging.order_by().values_list("user_id", flat=True))
