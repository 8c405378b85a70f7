"""What came in over a socket, read as a JSON object: text, or MessagePack for one."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import Any

import msgspec

from chat.errors import Invalid

# Levels of nesting that a request may have.
DEPTH_MAX = 32
# A run of digits that may be more than 64 bits hold.
LONG_NUMBER = re.compile(r"\d{19}")


class Unacceptable(Invalid):
    """A JSON object by the letter that is not taken; `request_id` is what it asked to hear."""

    def __init__(self, message: str, members: dict[str, Any]) -> None:
        super().__init__(message)
        self.request_id: str | int | None = None
        with suppress(Invalid, UnicodeEncodeError):
            request_id = request_id_of(members)
            str(request_id).encode()  # a lone surrogate could not be sent back
            self.request_id = request_id


def parse(text: str) -> dict[str, Any] | None:
    """Read a message as a JSON object; None for anything else. Raises Invalid for abuse."""
    try:
        message = msgspec.json.decode(text)
    except msgspec.DecodeError:
        _refuse_lawful(text)
        return None
    except RecursionError:
        raise Invalid("The message is nested too deep.") from None
    if not isinstance(message, dict):
        return None
    if text.count("[") + text.count("{") > DEPTH_MAX and _depth(message) > DEPTH_MAX:
        raise Unacceptable("The message is nested too deep.", message)
    if "\\u0000" in text or LONG_NUMBER.search(text):
        _check_values(message)
    return message


def unpack(data: bytes) -> dict[str, Any]:
    """Read a MessagePack message as the JSON object it stands for. Raises Invalid."""
    try:
        message = msgspec.msgpack.decode(data)
    except RecursionError:
        raise Invalid("The message is nested too deep.") from None
    except (msgspec.DecodeError, TypeError, ValueError, OverflowError):
        raise Invalid("This is not MessagePack.") from None
    if not isinstance(message, dict):
        raise Invalid("The message must be a map.")
    if _depth(message) > DEPTH_MAX:
        raise Unacceptable("The message is nested too deep.", message)
    _check_values(message)
    return message


def _check_values(message: dict[str, Any]) -> None:
    """Raise Unacceptable for values that JSON, a database or another language does not take."""
    level: list[object] = [message]
    while level:
        value = level.pop()
        if isinstance(value, dict):
            if not all(isinstance(name, str) for name in value):
                raise Unacceptable("Names in maps must be text.", message)
            level.extend(value)
            level.extend(value.values())
        elif isinstance(value, list):
            level.extend(value)
        elif isinstance(value, str):
            if "\x00" in value:
                raise Unacceptable("Text must not contain NUL.", message)
        elif isinstance(value, float):
            if not math.isfinite(value):
                raise Unacceptable("Numbers must be finite.", message)
        elif isinstance(value, int):
            if not -(2**63) <= value < 2**63:
                raise Unacceptable("Whole numbers must fit into 64 bits.", message)
        elif value is not None:
            raise Unacceptable("Binary values and extension types are not taken.", message)


def request_id_of(message: dict[str, Any]) -> str | int | None:
    """Return the message's `request_id`. Raises Invalid for what cannot be one."""
    value = message.get("request_id")
    if value is None:
        return None
    if isinstance(value, str) and len(value) <= 128:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return value
    raise Invalid(fields={"request_id": "Must be text of at most 128 characters or an integer."})


def _refuse_lawful(text: str) -> None:
    """Raise Invalid for JSON by the letter that nothing behind us takes.

    Such as lone surrogates, and numbers beyond what a computer calculates with.
    """
    try:
        message = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise Invalid("The message is nested too deep.") from None
    except ValueError:
        return
    if isinstance(message, dict):
        told = "Text must be valid Unicode, and numbers must be of ordinary size."
        raise Unacceptable(told, message)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON.")


def _depth(value: object) -> int:
    level, depth = [value], 0
    while level:
        depth += 1
        inner: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inner.extend(each.values())
            elif isinstance(each, list):
                inner.extend(each)
        level = [each for each in inner if isinstance(each, dict | list)]
    return depth
