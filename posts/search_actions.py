"""What sockets can ask about words: posts, and the stories of older clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Struct

from chat.access import Viewer
from chat.realtime.database import in_database
from chat.realtime.router import Reply, Request, Streamed, router
from chat.shapes import Examples, Slug, Time
from posts.representation import posts_data
from posts.search import Search, find
from posts.shapes import Post, Uuid

# Posts that a stream computes at a time, so that the first come before the last are found.
SEARCH_BATCH = 20
TITLE_MAX = 80

Limit = Annotated[int, msgspec.Meta(ge=1, le=100)]
PostData = dict[str, Any]


class SearchPosts(Search):
    limit: Limit = 50

    examples: ClassVar[Examples] = (
        {"query": "sunset harb"},
        {"query": "sunset", "room": "lobby", "author": "ada", "has_image": True, "limit": 10},
    )


class SearchStories(SearchPosts):
    # Answer with one frame for each story.
    stream: bool = False

    examples: ClassVar[Examples] = ({"query": "sunset"}, {"query": "sunset", "stream": True})


class Story(Struct, tag_field="$type", tag="Story"):
    """A post as a headline."""

    id: Uuid
    # The first line of the text, or what its first picture shows.
    title: Annotated[str, msgspec.Meta(max_length=TITLE_MAX, examples=["Sunset over the harbour"])]
    room: Slug
    # A username.
    author: Annotated[str, msgspec.Meta(examples=["ada"])]
    created_at: Time


class Stories(Struct):
    query: Annotated[str, msgspec.Meta(examples=["sunset"])]
    # Newest first.
    results: list[Story]


@router.action("search", body=SearchPosts, result=Post, is_stream=True)
async def search(request: Request, body: SearchPosts) -> AsyncIterator[PostData]:
    """Stream the posts that have all words of a query, newest first.

    Words of the text, the pictures' descriptions, the author and the room count.
    """
    async for post in found_posts(request.connection.identity.viewer, body):
        yield post


@router.action("SearchStories", body=SearchStories, result=Stories | Story)
async def search_stories(request: Request, body: SearchStories) -> Reply | Streamed:
    """Find posts as `search` does, and answer with their headlines, at once or as a stream."""
    stories = (_story(post) async for post in found_posts(request.connection.identity.viewer, body))
    if body.stream:
        return Streamed(stories)
    answer = {"query": body.query, "results": [story async for story in stories]}
    return Reply(answer, extra=answer)


async def found_posts(viewer: Viewer, body: SearchPosts) -> AsyncIterator[PostData]:
    """Yield what is found, batch by batch, each with the rights of its moment."""
    left, below = body.limit, None
    while left > 0:
        batch, below = await in_database(_find, viewer, body, min(left, SEARCH_BATCH), below)
        for post in batch:
            yield post
        left -= len(batch)
        if below is None:
            return


def _find(
    viewer: Viewer, body: Search, limit: int, below: int | None
) -> tuple[list[PostData], int | None]:
    found = find(viewer, body, limit=limit, below=below)
    return posts_data(found.posts), found.below


def _story(post: PostData) -> dict[str, Any]:
    lines = [post["text"], *(image["alt"] for image in post["images"])]
    first = next((line for line in lines if line), "").strip().partition("\n")[0]
    return {
        "$type": "Story",
        "id": post["id"],
        "title": first[:TITLE_MAX],
        "room": post["room"],
        "author": post["author"]["username"],
        "created_at": post["created_at"],
    }
