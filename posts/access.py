"""Posts are had for a person only through these: the lookup is the permission."""

from __future__ import annotations

from uuid import UUID

from chat.access import Viewer, access_person
from chat.errors import Forbidden, Invalid, NotFound
from chat.models import Membership, User
from posts.models import Post


def access_post(viewer: Viewer, post_id: UUID | str) -> Post:
    """Return a standing post of a room that `viewer` may see.

    Moderators of its room also get hidden and deleted ones.
    """
    post = _visible_post(viewer, post_id)
    if not post.is_standing and not (isinstance(viewer, User) and is_moderating(viewer, post)):
        raise _no_such_post()
    return post


def access_post_to_edit(viewer: Viewer, post_id: UUID | str) -> Post:
    """Return a standing post whose author is `viewer`."""
    person = access_person(viewer)
    post = _standing_post(person, post_id)
    if not post.is_by(person):
        raise Forbidden("Only the author edits a post.")
    _check_may_write(person, post)
    return post


def access_post_to_delete(viewer: Viewer, post_id: UUID | str) -> Post:
    """Return a post that `viewer` may delete: its author, or a moderator of its room."""
    person = access_person(viewer)
    post = _visible_post(person, post_id)
    if is_moderating(person, post):
        return post
    if not post.is_by(person):
        if not post.is_standing:
            raise _no_such_post()
        raise Forbidden("Only the author or a moderator deletes a post.")
    _check_may_write(person, post)
    return post


def access_post_to_hide(viewer: Viewer, post_id: UUID | str) -> Post:
    """Return a post of a room that `viewer` moderates."""
    person = access_person(viewer)
    post = access_post(person, post_id)
    if not is_moderating(person, post):
        raise Forbidden("Only a moderator hides a post.")
    return post


def access_post_to_restore(viewer: Viewer, post_id: UUID | str) -> Post:
    """Return a post that `viewer` may bring back.

    A deletion is undone while its pictures are kept: by a moderator, or by the author whose own
    deletion it was. What was hidden, only a moderator brings back.
    """
    person = access_person(viewer)
    post = _visible_post(person, post_id)
    if not is_moderating(person, post):
        if not post.is_by(person):
            if not post.is_standing:
                raise _no_such_post()
            raise Forbidden("Only the author or a moderator restores a post.")
        if post.hidden_at is not None or (post.deleted_at and post.deleted_by_id() != person.pk):
            raise Forbidden("Only a moderator restores what a moderator took away.")
        _check_may_write(person, post)
    if post.deleted_at is not None and not post.can_undo:
        raise Forbidden("The time for undoing this deletion is over.")
    return post


def access_post_to_react(viewer: Viewer, post_id: UUID | str) -> tuple[Post, User]:
    """Return a standing post and the member of its room who reacts."""
    person = access_person(viewer)
    post = _standing_post(person, post_id)
    _check_may_write(person, post)
    return post, person


def is_moderating(user: User, post: Post) -> bool:
    if user.is_staff and user.is_active:
        return True
    return Membership.objects.in_room(post.room_id).of(user).moderating().exists()


def _visible_post(viewer: Viewer, post_id: UUID | str) -> Post:
    if isinstance(post_id, str):
        try:
            post_id = UUID(post_id)
        except ValueError:
            raise Invalid(fields={"id": "Must be a UUID."}) from None
    post = Post.objects.visible_to(viewer).for_display().filter(pk=post_id).first()
    if post is None:
        raise _no_such_post()
    return post


def _standing_post(viewer: Viewer, post_id: UUID | str) -> Post:
    post = _visible_post(viewer, post_id)
    if not post.is_standing:
        raise _no_such_post()
    return post


def _no_such_post() -> NotFound:
    return NotFound("There is no such post, or it is not for you.")


def _check_may_write(person: User, post: Post) -> None:
    """Refuse who does not belong to the post's room, and everybody when it is archived."""
    if not Membership.objects.in_room(post.room_id).of(person).present().exists():
        raise Forbidden("Join the room first.")
    if post.room.is_archived:
        raise Forbidden("This room is archived.")
