"""The checker of the producers' scenario finds what it is there to find; its twin shows it live."""

from __future__ import annotations

import json
from typing import Any

from tests.scenarios.clicks import LAST, PRIVATE, Click, Wanted, always, filters
from tests.scenarios.deliveries import Fields, Oracle, Place, Receiver, judge

RACE = "race/7"
BLUE = Wanted("NESClick", lambda payload: payload["color"] == "blue", "color", "blue")
ALL = Wanted("*", always)
CLICKS: dict[Place, Click] = {
    (RACE, 1): Click(RACE, "NESClick", {"color": "blue", "value": 1}),
    (RACE, 2): Click(RACE, "NESClick", {"color": "red", "value": 2}),
    (RACE, 3): Click(RACE, "DashClick", {"color": "blue", "value": 3}),
    (PRIVATE, 1): Click(PRIVATE, "NESClick", {"color": "blue", "value": 4}),
    (RACE, 4): Click(RACE, LAST, {"color": "", "value": 0}),
}
BLUES: list[Place] = [(RACE, 1), (PRIVATE, 1)]
WHOLE = ["color", "value"]


def receiver(
    *places: Place, wanted: dict[Wanted, Fields], is_member: bool = True, fields: Any = WHOLE
) -> Receiver:
    """Somebody who got the events at these places, with those members."""
    got = []
    for place in places:
        members = CLICKS[place].payload.items()
        payload = {name: value for name, value in members if name in fields}
        got.append((place, json.dumps(payload)))
    return Receiver("", "", is_member, wanted, got=got)


def broken(one: Receiver) -> dict[str, int]:
    counts, _ = judge(Oracle(CLICKS, PRIVATE), [one], [(RACE, 4)])
    return {name: count for name, count in counts.items() if count}


def test_exactly_what_is_wanted_is_right() -> None:
    assert broken(receiver(*BLUES, wanted={BLUE: None})) == {}
    assert broken(receiver(*CLICKS, wanted={ALL: None})) == {}
    assert broken(receiver((RACE, 1), wanted={BLUE: None}, is_member=False)) == {}


def test_what_is_missing_is_lost() -> None:
    assert broken(receiver((RACE, 1), wanted={BLUE: None})) == {"lost": 1}
    assert broken(receiver(wanted={ALL: None})) == {"lost": 4}


def test_what_comes_twice_is_doubled() -> None:
    assert broken(receiver(*BLUES, (RACE, 1), wanted={BLUE: None})) == {"doubled": 1}


def test_what_comes_behind_a_later_one_is_out_of_order() -> None:
    places: list[Place] = [(RACE, 2), (RACE, 1), (RACE, 3), (PRIVATE, 1)]
    assert broken(receiver(*places, wanted={ALL: None})) == {"out of order": 1}


def test_what_no_filter_matches_is_not_wanted() -> None:
    assert broken(receiver(*BLUES, (RACE, 2), wanted={BLUE: None})) == {"not wanted": 1}


def test_what_is_of_a_room_is_not_for_strangers() -> None:
    assert broken(receiver(*BLUES, wanted={BLUE: None}, is_member=False)) == {"not wanted": 1}


def test_the_members_that_come_are_those_that_are_wanted() -> None:
    wanted: dict[Wanted, Fields] = {BLUE: frozenset({"value"})}
    assert broken(receiver(*BLUES, wanted=wanted, fields=["value"])) == {}
    assert broken(receiver(*BLUES, wanted=wanted)) == {"other content": 2}
    both: dict[Wanted, Fields] = {**wanted, ALL: frozenset({"color"})}
    assert broken(receiver(*CLICKS, wanted=both)) == {"other content": 2}


def test_faults_of_a_socket_count() -> None:
    closed = receiver(*BLUES, wanted={BLUE: None})
    closed.faults.append("closed")
    assert broken(closed) == {"faults": 1}


def test_there_are_fifty_distinct_filters() -> None:
    assert len(filters()) == 50
