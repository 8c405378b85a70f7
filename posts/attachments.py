"""Between a post's uploads and its rows: pictures are on disk, whole, before the rows commit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.conf import settings
from uuid_utils.compat import uuid7

from chat.pool import give_back
from posts.pictures.examine import Upload, examine
from posts.pictures.limits import Limits
from posts.pictures.process import process
from posts.pictures.store import PictureStore


def limits() -> Limits:
    return Limits(max_bytes=settings.PICTURE_BYTES_MAX, max_pixels=settings.PICTURE_PIXELS_MAX)


def store() -> PictureStore:
    """Where pictures are kept."""
    return PictureStore(settings.MEDIA_ROOT / "pictures")


def digest(upload: Upload) -> str:
    """Return the SHA-256 of an upload, or refuse what is no accepted picture. Decodes nothing."""
    return examine(upload, limits()).sha256


class Attachments:
    """Pictures of a post to be: their files are in place, their rows are not."""

    def __init__(self) -> None:
        # The fields of each Picture but post, position and alt.
        self.fields: list[dict[str, Any]] = []
        self._is_kept = False

    def keep(self) -> None:
        """The rows are committed: leave the files where they are."""
        self._is_kept = True

    def add(self, upload: Upload) -> None:
        processed = process(upload, limits=limits())
        picture_id: UUID = uuid7()
        stored = store().save(picture_id, processed)
        self.fields.append(
            {
                "id": picture_id,
                "sha256": processed.sha256,
                "width": processed.width,
                "height": processed.height,
                "placeholder": processed.placeholder,
                "is_animated": processed.is_animated,
                "original": asdict(stored.original),
                "renditions": [asdict(rendition) for rendition in stored.renditions],
            }
        )

    def discard(self) -> None:
        for fields in self.fields:
            store().remove(fields["id"])


@contextmanager
def attached(uploads: Sequence[Upload]) -> Iterator[Attachments]:
    """Process and store uploads, and remove them again unless `keep` was called.

    Raises the picture errors of `posts.pictures`. Takes up to seconds; never inside a
    transaction.
    """
    attachments = Attachments()
    if uploads:
        give_back()
    try:
        for upload in uploads:
            attachments.add(upload)
        yield attachments
    finally:
        if not attachments._is_kept:
            attachments.discard()
