"""What came in from outside, read into a struct of ours."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from chat.errors import Invalid

S = TypeVar("S", bound=msgspec.Struct)
_MISSING = re.compile(r"missing required field `(\w+)`")


def read_struct(members: dict[str, Any], shape: type[S], *, is_text: bool = False) -> S:
    """Read `members` into `shape`, or raise Invalid that names the field.

    `is_text`: all values came as text, as in forms and queries, so that `42` is a number too.
    """
    try:
        return msgspec.convert(members, shape, strict=not is_text)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$.")
        missing = _MISSING.search(reason)
        name = missing[1] if missing else re.split(r"[.\[`]", path)[0] or "body"
        reason = "Is missing." if missing else f"{reason}."
        if "matching regex" in reason:
            reason = "Has characters that are not taken here."
        raise Invalid(fields={name: reason}) from None
