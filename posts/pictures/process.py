"""An upload in, a picture that is ready to be stored out."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from posts.pictures.examine import Upload, examine
from posts.pictures.limits import Limits
from posts.pictures.pool import Pool
from posts.pictures.wire import Encoded


@dataclass(frozen=True, slots=True)
class Processed:
    """A picture as everybody will see it.

    `sha256` is that of the uploaded bytes, in hexadecimal, for comparing a repeated request.
    `renditions` go from narrow to wide and are WebP; `original` has the full size.
    """

    sha256: str
    width: int
    height: int
    placeholder: str
    is_animated: bool
    original: Encoded
    renditions: tuple[Encoded, ...]


def process(upload: Upload, *, limits: Limits, pool: Pool | None = None) -> Processed:
    """Turn an upload into clean files, or raise the `PictureError` that says why not.

    Blocks its thread for as long as the decoding takes, some 15 s at most besides waiting in
    line, so call it outside of any transaction. Nothing is written to disk.
    """
    examined = examine(upload, limits)
    rendered = (pool or shared_pool()).render(upload, examined.format.media_type, limits)
    return Processed(
        sha256=examined.sha256,
        width=rendered.original.width,
        height=rendered.original.height,
        placeholder=rendered.placeholder,
        is_animated=rendered.is_animated,
        original=rendered.original,
        renditions=rendered.renditions,
    )


@functools.cache
def shared_pool() -> Pool:
    """The pool of this server process; it starts nothing before the first picture."""
    return Pool()
