"""What touches several models or has side effects, for people and rooms."""

from __future__ import annotations

import re

from django.db import IntegrityError, transaction

from chat.access import (
    Viewer,
    access_membership,
    access_person,
    access_room,
    access_room_to_moderate,
)
from chat.acting import acting
from chat.errors import Conflict, Forbidden, Invalid, NotFound
from chat.models import Membership, Room, User
from chat.models.room import SLUG_PATTERN
from chat.realtime import stream
from chat.text import clean_text

Role = Membership.Role


def create_room(
    *, viewer: Viewer, slug: str, title: str, visibility: str = "public", description: str = ""
) -> Room:
    """Make a public or private room owned by `viewer`."""
    owner = access_person(viewer)
    if not re.fullmatch(SLUG_PATTERN, slug) or slug.startswith("dm-"):
        raise Invalid(
            fields={
                "slug": "1 to 50 lower-case letters, digits and dashes inside; not beginning dm-."
            }
        )
    if visibility not in (Room.Visibility.PUBLIC, Room.Visibility.PRIVATE):
        raise Invalid(fields={"visibility": "Must be public or private."})
    room = Room(
        slug=slug,
        title=_clean_title(title),
        visibility=visibility,
        description=clean_text(description, field="description", max_length=500),
    )
    try:
        with transaction.atomic(), acting(owner.pk):
            room.save()
            Membership.objects.create(room=room, user=owner, role=Role.OWNER)
    except IntegrityError:
        raise Conflict("That slug is taken.", fields={"slug": "Taken."}) from None
    return room


def direct_room(*, viewer: Viewer, username: str) -> tuple[Room, bool]:
    """Return the one direct room of two people and whether it was made just now."""
    person = access_person(viewer)
    other = User.objects.active().filter(username=username).exclude(pk=person.pk).first()
    if other is None:
        raise NotFound("There is no such person.")
    first, second = sorted((person.pk, other.pk))
    slug = f"dm-{first}-{second}"
    try:
        with transaction.atomic(), acting(person.pk):
            room = Room.objects.create(
                slug=slug,
                title=f"{person.username}, {other.username}",
                visibility=Room.Visibility.DIRECT,
            )
            for user in (person, other):
                Membership.objects.create(room=room, user=user)
        return room, True
    except IntegrityError:
        return access_room(viewer, slug), False


def update_room(
    *,
    viewer: Viewer,
    slug: str,
    title: str | None = None,
    description: str | None = None,
    visibility: str | None = None,
    is_announcement_only: bool | None = None,
    is_archived: bool | None = None,
) -> Room:
    """Change what is given; owners only for visibility and archiving."""
    with transaction.atomic():
        room, membership = access_room_to_moderate(viewer, slug)
        person = access_person(viewer)
        is_owner = person.is_staff or (membership is not None and membership.role == Role.OWNER)
        if room.visibility == Room.Visibility.DIRECT:
            raise Forbidden("A direct room has nothing to change.")
        if (visibility is not None or is_archived is not None) and not is_owner:
            raise Forbidden("Only an owner changes who sees a room, or archives it.")
        if visibility is not None:
            if visibility not in (Room.Visibility.PUBLIC, Room.Visibility.PRIVATE):
                raise Invalid(fields={"visibility": "Must be public or private."})
            room.visibility = visibility
        if title is not None:
            room.title = _clean_title(title)
        if description is not None:
            room.description = clean_text(description, field="description", max_length=500)
        if is_announcement_only is not None:
            room.is_announcement_only = is_announcement_only
        if is_archived is not None:
            room.is_archived = is_archived
        with acting(person.pk):
            room.save()
    return room


def join_room(*, viewer: Viewer, slug: str) -> Room:
    """Make `viewer` a member of a public room; twice is no event."""
    person = access_person(viewer)
    with transaction.atomic(), acting(person.pk):
        room = access_room(viewer, slug)
        stream.lock(room.pk)
        if not Membership.objects.in_room(room).of(person).exists():
            if room.visibility != Room.Visibility.PUBLIC:
                raise NotFound
            if room.is_archived:
                raise Forbidden("This room is archived.")
            Membership.objects.create(room=room, user=person)
    return room


def leave_room(*, viewer: Viewer, slug: str) -> None:
    """End the viewer's own membership. The last owner hands the room over first."""
    with transaction.atomic():
        room = access_room(viewer, slug)
        if room.visibility == Room.Visibility.DIRECT:
            raise Forbidden("A direct room is not left.")
        stream.lock(room.pk)
        membership = access_membership(viewer, room)
        _keep_an_owner(membership)
        with acting(membership.user_id):
            membership.delete()


