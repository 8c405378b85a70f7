"""Who listens to which room through this process: a person counts once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from chat.gateway.attendance import Attendance
from chat.realtime.connection import Connection

GARDEN, CELLAR = 1, 2
ALICE, BOB = 10, 20


@dataclass(eq=False)
class Whose:
    user_id: int | None


def socket_of(user_id: int | None) -> Connection:
    """Stand for a connection; only whose it is matters here."""
    return cast(Connection, Whose(user_id))


def test_a_person_comes_with_the_first_socket_and_goes_with_the_last() -> None:
    here = Attendance()
    first, second = socket_of(ALICE), socket_of(ALICE)
    assert here.follow(first, [GARDEN, CELLAR]) == {(GARDEN, ALICE), (CELLAR, ALICE)}
    assert here.follow(second, [GARDEN]) == set()
    assert here.follow(second, []) == set()
    assert here.follow(first, [CELLAR]) == {(GARDEN, ALICE)}
    assert here.people(GARDEN) == {}
    assert set(here.people(CELLAR)) == {ALICE}
    assert here.follow(first, []) == {(CELLAR, ALICE)}
    assert here.since((CELLAR, ALICE)) is None


def test_since_is_when_the_first_of_the_sockets_came_that_are_there() -> None:
    here = Attendance()
    first, second = socket_of(ALICE), socket_of(ALICE)
    here.follow(first, [GARDEN])
    came_at = here.since((GARDEN, ALICE))
    here.follow(second, [GARDEN])
    assert here.since((GARDEN, ALICE)) == came_at
    assert here.follow(first, []) == {(GARDEN, ALICE)}, "the time has changed"
    later = here.since((GARDEN, ALICE))
    assert came_at is not None
    assert later is not None
    assert later > came_at


def test_following_the_same_again_changes_nothing() -> None:
    here = Attendance()
    alice, bob = socket_of(ALICE), socket_of(BOB)
    here.follow(alice, [GARDEN])
    assert here.follow(alice, [GARDEN]) == set()
    assert here.follow(bob, [GARDEN]) == {(GARDEN, BOB)}
    assert set(here.people(GARDEN)) == {ALICE, BOB}


def test_who_is_nobody_is_nowhere() -> None:
    here = Attendance()
    assert here.follow(socket_of(None), [GARDEN]) == set()
    assert here.people(GARDEN) == {}


def test_nothing_is_kept_of_who_has_gone() -> None:
    here = Attendance()
    for _ in range(100):
        socket = socket_of(ALICE)
        here.follow(socket, [GARDEN, CELLAR])
        here.follow(socket, [])
    assert not here._sockets
    assert not here._rooms
