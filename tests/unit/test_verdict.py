"""The checker of the scenario finds what it is there to find; `soak --short` shows it live."""

from typing import Any

from tests.live.client import Position
from tests.scenarios.cluster import Stored
from tests.scenarios.listener import Record
from tests.scenarios.verdict import compare, disordered, failed_but_stored, not_stored
from tests.scenarios.view import View
from tests.scenarios.wire import Event, Mark, mark
from tests.scenarios.writers import Author, Created

ALICE = Author("alice", "token")
LOG = [Mark("post.created", id) for id in "abcd"]


def post(id: str, **fields: Any) -> dict[str, Any]:
    return {"id": id, "text": id, "reactions": [], "hidden": False, "deleted": False, **fields}


def event(seq: int, type: str, data: dict[str, Any]) -> Event:
    return Event("lobby", "k3", seq, mark(type, data), 0.0, data)


def reaction(seq: int, type: str, user_id: int, count: int) -> Event:
    data = {"post_id": "a", "emoji": "🎉", "user_id": user_id, "count": count}
    return event(seq, f"reaction.{type}", data)


def created(client_id: str, seq: int, sent_at: float, answered_at: float) -> Created:
    answer = {"id": client_id, "seq": seq}
    return Created(ALICE, "lobby", client_id, "text", sent_at, answered_at, answer)


def stored(*client_ids: str, text: str = "text") -> Stored:
    rows = {("alice", id): (id, seq, text, False) for seq, id in enumerate(client_ids, 1)}
    return Stored({}, [], rows, {})


def test_what_is_missing_at_the_end_is_lost() -> None:
    assert compare(LOG, LOG) == (0, 0)
    assert compare(LOG, LOG[:2]) == (2, 0)


def test_what_differs_from_the_log_or_goes_beyond_it_is_found() -> None:
    assert compare(LOG, [LOG[1], LOG[0], *LOG[2:]]) == (0, 2)
    assert compare(LOG[:3], LOG) == (0, 1)


def test_posts_that_overtake_an_acknowledged_one_are_found() -> None:
    first = created("a", 2, sent_at=0, answered_at=1)
    assert disordered([first, created("b", 3, sent_at=2, answered_at=3)]) == []
    assert len(disordered([first, created("b", 1, sent_at=2, answered_at=3)])) == 1
    # Sent before the first was acknowledged: either may be first.
    assert disordered([first, created("b", 1, sent_at=0.5, answered_at=3)]) == []


def test_a_refused_post_that_is_stored_is_found() -> None:
    refused = Created(ALICE, "lobby", "a", "text", 0.0, refusal="invalid")
    assert failed_but_stored(stored(), [refused]) == []
    assert failed_but_stored(stored("a"), [refused]) == ["a: invalid"]


def test_an_acknowledged_post_that_is_not_stored_as_it_was_is_found() -> None:
    answered = created("a", 1, 0, 1)
    assert not_stored(stored("a"), [answered]) == []
    assert not_stored(stored(), [answered]) == ["a is not there"]
    assert not_stored(stored("a", text="other"), [answered]) == ["a reads 'other'"]
    assert len(not_stored(stored("b", "a"), [answered])) == 1


def test_a_view_built_from_events_equals_a_fetch() -> None:
    view = View()
    for each in (
        event(1, "post.created", post("a")),
        event(2, "post.created", post("b")),
        reaction(3, "added", 1, 1),
        reaction(4, "added", 2, 2),
        event(5, "post.deleted", {"id": "b", "deleted": True}),
        reaction(6, "removed", 1, 1),
    ):
        view.apply(each)
    reactions = [{"emoji": "🎉", "count": 1, "user_ids": [2]}]
    assert view.differences([post("a", reactions=reactions)]) == []
    assert view.differences([post("a")]) != []
    assert view.differences([post("a", reactions=reactions), post("b")]) == ["b is missing"]
    assert view.differences([]) == ["a is still there"]


def test_events_twice_change_nothing_in_a_view() -> None:
    view = View()
    for each in (event(1, "post.created", post("a")), *[reaction(2, "added", 1, 1)] * 2):
        view.apply(each)
    reactions = [{"emoji": "🎉", "count": 1, "user_ids": [1]}]
    assert view.differences([post("a", reactions=reactions)]) == []


def test_events_that_come_while_a_page_is_fetched_are_applied_after_it() -> None:
    record = Record(Position("k3", 0))
    record.await_page(Position("k3", 5))
    record.apply(event(6, "post.deleted", {"id": "a", "deleted": True}))
    assert not record.is_whole
    record.take_page([post("a"), post("b")])
    assert record.view.differences([post("b")]) == []
    assert record.position == Position("k3", 6)
