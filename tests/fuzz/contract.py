"""What the protocol owes for a frame: the close that it earns, or an answer and to which request.

Written from docs/protocol.md, sections 3, 4, 10 and 11, with a parser that the server does not
use.
"""

import json
from dataclasses import dataclass
from typing import Any

MESSAGE_BYTES_MAX = 128 * 1024
# Levels after which parsers give up by themselves, with or without the request's name.
UNREADABLE_DEPTH = 200
UNSUPPORTED_DATA, TOO_BIG = 1003, 1009

PACKED = "picturegram.v1.msgpack"
V1 = "picturegram.v1.json"

# A request's name with its kind: 1 is not "1", and not True.
Key = tuple[str, str | int]


@dataclass(frozen=True)
class Due:
    """What is owed for one frame."""

    closes_with: int | None = None
    # Whose answer it is; None where it cannot or need not be named.
    key: Key | None = None
    # Whether the server may read another name than we do, or none.
    is_uncertain: bool = False
    is_cancel: bool = False


def due(wire: str | bytes, dialect: str, members: object = None) -> Due:
    """Return what is owed; `members` is what a packed frame was made from, if it was whole."""
    is_packed = dialect == PACKED
    if isinstance(wire, bytes) is not is_packed:
        return Due(closes_with=UNSUPPORTED_DATA)
    if len(wire if isinstance(wire, bytes) else wire.encode()) > MESSAGE_BYTES_MAX:
        return Due(closes_with=TOO_BIG)
    if isinstance(wire, str):
        return _due_for_text(wire)
    if members is None:
        return Due(is_uncertain=True, is_cancel=b"cancel" in wire)
    return _due_for(members)


def key_of(value: object) -> Key | None:
    """Return the key of a readable `request_id`, None for anything else."""
    if isinstance(value, str) and len(value) <= 128:
        try:
            value.encode()
        except UnicodeEncodeError:
            return None
        return "text", value
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return "number", value
    return None


def _due_for_text(text: str) -> Due:
    try:
        members = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        return Due(is_uncertain=True)
    except ValueError:
        return Due()
    return _due_for(members)


def _due_for(members: Any) -> Due:
    if not isinstance(members, dict):
        return Due()
    return Due(
        key=key_of(members.get("request_id")),
        is_uncertain=_depth(members) > UNREADABLE_DEPTH,
        is_cancel=members.get("action") == "cancel",
    )


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return depth
