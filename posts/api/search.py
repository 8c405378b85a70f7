"""Full-text search over REST."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType
from rest_framework.request import Request
from rest_framework.response import Response

from chat.api.paging import Limit, link
from chat.api.schema import describes
from chat.api.views import ApiView, read_query, viewer_of
from posts.api.shapes import SearchPageSerializer
from posts.indexing import LEAST, MOST
from posts.representation import posts_data
from posts.search import Search, find


class SearchPage(Search):
    limit: Limit = 50
    # Pages make it; nobody else needs to.
    cursor: (
        Annotated[str, Meta(pattern="^-?[0-9]{1,19}$", description="From a page.")] | UnsetType
    ) = UNSET


class SearchView(ApiView):
    @describes("searchPosts", {200: SearchPageSerializer}, query=SearchPage, tag="posts")
    def get(self, request: Request) -> Response:
        """Find posts by words of their text, alt texts, author and room, newest first."""
        query = read_query(request, SearchPage)
        below = None if query.cursor is UNSET else max(LEAST, min(int(query.cursor), MOST))
        found = find(viewer_of(request), query, limit=query.limit, below=below)
        next_path = None
        if found.below is not None:
            next_path = link(request, query, without=("cursor",), cursor=found.below)
        return Response({"results": posts_data(found.posts), "next": next_path, "previous": None})
