"""What a handler has returned, and what its caller is told of it."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import msgspec
from django.conf import settings

from chat.errors import (
    AppError,
    Conflict,
    Forbidden,
    Invalid,
    NotAuthenticated,
    NotFound,
    RateLimited,
)
from chat.realtime.envelope import byte_count, encode, pack

# What the statuses of handlers are called among our errors; every other one is our fault.
KINDS: dict[int, type[AppError]] = {
    kind.status: kind
    for kind in (Invalid, NotAuthenticated, Forbidden, NotFound, Conflict, RateLimited)
}
REFUSAL = 400


class Unreadable(Exception):
    """A handler returned what is no answer; the text says why, to the operator."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A handler's answer."""

    status: int
    # The body as a value: read from JSON, otherwise its text.
    content: Any
    # The body as it goes to plain clients; None when there is none.
    raw: str | bytes | None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_refusal(self) -> bool:
        return self.status >= REFUSAL

    def error(self) -> dict[str, Any]:
        """The `error` member of a refusal: our code, and beside it what the body says."""
        kind = KINDS.get(self.status, Invalid if self.status < 500 else AppError)
        said = self.content if isinstance(self.content, dict) else {"message": self.content}
        message = said.get("message")
        told = message if isinstance(message, str) and message else kind.message
        return {**said, "code": kind.code, "message": told}


def read_answer(returned: object) -> Answer:
    """Read `{"statusCode", "body", "isBase64Encoded"}`, or any value of JSON. Raises Unreadable."""
    if not isinstance(returned, dict) or "statusCode" not in returned:
        answer = _valued(200, returned)
    else:
        status = _status(returned["statusCode"])
        body = returned.get("body")
        if not isinstance(body, str):
            answer = _valued(status, body)
        elif returned.get("isBase64Encoded"):
            answer = Answer(status, body, _decoded(body))
        else:
            answer = Answer(status, _read(body), body)
    if answer.raw is not None and byte_count(answer.raw) > settings.MESSAGE_BYTES_MAX:
        raise Unreadable(f"its answer has more than {settings.MESSAGE_BYTES_MAX} bytes")
    return answer


def _status(value: object) -> int:
    if isinstance(value, str) and value.isdecimal() and value.isascii():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 100 <= value <= 599:
        raise Unreadable(f"its statusCode is {value!r}")
    return value


def _valued(status: int, value: object) -> Answer:
    if value is None:
        return Answer(status, None, None)
    try:
        text = encode(value)
        # Back again, so that it is made of JSON's own values in every dialect.
        content = msgspec.json.decode(text)
        pack(content)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise Unreadable(f"its answer is no JSON ({error})") from None
    return Answer(status, content, content if isinstance(content, str) else text)


def _decoded(body: str) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreadable(f"its body is no base64 ({error})") from None


def _read(body: str) -> Any:
    """The body's value if it is JSON that every dialect can tell, else the text itself."""
    try:
        body.encode()
    except UnicodeEncodeError:
        raise Unreadable("its body is no valid Unicode") from None
    try:
        content = msgspec.json.decode(body)
        pack(content)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return body
    return content
