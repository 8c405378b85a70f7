"""Words: what text is found by, the same on every database.

Text is folded (case, accents and widths go) and cut into words here, so that the databases only
compare what they are given, and nothing that anybody types can be syntax to them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

# Longer words are found by their beginnings.
WORD_MAX = 40

# Accents, and the marks that choose between the forms of a sign.
_DROPPED = dict.fromkeys([*range(0x0300, 0x0370), *range(0xFE00, 0xFE10)])
# Letters that Unicode does not take apart and people type without their strokes.
_PLAIN = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
# Scripts that put no spaces between words: Thai and Lao, Burmese, Khmer, kana, Han.
_UNSPACED = (
    ("\u0e00", "\u0eff"),
    ("\u1000", "\u109f"),
    ("\u1780", "\u17ff"),
    ("\u3040", "\u30ff"),
    ("\u3400", "\u4dbf"),
    ("\u4e00", "\u9fff"),
    ("\U00020000", "\U0003ffff"),
)

Kind = Literal["spaced", "unspaced", "sign", ""]


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a query; a prefix is found in all words that begin with it."""

    word: str
    is_prefix: bool = False

    def is_among(self, found: Collection[str]) -> bool:
        """Whether it is one of some words, or the beginning of one."""
        if self.is_prefix:
            return any(word.startswith(self.word) for word in found)
        return self.word in found


def words(text: str) -> Iterator[str]:
    """Cut text into the words that it is found by; some come more than once."""
    for kind, run in _runs(text):
        if kind == "spaced":
            yield run[:WORD_MAX]
        elif kind == "unspaced":
            # Each sign with the next one, so that any part of the run can be found.
            yield from (run[start : start + 2] for start in range(len(run)))
        else:
            yield from run


def terms(query: str) -> list[Term]:
    """Cut a query into what a text must have all of. Its last word may be unfinished."""
    found: dict[Term, None] = {}
    runs = list(_runs(query))
    for place, (kind, run) in enumerate(runs, start=1):
        if kind == "spaced":
            found[Term(run[:WORD_MAX], is_prefix=place == len(runs))] = None
        elif kind == "unspaced" and len(run) > 1:
            found |= {Term(run[start : start + 2]): None for start in range(len(run) - 1)}
        else:
            found |= {Term(sign, is_prefix=kind == "unspaced"): None for sign in run}
    return list(found)


def _runs(text: str) -> Iterator[tuple[Kind, str]]:
    for kind, characters in groupby(_fold(text), _kind):
        if kind:
            yield kind, "".join(characters)


def _fold(text: str) -> str:
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", apart.translate(_DROPPED).translate(_PLAIN))


def _kind(character: str) -> Kind:
    category = unicodedata.category(character)
    if category[0] in "LMN":
        is_unspaced = any(first <= character <= last for first, last in _UNSPACED)
        return "unspaced" if is_unspaced else "spaced"
    return "sign" if category == "So" else ""
