"""The first look at an upload, in the server process: cheap, and nothing is decoded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from posts.pictures.errors import NotAPicture, PictureTooLarge
from posts.pictures.formats import HEAD_BYTES, Format, sniff
from posts.pictures.limits import Limits

CHUNK_BYTES = 256 * 1024


class Upload(Protocol):
    """A file to read from its beginning; Django's `UploadedFile` is one."""

    def read(self, size: int, /) -> bytes: ...

    def seek(self, offset: int, /) -> object: ...


@dataclass(frozen=True, slots=True)
class Examined:
    """What is known of an upload before it is decoded; `sha256` is hexadecimal."""

    format: Format
    size: int
    sha256: str


def examine(upload: Upload, limits: Limits) -> Examined:
    """Tell an upload's format, size and digest.

    Raises `NotAPicture` by its first bytes (whatever its name or declared type) and
    `PictureTooLarge` at the first byte too many. Leaves the upload at its beginning.
    """
    upload.seek(0)
    chunk = upload.read(CHUNK_BYTES)
    found = sniff(chunk[:HEAD_BYTES])
    if found is None:
        raise NotAPicture(f"{NotAPicture.message} Accepted are {limits}.")
    size, digest = 0, hashlib.sha256()
    while chunk:
        size += len(chunk)
        if size > limits.max_bytes:
            raise PictureTooLarge(f"{PictureTooLarge.message} Accepted are {limits}.")
        digest.update(chunk)
        chunk = upload.read(CHUNK_BYTES)
    upload.seek(0)
    return Examined(found, size, digest.hexdigest())
