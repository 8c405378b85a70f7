"""The members of a room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from rest_framework.request import Request
from rest_framework.response import Response

from chat import services
from chat.access import access_person, access_room
from chat.api.paging import NamePage, page_by_name
from chat.api.schema import NOTHING, REFUSED, describes
from chat.api.shapes import MemberPageSerializer, MemberSerializer
from chat.api.views import ApiView, read_body, read_query, viewer_of
from chat.errors import NotFound
from chat.models import Membership
from chat.models.membership import MembershipQuerySet
from chat.representation import member

TAG = "members"

Role = Literal["owner", "moderator", "member"]


class NewMember(Struct):
    username: Annotated[str, Meta(max_length=30, pattern="^[a-z0-9_.-]+$")]
    role: Role = "member"


class RoleChange(Struct):
    role: Role


class Removal(Struct):
    ban: Annotated[int, Meta(ge=0, le=1, description="1 keeps them out for good.")] = 0


def members_seen(request: Request, slug: str) -> MembershipQuerySet:
    """Return the members of a room that the viewer sees; for signed-in people only."""
    room = access_room(viewer_of(request), slug)
    access_person(viewer_of(request))
    return Membership.objects.in_room(room).present().with_people()


def members(memberships: Sequence[Membership]) -> list[dict[str, Any]]:
    return [member(membership) for membership in memberships]


class MembersView(ApiView):
    @describes("listMembers", {200: MemberPageSerializer}, query=NamePage, tag=TAG)
    def get(self, request: Request, slug: str) -> Response:
        """List the members of a room, by username."""
        seen = members_seen(request, slug)
        query = read_query(request, NamePage)
        return Response(page_by_name(request, query, seen, "user__username", members))

    @describes(
        "addMember",
        {200: MemberSerializer, 201: MemberSerializer, 409: REFUSED},
        body=NewMember,
        tag=TAG,
    )
    def post(self, request: Request, slug: str) -> Response:
        """Let somebody in."""
        new = read_body(request, NewMember)
        membership, is_new = services.add_member(
            viewer=viewer_of(request), slug=slug, username=new.username, role=new.role
        )
        return Response(member(membership), status=201 if is_new else 200)


class MemberView(ApiView):
    @describes("readMember", {200: MemberSerializer}, tag=TAG)
    def get(self, request: Request, slug: str, username: str) -> Response:
        """Read one member's role."""
        membership = members_seen(request, slug).filter(user__username=username).first()
        if membership is None:
            raise NotFound("There is no such member.")
        return Response(member(membership))

    @describes("changeRole", {200: MemberSerializer}, body=RoleChange, tag=TAG)
    def patch(self, request: Request, slug: str, username: str) -> Response:
        """Give a member another role."""
        membership = services.set_role(
            viewer=viewer_of(request),
            slug=slug,
            username=username,
            role=read_body(request, RoleChange).role,
        )
        return Response(member(membership))

    @describes("removeMember", {204: NOTHING}, query=Removal, tag=TAG)
    def delete(self, request: Request, slug: str, username: str) -> Response:
        """Remove somebody from a room, or ban them from it."""
        is_ban = read_query(request, Removal).ban == 1
        services.remove_member(
            viewer=viewer_of(request), slug=slug, username=username, is_ban=is_ban
        )
        return Response(status=204)
