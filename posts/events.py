"""What saves of posts, pictures and reactions mean as events."""

from __future__ import annotations

from typing import Any

from chat.realtime.events import Event
from chat.realtime.publish import Change, publishes, publishes_deletion
from posts.models import Picture, Post, Reaction
from posts.representation import post_data
from posts.shapes import Post as PostShape
from posts.shapes import ReactionChange, Tombstone


class PostEvent(Event):
    """Carries the post itself, in its public form; what is gone is gone from replays too."""

    data_shape = PostShape | Tombstone
    is_overwritten = True


class PostCreated(PostEvent, name="post.created"):
    """Somebody posted; in a replay, the post as it is now."""


class PostUpdated(PostEvent, name="post.updated"):
    """A post was edited; the whole post as it is now."""

    overwrites = True


class PostDeleted(PostEvent, name="post.deleted"):
    """A post was deleted."""

    data_shape = Tombstone | PostShape
    overwrites = True


class PostHidden(PostEvent, name="post.hidden"):
    """A moderator hid a post."""

    data_shape = Tombstone | PostShape
    overwrites = True


class PostRestored(PostEvent, name="post.restored"):
    """A deleted or hidden post is back; the whole post."""


class ReactionAdded(Event, name="reaction.added"):
    """Somebody reacted to a post."""

    data_shape = ReactionChange


class ReactionRemoved(Event, name="reaction.removed"):
    """Somebody took a reaction back."""

    data_shape = ReactionChange


# Fields whose change everybody sees.
POST_FIELDS = frozenset({"text", "reply_to", "edited_at", "author"})
PICTURE_FIELDS = frozenset({"alt", "position", "original", "renditions", "placeholder"})


@publishes(Post)
def post_saved(post: Post, change: Change) -> Event | None:
    event: type[PostEvent]
    if change.is_creation:
        return _about(post, PostCreated, client_id=post.client_id, actor_id=post.author_id)
    if post.deleted_at and not change.was("deleted_at"):
        event = PostDeleted
    elif post.hidden_at and not change.was("hidden_at"):
        event = PostHidden
    elif (change.was("deleted_at") or change.was("hidden_at")) and post.is_standing:
        event = PostRestored
    elif change.fields & POST_FIELDS:
        event = PostUpdated
    else:
        return None
    return _about(post, event)


@publishes(Picture)
def picture_saved(picture: Picture, change: Change) -> Event | None:
    if change.is_creation and not picture.has_post():
        return None  # Its post is published next, with it.
    if change.is_creation or change.fields & PICTURE_FIELDS:
        return _about(Post.objects.for_display().get(pk=picture.post_id), PostUpdated)
    return None


@publishes_deletion(Picture)
def picture_deleted(picture: Picture) -> Event | None:
    return _about(Post.objects.for_display().get(pk=picture.post_id), PostUpdated)


@publishes(Reaction)
def reaction_saved(reaction: Reaction, change: Change) -> Event | None:
    return _reaction(reaction, ReactionAdded) if change.is_creation else None


@publishes_deletion(Reaction)
def reaction_deleted(reaction: Reaction) -> Event | None:
    return _reaction(reaction, ReactionRemoved)


def _about(post: Post, event: type[PostEvent], **kwargs: Any) -> Event:
    return event(post_data(post), subject_id=str(post.pk), **kwargs)


def _reaction(reaction: Reaction, event: type[Event]) -> Event | None:
    if not reaction.post.is_standing:
        return None  # Nobody sees it.
    count = Reaction.objects.to_post(reaction.post).filter(emoji=reaction.emoji).count()
    return event(
        {
            "post_id": str(reaction.post_id),
            "emoji": reaction.emoji,
            "user_id": reaction.user_id,
            "count": count,
        },
        subject_id=str(reaction.post_id),
        actor_id=reaction.user_id,
    )
