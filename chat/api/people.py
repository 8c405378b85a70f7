"""People, and who the server thinks you are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType
from rest_framework.request import Request
from rest_framework.response import Response

from chat import directory
from chat.access import access_person
from chat.api.paging import NamePage, page_by_name
from chat.api.schema import describes
from chat.api.shapes import MeSerializer, PersonPageSerializer, PersonSerializer
from chat.api.views import ApiView, read_query, viewer_of
from chat.errors import NotFound
from chat.models import User
from chat.models.room import SLUG_PATTERN
from chat.representation import person

TAG = "people"


class PeoplePage(NamePage):
    query: (
        Annotated[str, Meta(description="What a username or display name contains.")] | UnsetType
    ) = UNSET
    room: (
        Annotated[str, Meta(pattern=f"^{SLUG_PATTERN}$", description="Only this room's members.")]
        | UnsetType
    ) = UNSET


def people(users: Sequence[User]) -> list[dict[str, Any]]:
    return [each for user in users if (each := person(user)) is not None]


class MeView(ApiView):
    @describes("readMe", {200: MeSerializer}, tag=TAG)
    def get(self, request: Request) -> Response:
        """Read who the server thinks you are."""
        viewer = viewer_of(request)
        if not isinstance(viewer, User):
            return Response({"user": None})
        own = {**(person(viewer) or {}), "email": viewer.email, "is_staff": viewer.is_staff}
        return Response({"user": own})


class PeopleView(ApiView):
    @describes("listUsers", {200: PersonPageSerializer}, query=PeoplePage, tag=TAG)
    def get(self, request: Request) -> Response:
        """List people, by username."""
        viewer = access_person(viewer_of(request))
        page = read_query(request, PeoplePage)
        found = directory.people(
            viewer,
            query=None if page.query is UNSET else page.query,
            room=None if page.room is UNSET else page.room,
        )
        return Response(page_by_name(request, page, found, "username", people))


class PersonView(ApiView):
    @describes("readUser", {200: PersonSerializer}, tag=TAG)
    def get(self, request: Request, username: str) -> Response:
        """Read one person."""
        access_person(viewer_of(request))
        user = User.objects.active().filter(username=username).first()
        if user is None:
            raise NotFound("There is no such person.")
        return Response(person(user))
