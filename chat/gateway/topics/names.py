"""Topic ids: which there may be, whose rights they have, and where they are kept."""

from __future__ import annotations

from typing import Annotated
from zlib import crc32

import msgspec

# Letters and digits of ASCII and a few marks, in parts between slashes. The end is written so that
# a line break before it counts as a character too.
TOPIC_PATTERN = r"^[A-Za-z0-9._:@=+~-]+(/[A-Za-z0-9._:@=+~-]+)*$(?!\n)"
TOPIC_LENGTH_MAX = 200
TopicId = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=TOPIC_LENGTH_MAX,
        pattern=TOPIC_PATTERN,
        examples=["race/7"],
        description="The name of a topic.",
    ),
]
# Topics below it have the rights of the room that they name next.
ROOM_PREFIX = "room"
# Groups of the channel layer that all topics share, so that neither joining nor leaving one costs
# anything once a process has a few.
BUCKETS = 16


def room_of(topic: str) -> str | None:
    """The slug of the room whose rights a topic has; None for a topic of its own.

    It may name no room, and then nobody has a right to the topic.
    """
    first, _, rest = topic.partition("/")
    return rest.partition("/")[0] if first == ROOM_PREFIX else None


def number_of(topic: str) -> int:
    """A number that is the same in every process."""
    return crc32(topic.encode())


def bucket_of(topic: str) -> int:
    return number_of(topic) % BUCKETS


def bucket_group(bucket: int) -> str:
    """The channel layer's group for the topics of a bucket."""
    return f"topics.{bucket}"