def add_member(*, viewer: Viewer, slug: str, username: str, role: str = "member") -> Membership:
    """Let somebody in; also lifts a ban."""
    with transaction.atomic():
        room, own = access_room_to_moderate(viewer, slug)
        if room.visibility == Room.Visibility.DIRECT:
            raise Forbidden("A direct room has exactly two people.")
        _check_may_give(viewer, own, role)
        user = User.objects.active().filter(username=username).first()
        if user is None:
            raise Invalid(fields={"username": "There is no such person."})
        stream.lock(room.pk)
        membership = Membership.objects.in_room(room).of(user).first()
        with acting(access_person(viewer).pk):
            if membership is None:
                return Membership.objects.create(room=room, user=user, role=role)
            if membership.role == Role.BANNED:
                membership.role = role
                membership.save()
            elif membership.role != role:
                raise Conflict("They are a member already; change their role instead.")
            return membership


def set_role(*, viewer: Viewer, slug: str, username: str, role: str) -> Membership:
    with transaction.atomic():
        room, own = access_room_to_moderate(viewer, slug)
        _check_may_give(viewer, own, role)
        stream.lock(room.pk)
        membership = _other_member(room, username)
        _check_may_give(viewer, own, membership.role)
        if role != Role.OWNER:
            _keep_an_owner(membership)
        membership.role = role
        with acting(access_person(viewer).pk):
            membership.save()
        return membership


def remove_member(*, viewer: Viewer, slug: str, username: str, is_ban: bool = False) -> None:
    """Remove somebody, or ban them, which also works on who is no member."""
    with transaction.atomic():
        room, own = access_room_to_moderate(viewer, slug)
        person = access_person(viewer)
        if room.visibility == Room.Visibility.DIRECT:
            raise Forbidden("A direct room has exactly two people.")
        stream.lock(room.pk)
        user = User.objects.filter(username=username).first()
        membership = user and Membership.objects.in_room(room).of(user).first()
        if user is None or (membership is None and not is_ban):
            raise NotFound("There is no such member.")
        if user.pk == person.pk:
            raise Forbidden("Leave the room instead.")
        if membership is not None:
            _check_may_give(viewer, own, membership.role)
            _keep_an_owner(membership)
        with acting(person.pk):
            if is_ban and membership is None:
                Membership.objects.create(room=room, user=user, role=Role.BANNED)
            elif is_ban and membership is not None:
                membership.role = Role.BANNED
                membership.save()
            elif membership is not None:
                membership.delete()


def mark_read(*, viewer: Viewer, slug: str, seq: int) -> tuple[Room, Membership]:
    """Move the viewer's read marker; the highest wins. Private, so no event."""
    room = access_room(viewer, slug)
    membership = access_membership(viewer, room)
    seq = min(seq, room.last_seq)
    Membership.objects.filter(pk=membership.pk, last_read_seq__lt=seq).update_unpublished(
        last_read_seq=seq
    )
    membership.refresh_from_db()
    return room, membership


def _clean_title(title: str) -> str:
    title = clean_text(title, field="title", max_length=80)
    if not title:
        raise Invalid(fields={"title": "Must not be empty."})
    return title


def _check_may_give(viewer: Viewer, own: Membership | None, role: str) -> None:
    """Moderators deal with members; owners and staff with everybody."""
    if role not in (Role.OWNER, Role.MODERATOR, Role.MEMBER, Role.BANNED):
        raise Invalid(fields={"role": "Must be owner, moderator or member."})
    is_owner = access_person(viewer).is_staff or (own is not None and own.role == Role.OWNER)
    if not is_owner and role in (Role.OWNER, Role.MODERATOR):
        raise Forbidden("Only an owner deals with owners and moderators.")


def _other_member(room: Room, username: str) -> Membership:
    membership = Membership.objects.in_room(room).present().filter(user__username=username).first()
    if membership is None:
        raise NotFound("There is no such member.")
    return membership


def _keep_an_owner(membership: Membership) -> None:
    owners = Membership.objects.in_room(membership.room_id).filter(role=Role.OWNER)
    if membership.role == Role.OWNER and not owners.exclude(pk=membership.pk).exists():
        raise Forbidden("A room keeps at least one owner; make somebody else one first.")
