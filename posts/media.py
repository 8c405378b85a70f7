"""Pictures over HTTP: to those who may see the room, at each fetch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import BinaryIO
from uuid import UUID

from django.http import HttpResponse, HttpResponseNotModified, StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from chat.api.caching import is_known, revalidated
from chat.api.views import ApiView, viewer_of
from chat.errors import NotFound
from posts.attachments import store
from posts.models import Picture

# What a sender may have of a file in memory.
CHUNK_BYTES = 64 * 1024
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Nothing that a file might turn out to be can run, be framed or load anything.
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class AnyAccept(BaseContentNegotiation):
    """A picture has the type that it has; `Accept: image/webp` is no reason to refuse it."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class PictureView(ApiView):
    """`/media/pictures/<id>/<name>`: one file of a picture."""

    schema = None
    content_negotiation_class = AnyAccept

    def get(self, request: Request, picture_id: UUID, name: str) -> HttpResponseBase:
        picture = Picture.objects.viewable_by(viewer_of(request)).filter(pk=picture_id).first()
        files = [picture.original, *picture.renditions] if picture else []
        described = next((each for each in files if each["name"] == name), None)
        if described is None:
            raise _no_such_picture()
        # A file never changes under its name.
        etag = f'"{picture_id}-{name}"'
        if is_known(request, etag):
            return revalidated(HttpResponseNotModified(headers=HEADERS), etag)
        disposition = f'inline; filename="picturegram-{picture_id}-{name}"'
        headers = HEADERS | {
            "Content-Type": described["type"],
            "Content-Disposition": disposition,
        }
        return revalidated(
            file_response(picture_id, name, headers, is_head=request.method == "HEAD"), etag
        )


class Chunks:
    """A file's content, read on as fast as its receiver takes it. Whoever holds it closes it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await asyncio.to_thread(self._file.read, CHUNK_BYTES):
            yield chunk

    def close(self) -> None:
        self._file.close()


def file_response(
    picture_id: UUID, name: str, headers: dict[str, str], *, is_head: bool
) -> HttpResponseBase:
    """Answer with a file of a picture. Raises NotFound for one that is gone."""
    path = store().path(picture_id, name)
    if path is None:
        raise _no_such_picture()
    try:
        size = path.stat().st_size
        headers = headers | {"Content-Length": str(size)}
        if is_head:
            return HttpResponse(headers=headers)
        return StreamingHttpResponse(Chunks(path.open("rb")), headers=headers)
    except FileNotFoundError:  # removed just now
        raise _no_such_picture() from None


def _no_such_picture() -> NotFound:
    return NotFound("There is no such picture, or it is not for you.")
