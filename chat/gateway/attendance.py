"""Who listens to which room through this process; a person counts once, with all their sockets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils import timezone

if TYPE_CHECKING:
    from chat.realtime.connection import Connection

# A room and a person.
Place = tuple[int, int]


class Attendance:
    """Follows the rooms of signed-in connections."""

    def __init__(self) -> None:
        # By room and person: since when each of their sockets listens.
        self._sockets: defaultdict[int, dict[int, dict[Connection, datetime]]] = defaultdict(dict)
        self._rooms: dict[Connection, frozenset[int]] = {}

    def follow(self, connection: Connection, rooms: Iterable[int]) -> set[Place]:
        """Note the rooms that a connection listens to now; return where that changed something."""
        if connection.user_id is None:
            return set()
        now, before = frozenset(rooms), self._rooms.get(connection, frozenset())
        if now:
            self._rooms[connection] = now
        else:
            self._rooms.pop(connection, None)
        changed = {
            *(room_id for room_id in now - before if self._enter(connection, room_id)),
            *(room_id for room_id in before - now if self._leave(connection, room_id)),
        }
        return {(room_id, connection.user_id) for room_id in changed}

    def people(self, room_id: int) -> dict[int, datetime]:
        """Everybody who listens to the room through this process, and since when."""
        people = self._sockets.get(room_id, {})
        return {user_id: min(sockets.values()) for user_id, sockets in people.items()}

    def since(self, place: Place) -> datetime | None:
        """When the first of the sockets came that are there now; None when there is none."""
        room_id, user_id = place
        sockets = self._sockets.get(room_id, {}).get(user_id)
        return min(sockets.values()) if sockets else None

    def _enter(self, connection: Connection, room_id: int) -> bool:
        """Whether the person was not there."""
        assert connection.user_id is not None
        sockets = self._sockets[room_id].setdefault(connection.user_id, {})
        sockets[connection] = timezone.now()
        return len(sockets) == 1

    def _leave(self, connection: Connection, room_id: int) -> bool:
        """Whether the person is there no more, or was there less long than was said."""
        assert connection.user_id is not None
        people = self._sockets[room_id]
        sockets = people[connection.user_id]
        was_first = next(iter(sockets)) is connection
        del sockets[connection]
        if not sockets:
            del people[connection.user_id]
            if not people:
                del self._sockets[room_id]
        return was_first
