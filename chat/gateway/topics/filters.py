"""Filters on producer events: what a subscriber wants of them.

An expression is compiled once. Whatever it says, holding it against a value takes time in
proportion to the value's length: there are no regular expressions and no backtracking.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from chat.errors import Invalid

# Matches every event, whatever it holds; as an event type, events of every type.
ANY = "*"
EXPRESSION_LENGTH_MAX = 200
# Alternatives in one expression, so that one event costs no filter much.
ALTERNATIVES_MAX = 50
# Parts between two `*` in one expression, and characters of a text in which each is sought, for
# the same reason: seeking one takes up to 10 µs.
SOUGHT_MAX = 8
SOUGHT_LENGTH_MAX = 1000
# A JSON number (RFC 8259, section 6).
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")

Number = int | float
Compare = Callable[[Number, Number], bool]
COMPARISONS: dict[str, Compare] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
# A field that is not there; nothing but `*` matches it.
ABSENT = object()

# Names of the payload's members that are wanted; None for the whole payload.
Fields = frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Filter:
    """What tells one filter from another; which members are wanted does not."""

    event_type: str
    # A member of the payload; empty where the expression is `*` anyway.
    field: str
    expression: str
    # None: of every topic that the subscriber may read.
    topic: str | None


class Condition:
    """A compiled expression: `*`, or alternatives of which one must match."""

    __slots__ = ("_comparisons", "_globs", "_numbers", "_texts", "is_any")

    def __init__(self, expression: str) -> None:
        """Raises Invalid that says what is wrong."""
        self.is_any = expression.strip() == ANY
        texts: set[str] = set()
        numbers: set[Number] = set()
        comparisons: list[tuple[Compare, Number]] = []
        globs: list[Glob] = []
        for item in [] if self.is_any else alternatives(expression):
            sign = next((sign for sign in COMPARISONS if item.startswith(sign)), "")
            if sign:
                comparisons.append((COMPARISONS[sign], number_in(item, sign)))
            elif ANY in item or "?" in item:
                globs.append(Glob(item))
            else:
                texts.add(item)
                if NUMBER.fullmatch(item):
                    numbers.add(to_number(item))
        if sum(glob.sought_count for glob in globs) > SOUGHT_MAX:
            raise Invalid(f"At most {SOUGHT_MAX} parts can stand between two *.")
        self._texts = frozenset(texts)
        self._numbers = frozenset(numbers)
        self._comparisons = tuple(comparisons)
        self._globs = tuple(globs)

    def holds(self, value: object) -> bool:
        """Whether a member of a payload matches. Lists, objects and ABSENT match only `*`."""
        if self.is_any:
            return True
        if isinstance(value, str):
            return value in self._texts or any(glob.matches(value) for glob in self._globs)
        if isinstance(value, bool):
            return ("true" if value else "false") in self._texts
        if isinstance(value, int | float):
            return value in self._numbers or any(
                compare(value, bound) for compare, bound in self._comparisons
            )
        return value is None and "null" in self._texts


class Glob:
    """Text with `*` for any characters and `?` for any one character."""

    __slots__ = ("_between", "_end", "_is_whole", "_length", "_start")

    def __init__(self, pattern: str) -> None:
        """Raises Invalid for a `?` between two `*`: seeking that would take quadratic time."""
        start, *rest = pattern.split(ANY)
        *between, end = rest or [""]
        if any("?" in part for part in between):
            raise Invalid("A ? cannot stand between two *.")
        self._is_whole = not rest
        self._start, self._end = start, end
        self._between = [part for part in between if part]
        self._length = len(start) + len(end)

    @property
    def sought_count(self) -> int:
        """How many parts stand between two `*`."""
        return len(self._between)

    def matches(self, text: str) -> bool:
        """Whether the whole text matches."""
        if len(text) < self._length or not _fits(self._start, text, 0):
            return False
        if self._is_whole:
            return len(text) == self._length
        limit = len(text) - len(self._end)
        if not _fits(self._end, text, limit):
            return False
        place, limit = len(self._start), min(limit, SOUGHT_LENGTH_MAX)
        for part in self._between:
            place = text.find(part, place, limit)
            if place < 0:
                return False
            place += len(part)
        return True


def _fits(pattern: str, text: str, at: int) -> bool:
    """Whether `pattern`, in which `?` is any character, stands in `text` at a place."""
    if "?" not in pattern:
        return text.startswith(pattern, at)
    return all(wanted in ("?", text[at + place]) for place, wanted in enumerate(pattern))


def alternatives(expression: str) -> list[str]:
    """The items of a comma list. Raises Invalid."""
    if len(expression) > EXPRESSION_LENGTH_MAX:
        raise Invalid(f"An expression has at most {EXPRESSION_LENGTH_MAX} characters.")
    items = [item.strip() for item in expression.split(",")]
    if not all(items):
        raise Invalid("An expression, or an item of its comma list, is empty.")
    if len(items) > ALTERNATIVES_MAX:
        raise Invalid(f"A comma list has at most {ALTERNATIVES_MAX} items.")
    return items


def number_in(item: str, sign: str) -> Number:
    """The number behind a comparison's sign. Raises Invalid."""
    text = item.removeprefix(sign).strip()
    if not NUMBER.fullmatch(text):
        raise Invalid(f"Behind {sign} stands a number, such as {sign}5 or {sign}-0.5.")
    return to_number(text)


def to_number(text: str) -> Number:
    """Raises Invalid for numbers beyond what a computer calculates with."""
    if text.lstrip("-").isdigit():
        return int(text)
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise Invalid("Numbers must be of ordinary size.")
    return number


def united(one: Fields, other: Fields) -> Fields:
    """What is wanted by either; the whole payload, if either wants that."""
    return None if one is None or other is None else one | other


def as_filter(
    event_type: str, field: str, expression: str, topic: str | None
) -> tuple[Filter, Condition]:
    """Return a filter and its condition. Raises Invalid that names what is wrong."""
    try:
        condition = Condition(expression)
    except Invalid as error:
        raise Invalid(fields={"filter_expr": str(error)}) from None
    if not field and not condition.is_any:
        raise Invalid(fields={"filter_field": "Is missing: which member shall match?"})
    expression = expression.strip()
    return Filter(event_type, field, expression, topic), condition


def as_told(filters: Iterable[tuple[Filter, Fields]]) -> list[dict[str, Any]]:
    """Filters as they are sent in subscribe, and told in its result."""
    told = []
    for filter, fields in filters:
        members: dict[str, Any] = {"event_type": filter.event_type}
        if filter.field:
            members["filter_field"] = filter.field
        members["filter_expr"] = filter.expression
        if fields is not None:
            members["desired_fields"] = sorted(fields)
        if filter.topic is not None:
            members["topic"] = filter.topic
        told.append(members)
    return told
