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


def member(membership: Membership) -> dict[str, Any]:
    return {"user": person(membership.user), "role": membership.role}
