"""Finding posts by words: of their text, their pictures' alt texts, their author, their room.

A post is found when it has all words of a query; the last one may be the beginning of a word.
PostgreSQL and SQLite index the same words (posts.words), so they find the same posts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import islice
from operator import or_
from typing import Annotated
from uuid import UUID

from django.db import connection
from django.db.models import Q
from msgspec import UNSET, Meta, Struct, UnsetType

from chat.access import Viewer, access_room
from chat.errors import Invalid
from chat.models import Room, User
from chat.models.room import SLUG_PATTERN
from chat.text import clean_text
from posts.indexing import (
    BARE_WORD,
    LEAST,
    MOST,
    PICTURE_WORD,
    SLOTS,
    author_word,
    place_in_time,
    room_word,
)
from posts.models import Post
from posts.times import Time, moment
from posts.words import Term, terms, words

QUERY_MAX = 200
# People, and rooms, that one word of a query may name, and letters that it has then; and people
# who are looked at for that.
NAMED_MAX = 100
NAME_LETTERS = 2
CANDIDATES_MAX = 1000

# Both walk the matching entries from the newest down and stop at the limit.
_POSTGRESQL = (
    "SELECT number, post_id FROM posts_searchentry WHERE vector @@ %s::tsquery "
    "AND number >= %s AND number < %s AND room_id = ANY(%s) ORDER BY number DESC LIMIT %s"
)
_SQLITE = (
    "SELECT entry.number, entry.post_id FROM posts_searchindex AS found "
    "CROSS JOIN posts_searchentry AS entry ON entry.number = found.rowid "
    "WHERE posts_searchindex MATCH %s AND found.rowid >= %s AND found.rowid < %s "
    "AND entry.room_id IN (SELECT value FROM json_each(%s)) "
    "ORDER BY found.rowid DESC LIMIT %s"
)


class Search(Struct):
    """What is sought; everything that is given narrows it."""

    query: Annotated[str, Meta(description="Words; the last one may be unfinished.")]
    room: (
        Annotated[str, Meta(pattern=f"^{SLUG_PATTERN}$", description="Only in this room.")]
        | UnsetType
    ) = UNSET
    author: (
        Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]{1,30}$", description="A username.")]
        | UnsetType
    ) = UNSET
    has_image: bool | UnsetType = UNSET
    before: Time | UnsetType = UNSET
    after: Time | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class Found:
    """A page of posts, newest first, and the number to go on below; None for the last page."""

    posts: list[Post]
    below: int | None


# A post must have one word of every clause.
Clause = Sequence[Term]
# The key of a person or a room, and two names of theirs.
Named = tuple[int, str, str]


def find(viewer: Viewer, search: Search, *, limit: int, below: int | None = None) -> Found:
    """Find standing posts of rooms that `viewer` may see at this moment, newest first.

    Seven queries at most, however many posts. Raises Invalid, and NotFound for the room.
    """
    wanted = _wanted(search)
    first, end = _span(search, below)
    rooms = _rooms(viewer, search)
    clauses = _clauses(search, wanted, rooms)
    if clauses is None or not rooms or first >= end:
        return Found([], None)
    found = _matches(clauses, first, end, [pk for pk, _, _ in rooms], limit + 1)
    numbers = dict(found[:limit])
    # Rights and standing as they are now: something may have happened since the rooms were read.
    posts = Post.objects.visible_to(viewer).standing().filter(pk__in=list(numbers)).for_display()
    shown = sorted(posts, key=lambda post: numbers[post.pk], reverse=True)
    return Found(shown, found[limit - 1][1] if len(found) > limit else None)


def _wanted(search: Search) -> list[Term]:
    query = clean_text(search.query, field="query", max_length=QUERY_MAX)
    wanted = terms(query)
    if not wanted:
        raise Invalid(fields={"query": "Has no word to look for."})
    return wanted


def _span(search: Search, below: int | None) -> tuple[int, int]:
    """The numbers that are sought: from the first one, below the end."""
    first, end = LEAST, MOST
    if search.after is not UNSET:
        first = min(place_in_time(moment(search.after, field="after")) + SLOTS, MOST)
    if search.before is not UNSET:
        end = place_in_time(moment(search.before, field="before"))
    return first, end if below is None else min(end, below)


def _rooms(viewer: Viewer, search: Search) -> list[Named]:
    if search.room is not UNSET:
        room = access_room(viewer, search.room)
        return [(room.pk, room.slug, room.title)]
    return list(Room.objects.visible_to(viewer).values_list("pk", "slug", "title"))


def _people(query: str) -> list[Named]:
    """Who may be meant by a word of the query; the rest is decided by their whole words."""
    typed = [word for word in re.findall(r"\w+", query) if len(word) >= NAME_LETTERS]
    if not typed:
        return []
    may_be = [Q(username__icontains=word) | Q(display_name__icontains=word) for word in typed]
    named = User.objects.filter(reduce(or_, may_be)).order_by("username")
    return list(named.values_list("pk", "username", "display_name")[:CANDIDATES_MAX])


def _clauses(search: Search, wanted: list[Term], rooms: list[Named]) -> list[Clause] | None:
    """What a post must have; None when nothing can be found."""
    people = _people(search.query)
    clauses: list[Clause] = [
        [term, *_named(term, people, author_word), *_named(term, rooms, room_word)]
        for term in wanted
    ]
    if search.room is not UNSET:
        clauses.append([Term(room_word(pk)) for pk, _, _ in rooms])
    if search.author is not UNSET:
        author = User.objects.filter(username=search.author.lower()).first()
        if author is None:
            return None
        clauses.append([Term(author_word(author.pk))])
    if search.has_image is not UNSET:
        clauses.append([Term(PICTURE_WORD if search.has_image else BARE_WORD)])
    return clauses


def _named(term: Term, names: list[Named], word_of: Callable[[int], str]) -> list[Term]:
    """The words that stand for those whom a term names."""
    if len(term.word) < NAME_LETTERS:
        return []
    meant = (pk for pk, *spoken in names if term.is_among(_words_of(*spoken)))
    return [Term(word_of(pk)) for pk in islice(meant, NAMED_MAX)]


@lru_cache(maxsize=4096)
def _words_of(*names: str) -> frozenset[str]:
    return frozenset(word for name in names for word in words(name))


def _matches(
    clauses: list[Clause], first: int, end: int, rooms: list[int], limit: int
) -> list[tuple[UUID, int]]:
    """Ask the database for the newest posts that satisfy all clauses, with their numbers."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            match = " AND ".join(_either(clause, " OR ", '"%s"', '"%s"*') for clause in clauses)
            cursor.execute(_SQLITE, [match, first, end, json.dumps(rooms), limit])
        else:
            match = " & ".join(_either(clause, " | ", "'%s'", "'%s':*") for clause in clauses)
            cursor.execute(_POSTGRESQL, [match, first, end, rooms, limit])
        return [(UUID(str(post_id)), number) for number, post_id in cursor.fetchall()]


def _either(clause: Clause, joint: str, whole: str, beginning: str) -> str:
    """Write a clause down. Words hold letters, digits and signs: nothing that is syntax."""
    told = ((beginning if term.is_prefix else whole) % term.word for term in clause)
    return f"({joint.join(told)})"
