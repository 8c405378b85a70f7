"""What saves of people and rooms mean as events."""

from __future__ import annotations

from chat import representation
from chat.models import Membership, Room
from chat.realtime.events import Event
from chat.realtime.publish import Change, publishes, publishes_deletion
from chat.shapes import Member
from chat.shapes import Room as RoomShape

# The fields that everybody in the room sees; other changes are nobody's news.
ROOM_FIELDS = frozenset(
    {"title", "description", "visibility", "is_announcement_only", "is_archived"}
)


class RoomUpdated(Event, name="room.updated"):
    """The room changed; its public form as it is now."""

    data_shape = RoomShape
    may_withdraw = True


class MemberJoined(Event, name="member.joined"):
    """Somebody became a member."""

    data_shape = Member


class MemberLeft(Event, name="member.left"):
    """A member left; with the role they had."""

    data_shape = Member
    may_withdraw = True


class MemberRemoved(Event, name="member.removed"):
    """A member was removed, with the role they had; `banned` when it is a ban."""

    data_shape = Member
    may_withdraw = True


class MemberRoleChanged(Event, name="member.role_changed"):
    """A member has another role now."""

    data_shape = Member


@publishes(Room)
def room_saved(room: Room, change: Change) -> Event | None:
    if change.is_creation or not change.fields & ROOM_FIELDS:
        return None
    return RoomUpdated(representation.room(room))


@publishes(Membership)
def membership_saved(membership: Membership, change: Change) -> Event | None:
    data = representation.member(membership)
    is_banned = membership.role == Membership.Role.BANNED
    was_banned = change.was("role") == Membership.Role.BANNED
    if is_banned and not was_banned:
        return MemberRemoved(data)
    if is_banned:
        return None
    if change.is_creation:
        return MemberJoined(data)
    if was_banned:
        return MemberJoined(data)
    if "role" in change.fields:
        return MemberRoleChanged(data)
    return None


@publishes_deletion(Membership)
def membership_deleted(membership: Membership) -> Event | None:
    """A person who deletes their own membership left; anybody else's hand removed them."""
    if membership.role == Membership.Role.BANNED:
        return None
    event = MemberLeft if membership.is_own_act else MemberRemoved
    return event(representation.member(membership))
