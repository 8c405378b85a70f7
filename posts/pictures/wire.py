"""What the server process and a worker say to each other about one picture.

The worker's side may have been taken over by the picture it decoded. So the answer is JSON
and bytes, never pickled objects, and its reader believes no number in it.

    request  one line of JSON, then the upload's bytes, then the end of the stream
    reply    one byte as soon as the worker lives; then 4 bytes with the length of the JSON,
             the JSON, and the bytes of the files it lists, one after the other
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass

from posts.pictures.limits import Limits

ALIVE = b"+"
_LENGTH = struct.Struct(">I")
_MAX_HEAD_BYTES = 64 * 1024
_MAX_FILE_BYTES = 256 * 1024 * 1024
_MAX_FILES = 8
_TYPES = {"image/webp": "webp", "image/jpeg": "jpg", "image/png": "png"}


@dataclass(frozen=True, slots=True)
class Encoded:
    """One finished file; `type` is its media type."""

    width: int
    height: int
    type: str
    data: bytes

    @property
    def extension(self) -> str:
        return _TYPES[self.type]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A picture as it is kept: `original` in full size, `renditions` from narrow to wide."""

    placeholder: str
    is_animated: bool
    original: Encoded
    renditions: tuple[Encoded, ...]


class BadReply(Exception):
    """The worker's answer is cut off or makes no sense."""


def request_line(media_type: str, limits: Limits) -> bytes:
    return json.dumps({"type": media_type, "limits": asdict(limits)}).encode() + b"\n"


def read_request(request: bytes) -> tuple[str, Limits, bytes]:
    """Return the media type, the limits and the upload of a whole request."""
    line, _, upload = request.partition(b"\n")
    head = json.loads(line)
    return head["type"], Limits(**head["limits"]), upload


def refusal(code: str, detail: str) -> bytes:
    """The answer to a picture that is not taken; `detail` is for the log."""
    return _with_length({"error": code, "detail": detail})


def success(rendered: Rendered) -> list[bytes]:
    """The answer to a picture that is, in pieces to be sent one after the other."""
    files = (rendered.original, *rendered.renditions)
    head = {
        "placeholder": rendered.placeholder,
        "is_animated": rendered.is_animated,
        "files": [
            {"width": e.width, "height": e.height, "type": e.type, "size": len(e.data)}
            for e in files
        ],
    }
    return [_with_length(head), *(encoded.data for encoded in files)]


@dataclass(frozen=True, slots=True)
class Refused:
    code: str
    detail: str


def read_reply(read_exactly: Callable[[int], bytes]) -> Rendered | Refused:
    """Read the answer after its first byte, or raise `BadReply`."""
    try:
        (length,) = _LENGTH.unpack(read_exactly(_LENGTH.size))
        if length > _MAX_HEAD_BYTES:
            raise BadReply("head too long")
        head = json.loads(read_exactly(length))
        if "error" in head:
            return Refused(str(head["error"]), str(head["detail"]))
        listed = [_listed(entry) for entry in head["files"][:_MAX_FILES]]
        if sum(size for *_, size in listed) > _MAX_FILE_BYTES:
            raise BadReply("files too large")
        original, *renditions = (
            Encoded(width, height, media_type, read_exactly(size))
            for width, height, media_type, size in listed
        )
        return Rendered(
            str(head["placeholder"])[:64],
            bool(head["is_animated"]),
            original,
            tuple(renditions),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadReply(repr(error)) from error


def _listed(entry: dict[str, object]) -> tuple[int, int, str, int]:
    width, height, media_type, size = (entry[key] for key in ("width", "height", "type", "size"))
    if not (isinstance(width, int) and isinstance(height, int) and isinstance(size, int)):
        raise BadReply("not a number")
    if min(width, height, size) < 1 or media_type not in _TYPES:
        raise BadReply("not a picture")
    return width, height, str(media_type), size


def _with_length(head: dict[str, object]) -> bytes:
    body = json.dumps(head).encode()
    return _LENGTH.pack(len(body)) + body
