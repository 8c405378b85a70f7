"""Posting over REST, which takes pictures. Blocking; only the standard library."""

import json
import secrets
import socket
import ssl
import time
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple, Self
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import HTTPRedirectHandler, Request, build_opener

from picturegram.ending import ABNORMAL, Ending
from picturegram.errors import PicturegramError, Refused, Unknown, Unreachable
from picturegram.wire import USER_AGENT, Frame

# Seconds without a byte after which an attempt counts as unanswered.
STALL_S = 45.0
# Seconds of asking again: while nobody was reached, and while the outcome is unknown.
UNREACHABLE_S, UNKNOWN_S = 10.0, 60.0
# What fails before anything is sent.
NOT_SENT = (ConnectionRefusedError, socket.gaierror, ssl.SSLError)


class Image(NamedTuple):
    """A picture's file and its description."""

    name: str
    data: bytes
    alt: str = ""

    @classmethod
    def from_file(cls, path: str | Path, alt: str = "") -> Self:
        """Read a file. Raises OSError."""
        return cls(Path(path).name, Path(path).read_bytes(), alt)


class Site:
    """The REST API of a site, as far as it is needed."""

    def __init__(self, site_url: str, token: str | None) -> None:
        self._site_url = site_url
        self._token = token
        self._opener = build_opener(NoRedirects)

    def create_post(self, room: str, fields: dict[str, str], images: Sequence[Image] = ()) -> Frame:
        """Post, asking again with the same `client_id` while the outcome is unknown.

        Raises Refused, Unknown and Unreachable.
        """
        fields = {"client_id": secrets.token_hex(16), **fields}
        url = f"{self._site_url}api/rooms/{quote(room, safe='')}/posts/"
        content_type, body = _form(fields, images)
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        headers["User-Agent"] = USER_AGENT
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = Request(url, body, headers)  # noqa: S310 -- site_url lets only HTTP through
        began_at, failures, was_sent = time.monotonic(), 0, False
        while True:
            try:
                with self._opener.open(request, timeout=STALL_S) as response:
                    post: Frame = json.load(response)
                    return post
            except HTTPError as answer:
                error: PicturegramError = _refusal(answer)
            except (OSError, HTTPException, ValueError) as failure:
                error = _no_answer(url, failure)
            if isinstance(error, Refused) and not error.is_passing:
                raise error
            was_sent = was_sent or not isinstance(error, Unreachable)
            retry_after_ms = error.retry_after_ms if isinstance(error, Refused) else None
            pause_s = Ending(ABNORMAL, "", retry_after_ms).pause_s(failures)
            patience_s = UNKNOWN_S if was_sent else UNREACHABLE_S
            if time.monotonic() - began_at + pause_s > patience_s:
                raise Unknown(str(error)) if was_sent and isinstance(error, Unreachable) else error
            failures += 1
            time.sleep(pause_s)


class NoRedirects(HTTPRedirectHandler):
    """Follows none: it would turn a POST into a GET, and carry the token elsewhere."""

    def redirect_request(self, *_: object) -> None:
        return None


def _form(fields: dict[str, str], images: Sequence[Image]) -> tuple[str, bytes]:
    """Return the type and the bytes of a form (RFC 7578)."""
    boundary = secrets.token_hex(16)
    parts = [(f'name="{name}"', value.encode()) for name, value in fields.items()]
    for image in images:
        name = quote(image.name, safe=" !#$&'()+,;=@[]{}")
        parts.append((f'name="images"; filename="{name}"', image.data))
        parts.append(('name="alts"', image.alt.encode()))
    body = b"".join(
        b"--%s\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n"
        % (boundary.encode(), described.encode(), value)
        for described, value in parts
    )
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


def _refusal(answer: HTTPError) -> Refused:
    """Return the error in an answer; a proxy's page without our shape still has its status."""
    if 300 <= answer.code < 400:
        message = f"The server redirects to {answer.headers.get('Location')}: use that address."
        return Refused({"code": f"http_{answer.code}", "message": message})
    try:
        return Refused(json.loads(answer.read())["error"])
    except (ValueError, KeyError, TypeError, OSError, HTTPException):
        code = "unavailable" if answer.code >= 500 else f"http_{answer.code}"
        return Refused({"code": code, "message": f"The server answered with HTTP {answer.code}."})


def _no_answer(url: str, failure: Exception) -> PicturegramError:
    reason = failure.reason if isinstance(failure, URLError) else failure
    kind = Unreachable if isinstance(reason, NOT_SENT) else Unknown
    return kind(f"{url}: {reason}")
