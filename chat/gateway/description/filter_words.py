"""What a filter's expression may be, with values that match it and values that do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Expression:
    text: str
    meaning: str
    matching: Any
    missing: Any


EXPRESSIONS = (
    Expression("*", "anything, also where the member is missing", "blue", None),
    Expression("blue", "exactly this text, number, `true`, `false` or `null`", "blue", "blueish"),
    Expression("bl*", "`*` stands for any characters, `?` for one", "blue", "red"),
    Expression("blue,green", "one of several", "green", "red"),
    Expression(">5", "a number; `<`, `>=` and `<=`, too", 6, 5),
)
