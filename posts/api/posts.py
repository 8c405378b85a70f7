"""Posts and reactions over REST."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponseNotModified, QueryDict
from django.http.response import HttpResponseBase
from msgspec import UNSET, Meta, Struct, UnsetType
from rest_framework.request import Request
from rest_framework.response import Response

from chat.access import access_room
from chat.api.caching import is_known, revalidated
from chat.api.schema import FORM, JSON, MULTIPART, REFUSED, describes, schema_of
from chat.api.views import ApiView, body_of, read_body, read_query, viewer_of
from chat.errors import Invalid
from posts import services
from posts.access import access_post
from posts.api.pages import PostPage, etag_of, page_of_posts
from posts.api.shapes import (
    POST_OR_TOMBSTONE,
    LimitsSerializer,
    PostPageSerializer,
    PostSerializer,
    ReactionCountSerializer,
    TombstoneSerializer,
)
from posts.limits import public_limits
from posts.models import Post
from posts.representation import post_data

TAG = "posts"

Emoji = Annotated[str, Meta(description="One emoji.")]


class NewPost(Struct):
    text: Annotated[str, Meta(description="May be empty only with a picture.")] = ""
    alts: Annotated[list[str], Meta(description="The n-th describes the n-th picture.")] = []
    reply_to: str | None = None
    client_id: (
        Annotated[str, Meta(description="Makes a repeat find what the first one made.")] | UnsetType
    ) = UNSET


class PostChange(Struct):
    text: str | UnsetType = UNSET
    alts: list[str] | UnsetType = UNSET


class NewReaction(Struct):
    emoji: Emoji


class ReactionQuery(Struct):
    emoji: Emoji


def _new_post_bodies() -> dict[str, dict[str, Any]]:
    """Describe what creates a post: pictures come in a multipart body only."""
    plain = schema_of(NewPost)
    images = {"type": "array", "maxItems": 4, "items": {"type": "string", "format": "binary"}}
    with_images = {**plain, "properties": {**plain["properties"], "images": images}}
    return {MULTIPART: with_images, JSON: plain, FORM: plain}


class PostsView(ApiView):
    @describes("listPosts", {200: PostPageSerializer, 304: None}, query=PostPage, tag=TAG)
    def get(self, request: Request, slug: str) -> HttpResponseBase:
        """Read a page of posts, newest first by default."""
        viewer = viewer_of(request)
        query = read_query(request, PostPage)
        room = access_room(viewer, slug)
        etag = etag_of(room, query, viewer)
        if is_known(request, etag):
            return revalidated(HttpResponseNotModified(), etag)
        return revalidated(Response(page_of_posts(request, room, query)), etag)

    @describes(
        "createPost",
        {201: POST_OR_TOMBSTONE, 409: REFUSED, 422: REFUSED, 507: REFUSED},
        body=_new_post_bodies(),
        tag=TAG,
    )
    def post(self, request: Request, slug: str) -> Response:
        """Post a line of text, up to four pictures, or both."""
        new = read_body(request, NewPost)
        post = services.create_post(
            viewer=viewer_of(request),
            room_slug=slug,
            text=new.text,
            images=images_of(request),
            alts=new.alts,
            reply_to=new.reply_to,
            client_id=None if new.client_id is UNSET else new.client_id,
        )
        headers = {"Location": f"/api/posts/{post.pk}/"}
        return Response(post_data(post), status=201, headers=headers)


class PostView(ApiView):
    @describes("readPost", {200: POST_OR_TOMBSTONE}, tag=TAG)
    def get(self, request: Request, post_id: UUID) -> Response:
        """Read a post; moderators also get what is left of a hidden or deleted one."""
        return Response(post_data(access_post(viewer_of(request), post_id)))

    @describes("editPost", {200: PostSerializer}, body=PostChange, tag=TAG)
    def patch(self, request: Request, post_id: UUID) -> Response:
        """Change the text or the alt texts of your own post."""
        change = read_body(request, PostChange)
        post = services.edit_post(
            viewer=viewer_of(request),
            post_id=post_id,
            text=None if change.text is UNSET else change.text,
            alts=None if change.alts is UNSET else change.alts,
        )
        return Response(post_data(post))

    @describes("deletePost", {200: TombstoneSerializer}, tag=TAG)
    def delete(self, request: Request, post_id: UUID) -> Response:
        """Delete a post; for ten minutes it can be restored."""
        return Response(post_data(services.delete_post(viewer=viewer_of(request), post_id=post_id)))


class RestoreView(ApiView):
    @describes("restorePost", {200: PostSerializer}, tag=TAG)
    def post(self, request: Request, post_id: UUID) -> Response:
        """Bring back a deleted post, or as a moderator a hidden one."""
        return Response(
            post_data(services.restore_post(viewer=viewer_of(request), post_id=post_id))
        )


class ReactionsView(ApiView):
    @describes(
        "addReaction", {200: ReactionCountSerializer, 409: REFUSED}, body=NewReaction, tag=TAG
    )
    def post(self, request: Request, post_id: UUID) -> Response:
        """React to a post; twice is once."""
        emoji = read_body(request, NewReaction).emoji
        return _reacted(
            *services.add_reaction(viewer=viewer_of(request), post_id=post_id, emoji=emoji)
        )

    @describes("removeReaction", {200: ReactionCountSerializer}, query=ReactionQuery, tag=TAG)
    def delete(self, request: Request, post_id: UUID) -> Response:
        """Take your reaction back."""
        emoji = read_query(request, ReactionQuery).emoji
        return _reacted(
            *services.remove_reaction(viewer=viewer_of(request), post_id=post_id, emoji=emoji)
        )


class LimitsView(ApiView):
    @describes("readLimits", {200: LimitsSerializer}, tag="limits")
    def get(self, request: Request) -> Response:
        """Read the limits of this server, and the picture types that it takes."""
        return Response(public_limits())


def images_of(request: Request) -> list[UploadedFile[Any]]:
    """Return the files of a multipart body; other bodies cannot carry any."""
    data = body_of(request)
    images = data.getlist("images") if isinstance(data, QueryDict) else data.get("images", [])
    files = [each for each in images if isinstance(each, UploadedFile)] if images else []
    if images != files:
        raise Invalid(fields={"images": "Must be files of a multipart/form-data body."})
    return files


def _reacted(post: Post, emoji: str, count: int) -> Response:
    return Response({"post_id": str(post.pk), "emoji": emoji, "count": count})
