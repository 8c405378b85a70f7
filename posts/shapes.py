"""What posts and reactions look like in results and events: for descriptions, and for tests.

The JSON itself is posts.representation's.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from chat.shapes import Examples, Person, Slug, Time

Uuid = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        examples=["01956f3c-8a51-7c3e-9b1f-2f6f0c9d1e11"],
    ),
]
Path = Annotated[str, msgspec.Meta(examples=["/media/pictures/01956f3c…/picture.webp"])]
# Numbers an event, from 1.
PostSeq = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1, examples=[42])]
Emoji = Annotated[str, msgspec.Meta(examples=["🎉"])]


class Rendition(Struct):
    """A picture made smaller."""

    url: Path
    width: Annotated[int, msgspec.Meta(ge=1, examples=[320])]
    height: Annotated[int, msgspec.Meta(ge=1, examples=[240])]
    type: Annotated[str, msgspec.Meta(examples=["image/webp"])]


class Image(Struct):
    """A picture of a post."""

    id: Annotated[Uuid, msgspec.Meta(examples=["01956f3c-8a51-7c3e-9b1f-2f6f0c9d1e12"])]
    # A path. The picture stands upright and has no metadata.
    url: Path
    width: Annotated[int, msgspec.Meta(ge=1, examples=[4032])]
    height: Annotated[int, msgspec.Meta(ge=1, examples=[3024])]
    alt: Annotated[str, msgspec.Meta(examples=["Orange sky over masts"])]
    # A ThumbHash in base64; empty when there is none.
    placeholder: Annotated[str, msgspec.Meta(examples=["1QcSHQRnh493V4dIh4eXh1h4kJUI"])]
    # Narrowest first.
    renditions: list[Rendition]


class Reactions(Struct):
    """All reactions to a post with one emoji."""

    emoji: Emoji
    count: Annotated[int, msgspec.Meta(ge=1, examples=[2])]
    # The first 100 people, in order of reacting.
    user_ids: Annotated[list[int], msgspec.Meta(max_length=100, examples=[[2, 3]])]


class Post(Struct):
    """A post, the same for every viewer."""

    id: Uuid
    room: Slug
    # The `seq` of its `post.created`, for ever; posts are ordered by it.
    seq: PostSeq
    # As known when this was written or read.
    author: Person
    text: Annotated[str, msgspec.Meta(examples=["Sunset over the harbour"])]
    images: Annotated[list[Image], msgspec.Meta(examples=[[]])]
    # The post that this one answers, in the same room. It may be gone.
    reply_to: Annotated[Uuid | None, msgspec.Meta(examples=[None])]
    # The author's own key for this post, or the one that the server made.
    client_id: Annotated[str, msgspec.Meta(examples=["c-1"])]
    # In the order of their first use.
    reactions: Annotated[list[Reactions], msgspec.Meta(examples=[[]])]
    # Strictly rising within a room.
    created_at: Time
    edited_at: Annotated[Time | None, msgspec.Meta(examples=[None])]
    # True only in tombstones.
    hidden: bool
    # True only in tombstones.
    deleted: bool


class Tombstone(Struct):
    """What is left of a post that was hidden or deleted: one of the two is true."""

    id: Uuid
    room: Slug
    seq: PostSeq
    # Empty.
    text: Annotated[str, msgspec.Meta(max_length=0, examples=[""])]
    # Empty.
    images: Annotated[list[Image], msgspec.Meta(max_length=0)]
    deleted: bool | UnsetType = UNSET
    hidden: bool | UnsetType = UNSET

    examples: ClassVar[Examples] = (
        {
            "id": "01956f3c-8a51-7c3e-9b1f-2f6f0c9d1e11",
            "room": "lobby",
            "seq": 42,
            "text": "",
            "images": [],
            "deleted": True,
        },
    )


class ReactionCount(Struct):
    """How many people have reacted to a post with an emoji."""

    post_id: Uuid
    emoji: Emoji
    count: Annotated[int, msgspec.Meta(ge=0, examples=[2])]


class ReactionChange(ReactionCount):
    """Who reacted, or took it back, and how many there are now."""

    user_id: int
