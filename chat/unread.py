"""How much of a room somebody has not read yet.

What counts is a post, and this app knows none: the app that does registers the counting.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chat.models import Membership

# From one person's memberships to counts by room id, with one query for all of them.
Counter = Callable[[Collection["Membership"]], dict[int, int]]

# Counting stops here: beyond it nobody cares how many.
UNREAD_MAX = 100

_counters: list[Counter] = []


def counts_unread(counter: Counter) -> Counter:
    """Register the one function that counts."""
    if _counters:
        raise TypeError(f"Unread posts are counted by {_counters[0]} already.")
    _counters.append(counter)
    return counter


def unread_counts(memberships: Collection[Membership]) -> dict[int, int]:
    """Return, by room id, how much the members have not read, at most UNREAD_MAX each."""
    counts = dict.fromkeys((membership.room_id for membership in memberships), 0)
    for counter in _counters:
        counts |= counter(memberships)
    return counts
