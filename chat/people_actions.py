"""What sockets can ask about people."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from chat.access import Viewer, access_person
from chat.directory import acquaintances, people
from chat.models.user import UserQuerySet
from chat.realtime.database import in_database
from chat.realtime.router import Request, router
from chat.representation import person
from chat.shapes import Examples, Person, Refusals, Slug

Username = Annotated[str, msgspec.Meta(min_length=1, max_length=30)]
PeopleLimit = Annotated[int, msgspec.Meta(ge=1, le=100)]


class ListPeople(Struct):
    # What a username or display name contains.
    query: str | UnsetType = UNSET
    # Only the members of this room.
    room: Slug | UnsetType = UNSET
    limit: PeopleLimit = 100
    # The `next` of an earlier answer.
    after: Username | UnsetType = UNSET

    examples: ClassVar[Examples] = ({"query": "ad"}, {"room": "lobby"})
    refusals: ClassVar[Refusals] = {"not_authenticated": "Nobody is signed in."}


class PeopleWanted(Struct):
    # What an e-mail contains; for who is not staff, what a name does.
    email: str = ""


class ListUsers(Struct):
    data: PeopleWanted = msgspec.field(default_factory=PeopleWanted)
    limit: PeopleLimit = 100
    # The `next` of an earlier answer.
    after: Username | UnsetType = UNSET

    examples: ClassVar[Examples] = ({"data": {"email": "ad"}},)
    refusals: ClassVar[Refusals] = {"not_authenticated": "Nobody is signed in."}


class PersonFound(Person):
    # Told to staff alone, and only by `ListUsers`.
    email: str | UnsetType = UNSET


class PersonList(Struct):
    # By username.
    users: list[PersonFound]
    # The last username of the list when there are more; null when there are none.
    next: Username | None


@router.action("users.list", body=ListPeople, result=PersonList)
async def list_people(request: Request, body: ListPeople) -> dict[str, Any]:
    """List people by name, or the members of a room."""
    return await in_database(_list_people, request.connection.identity.viewer, body)


@router.action("ListUsers", body=ListUsers, result=PersonList)
async def list_users(request: Request, body: ListUsers) -> dict[str, Any]:
    """List whose e-mail contains a text, for staff; for others, whose name does.

    Others find the people who are in a room with them, and nobody's e-mail.
    """
    identity = request.connection.identity
    is_trusted = identity.allows("moderate")  # a key that only reads has nobody's e-mail
    return await in_database(_list_users, identity.viewer, body, is_trusted=is_trusted)


def _list_people(viewer: Viewer, body: ListPeople) -> dict[str, Any]:
    found = people(
        access_person(viewer),
        query=None if body.query is UNSET else body.query,
        room=None if body.room is UNSET else body.room,
    )
    return _page(found, body, has_email=False)


def _list_users(viewer: Viewer, body: ListUsers, *, is_trusted: bool) -> dict[str, Any]:
    asker = access_person(viewer)
    has_email = asker.is_staff and is_trusted
    found = acquaintances(asker, body.data.email, by_email=has_email)
    return _page(found, body, has_email=has_email)


def _page(found: UserQuerySet, body: ListPeople | ListUsers, *, has_email: bool) -> dict[str, Any]:
    if body.after is not UNSET:
        found = found.filter(username__gt=body.after)
    users = list(found.order_by("username")[: body.limit + 1])
    shown, is_more = users[: body.limit], len(users) > body.limit
    told = [{**(person(user) or {}), **_email(user.email, has_email)} for user in shown]
    return {"users": told, "next": shown[-1].username if is_more else None}


def _email(email: str, is_told: bool) -> dict[str, str]:
    return {"email": email} if is_told else {}
