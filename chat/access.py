"""Rooms are had for a person only through these: the lookup is the permission."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from chat.errors import Forbidden, NotAuthenticated, NotFound
from chat.models import Membership, Room, User

Viewer = User | AnonymousUser


def access_room(viewer: Viewer, slug: str) -> Room:
    """Return the room if `viewer` may see it; unknown and invisible are both NotFound."""
    if not viewer.is_authenticated and not settings.ANONYMOUS_MAY_READ:
        raise NotAuthenticated
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
    room = access_room(viewer, slug)
    membership = access_membership(viewer, room)
    if room.is_archived:
        raise Forbidden("This room is archived.")
    if room.is_announcement_only and not membership.is_moderating:
        raise Forbidden("Only the owners and moderators post here.")
    if membership.muted_until and membership.muted_until > timezone.now():
        wait = membership.muted_until - timezone.now()
        raise Forbidden("You are muted here.", retry_after_ms=int(wait.total_seconds() * 1000))
    return room, membership


def access_room_to_moderate(viewer: Viewer, slug: str) -> tuple[Room, Membership | None]:
    """Return a room whose members and settings the viewer may change.

    Staff may without a membership, in the rooms that they can see.
    """
    room = access_room(viewer, slug)
    person = access_person(viewer)
    membership = Membership.objects.in_room(room).of(person).present().first()
    if not person.is_staff and (membership is None or not membership.is_moderating):
        raise Forbidden("Only the owners and moderators may do that.")
    return room, membership
