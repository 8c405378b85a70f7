"""Events of producers, and filters on them: what each matches is said a second time, in Python."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

COLORS = [f"color{number}" for number in range(100)]
NAMES = [
    f"{first}{second}-{number}" for first in "abcde" for second in "uvwxyz" for number in range(40)
]
TYPES = ["NESClick"] * 18 + ["DashClick", "PhotoUpload"]
PRIVATE = "room/studio/race"
TOPICS = [*(f"race/{number}" for number in range(12)), PRIVATE, "rare/1", "rare/2"]
# How often events go to each.
WEIGHTS = [8] * 12 + [6, 1, 1]
# Comes last to every topic, so that nothing before it goes unnoticed; no filter asks for it.
LAST = "Last"

Matches = Callable[[dict[str, Any]], bool]


@dataclass(eq=False, slots=True)
class Click:
    """One event that was published."""

    topic: str
    event_type: str
    payload: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Wanted:
    """A filter as it is sent, and what it ought to match."""

    event_type: str
    matches: Matches
    field: str = ""
    expression: str = "*"
    topic: str | None = None

    def covers(self, click: Click) -> bool:
        return (
            self.event_type in ("*", click.event_type)
            and self.topic in (None, click.topic)
            and self.matches(click.payload)
        )

    def as_sent(self, fields: frozenset[str] | None) -> dict[str, Any]:
        members: dict[str, Any] = {"event_type": self.event_type, "filter_expr": self.expression}
        if self.field:
            members["filter_field"] = self.field
        if self.topic is not None:
            members["topic"] = self.topic
        if fields is not None:
            members["desired_fields"] = sorted(fields)
        return members


def always(payload: dict[str, Any]) -> bool:
    return True


def filters() -> list[Wanted]:
    """Fifty distinct filters that each match a percent or two of all events."""
    found = [_color(f"color{number}") for number in range(10)]
    found += [_colors(f"color{number}", f"color{number + 20}") for number in range(10)]
    found += [_value(*each) for each in COMPARISONS]
    found += [_name(*each) for each in GLOBS]
    found += [
        Wanted("DashClick", _is("fire", value), "fire", str(value).lower())
        for value in (True, False)
    ]
    found += [Wanted("*", always, topic=topic) for topic in ("rare/1", "rare/2")]
    found += [
        Wanted("*", _is("level", level), "level", f"{level}.0", topic=PRIVATE) for level in (1, 2)
    ]
    found += [Wanted("PhotoUpload", _is("level", level), "level", f"{level}") for level in range(4)]
    assert len({(each.event_type, each.field, each.expression, each.topic) for each in found}) == 50
    return found


COMPARISONS: list[tuple[str, Matches]] = [
    (">980", lambda payload: payload["value"] > 980),
    (">=985", lambda payload: payload["value"] >= 985),
    ("<10", lambda payload: payload["value"] < 10),
    ("<=0", lambda payload: payload["value"] <= 0),
    ("<5,>995", lambda payload: payload["value"] < 5 or payload["value"] > 995),
    ("50", lambda payload: payload["value"] == 50),
    ("50.5", lambda payload: payload["value"] == 50.5),
    ("1e1", lambda payload: payload["value"] == 10),
    ("-5", lambda payload: payload["value"] == -5),
    (">5000", lambda payload: payload["value"] > 5000),
]
GLOBS: list[tuple[str, Matches]] = [
    ("ax-1*", lambda payload: payload["name"].startswith("ax-1")),
    ("*z-7", lambda payload: payload["name"].endswith("z-7")),
    ("b*-1", lambda payload: payload["name"][0] == "b" and payload["name"].endswith("-1")),
    ("c?-2", lambda payload: payload["name"][0] == "c" and payload["name"][2:] == "-2"),
    ("*y-3*", lambda payload: "y-3" in payload["name"]),
    ("du-0,dv-1", lambda payload: payload["name"] in ("du-0", "dv-1")),
    ("ex*,ax-0", lambda payload: payload["name"][:2] == "ex" or payload["name"] == "ax-0"),
    ("??-5", lambda payload: payload["name"][2:] == "-5"),
    ("AX-*", lambda payload: False),
    ("ax", lambda payload: False),
]


def _is(name: str, value: object) -> Matches:
    return lambda payload: payload[name] is not None and payload[name] == value


def _color(color: str) -> Wanted:
    return Wanted("NESClick", _is("color", color), "color", color)


def _colors(*colors: str) -> Wanted:
    return Wanted("*", lambda payload: payload["color"] in colors, "color", ", ".join(colors))


def _value(expression: str, matches: Matches) -> Wanted:
    return Wanted("NESClick", matches, "value", expression)


def _name(expression: str, matches: Matches) -> Wanted:
    return Wanted("NESClick", matches, "name", expression)


@dataclass
class Maker:
    """Makes events, each with a number of its own."""

    dice: random.Random
    made: int = field(default=0)

    def click(self) -> Click:
        dice = self.dice
        self.made += 1
        payload = {
            "number": self.made,
            "color": dice.choice(COLORS),
            "value": dice.choice([dice.randint(-10, 1000), dice.randint(0, 2000) / 2]),
            "name": dice.choice(NAMES),
            "fire": dice.random() < 0.3,
            "level": dice.choice([None, 1, 2, 3, 4, 5, 6, 7]),
        }
        topic = dice.choices(TOPICS, WEIGHTS)[0]
        return Click(topic, dice.choice(TYPES), payload)

    def last(self, topic: str) -> Click:
        self.made += 1
        nothing = {"color": "", "value": 500, "name": "-", "fire": None, "level": None}
        return Click(topic, LAST, {"number": self.made, **nothing})
