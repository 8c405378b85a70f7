"""What one person alone is told, on all of their sockets, in whatever process."""

from __future__ import annotations

from typing import Any

from chat.realtime.connection import Connection
from chat.realtime.doorbell import ring_group
from chat.realtime.envelope import Notice
from chat.realtime.events import VolatileEvent
from chat.realtime.parts import Part, part
from chat.shapes import ReadMarker

# The layer's group of every process.
PEOPLE_GROUP = "people"


class ReadUpdated(VolatileEvent, name="read.updated"):
    """Your read marker of a room has moved, from whichever of your devices."""

    shape = ReadMarker


def tell(user_id: int, members: dict[str, Any]) -> None:
    """Tell a person's own sockets something that passes. Never blocks; from any thread.

    Quiet sockets get nothing that they did not subscribe to.
    """
    message = {"type": "people.told", "user_id": user_id, "members": members}
    ring_group(PEOPLE_GROUP, message)


@part
class PeopleStream(Part):
    """Hands on what is told to people who are connected to this process."""

    async def start(self) -> None:
        self.server.hub.listen("people.told", self._hear)
        self.server.hub.link.join(PEOPLE_GROUP)

    def _hear(self, message: dict[str, Any]) -> None:
        sockets = self.server.hub.sockets.of_user(message["user_id"])
        mine = [each for each in sockets if isinstance(each, Connection) and _may_hear(each)]
        if mine:
            notice = Notice(message["members"])
            for connection in mine:
                connection.outbox.put(notice)


def _may_hear(connection: Connection) -> bool:
    return not connection.is_quiet and connection.identity.allows("read")
