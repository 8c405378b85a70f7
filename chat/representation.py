"""People and rooms as JSON, the same in REST bodies and in events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chat.models import Membership, Room, User


def person(user: User | None) -> dict[str, Any] | None:
    """The public fields of a person, the same for every viewer."""
    if user is None:
        return None
    return {
        "id": user.pk,
        "username": user.username,
        "display_name": user.display_name,
        "avatar": user.avatar or None,
    }


def room(room: Room) -> dict[str, Any]:
    """A room as every member sees it, without anybody's own fields."""
    return {
        "slug": room.slug,
        "title": room.title,
        "description": room.description,
        "visibility": room.visibility,
        "is_announcement_only": room.is_announcement_only,
        "is_archived": room.is_archived,
    }


def room_for_viewer(
    seen: Room, membership: Membership | None, unread_count: int | None
) -> dict[str, Any]:
    """A room as one viewer sees it: for REST bodies only. No membership: None for both."""
    return {
        **room(seen),
        "epoch": seen.epoch,
        "seq": seen.last_seq,
        "role": membership.role if membership else None,
        "last_read_seq": membership.last_read_seq if membership else None,
        "unread_count": unread_count if membership else None,
    }


def member(membership: Membership) -> dict[str, Any]:
    return {"user": person(membership.user), "role": membership.role}
