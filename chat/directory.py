"""What one viewer finds: rooms with their own place in them, and people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chat import services
from chat.access import Viewer, access_room
from chat.models import Membership, Room, User
from chat.models.user import UserQuerySet
from chat.representation import room_for_viewer
from chat.text import clean_text
from chat.unread import unread_counts

QUERY_MAX = 60


def rooms_as_seen(viewer: Viewer, rooms: Sequence[Room]) -> list[dict[str, Any]]:
    """Return rooms with the viewer's own fields; two queries, however many rooms."""
    mine: dict[int, Membership] = {}
    if isinstance(viewer, User):
        memberships = Membership.objects.of(viewer).present().filter(room__in=rooms)
        mine = {membership.room_id: membership for membership in memberships}
    counts = unread_counts(mine.values())
    return [room_for_viewer(room, mine.get(room.pk), counts.get(room.pk)) for room in rooms]


def room_as_seen(viewer: Viewer, room: Room) -> dict[str, Any]:
    return rooms_as_seen(viewer, [room])[0]


def read_to(viewer: Viewer, slug: str, seq: int) -> dict[str, Any]:
    """Move the viewer's read marker, and return where it stands and what is left to read."""
    membership = services.mark_read(viewer=viewer, slug=slug, seq=seq)
    unread_count = unread_counts([membership])[membership.room_id]
    return {"room": slug, "seq": membership.last_read_seq, "unread_count": unread_count}


def people(person: User, *, query: str | None = None, room: str | None = None) -> UserQuerySet:
    """Everybody whom `person` finds by name, or among the members of a room that they see."""
    found: UserQuerySet = User.objects.active()
    if room is not None:
        found = found.in_room(access_room(person, room))
    return found if query is None else found.named_like(_clean_query(query, field="query"))


def acquaintances(person: User, text: str, *, by_email: bool) -> UserQuerySet:
    """Staff find anybody by their e-mail; others by name, and only who is in a room with them."""
    found: UserQuerySet = User.objects.active()
    text = _clean_query(text, field="email")
    if by_email:
        return found.filter(email__icontains=text)
    return found.sharing_a_room_with(person).named_like(text)


def _clean_query(query: str, *, field: str) -> str:
    return clean_text(query, field=field, max_length=QUERY_MAX)
