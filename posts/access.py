"""Posts are had for a person only through these: the lookup is the permission."""

from __future__ import annotations

from uuid import UUID

from chat.access import Viewer, access_person
from chat.errors import Forbidden, Invalid, NotFound
from chat.models import Membership, User
from posts.models import Post


def access_post(viewer: Viewer, post_id: UUID | str) -> Post:
    """Return a standing post of a room that `viewer` may see.

    Moderators of its room also get hidden and deleted ones, and authors their own while the
    deletion can be undone.
    """
    post = _visible_post(viewer, post_id)
    if post.is_standing:
        return post
    if isinstance(viewer, User) and is_moderating(viewer, post):
        return post
    raise NotFound("There is no such post, or it is not for you.")


def access_post_to_edit(viewer: Viewer, post_id: UUID | str) -> Post:
    """Return a standing post whose author is `viewer`."""
    post = _visible_post(viewer, post_id)
    if not post.is_standing:
        raise NotFound("There is no such post, or it is not for you.")
    if not post.is_by(_present_person(viewer, post)):
        raise Forbidden("Only the author edits a post.")
    return post


def access_post_to_delete(viewer: Viewer, post_id: UUID | str) -> Post:
    """Return a post that `viewer` may delete: its author, or a moderator of its room."""
    post = _visible_post(viewer, post_id)
    person = access_person(viewer)
    is_moderator = is_moderating(person, post)
    if not post.is_standing and not is_moderator and not post.is_by(person):
        raise NotFound("There is no such post, or it is not for you.")
    if not is_moderator and not post.is_by(_present_person(viewer, post)):
        raise Forbidden("Only the author or a moderator deletes a post.")
    return post


def access_post_to_restore(viewer: Viewer, post_id: UUID | str) -> Post:
    """Return a post that `viewer` may bring back.

    A deletion is undone by the author or a moderator while its pictures are kept; what was
    hidden, only by a moderator.
    """
    post = _visible_post(viewer, post_id)
    person = access_person(viewer)
    is_moderator = is_moderating(person, post)
    if not is_moderator and not post.is_by(person):
        if post.is_standing:
            raise Forbidden("Only the author or a moderator restores a post.")
        raise NotFound("There is no such post, or it is not for you.")
    if post.hidden_at is not None and not is_moderator:
        raise Forbidden("Only a moderator restores what was hidden.")
    if post.deleted_at is not None and not post.can_undo:
        raise Forbidden("The time for undoing this deletion is over.")
    return post


def access_post_to_react(viewer: Viewer, post_id: UUID | str) -> tuple[Post, User]:
    """Return a standing post and the member of its room who reacts."""
    post = _visible_post(viewer, post_id)
    if not post.is_standing:
        raise NotFound("There is no such post, or it is not for you.")
    return post, _present_person(viewer, post)


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
        raise NotFound("There is no such post, or it is not for you.")
    return post


def _present_person(viewer: Viewer, post: Post) -> User:
    """Return the viewer if they belong to the post's room and it is open."""
    person = access_person(viewer)
    if not Membership.objects.in_room(post.room_id).of(person).present().exists():
        raise Forbidden("Join the room first.")
    if post.room.is_archived:
        raise Forbidden("This room is archived.")
    return person
