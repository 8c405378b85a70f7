"""What sockets can ask about rooms: which there are, coming, going, and what is read."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from chat import services
from chat.access import Viewer
from chat.directory import read_to, room_as_seen, rooms_as_seen
from chat.models import Room
from chat.realtime.database import in_database
from chat.realtime.router import Request, router
from chat.shapes import ReadMarker, Refusals, RoomAsSeen, Seq, Slug

# Rooms in one answer: what fits well into one frame.
ROOMS_MAX = 500


class ListRooms(Struct):
    limit: Annotated[int, msgspec.Meta(ge=1, le=ROOMS_MAX)] = ROOMS_MAX
    # The `next` of an earlier answer.
    after: Slug | UnsetType = UNSET


class RoomList(Struct):
    # By slug.
    rooms: list[RoomAsSeen]
    # The last slug of the list when there are more; null when there are none.
    next: Slug | None


class Join(Struct):
    room: Slug

    refusals: ClassVar[Refusals] = {
        "forbidden": "The room is archived, or an access key lacks the scope post."
    }


class Leave(Struct):
    room: Slug

    refusals: ClassVar[Refusals] = {
        "forbidden": "You are no member, you are its last owner, the room is a direct one, or an "
        "access key lacks the scope post."
    }


class Read(Struct):
    room: Slug
    # The last event that you have seen; beyond the room's head counts as the head.
    seq: Seq

    refusals: ClassVar[Refusals] = {
        "forbidden": "You are no member, or an access key lacks the scope post."
    }


@router.action("rooms.list", body=ListRooms, result=RoomList)
async def list_rooms(request: Request, body: ListRooms) -> dict[str, Any]:
    """List the rooms that you may see, with your place in each."""
    return await in_database(_list_rooms, request.connection.identity.viewer, body)


@router.action("room.join", body=Join, result=RoomAsSeen, scope="post")
async def join(request: Request, body: Join) -> dict[str, Any]:
    """Become a member of a public room; a second time changes nothing."""
    return await in_database(_join, request.connection.identity.viewer, body.room)


@router.action("room.leave", body=Leave, result=RoomAsSeen, scope="post")
async def leave(request: Request, body: Leave) -> dict[str, Any]:
    """End your membership. The answer is the room as you saw it last."""
    return await in_database(_leave, request.connection.identity.viewer, body.room)


@router.action("read", body=Read, result=ReadMarker, scope="post")
async def read(request: Request, body: Read) -> dict[str, Any]:
    """Say up to where you have seen everything; the highest value wins."""
    return await in_database(read_to, request.connection.identity.viewer, body.room, body.seq)


def _list_rooms(viewer: Viewer, body: ListRooms) -> dict[str, Any]:
    seen = Room.objects.visible_to(viewer).order_by("slug")
    if body.after is not UNSET:
        seen = seen.filter(slug__gt=body.after)
    found = list(seen[: body.limit + 1])
    shown = found[: body.limit]
    is_more = len(found) > body.limit
    return {"rooms": rooms_as_seen(viewer, shown), "next": shown[-1].slug if is_more else None}


def _join(viewer: Viewer, slug: str) -> dict[str, Any]:
    return room_as_seen(viewer, services.join_room(viewer=viewer, slug=slug))


def _leave(viewer: Viewer, slug: str) -> dict[str, Any]:
    return room_as_seen(viewer, services.leave_room(viewer=viewer, slug=slug))
