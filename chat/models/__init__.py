"""The models of people, rooms and the live connection. The order follows their imports."""

from chat.models.room_event import RoomEvent  # isort: skip
from chat.models.rights_change import RightsChange, RightsHead  # isort: skip
from chat.models.user import User  # isort: skip
from chat.models.room import Room  # isort: skip
from chat.models.membership import Membership  # isort: skip
from chat.models.access_key import AccessKey
from chat.models.connection import Connection, Presence
from chat.models.lease import Lease
from chat.models.shared_state import SharedState

__all__ = [
    "AccessKey",
    "Connection",
    "Lease",
    "Membership",
    "Presence",
    "RightsChange",
    "RightsHead",
    "Room",
    "RoomEvent",
    "SharedState",
    "User",
]
