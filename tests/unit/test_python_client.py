"""The parts of the Python client that need no server."""

from typing import Any

import pytest

from picturegram import Position, Refused
from picturegram.address import site_url, socket_url
from picturegram.ending import Ending
from picturegram.inbox import Inbox
from picturegram.lines import line_of
from picturegram.subscriptions import ROOM, TOPIC, Subscriptions

LOBBY = (ROOM, "lobby")
RACE = (TOPIC, "race/7")


def room_event(seq: int, epoch: str = "k1") -> dict[str, Any]:
    return {"type": "post.created", "room": "lobby", "epoch": epoch, "seq": seq, "data": {}}


def topic_event(offset: int, topic: str = "race/7") -> dict[str, Any]:
    return {"type": "event", "topic": topic, "epoch": "t1", "offset": offset, "payload": "{}"}


def following(size_max: int = 100) -> tuple[Inbox, Subscriptions]:
    """Return subscriptions that stand in the lobby at 5 and in a topic at 2."""
    inbox = Inbox(size_max)
    subscriptions = Subscriptions(inbox)
    subscriptions.positions.update({LOBBY: Position("k1", 5), RACE: Position("t1", 2)})
    return inbox, subscriptions


async def taken(inbox: Inbox) -> list[dict[str, Any]]:
    inbox.end()
    return [frame async for frame in inbox]


@pytest.mark.parametrize(
    ("code", "is_final", "least_s", "most_s"),
    [
        (1000, False, 0, 1),
        (1006, False, 0, 1),
        (1009, False, 0, 1),
        (1011, False, 0, 1),
        (1012, False, 0, 1),
        (1013, False, 1, 1),
        (1008, True, 0, 1),
        (4001, True, 0, 1),
        (4099, True, 0, 1),
        (4113, False, 1, 1),
        (4199, False, 1, 1),
        (4210, False, 0, 1),
        (4299, False, 0, 1),
        (401, True, 0, 1),
        (503, False, 0, 1),
    ],
)
def test_the_range_of_a_code_says_what_to_do(
    code: int, is_final: bool, least_s: float, most_s: float
) -> None:
    ending = Ending(code)
    assert ending.is_final == is_final
    assert all(least_s <= ending.pause_s(0) <= most_s for _ in range(50))


def test_waits_grow_with_failures_up_to_a_bound_and_take_the_server_at_its_word() -> None:
    assert all(Ending(1006).pause_s(1000) <= 20 for _ in range(50))
    assert max(Ending(1006).pause_s(10) for _ in range(200)) > 10
    assert Ending(4113, "draining", 2350).pause_s(7) == 2.35


@pytest.mark.parametrize(
    ("given", "site"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000/"),
        ("wss://chat.example.org/ws/", "https://chat.example.org/"),
        ("https://example.org/chat", "https://example.org/chat/"),
        ("https://example.org/chat/ws", "https://example.org/chat/"),
    ],
)
def test_any_address_of_a_site_will_do(given: str, site: str) -> None:
    assert site_url(given) == site
    assert socket_url(given) == site.replace("http", "ws", 1) + "ws/"


@pytest.mark.parametrize("given", ["ftp://example.org", "http://", ""])
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        site_url(given)


async def test_events_are_handed_out_once_and_in_order() -> None:
    inbox, subscriptions = following()
    for frame in [room_event(5), room_event(6), topic_event(3), room_event(6), topic_event(3)]:
        subscriptions.receive(frame)
    assert subscriptions.behind == {}
    assert await taken(inbox) == [room_event(6), topic_event(3)]


async def test_a_hole_is_asked_for_and_filled() -> None:
    inbox, subscriptions = following()
    subscriptions.receive(room_event(8))
    assert subscriptions.behind == {LOBBY: 8}
    asked = subscriptions.asking(subscriptions.behind)
    assert asked == {"rooms": [{"room": "lobby", "epoch": "k1", "seq": 5}]}
    events = [room_event(6), room_event(7), room_event(8)]
    replay = {"room": "lobby", "epoch": "k1", "seq": 8, "recovered": True, "events": events}
    subscriptions.take({"rooms": [replay]})
    assert subscriptions.behind == {}
    assert await taken(inbox) == events


async def test_a_head_above_our_position_is_a_hole_too() -> None:
    _, subscriptions = following()
    subscriptions.receive({"type": "heartbeat", "heads": {"lobby": 5, "other": 9}})
    assert subscriptions.behind == {}
    subscriptions.receive({"type": "heartbeat", "heads": {"lobby": 6}})
    assert subscriptions.behind == {LOBBY: 6}


async def test_a_full_inbox_leaves_the_rest_to_be_asked_for() -> None:
    inbox, subscriptions = following(size_max=2)
    for seq in range(6, 11):
        subscriptions.receive(room_event(seq))
    assert subscriptions.behind == {LOBBY: 10}
    assert subscriptions.positions[LOBBY] == Position("k1", 7)
    rooms = [{"room": "lobby", "epoch": "k2", "seq": 3, "recovered": False, "reason": "trimmed"}]
    subscriptions.take({"rooms": rooms})
    *_, gap = await taken(inbox)
    told = {"type": "gap", "room": "lobby", "epoch": "k2", "seq": 3, "reason": "trimmed"}
    assert gap == told
    assert subscriptions.behind == {}


async def test_what_is_not_followed_any_more_says_nothing() -> None:
    inbox, subscriptions = following()
    subscriptions.forget(LOBBY)
    subscriptions.receive(room_event(6))
    subscriptions.take({"rooms": [{"room": "lobby", "epoch": "k1", "seq": 6, "events": []}]})
    assert subscriptions.positions.keys() == {RACE}
    assert await taken(inbox) == []


async def test_what_a_filter_lets_through_needs_no_position() -> None:
    inbox, subscriptions = following()
    subscriptions.receive(topic_event(70, "race/8"))
    subscriptions.receive({"type": "typing.updated", "room": "lobby"})
    assert [frame["type"] for frame in await taken(inbox)] == ["event", "typing.updated"]


def test_a_refusal_names_the_fields() -> None:
    fields = {"text": "Must have at most 4000 characters."}
    error = Refused({"code": "invalid", "message": "The request is not valid.", "fields": fields})
    assert str(error) == "The request is not valid. text: Must have at most 4000 characters."


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ({"type": "gap", "room": "lobby", "reason": "trimmed"}, "missing here: trimmed"),
        ({"type": "unsubscribed", "room": "studio", "reason": "removed"}, "removed"),
        ({"type": "member.joined", "room": "lobby", "seq": 1, "data": {}}, "lobby member.joined"),
        ({"type": "presence.updated", "room": "lobby", "count": 2}, '"count": 2'),
        ({"type": "something.new"}, "something.new"),
    ],
)
def test_every_event_has_a_line(event: dict[str, Any], line: str) -> None:
    assert line in line_of(event)
