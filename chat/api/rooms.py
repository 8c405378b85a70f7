"""Rooms, and the viewer's own place in them."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict
from rest_framework.request import Request
from rest_framework.response import Response

from chat import services
from chat.access import access_person, access_room
from chat.api.paging import NamePage, page_by_name
from chat.api.schema import REFUSED, describes
from chat.api.shapes import ReadMarkerSerializer, RoomPageSerializer, RoomSerializer
from chat.api.views import ApiView, read_body, read_query, viewer_of
from chat.directory import read_to, room_as_seen, rooms_as_seen
from chat.errors import Invalid
from chat.models import Room
from chat.models.room import SLUG_PATTERN

TAG = "rooms"

Title = Annotated[str, Meta(description="1 to 80 characters.")]
Description = Annotated[str, Meta(description="At most 500 characters.")]
Visibility = Literal["public", "private"]


class NewRoom(Struct):
    """A room with a slug and a title, or the direct room with somebody."""

    slug: Annotated[str, Meta(pattern=f"^{SLUG_PATTERN}$", max_length=50)] | UnsetType = UNSET
    title: Title | UnsetType = UNSET
    visibility: Literal["public", "private", "direct"] = "public"
    description: Description = ""
    username: Annotated[str, Meta(max_length=30)] | UnsetType = UNSET


class RoomChange(Struct):
    title: Title | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    visibility: Visibility | UnsetType = UNSET
    is_announcement_only: bool | UnsetType = UNSET
    is_archived: bool | UnsetType = UNSET


class Marker(Struct):
    seq: Annotated[int, Meta(ge=0)]


class RoomsView(ApiView):
    @describes("listRooms", {200: RoomPageSerializer}, query=NamePage, tag=TAG)
    def get(self, request: Request) -> Response:
        """List the rooms that you may see, by slug."""
        viewer = viewer_of(request)
        query = read_query(request, NamePage)
        represent = partial(rooms_as_seen, viewer)
        seen = Room.objects.visible_to(viewer)
        return Response(page_by_name(request, query, seen, "slug", represent))

    @describes(
        "createRoom",
        {200: RoomSerializer, 201: RoomSerializer, 409: REFUSED},
        body=NewRoom,
        tag=TAG,
    )
    def post(self, request: Request) -> Response:
        """Create a room and become its owner, or open the direct room with somebody."""
        viewer = viewer_of(request)
        new = read_body(request, NewRoom)
        if new.visibility == "direct":
            if new.username is UNSET:
                raise Invalid(fields={"username": "Is missing: with whom?"})
            room, is_new = services.direct_room(viewer=viewer, username=new.username)
        else:
            access_person(viewer)
            if new.slug is UNSET or new.title is UNSET:
                absent = {"slug": new.slug, "title": new.title}
                raise Invalid(
                    fields={key: "Is missing." for key, is_ in absent.items() if is_ is UNSET}
                )
            room, is_new = (
                services.create_room(
                    viewer=viewer,
                    slug=new.slug,
                    title=new.title,
                    visibility=new.visibility,
                    description=new.description,
                ),
                True,
            )
        return Response(room_as_seen(viewer, room), status=201 if is_new else 200)


class RoomView(ApiView):
    @describes("readRoom", {200: RoomSerializer}, tag=TAG)
    def get(self, request: Request, slug: str) -> Response:
        """Read a room and your place in it."""
        viewer = viewer_of(request)
        return Response(room_as_seen(viewer, access_room(viewer, slug)))

    @describes("changeRoom", {200: RoomSerializer}, body=RoomChange, tag=TAG)
    def patch(self, request: Request, slug: str) -> Response:
        """Change a room's settings."""
        viewer = viewer_of(request)
        given = asdict(read_body(request, RoomChange))
        changes = {name: value for name, value in given.items() if value is not UNSET}
        return Response(
            room_as_seen(viewer, services.update_room(viewer=viewer, slug=slug, **changes))
        )


class JoinView(ApiView):
    @describes("joinRoom", {200: RoomSerializer}, tag=TAG)
    def post(self, request: Request, slug: str) -> Response:
        """Become a member of a public room."""
        viewer = viewer_of(request)
        return Response(room_as_seen(viewer, services.join_room(viewer=viewer, slug=slug)))


class LeaveView(ApiView):
    @describes("leaveRoom", {200: RoomSerializer}, tag=TAG)
    def post(self, request: Request, slug: str) -> Response:
        """Leave a room."""
        viewer = viewer_of(request)
        return Response(room_as_seen(viewer, services.leave_room(viewer=viewer, slug=slug)))


class ReadView(ApiView):
    @describes("markRead", {200: ReadMarkerSerializer}, body=Marker, tag=TAG)
    def post(self, request: Request, slug: str) -> Response:
        """Say up to where you have seen everything; the highest value wins."""
        seq = read_body(request, Marker).seq
        return Response(read_to(viewer_of(request), slug, seq))
