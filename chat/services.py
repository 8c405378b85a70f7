"""What touches several models or has side effects, for people and rooms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress

from django.conf import settings
from django.db import IntegrityError, transaction

from chat.access import (
    Moderator,
    Viewer,
    access_membership,
    access_person,
    access_room,
    access_room_to_moderate,
)
from chat.acting import acting
from chat.errors import Conflict, Forbidden, Invalid, NotFound
from chat.gateway import people
from chat.models import AccessKey, Membership, Room, User
from chat.models.access_key import SCOPES, STAFF_SCOPES
from chat.models.room import SLUG_PATTERN
from chat.realtime import stream
from chat.text import clean_line, clean_text
from chat.unread import unread_counts

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
    return _as_it_stands(room)


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
        room, moderator = _lock_to_moderate(viewer, slug)
        if room.visibility == Room.Visibility.DIRECT:
            raise Forbidden("A direct room has nothing to change.")
        if (visibility is not None or is_archived is not None) and not moderator.is_owner:
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
        with acting(moderator.person.pk):
            room.save()
    return _as_it_stands(room)


def join_room(*, viewer: Viewer, slug: str) -> Room:
    """Make `viewer` a member of a public room; twice is no event."""
    person = access_person(viewer)
    with transaction.atomic(), acting(person.pk):
        stream.lock(access_room(person, slug).pk)
        room = access_room(person, slug)
        if not Membership.objects.in_room(room).of(person).exists():
            if room.visibility != Room.Visibility.PUBLIC:
                raise NotFound
            if room.is_archived:
                raise Forbidden("This room is archived.")
            Membership.objects.create(room=room, user=person)
    return _as_it_stands(room)


def join_lobby(*, person: User) -> None:
    """Make somebody new a member of the lobby, and the lobby if there is none yet.

    An operator who has closed the lobby wants nobody in it by themselves.
    """
    if not Room.objects.filter(slug=settings.LOBBY_SLUG).exists():
        with suppress(IntegrityError), transaction.atomic():  # somebody else was faster
            Room.objects.create(slug=settings.LOBBY_SLUG, title="Lobby")
    with suppress(NotFound, Forbidden):
        join_room(viewer=person, slug=settings.LOBBY_SLUG)


def leave_room(*, viewer: Viewer, slug: str) -> Room:
    """End the viewer's own membership, and return the room as they saw it last.

    The last owner hands the room over first.
    """
    person = access_person(viewer)
    with transaction.atomic(), acting(person.pk):
        stream.lock(access_room(person, slug).pk)
        room = access_room(person, slug)
        if room.visibility == Room.Visibility.DIRECT:
            raise Forbidden("A direct room is not left.")
        membership = access_membership(person, room)
        _keep_an_owner(membership)
        membership.delete()
    return _as_it_stands(room)


def add_member(
    *, viewer: Viewer, slug: str, username: str, role: str = Role.MEMBER
) -> tuple[Membership, bool]:
    """Let somebody in, and return whether they were out; also lifts a ban."""
    _check_role(role)
    with transaction.atomic():
        room, moderator = _lock_to_moderate(viewer, slug)
        _check_members_may_change(room)
        _check_may_deal_with(moderator, role)
        user = User.objects.active().filter(username=username).first()
        if user is None:
            raise Invalid(fields={"username": "There is no such person."})
        membership = Membership.objects.in_room(room).of(user).with_people().first()
        if membership is not None and membership.role != Role.BANNED:
            if membership.role != role:
                raise Conflict("They are a member already; change their role instead.")
            return membership, False
        if room.is_archived:
            raise Forbidden("This room is archived.")
        with acting(moderator.person.pk):
            if membership is None:
                return Membership.objects.create(room=room, user=user, role=role), True
            membership.role = role
            membership.save()
            return membership, True


def set_role(*, viewer: Viewer, slug: str, username: str, role: str) -> Membership:
    """Give a member another role. A room keeps at least one owner."""
    _check_role(role)
    with transaction.atomic():
        room, moderator = _lock_to_moderate(viewer, slug)
        _check_members_may_change(room)
        if not moderator.is_owner:
            raise Forbidden("Only an owner changes roles.")
        membership = _member(room, username)
        if role != Role.OWNER:
            _keep_an_owner(membership)
        membership.role = role
        with acting(moderator.person.pk):
            membership.save()
        return membership


def remove_member(*, viewer: Viewer, slug: str, username: str, is_ban: bool = False) -> None:
    """Remove somebody, or ban them, which also works on who is no member."""
    with transaction.atomic():
        room, moderator = _lock_to_moderate(viewer, slug)
        _check_members_may_change(room)
        if username == moderator.person.username:
            raise Forbidden("Leave the room instead.")
        theirs = Membership.objects.in_room(room).filter(user__username=username)
        if is_ban and not theirs.present().exists():
            user = User.objects.filter(username=username).first()
            if user is None:
                raise NotFound("There is no such person.")
            if not theirs.exists():
                with acting(moderator.person.pk):
                    Membership.objects.create(room=room, user=user, role=Role.BANNED)
            return
        membership = _member(room, username)
        _check_may_deal_with(moderator, membership.role)
        _keep_an_owner(membership)
        with acting(moderator.person.pk):
            if is_ban:
                membership.role = Role.BANNED
                membership.save()
            else:
                membership.delete()


def mark_read(*, viewer: Viewer, slug: str, seq: int) -> Membership:
    """Move the viewer's read marker; the highest wins. Private: only they are told."""
    person = access_person(viewer)
    room = access_room(person, slug)
    membership = access_membership(person, room)
    seq = min(seq, room.last_seq)
    behind = Membership.objects.filter(pk=membership.pk, last_read_seq__lt=seq)
    has_moved = bool(behind.update_unpublished(last_read_seq=seq))
    membership.refresh_from_db()
    if has_moved:
        unread_count = unread_counts([membership])[room.pk]
        marker = {"room": slug, "seq": membership.last_read_seq, "unread_count": unread_count}
        told = {"type": people.ReadUpdated.name, **marker}
        transaction.on_commit(lambda: people.tell(person.pk, told))
    return membership


