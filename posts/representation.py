"""A post as JSON: the same in REST bodies and events, for every viewer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.conf import settings

from chat.realtime.envelope import wire_time
from chat.representation import person
from posts.models import Picture, Post, Reaction

# How many of a reaction's people are named; all of them are counted.
REACTION_USERS_MAX = 100


def post_data(post: Post) -> dict[str, Any]:
    """The public form of one post as it is now."""
    return posts_data([post])[0]


def posts_data(posts: Sequence[Post]) -> list[dict[str, Any]]:
    """The public forms of posts, with one query for all their reactions."""
    reactions = _reactions([post.pk for post in posts if post.is_standing])
    return [_post(post, reactions.get(post.pk, [])) for post in posts]


def picture_data(picture: Picture) -> dict[str, Any]:
    return {
        "id": str(picture.pk),
        "url": _url(picture, picture.original["name"]),
        "width": picture.width,
        "height": picture.height,
        "alt": picture.alt,
        "placeholder": picture.placeholder,
        "renditions": [
            {
                "url": _url(picture, rendition["name"]),
                "width": rendition["width"],
                "height": rendition["height"],
                "type": rendition["type"],
            }
            for rendition in picture.renditions
        ],
    }


def _post(post: Post, reactions: list[dict[str, Any]]) -> dict[str, Any]:
    gone = {"id": str(post.pk), "room": post.room.slug, "seq": post.seq, "text": "", "images": []}
    if post.deleted_at is not None:
        return {**gone, "deleted": True}
    if post.hidden_at is not None:
        return {**gone, "hidden": True}
    return {
        "id": str(post.pk),
        "room": post.room.slug,
        "seq": post.seq,
        "author": person(post.author),
        "text": post.text,
        "images": [picture_data(picture) for picture in post.pictures.all()],
        "reply_to": str(post.reply_to_id) if post.reply_to_id else None,
        "client_id": post.client_id,
        "reactions": reactions,
        "created_at": wire_time(post.created_at),
        "edited_at": wire_time(post.edited_at) if post.edited_at else None,
        "hidden": False,
        "deleted": False,
    }


def _reactions(post_ids: Iterable[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """Reactions by post: emojis in the order of their first use, with the first people."""
    rows = (
        Reaction.objects.filter(post__in=list(post_ids))
        .ranked()
        .filter(row__lte=REACTION_USERS_MAX)
        .order_by("pk")
        .values_list("post_id", "emoji", "user_id", "count")
    )
    found: dict[UUID, dict[str, dict[str, Any]]] = {}
    for post_id, emoji, user_id, count in rows:
        entry = found.setdefault(post_id, {}).setdefault(
            emoji, {"emoji": emoji, "count": count, "user_ids": []}
        )
        entry["user_ids"].append(user_id)
    return {post_id: list(entries.values()) for post_id, entries in found.items()}


def _url(picture: Picture, name: str) -> str:
    return f"{settings.MEDIA_URL}pictures/{picture.pk}/{name}"
