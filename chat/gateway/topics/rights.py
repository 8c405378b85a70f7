"""Who may hear and feed topics.

Topics below `room/<slug>/` have their room's rights. Events of them come far more often than rights
change, so a process reads who of its people may see a room, and believes it for a second.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db.models import FilteredRelation, Q

from chat.access import Viewer, access_room, access_room_to_post
from chat.errors import NotAuthenticated, NotFound
from chat.gateway.topics.names import room_of
from chat.models import Membership, Room, User
from chat.realtime.database import in_hub_database

# Seconds for which a right is believed; and between two looks at a room's while people keep coming.
BELIEVED_S = 1.0
LOOKS_APART_S = 0.1

People = frozenset[int | None]


def check_may_follow(viewer: Viewer, topics: Iterable[str]) -> None:
    """Raise NotFound, or NotAuthenticated, that names the first topic which is not for `viewer`."""
    seen: set[str] = set()
    for topic in topics:
        slug = room_of(topic)
        if slug is None and not isinstance(viewer, User):
            raise NotAuthenticated(
                "Sign in: without it there are only the topics of public rooms.",
                fields={"topic": topic},
            )
        if slug is None or slug in seen:
            continue
        try:
            access_room(viewer, slug)
        except NotFound as error:
            error.fields = {"topic": topic}
            raise
        seen.add(slug)


def check_may_publish(viewer: Viewer, topic: str) -> None:
    """Raise what says that `viewer` may not publish there: Forbidden, NotFound, NotAuthenticated.

    Asks the database for topics of rooms alone.
    """
    if not isinstance(viewer, User):
        raise NotAuthenticated
    slug = room_of(topic)
    if slug is not None:
        access_room_to_post(viewer, slug)


def readers(slugs: Collection[str], people: Iterable[int | None]) -> dict[str, People]:
    """Who of `people` (None: anonymous) may see each of these rooms; one query."""
    asked = frozenset(people)
    # Nobody has the id 0; without any, Django would take the whole query for empty.
    somebody = [0, *(person for person in asked if person is not None)]
    local = FilteredRelation("memberships", condition=Q(memberships__user__in=somebody))
    rows = (
        Room.objects.filter(slug__in=slugs)
        .annotate(local=local)
        .values_list("slug", "visibility", "local__user_id", "local__role")
    )
    public: set[str] = set()
    members: dict[str, set[int | None]] = {slug: set() for slug in slugs}
    banned: dict[str, set[int | None]] = {slug: set() for slug in slugs}
    for slug, visibility, user_id, role in rows:
        if visibility == Room.Visibility.PUBLIC:
            public.add(slug)
        if user_id is not None:
            (banned if role == Membership.Role.BANNED else members)[slug].add(user_id)
    everybody = asked if settings.ANONYMOUS_MAY_READ else asked - {None}
    return {
        slug: frozenset(everybody - banned[slug] if slug in public else members[slug])
        for slug in slugs
    }


@dataclass(frozen=True, slots=True)
class _Belief:
    people: People
    read_at: float
    # Another one when somebody new has come, of whom this says nothing.
    version: int


class Readers:
    """Who of the people here may see which room, never older than BELIEVED_S."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # How many listeners each person has.
        self._people: Counter[int | None] = Counter()
        self._version = 0
        self._beliefs: dict[str, _Belief] = {}
        # Counts what was forgotten, so that a look that was under way is not believed.
        self._forgotten_count = 0
        self._forgotten: dict[str, int] = {}
        self._lock = asyncio.Lock()

    def add(self, user_id: int | None) -> None:
        """Count in a listener's person."""
        self._people[user_id] += 1
        if self._people[user_id] == 1:
            self._version += 1

    def discard(self, user_id: int | None) -> None:
        """Count out a listener's person."""
        self._people[user_id] -= 1
        if not self._people[user_id]:
            del self._people[user_id]

    def forget(self, slugs: Iterable[str]) -> None:
        """Believe nothing of these rooms that was read before now."""
        self._forgotten_count += 1
        for slug in slugs:
            self._beliefs.pop(slug, None)
            self._forgotten[slug] = self._forgotten_count

    def of(self, slug: str) -> People | None:
        """Who may see the room; None when that has to be read."""
        belief = self._beliefs.get(slug)
        if belief is None or belief.version != self._version:
            return None
        return belief.people if self._clock() - belief.read_at < BELIEVED_S else None

    async def read(self, slug: str) -> None:
        """Read one room's, unless somebody just has. What it finds may be out of date already."""
        belief = self._beliefs.get(slug)
        if belief is not None:
            await asyncio.sleep(belief.read_at + LOOKS_APART_S - self._clock())
        async with self._lock:
            if self.of(slug) is None:
                await self.read_all([slug])

    async def read_all(self, slugs: Collection[str]) -> None:
        """Read several rooms' in one query."""
        version, now, forgotten_count = self._version, self._clock(), self._forgotten_count
        found = await in_hub_database(readers, slugs, list(self._people))
        for slug, people in found.items():
            if self._forgotten.get(slug, 0) <= forgotten_count:
                self._beliefs[slug] = _Belief(people, now, version)

    def drop_old(self) -> None:
        """Keep nothing that is of no use any more."""
        oldest = self._clock() - BELIEVED_S
        self._beliefs = {
            slug: belief for slug, belief in self._beliefs.items() if belief.read_at > oldest
        }
        if not self._lock.locked():
            self._forgotten.clear()


class Producers:
    """Who was found to be allowed to publish to a room's topics, believed for BELIEVED_S."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[tuple[int, str], float] = {}

    def are_known(self, viewer: Viewer, topic: str) -> bool:
        slug = room_of(topic)
        if slug is None or not isinstance(viewer, User):
            return False
        return self._until.get((viewer.pk, slug), 0.0) > self._clock()

    def note(self, viewer: Viewer, topic: str) -> None:
        slug = room_of(topic)
        if slug is not None and isinstance(viewer, User):
            self._until[viewer.pk, slug] = self._clock() + BELIEVED_S

    def drop_old(self) -> None:
        now = self._clock()
        self._until = {who: until for who, until in self._until.items() if until > now}
