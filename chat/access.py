"""Rooms are had for a person only through these: the lookup is the permission."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from chat.errors import Forbidden, NotAuthenticated, NotFound
from chat.models import Membership, Room, User

Viewer = User | AnonymousUser


def access_room(viewer: Viewer, slug: str) -> Room:
    """Return the room if `viewer` may see it; unknown and invisible are both NotFound."""
    room = Room.objects.visible_to(viewer).filter(slug=slug).first()
    if room is None:
        raise NotFound("There is no such room, or it is not for you.")
    return room


def access_person(viewer: Viewer) -> User:
    """Return the viewer as a person who may act, read afresh."""
    if not isinstance(viewer, User):
        raise NotAuthenticated
    person: User | None = User.objects.active().filter(pk=viewer.pk).first()
    if person is None:
        raise NotAuthenticated("This account is not active.")
    return person


def access_membership(viewer: Viewer, room: Room) -> Membership:
    """Return the viewer's membership of a room they can see; Forbidden for who is none."""
    person = access_person(viewer)
    membership = Membership.objects.in_room(room).of(person).present().first()
    if membership is None:
        raise Forbidden("Join the room first.")
    return membership


def access_room_to_post(viewer: Viewer, slug: str) -> tuple[Room, Membership]:
    """Return a room that the viewer may post in, and their membership."""
    person = access_person(viewer)
    room = access_room(person, slug)
    membership = access_membership(person, room)
    if room.is_archived:
        raise Forbidden("This room is archived.")
    if room.is_announcement_only and not membership.is_moderating:
        raise Forbidden("Only the owners and moderators post here.")
    if membership.muted_until and membership.muted_until > timezone.now():
        wait = membership.muted_until - timezone.now()
        raise Forbidden("You are muted here.", retry_after_ms=int(wait.total_seconds() * 1000))
    return room, membership


@dataclass(frozen=True, slots=True)
class Moderator:
    """Somebody who may change a room: its owners and moderators, and site staff who see it."""

    person: User
    membership: Membership | None

    @property
    def is_owner(self) -> bool:
        """Whether they may do what only owners may."""
        is_owning = self.membership is not None and self.membership.role == Membership.Role.OWNER
        return self.person.is_staff or is_owning


def access_room_to_moderate(viewer: Viewer, slug: str) -> tuple[Room, Moderator]:
    """Return a room whose members and settings the viewer may change."""
    person = access_person(viewer)
    room = access_room(person, slug)
    membership = Membership.objects.in_room(room).of(person).present().first()
    if not person.is_staff and (membership is None or not membership.is_moderating):
        raise Forbidden("Only the owners and moderators may do that.")
    return room, Moderator(person, membership)
