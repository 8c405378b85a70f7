"""What people and rooms look like in results and events: for descriptions, and for tests.

The JSON itself is chat.representation's and chat.directory's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Struct

# What a struct's class variable `examples` holds: what the description shows of it.
Examples = tuple[Mapping[str, Any], ...]
# And what the class variable `refusals` of an action's body: when it answers which error code.
Refusals = Mapping[str, str]
Slug = Annotated[
    str,
    msgspec.Meta(
        min_length=1, max_length=50, examples=["lobby"], description="The slug of a room."
    ),
]
Seq = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1, examples=[42])]
Time = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$",
        examples=["2025-03-01T12:00:00.123456Z"],
        extra_json_schema={"format": "date-time"},
    ),
]
Role = Literal["owner", "moderator", "member"]
UnreadCount = Annotated[int, msgspec.Meta(ge=0, le=100)]


class Person(Struct):
    """The public fields of a person, the same for every viewer."""

    id: Annotated[int, msgspec.Meta(examples=[1])]
    username: Annotated[str, msgspec.Meta(examples=["ada"])]
    display_name: Annotated[str, msgspec.Meta(examples=["Ada"])]
    # The path of a picture.
    avatar: Annotated[str | None, msgspec.Meta(examples=[None])]


class Member(Struct):
    """A person in a room; `banned` only in the event of a ban."""

    user: Person
    role: Annotated[
        Literal["owner", "moderator", "member", "banned"], msgspec.Meta(examples=["member"])
    ]


class Room(Struct):
    """A room's public form, the same for every viewer."""

    slug: Slug
    title: Annotated[str, msgspec.Meta(examples=["Lobby"])]
    description: Annotated[str, msgspec.Meta(examples=["Where everybody comes in."])]
    visibility: Annotated[Literal["public", "private", "direct"], msgspec.Meta(examples=["public"])]
    is_announcement_only: bool
    is_archived: bool


class RoomAsSeen(Room):
    """A room with its position and the viewer's own place in it; null for who is no member."""

    epoch: Annotated[str, msgspec.Meta(examples=["k3"])]
    seq: Seq
    role: Role | None
    last_read_seq: Seq | None
    unread_count: UnreadCount | None


class ReadMarker(Struct):
    room: Slug
    # The marker as it stands now.
    seq: Seq
    unread_count: UnreadCount
