"""Alice owns, bob belongs, charlie is a stranger: who and where the tests are."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from chat.models import AccessKey, Membership, Room, User

PASSWORD = "correct horse battery"


def make_person(username: str, **fields: object) -> User:
    """Make somebody whose password is PASSWORD."""
    user: User = User.objects.create_user(username=username, password=PASSWORD, **fields)
    return user


def make_room(slug: str, owner: User, *members: User, visibility: str = "public") -> Room:
    """Make a room through saves, so that its log begins with its members."""
    room = Room.objects.create(slug=slug, title=slug.title(), visibility=visibility)
    Membership.objects.create(room=room, user=owner, role=Membership.Role.OWNER)
    for member in members:
        Membership.objects.create(room=room, user=member)
    room.refresh_from_db()
    return room


def make_token(user: User, *scopes: str) -> str:
    """Make an access key, and return its token."""
    return AccessKey.objects.issue(user, name="test", scopes=list(scopes))[1]


@dataclass(frozen=True)
class World:
    """Three people, and two rooms that alice owns and bob is a member of."""

    alice: User
    bob: User
    charlie: User
    # Public: charlie reads it, too.
    garden: Room
    # Private: charlie does not know of it.
    cellar: Room


@pytest.fixture
def world(db: None) -> World:
    alice, bob, charlie = (make_person(name) for name in ("alice", "bob", "charlie"))
    return World(
        alice,
        bob,
        charlie,
        garden=make_room("garden", alice, bob),
        cellar=make_room("cellar", alice, bob, visibility="private"),
    )
