"""What the source says about the fields of a struct: the comment above each.

The wire's types are written with a comment above every field that its name and type do not
explain; so these are read here rather than said a second time.
"""

from __future__ import annotations

import inspect
import re
from functools import cache

import msgspec

FIELD = re.compile(r"    (\w+)\s*:")
COMMENT = re.compile(r"    # ?(.*)")


@cache
def field_comments(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Return the comments by the fields' names in Python; inherited ones, too."""
    found: dict[str, str] = {}
    for each in reversed(struct.__mro__):
        if issubclass(each, msgspec.Struct) and each is not msgspec.Struct:
            found |= _own_comments(each)
    return found


def _own_comments(struct: type[msgspec.Struct]) -> dict[str, str]:
    try:
        source = inspect.getsource(struct)
    except (OSError, TypeError):
        return {}  # made by a function, or its source is not installed
    found: dict[str, str] = {}
    above: list[str] = []
    for line in source.splitlines():
        if comment := COMMENT.fullmatch(line):
            above.append(comment[1])
            continue
        field = FIELD.match(line)
        if field and above:
            found[field[1]] = " ".join(above)
        above = []
    return found
