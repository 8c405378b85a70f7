"""What sockets can ask about posts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from chat.access import Viewer, access_room
from chat.models import Room
from chat.realtime.database import in_database
from chat.realtime.router import Done, Request, router
from chat.shapes import Examples, Refusals, Seq, Slug
from posts import search_actions, services  # noqa: F401  (the first registers its own)
from posts.models import Post
from posts.representation import post_data, posts_data
from posts.shapes import Post as PostShape
from posts.shapes import ReactionCount, Tombstone

PostId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
# Posts that a stream computes at a time, so that the first come before the last are read.
HISTORY_BATCH = 20


class Create(Struct):
    room: Slug
    # At most `post_text_max` characters.
    text: str
    # The post that this one answers, in the same room.
    reply_to: PostId | None = None
    # Your own key, of at most 64 characters: the same one again returns the first result.
    client_id: str | UnsetType = UNSET

    examples: ClassVar[Examples] = ({"room": "lobby", "text": "Hello", "client_id": "hello-1"},)
    refusals: ClassVar[Refusals] = {
        "idempotency_conflict": "This `client_id` was used before, with another body."
    }


class Edit(Struct):
    id: PostId
    # The new text; without it, the text stays.
    text: str | UnsetType = UNSET
    # The pictures' descriptions in their order; without it, they stay.
    alts: list[str] | UnsetType = UNSET

    examples: ClassVar[Examples] = (
        {"id": "01956f3c-8a51-7c3e-9b1f-2f6f0c9d1e11", "text": "Sunset over the old harbour"},
    )


class Delete(Struct):
    id: PostId


class React(Struct):
    post_id: PostId
    # One emoji, of at most 32 bytes in UTF-8.
    emoji: str

    refusals: ClassVar[Refusals] = {"conflict": "The post has as many different emoji as it may."}


class History(Struct):
    room: Slug
    # Posts with a lower `seq`, newest first.
    before_seq: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)] | UnsetType = UNSET
    # Posts with a higher `seq`, oldest first.
    after_seq: Seq | UnsetType = UNSET
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 50


@router.action("post.create", body=Create, result=PostShape | Tombstone, scope="post")
async def create(request: Request, body: Create) -> dict[str, Any]:
    """Store a post; pictures come over REST."""
    return await in_database(_create, request.connection.identity.viewer, body)


@router.action("post.edit", body=Edit, result=PostShape, scope="post")
async def edit(request: Request, body: Edit) -> dict[str, Any]:
    """Change the text of a post of yours, or the descriptions of its pictures."""
    return await in_database(_edit, request.connection.identity.viewer, body)


@router.action("post.delete", body=Delete, result=Tombstone, scope="post")
async def delete(request: Request, body: Delete) -> dict[str, Any]:
    """Delete a post: your own, or as a moderator anybody's. A second time changes nothing."""
    return await in_database(_delete, request.connection.identity.viewer, body)


@router.action("reaction.add", body=React, result=ReactionCount, scope="post")
async def add_reaction(request: Request, body: React) -> dict[str, Any]:
    """React to a post with an emoji; a second time changes nothing."""
    return await in_database(_react, services.add_reaction, request, body)


@router.action("reaction.remove", body=React, result=ReactionCount, scope="post")
async def remove_reaction(request: Request, body: React) -> dict[str, Any]:
    """Take a reaction of yours back; what is not there is no error."""
    return await in_database(_react, services.remove_reaction, request, body)


@router.action("history", body=History, result=PostShape, is_stream=True)
async def history(request: Request, body: History) -> AsyncIterator[dict[str, Any] | Done]:
    """Stream a room's standing posts, newest first unless `after_seq` is given.

    The end tells the room's head as it was before the first one.
    """
    viewer = request.connection.identity.viewer
    left = body.limit
    head: Done | None = None
    while left > 0:
        room, batch = await in_database(_history, viewer, body, min(left, HISTORY_BATCH))
        head = head or Done({"epoch": room.epoch, "seq": room.last_seq})
        for post in batch:
            yield post
        left -= len(batch)
        if len(batch) < HISTORY_BATCH:
            break
        if body.after_seq is UNSET:
            body.before_seq = batch[-1]["seq"]
        else:
            body.after_seq = batch[-1]["seq"]
    if head is not None:
        yield head


def _create(viewer: Viewer, body: Create) -> dict[str, Any]:
    post = services.create_post(
        viewer=viewer,
        room_slug=body.room,
        text=body.text,
        reply_to=body.reply_to,
        client_id=None if body.client_id is UNSET else body.client_id,
    )
    return post_data(post)


def _edit(viewer: Viewer, body: Edit) -> dict[str, Any]:
    post = services.edit_post(
        viewer=viewer,
        post_id=body.id,
        text=None if body.text is UNSET else body.text,
        alts=None if body.alts is UNSET else body.alts,
    )
    return post_data(post)


def _delete(viewer: Viewer, body: Delete) -> dict[str, Any]:
    return post_data(services.delete_post(viewer=viewer, post_id=body.id))


def _react(
    service: Callable[..., tuple[Post, str, int]], request: Request, body: React
) -> dict[str, Any]:
    viewer = request.connection.identity.viewer
    post, emoji, count = service(viewer=viewer, post_id=body.post_id, emoji=body.emoji)
    return {"post_id": str(post.pk), "emoji": emoji, "count": count}


def _history(viewer: Viewer, body: History, limit: int) -> tuple[Room, list[dict[str, Any]]]:
    room = access_room(viewer, body.room)
    posts = Post.objects.in_room(room).standing().for_display()
    if body.before_seq is not UNSET:
        posts = posts.before(body.before_seq)
    if body.after_seq is not UNSET:
        posts = posts.after(body.after_seq).oldest_first()
    else:
        posts = posts.newest_first()
    return room, posts_data(list(posts[:limit]))
