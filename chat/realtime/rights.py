"""Rights follow at once: sockets indexed by what they rest on, and the rights log's tail."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, TypeVar

from chat.models import Membership, RightsChange, Room
from chat.realtime.database import in_hub_database

logger = logging.getLogger(__name__)
K = TypeVar("K", int, str)

# Rows kept for connections that were just being opened when these were applied.
RECENT_MAX = 1000


class Revocable(Protocol):
    """An open connection that rests on somebody's right."""

    user_id: int | None
    session_name: str
    session_key: str
    # None where no session is what it rests on.
    session_ends_at: datetime | None
    key_id: str
    # Rows of the rights log up to this one were counted in when the right was read.
    rights_number: int

    def revoke(self) -> None:
        """Close; nothing more is delivered."""

    def drain(self, retry_after_ms: int) -> None:
        """End, and come back to another process after that time."""


class SocketIndex:
    """The open connections of this process by person, session and key."""

    def __init__(self) -> None:
        self.all: set[Revocable] = set()
        self._by_user: defaultdict[int, set[Revocable]] = defaultdict(set)
        self._by_session: defaultdict[str, set[Revocable]] = defaultdict(set)
        self._by_key: defaultdict[str, set[Revocable]] = defaultdict(set)

    def add(self, socket: Revocable) -> None:
        self.all.add(socket)
        if socket.user_id is not None:
            self._by_user[socket.user_id].add(socket)
        if socket.session_name:
            self._by_session[socket.session_name].add(socket)
        if socket.key_id:
            self._by_key[socket.key_id].add(socket)

    def discard(self, socket: Revocable) -> None:
        self.all.discard(socket)
        if socket.user_id is not None:
            _discard(self._by_user, socket.user_id, socket)
        _discard(self._by_session, socket.session_name, socket)
        _discard(self._by_key, socket.key_id, socket)

    def of_user(self, user_id: int) -> list[Revocable]:
        """The open connections of one person."""
        return list(self._by_user.get(user_id, ()))

    def hit_by(self, change: RightsChange) -> set[Revocable]:
        """The connections that a row of the rights log ends."""
        if change.session_name and change.kind == RightsChange.Kind.SIGNED_OUT:
            near = self._by_session.get(change.session_name, ())
        elif change.key_id:
            near = self._by_key.get(change.key_id, ())
        else:
            near = self._by_user.get(change.user_id or 0, ())
        return {socket for socket in near if ends(change, socket)}


def ends(change: RightsChange, socket: Revocable) -> bool:
    """Whether a row of the rights log takes away what the connection rests on."""
    kind = RightsChange.Kind
    if change.number <= socket.rights_number:
        return False
    if change.kind == kind.SIGNED_OUT:
        return socket.session_name == change.session_name
    if change.kind == kind.KEY_REVOKED:
        return socket.key_id == change.key_id
    if socket.user_id is None or socket.user_id != change.user_id:
        return False
    if change.kind == kind.PASSWORD_CHANGED:
        # A key is no password; and the session that changed it goes on.
        return not socket.key_id and socket.session_name != change.session_name
    return True


def _discard(index: dict[K, set[Revocable]], key: K, socket: Revocable) -> None:
    sockets = index.get(key)
    if sockets is not None:
        sockets.discard(socket)
        if not sockets:
            del index[key]


class RightsTail:
    """Reads the rights log from where this process began, and applies it in order."""

    def __init__(self, sockets: SocketIndex) -> None:
        self._sockets = sockets
        self._number = 0
        self._recent: deque[RightsChange] = deque(maxlen=RECENT_MAX)
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        self._number = await in_hub_database(RightsChange.objects.head)

    async def read(self) -> None:
        """Apply what is new. Cancelling is safe: nothing is skipped."""
        async with self._lock:
            for change in await in_hub_database(_changes_after, self._number):
                for socket in self._sockets.hit_by(change):
                    socket.revoke()
                self._recent.append(change)
                self._number = change.number

    def admit(self, socket: Revocable) -> bool:
        """Index a connection whose right was read before; False when it was lost meanwhile."""
        self._sockets.add(socket)
        return not any(ends(change, socket) for change in self._recent)


def _changes_after(number: int) -> list[RightsChange]:
    return list(RightsChange.objects.after(number))


def still_allowed(room_id: int, people: Iterable[int | None]) -> set[int | None]:
    """Which of these people (None: anonymous) may see the room; one or two queries."""
    room = Room.objects.get(pk=room_id)
    memberships = Membership.objects.in_room(room)
    if room.visibility == Room.Visibility.PUBLIC:
        banned = memberships.filter(role=Membership.Role.BANNED)
        return set(people) - set(banned.values_list("user_id", flat=True))
    return set(people) & set(memberships.present().values_list("user_id", flat=True))
