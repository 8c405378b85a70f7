"""How text is cut into the words that it is found by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posts.words import WORD_MAX, Term, terms, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("?! … \u200d\ufe0f", []),
        ("Hello, hello WORLD", ["hello", "hello", "world"]),
        ("Çà et là; Straße, Łódź, Ærø", ["ca", "et", "la", "strasse", "lodz", "aero"]),
        ("snake_case kebab-case don't", ["snake", "case", "kebab", "case", "don", "t"]),
        ("日本語 2024年", ["日本", "本語", "語", "2024", "年"]),
        ("ガス", ["ガス", "ス"]),
        ("हिन्दी", ["हिन्दी"]),
        ("👩‍🚀 ❤️", ["👩", "🚀", "❤"]),
        ("x" * (WORD_MAX + 1), ["x" * WORD_MAX]),
    ],
)
def test_text_is_folded_and_cut(text: str, expected: list[str]) -> None:
    assert list(words(text)) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Over the Harb", [Term("over"), Term("the"), Term("harb", is_prefix=True)]),
        ("tea tea te", [Term("tea"), Term("te", is_prefix=True)]),
        ("日本語", [Term("日本"), Term("本語")]),
        ("語", [Term("語", is_prefix=True)]),
        ("tea 🎉", [Term("tea"), Term("🎉")]),
        ("* ' \" \\", []),
    ],
)
def test_the_last_word_of_a_query_may_be_unfinished(query: str, expected: list[Term]) -> None:
    assert terms(query) == expected


@given(st.text())
def test_any_text_is_found_by_itself(text: str) -> None:
    found = set(words(text))
    assert all(term.is_among(found) for term in terms(text))


@given(st.text())
def test_no_word_holds_what_a_database_could_take_for_syntax(text: str) -> None:
    assert not set("".join(words(text))) & set(" '\"\\:*&|!()<>#@^-+,.\x00\n")
