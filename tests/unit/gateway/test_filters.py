"""Expressions say what they say, in linear time; each distinct filter is asked once per event."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from chat.errors import Invalid
from chat.gateway.topics.attaching import Wish, read_filters
from chat.gateway.topics.book import FilterBook
from chat.gateway.topics.events import TopicEvent
from chat.gateway.topics.filters import ABSENT, Condition, Fields, Glob, as_filter, united
from chat.gateway.topics.shapes import EventFilter
from chat.realtime.envelope import encode
from tests.unit.gateway.listeners import FakeListener


@pytest.mark.parametrize(
    ("expression", "matching", "others"),
    [
        ("*", ["blue", 1, True, None, [], {}, ABSENT, ""], []),
        (" * ", [ABSENT], []),
        ("blue", ["blue"], ["Blue", "blue ", "", 1, None, True, ["blue"], {"blue": 1}, ABSENT]),
        ("blue, green", ["blue", "green"], ["blue, green", "red"]),
        ("5", [5, 5.0, "5"], [5.5, "5.0", True, "05"]),
        ("5.0", [5, 5.0, "5.0"], ["5"]),
        ("1e3", [1000, 1000.0, "1e3"], [1e4]),
        ("-0", [0, 0.0, -0.0, "-0"], ["0", False]),
        ("9007199254740993", [9007199254740993], [9007199254740992, 9007199254740992.0]),
        ("05", ["05"], [5]),
        ("true", [True, "true"], [False, 1, "True"]),
        ("false", [False, "false"], [True, 0, None]),
        ("1", [1, 1.0, "1"], [True]),
        ("null", [None, "null"], [ABSENT, False, 0, ""]),
        (">5", [5.1, 6, 10**18], [5, 4, "6", True, None, ABSENT]),
        (">=5", [5, 5.0, 6], [4.999, "5"]),
        ("<-0.5", [-1, -0.51], [-0.5, 0, "-1"]),
        ("<= 2", [2, -3], [2.01]),
        ("<0,>10", [-1, 11], [0, 5, 10]),
        (">5,blue", [6, "blue"], [5, "green"]),
        ("bl*", ["bl", "blue", "bl*"], ["abl", "Bl", 1, True]),
        ("*ue", ["ue", "blue"], ["ued", "u"]),
        ("a*b", ["ab", "a-b", "abb"], ["a", "b", "ba", "abc"]),
        ("a*b*c", ["abc", "a1b2c", "abbcc"], ["acb", "ac", "ab"]),
        ("*b*", ["b", "abc"], ["", "ac"]),
        ("aa*aa", ["aaaa", "aabaa"], ["aaa", "aa"]),
        ("a?c", ["abc", "a?c"], ["ac", "abbc", "abc "]),
        ("?*", ["a", "ab"], [""]),
        ("*.j?g", ["x.jpg", ".jqg"], ["x.jg", "x.jpeg"]),
        ("**", ["", "a"], [1, ABSENT]),
        ("t*", ["true"], [True]),
        ("[ab]*", ["[ab]c"], ["a"]),
        ("a.c", ["a.c"], ["abc"]),
        ("ö*", ["öl"], ["ol"]),
    ],
)
def test_an_expression_matches_what_it_says(
    expression: str, matching: list[object], others: list[object]
) -> None:
    condition = Condition(expression)
    assert [value for value in matching if not condition.holds(value)] == []
    assert [value for value in others if condition.holds(value)] == []


BAD = ["", "  ", ",", "a,", "a,,b", ">", ">five", "<=", ">0x5", "> ,1", ">1e999", ">=true"]
# One more than may be sought, in one item or over several.
SOUGHT = ["*a" * 9 + "*", ",".join(["*a*"] * 9)]


@pytest.mark.parametrize(
    "expression", [*BAD, *SOUGHT, "x" * 201, ",".join("a" * 51), "a*b?c*d", "*?*"]
)
def test_a_bad_expression_is_refused(expression: str) -> None:
    with pytest.raises(Invalid) as refused:
        as_filter("NESClick", "color", expression, None)
    assert refused.value.fields
    assert refused.value.fields.keys() == {"filter_expr"}


@pytest.mark.parametrize("expression", ["*a" * 8 + "*", ",".join(["*a*"] * 8 + ["a*"] * 40)])
def test_a_few_parts_may_be_sought(expression: str) -> None:
    assert Condition(expression).holds("a" * 8)


def test_an_expression_needs_a_field_unless_it_matches_anything() -> None:
    with pytest.raises(Invalid) as refused:
        as_filter("NESClick", "", "blue", None)
    assert refused.value.fields
    assert refused.value.fields.keys() == {"filter_field"}
    filter, condition = as_filter("NESClick", "", "*", None)
    assert condition.is_any
    assert filter.expression == "*"


def test_a_bad_item_is_named_by_its_place() -> None:
    good = EventFilter("NESClick", filter_field="color", filter_expr="blue")
    bad = EventFilter("NESClick", filter_field="color", filter_expr=">blue")
    with pytest.raises(Invalid) as refused:
        read_filters([good, bad])
    assert refused.value.fields
    assert refused.value.fields.keys() == {"subscriptions[1].filter_expr"}


def test_the_same_filter_twice_wants_what_either_wants() -> None:
    def wanted(*members: list[str] | None) -> Fields:
        filters = [
            EventFilter("a", desired_fields=UNSET if each is None else each) for each in members
        ]
        ((_, fields),) = read_filters(filters).values()
        return fields

    assert wanted(["color"], ["button", "color"]) == frozenset({"color", "button"})
    assert wanted(["color"], None) is None
    assert wanted(None, ["color"]) is None


def test_a_wish_says_which_kinds_it_names() -> None:
    assert Wish.read(None, UNSET, UNSET) == Wish(None, None)
    assert Wish.read(None, [], UNSET) == Wish([], None)
    assert Wish.read(None, UNSET, []) == Wish(None, {})


# --- globs ------------------------------------------------------------------------------------

PATTERNS = st.lists(st.sampled_from(["a", "b", "ab", "*", "**", "."]), min_size=1).map("".join)


@given(PATTERNS, st.text("ab.", max_size=12))
def test_a_glob_matches_as_the_regular_expression_of_it_would(pattern: str, text: str) -> None:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    is_match = re.fullmatch(expression, text, re.DOTALL) is not None
    assert Glob(pattern).matches(text) == is_match


@given(st.text("ab?", max_size=6), st.text("ab?", max_size=6), st.text("ab", max_size=12))
def test_question_marks_stand_for_one_character(start: str, end: str, text: str) -> None:
    expression = ".*".join(re.escape(part).replace(r"\?", ".") for part in (start, end))
    assert Glob(f"{start}*{end}").matches(text) == (re.fullmatch(expression, text) is not None)


@pytest.mark.parametrize("pattern", ["*a" * 99 + "*b", "a*" * 100, "*" + "a" * 198 + "*"])
def test_no_pattern_takes_long(pattern: str) -> None:
    """As a regular expression, the first would outlast the machine."""
    glob, text = Glob(pattern), "a" * 32_000
    began = time.process_time()
    for _ in range(100):
        glob.matches(text)
    assert time.process_time() - began < 5


def test_what_stands_between_two_stars_is_sought_in_the_beginning_of_a_text() -> None:
    assert Glob("*b*").matches("a" * 999 + "b")
    assert not Glob("*b*").matches("a" * 1000 + "b")
    assert Glob("a*b").matches("a" * 1_000_000 + "b")


# --- the book ---------------------------------------------------------------------------------


def event(event_type: str = "NESClick", topic: str = "race/7", **payload: Any) -> TopicEvent:
    return TopicEvent(
        topic=topic,
        epoch="e",
        offset=1,
        event_type=event_type,
        time="2025-03-01T12:00:00.123456Z",
        payload=encode(payload),
    )


def put(
    book: FilterBook,
    listener: FakeListener,
    expression: str = "*",
    fields: Fields = None,
    *,
    event_type: str = "NESClick",
    field: str = "color",
    topic: str | None = None,
) -> None:
    filter, condition = as_filter(event_type, field, expression, topic)
    book.put(listener, filter, condition, fields)


def test_each_distinct_filter_is_held_against_an_event_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: Counter[Condition] = Counter()
    holds = Condition.holds

    def counting(self: Condition, value: object) -> bool:
        asked[self] += 1
        return holds(self, value)

    monkeypatch.setattr(Condition, "holds", counting)
    book = FilterBook()
    listeners = [FakeListener(number) for number in range(200)]
    for number, listener in enumerate(listeners):
        put(book, listener, f"color{number % 10}")
        put(book, listener, f"color{number % 10}", event_type="DashClick")
        put(book, listener, f"color{number % 5}", topic="race/7")
        put(book, listener, f"color{number % 5}", topic="race/8")
    found = book.receivers(event(color="color3"))
    # Ten for every topic and five for this one; none of another type or topic.
    assert len(asked) == 15
    assert set(asked.values()) == {1}
    assert len(found) == 40
    asked.clear()
    assert book.receivers(event("PhotoUpload", color="color3")) == {}
    assert not asked


def test_filters_on_one_socket_deliver_one_copy_of_what_any_of_them_wants() -> None:
    book = FilterBook()
    one, other, both = (FakeListener(number) for number in range(3))
    put(book, one, "blue", frozenset({"color"}))
    put(book, other, "bl*", frozenset({"button"}))
    put(book, both, "blue", frozenset({"color"}))
    put(book, both, "bl*", frozenset({"button"}))
    put(book, both, "red", None)
    assert book.receivers(event(color="blue")) == {
        one: frozenset({"color"}),
        other: frozenset({"button"}),
        both: frozenset({"color", "button"}),
    }
    put(book, both, "*", None, event_type="*")
    assert book.receivers(event(color="blue"))[both] is None
    assert book.receivers(event("DashClick", color="blue")) == {both: None}


def test_a_filter_that_nobody_holds_is_gone() -> None:
    book = FilterBook()
    listener = FakeListener(1)
    put(book, listener, "blue", topic="race/7")
    assert "race/7" in book
    assert book.holders("race/7") == {listener}
    filter, _ = as_filter("NESClick", "color", "blue", "race/7")
    book.discard(listener, filter)
    book.discard(listener, filter)
    assert "race/7" not in book
    assert None not in book
    assert book.receivers(event(color="blue")) == {}


def test_a_payload_is_read_only_where_a_filter_asks() -> None:
    book = FilterBook()
    put(book, FakeListener(1), "*", field="")
    wanted = event(color="blue")
    assert len(book.receivers(wanted)) == 1
    assert wanted._members is None


def test_united_wishes_are_whole_if_either_is() -> None:
    blue, green = frozenset({"blue"}), frozenset({"green"})
    assert united(blue, green) == frozenset({"blue", "green"})
    assert united(None, green) is None
    assert united(blue, None) is None