def issue_access_key(*, user: User, scopes: Sequence[str], name: str = "") -> tuple[AccessKey, str]:
    """Make a key for a program of `user`; its token is returned this once."""
    check_scopes(user, scopes)
    name = clean_text(name, field="name", max_length=60)
    chosen = [scope for scope in SCOPES if scope in scopes]
    return AccessKey.objects.issue(user, name=name, scopes=chosen)


def check_scopes(user: User, scopes: Sequence[str]) -> None:
    """Refuse a key that `user` cannot have: what a key may is what its user may."""
    if not user.is_active:
        raise Invalid(fields={"user": f"The account {user.username} is not active."})
    known = ", ".join(SCOPES)
    if not scopes:
        raise Invalid(fields={"scopes": f"Name at least one of {known}."})
    for scope in scopes:
        if scope not in SCOPES:
            raise Invalid(fields={"scopes": f"There is no scope {scope}. There are {known}."})
        if scope in STAFF_SCOPES and not user.is_staff:
            reason = f"The scope {scope} is for staff; {user.username} is none."
            raise Invalid(fields={"scopes": reason})


def _clean_title(title: str) -> str:
    title = clean_line(title, field="title", max_length=80)
    if not title:
        raise Invalid(fields={"title": "Must not be empty."})
    return title


def _lock_to_moderate(viewer: Viewer, slug: str) -> tuple[Room, Moderator]:
    """Hold the room, then read whether the viewer may change it: nobody's role changes now."""
    person = access_person(viewer)
    stream.lock(access_room(person, slug).pk)
    return access_room_to_moderate(person, slug)


def _as_it_stands(room: Room) -> Room:
    """Return the room with the position behind the event that was just made."""
    room.refresh_from_db()
    return room


def _check_role(role: str) -> None:
    if role not in (Role.OWNER, Role.MODERATOR, Role.MEMBER):
        raise Invalid(fields={"role": "Must be owner, moderator or member."})


def _check_members_may_change(room: Room) -> None:
    if room.visibility == Room.Visibility.DIRECT:
        raise Forbidden("A direct room has exactly two people.")


def _check_may_deal_with(moderator: Moderator, role: str) -> None:
    """Moderators deal with members; owners and staff with everybody."""
    if role in (Role.OWNER, Role.MODERATOR) and not moderator.is_owner:
        raise Forbidden("Only an owner deals with owners and moderators.")


def _member(room: Room, username: str) -> Membership:
    memberships = Membership.objects.in_room(room).present().with_people()
    membership = memberships.filter(user__username=username).first()
    if membership is None:
        raise NotFound("There is no such member.")
    return membership


def _keep_an_owner(membership: Membership) -> None:
    owners = Membership.objects.in_room(membership.room_id).filter(role=Role.OWNER)
    if membership.role == Role.OWNER and not owners.exclude(pk=membership.pk).exists():
        raise Forbidden("A room keeps at least one owner; make somebody else one first.")
