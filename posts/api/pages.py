"""Pages of a room's posts: keyset paging both ways, by number and by time."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from django.conf import settings
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict
from rest_framework.request import Request

from chat.access import Viewer
from chat.api.paging import Limit, link
from chat.models import Room
from chat.realtime.envelope import encode
from posts.models import Post
from posts.models.post import PostQuerySet
from posts.representation import posts_data
from posts.times import Time, moment

CURSORS = ("before_seq", "after_seq", "before", "after")
# What the databases' integers hold.
SEQ_MAX = 2**63 - 1


class PostPage(Struct):
    """Which posts; the cursors combine, all are strict, and each narrows the page."""

    before_seq: Annotated[int, Meta(ge=1, description="Posts with a lower seq.")] | UnsetType = (
        UNSET
    )
    after_seq: (
        Annotated[int, Meta(ge=0, description="Posts with a higher seq, oldest first.")] | UnsetType
    ) = UNSET
    before: Time | UnsetType = UNSET
    after: Time | UnsetType = UNSET
    limit: Limit = 50
    has_image: bool | UnsetType = UNSET

    @property
    def is_oldest_first(self) -> bool:
        return self.after_seq is not UNSET or self.after is not UNSET

    @property
    def has_cursor(self) -> bool:
        return any(getattr(self, name) is not UNSET for name in CURSORS)

    def select(self, posts: PostQuerySet) -> PostQuerySet:
        """Narrow `posts` to those that are asked for, in order. Raises Invalid."""
        if self.before_seq is not UNSET:
            posts = posts.before(min(self.before_seq, SEQ_MAX))
        if self.after_seq is not UNSET:
            posts = posts.after(min(self.after_seq, SEQ_MAX))
        if self.before is not UNSET:
            posts = posts.created_before(moment(self.before, field="before"))
        if self.after is not UNSET:
            posts = posts.created_after(moment(self.after, field="after"))
        if self.has_image is not UNSET:
            posts = posts.with_pictures() if self.has_image else posts.without_pictures()
        return posts.oldest_first() if self.is_oldest_first else posts.newest_first()


def page_of_posts(request: Request, room: Room, query: PostPage) -> dict[str, Any]:
    """Return the position, as `room` was read before, and the page, read now.

    Without a transaction: an event between the two is replayed, and changes nothing the second
    time.
    """
    found = list(
        query.select(Post.objects.in_room(room).standing().for_display())[: query.limit + 1]
    )
    shown, is_more = posts_data(found[: query.limit]), len(found) > query.limit
    onwards, back = ("after", "before") if query.is_oldest_first else ("before", "after")
    next_path = previous_path = None
    if is_more:
        cursor = {f"{onwards}_seq": shown[-1]["seq"]}
        next_path = link(request, query, without=(f"{onwards}_seq",), **cursor)
    if shown and query.has_cursor:
        cursor = {f"{back}_seq": shown[0]["seq"]}
        previous_path = link(request, query, without=CURSORS, **cursor)
    return {
        "room": room.slug,
        "epoch": room.epoch,
        "seq": room.last_seq,
        "results": shown,
        "next": next_path,
        "previous": previous_path,
    }


def etag_of(room: Room, query: PostPage, viewer: Viewer) -> str:
    """Return the weak tag of a page: it changes with whatever happens in the room."""
    what = [
        room.slug,
        room.epoch,
        room.last_seq,
        {name: value for name, value in asdict(query).items() if value is not UNSET},
        viewer.is_authenticated,
        settings.RELEASE,
    ]
    return f'W/"{hashlib.sha256(encode(what).encode()).hexdigest()[:32]}"'
