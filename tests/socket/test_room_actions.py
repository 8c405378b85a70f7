"""Rooms, coming and going, read markers and people over the socket."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chat import services as rooms
from chat.models import Membership, Room, User
from chat.people_actions import PersonList
from chat.realtime.router import router
from chat.room_actions import RoomList
from chat.shapes import ReadMarker, RoomAsSeen
from tests.people import World, make_person, make_room
from tests.socket.acts import do, post, post_many
from tests.socket.client import Socket
from tests.socket.conftest import Gateway

pytestmark = pytest.mark.django_db(transaction=True)

WHO = ("alice", "bob", "charlie", "anonymous")
OK = "ok"


@pytest.fixture
async def sockets(gateway: Gateway, world: World) -> dict[str, Socket]:
    """One socket each: alice owns the rooms, bob belongs, charlie is a stranger."""
    people = {"alice": world.alice, "bob": world.bob, "charlie": world.charlie}
    return {who: await gateway.open(people.get(who)) for who in WHO}


async def outcomes(sockets: dict[str, Socket], action: str, **fields: Any) -> list[str]:
    """Let everybody ask the same; return what each was answered."""
    answers = [await sockets[who].ask(action, **fields) for who in WHO]
    return [OK if answer["ok"] else answer["error"]["code"] for answer in answers]


def names(answer: Any) -> list[str]:
    return [user["username"] for user in answer["users"]]


async def marker_of(room: Room, user: User) -> int:
    membership: Membership = await do(Membership.objects.in_room(room).of(user).get)
    return membership.last_read_seq


# --- rooms.list ---------------------------------------------------------------------------------


async def test_everybody_lists_the_rooms_that_they_may_see(
    sockets: dict[str, Socket], world: World
) -> None:
    listed = {}
    for who in WHO:
        answer = await sockets[who].result("rooms.list")
        msgspec.convert(answer, RoomList)
        assert answer["next"] is None
        listed[who] = [(room["slug"], room["role"]) for room in answer["rooms"]]
    assert listed == {
        "alice": [("cellar", "owner"), ("garden", "owner")],
        "bob": [("cellar", "member"), ("garden", "member")],
        "charlie": [("garden", None)],
        "anonymous": [("garden", None)],
    }


async def test_a_listed_room_tells_its_position_and_what_is_unread(
    sockets: dict[str, Socket], world: World
) -> None:
    await post_many(world.alice, 3)
    (_, room) = (await sockets["bob"].result("rooms.list"))["rooms"]
    await do(world.garden.refresh_from_db)
    expected = {
        "slug": "garden",
        "title": "Garden",
        "visibility": "public",
        "role": "member",
        "epoch": world.garden.epoch,
        "seq": world.garden.last_seq,
        "unread_count": 3,
    }
    assert expected.items() <= room.items()
    (room,) = (await sockets["anonymous"].result("rooms.list"))["rooms"]
    assert (room["role"], room["unread_count"]) == (None, None)


async def test_a_list_of_many_rooms_takes_no_more_queries(
    sockets: dict[str, Socket], world: World, queries: list[str]
) -> None:
    counts = []
    for more in (0, 12):
        await do(lambda more=more: [make_room(f"r{n}", world.bob) for n in range(more)])
        queries.clear()
        answer = await sockets["bob"].result("rooms.list")
        assert len(answer["rooms"]) == 2 + more
        counts.append(len(queries))
    assert counts == [3, 3]


async def test_a_long_list_of_rooms_goes_on_where_it_ended(
    sockets: dict[str, Socket], world: World
) -> None:
    bob = sockets["bob"]
    first = await bob.result("rooms.list", limit=1)
    assert ([room["slug"] for room in first["rooms"]], first["next"]) == (["cellar"], "cellar")
    second = await bob.result("rooms.list", limit=1, after="cellar")
    assert ([room["slug"] for room in second["rooms"]], second["next"]) == (["garden"], None)


# --- joining and leaving ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        ("garden", [OK, OK, OK, "not_authenticated"]),
        ("cellar", [OK, OK, "not_found", "not_authenticated"]),
        ("nowhere", ["not_found", "not_found", "not_found", "not_authenticated"]),
    ],
)
async def test_who_joins(
    sockets: dict[str, Socket], world: World, room: str, expected: list[str]
) -> None:
    assert await outcomes(sockets, "room.join", room=room) == expected


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        ("garden", ["forbidden", OK, "forbidden", "not_authenticated"]),
        ("cellar", ["forbidden", OK, "not_found", "not_authenticated"]),
        ("nowhere", ["not_found", "not_found", "not_found", "not_authenticated"]),
    ],
)
async def test_who_leaves(
    sockets: dict[str, Socket], world: World, room: str, expected: list[str]
) -> None:
    assert await outcomes(sockets, "room.leave", room=room) == expected


async def test_joining_twice_is_one_event_and_lets_one_post(
    sockets: dict[str, Socket], world: World
) -> None:
    charlie, bob = sockets["charlie"], sockets["bob"]
    await bob.result("subscribe", rooms=["garden"])
    joined = await charlie.result("room.join", room="garden")
    assert joined["role"] == "member"
    assert await charlie.result("room.join", room="garden") == joined
    await charlie.result("post.create", room="garden", text="Here I am")
    await bob.event("post.created")
    assert [frame["type"] for frame in bob.aside if "type" in frame] == ["member.joined"]


async def test_who_leaves_a_private_room_hears_nothing_more_of_it(
    sockets: dict[str, Socket], world: World
) -> None:
    bob = sockets["bob"]
    await bob.result("subscribe", rooms=["cellar"])
    left = await bob.result("room.leave", room="cellar")
    assert (left["slug"], left["role"], left["unread_count"]) == ("cellar", None, None)
    msgspec.convert(left, RoomAsSeen)
    # It may come before the answer.
    told = [frame for frame in bob.aside if frame.get("type") == "unsubscribed"]
    lost = told[0] if told else await bob.event("unsubscribed")
    assert (lost["room"], lost["reason"]) == ("cellar", "left")
    await post(world.alice, "Is he gone?", room="cellar")
    assert [frame for frame in await bob.so_far() if frame.get("type") == "post.created"] == []
    assert (await bob.refusal("room.leave", room="cellar"))["code"] == "not_found"


async def test_a_key_joins_leaves_and_reads_on_only_with_the_scope_post(
    gateway: Gateway, world: World
) -> None:
    reader = await gateway.program(world.bob, "read")
    for action, fields in (("room.join", {}), ("room.leave", {}), ("read", {"seq": 1})):
        assert (await reader.refusal(action, room="garden", **fields))["code"] == "forbidden"
    assert len((await reader.result("rooms.list"))["rooms"]) == 2
    writer = await gateway.program(world.bob, "post")
    for action in ("rooms.list", "users.list", "ListUsers"):
        assert (await writer.refusal(action))["code"] == "forbidden"
    assert (await writer.result("room.leave", room="garden"))["role"] is None


# --- read ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        ("garden", [OK, OK, "forbidden", "not_authenticated"]),
        ("cellar", [OK, OK, "not_found", "not_authenticated"]),
    ],
)
async def test_who_has_a_read_marker(
    sockets: dict[str, Socket], world: World, room: str, expected: list[str]
) -> None:
    assert await outcomes(sockets, "read", room=room, seq=1) == expected


async def test_the_highest_read_marker_wins_and_others_hear_nothing(
    sockets: dict[str, Socket], world: World
) -> None:
    bob, alice = sockets["bob"], sockets["alice"]
    await alice.result("subscribe", rooms=["garden"])
    first = await post(world.alice, "one")
    await post(world.alice, "two")
    for _ in range(2):
        await alice.event("post.created")
    alice.aside.clear()
    marker = await bob.result("read", room="garden", seq=first.seq)
    assert marker == {"room": "garden", "seq": first.seq, "unread_count": 1}
    msgspec.convert(marker, ReadMarker)
    assert await bob.result("read", room="garden", seq=0) == marker
    beyond = await bob.result("read", room="garden", seq=2**62)
    assert beyond == {"room": "garden", "seq": first.seq + 1, "unread_count": 0}
    assert await alice.so_far() == []
    assert await marker_of(world.garden, world.bob) == first.seq + 1


# --- people -------------------------------------------------------------------------------------


async def test_signed_in_people_find_everybody_as_over_rest(
    sockets: dict[str, Socket], world: World
) -> None:
    assert await outcomes(sockets, "users.list") == [OK, OK, OK, "not_authenticated"]
    answer = await sockets["charlie"].result("users.list")
    msgspec.convert(answer, PersonList)
    assert names(answer) == ["alice", "bob", "charlie"]
    assert answer["users"][0].keys() == {"id", "username", "display_name", "avatar"}
    assert names(await sockets["charlie"].result("users.list", query="LI")) == ["alice", "charlie"]
    assert names(await sockets["charlie"].result("users.list", query="nobody")) == []


async def test_who_sees_a_room_lists_its_members(sockets: dict[str, Socket], world: World) -> None:
    await do(rooms.remove_member, viewer=world.alice, slug="garden", username="bob", is_ban=True)
    expected = {"garden": [OK, "not_found", OK], "cellar": [OK, OK, "not_found"]}
    for room, outcome in expected.items():
        assert await outcomes(sockets, "users.list", room=room) == [*outcome, "not_authenticated"]
    assert names(await sockets["alice"].result("users.list", room="garden")) == ["alice"]
    assert names(await sockets["bob"].result("users.list", room="cellar")) == ["alice", "bob"]


async def test_a_long_list_of_people_goes_on_where_it_ended(
    sockets: dict[str, Socket], world: World
) -> None:
    for action in ("users.list", "ListUsers"):
        first = await sockets["bob"].result(action, limit=1)
        assert (names(first), first["next"]) == (["alice"], "alice")
        second = await sockets["bob"].result(action, limit=1, after="alice")
        assert names(second) == ["bob"]


async def test_staff_match_people_by_email_and_others_never_do(
    gateway: Gateway, sockets: dict[str, Socket], world: World
) -> None:
    dora = await do(make_person, "dora", email="dora@support.example", display_name="The Cook")
    await do(make_person, "support-bot", email="x@example.org", display_name="")
    await do(make_person, "gone", email="gone@support.example", is_active=False)
    staff = await gateway.open(await do(make_person, "eve", is_staff=True))
    wanted = {"data": {"email": "SUPPORT"}}

    answer = await staff.result("ListUsers", **wanted)
    msgspec.convert(answer, PersonList)
    assert [(user["username"], user["email"]) for user in answer["users"]] == [
        ("dora", "dora@support.example")
    ]
    # Nobody in a room with bob is called so, whatever their e-mail.
    assert (await sockets["bob"].result("ListUsers", **wanted))["users"] == []
    await do(rooms.add_member, viewer=world.alice, slug="cellar", username=dora.username)
    assert (await sockets["bob"].result("ListUsers", **wanted))["users"] == []
    found = await sockets["bob"].result("ListUsers", data={"email": "cook"})
    assert found["users"] == [
        {"id": dora.pk, "username": "dora", "display_name": "The Cook", "avatar": None}
    ]
    # Charlie is in no room with anybody.
    assert names(await sockets["charlie"].result("ListUsers", data={"email": "o"})) == []
    assert names(await sockets["charlie"].result("ListUsers", data={})) == ["charlie"]
    error = await sockets["anonymous"].refusal("ListUsers", **wanted)
    assert error["code"] == "not_authenticated"


async def test_a_key_of_staff_that_only_reads_has_nobodys_email(
    gateway: Gateway, world: World
) -> None:
    await do(make_person, "dora", email="dora@support.example")
    staff = await do(make_person, "zoe", is_staff=True)
    reading = await gateway.program(staff, "read")
    assert await reading.result("ListUsers", data={"email": "support"}) == {
        "users": [],
        "next": None,
    }
    moderating = await gateway.program(staff, "read", "moderate")
    (found,) = (await moderating.result("ListUsers", data={"email": "support"}))["users"]
    assert found["email"] == "dora@support.example"


async def test_a_banned_person_shares_no_room(sockets: dict[str, Socket], world: World) -> None:
    for slug in ("garden", "cellar"):
        await do(rooms.remove_member, viewer=world.alice, slug=slug, username="bob", is_ban=True)
    assert names(await sockets["bob"].result("ListUsers")) == ["bob"]
    assert names(await sockets["alice"].result("ListUsers")) == ["alice"]


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("rooms.list", {"limit": 0}),
        ("rooms.list", {"limit": "many"}),
        ("rooms.list", {"after": 7}),
        ("room.join", {}),
        ("room.join", {"room": None}),
        ("room.join", {"room": "x" * 51}),
        ("room.leave", {"room": ["garden"]}),
        ("read", {"room": "garden"}),
        ("read", {"room": "garden", "seq": -1}),
        ("read", {"room": "garden", "seq": "1"}),
        ("read", {"room": "garden", "seq": 1.5}),
        ("users.list", {"query": 7}),
        ("users.list", {"query": "x" * 61}),
        ("users.list", {"room": {}}),
        ("users.list", {"limit": 101}),
        ("users.list", {"after": ""}),
        ("ListUsers", {"data": "support"}),
        ("ListUsers", {"data": ["support"]}),
        ("ListUsers", {"data": {"email": 7}}),
        ("ListUsers", {"data": {"email": {"contains": "support"}}}),
        ("ListUsers", {"data": {"email": "x" * 61}}),
        ("ListUsers", {"data": None}),
    ],
)
async def test_what_is_malformed_is_invalid(
    sockets: dict[str, Socket], action: str, fields: dict[str, Any]
) -> None:
    error = await sockets["bob"].refusal(action, **fields)
    assert (error["code"], bool(error["fields"])) == ("invalid", True)


def test_every_action_says_what_it_answers() -> None:
    for name in ("rooms.list", "room.join", "room.leave", "read", "users.list", "ListUsers"):
        action = router.actions[name]
        assert action.result is not None
        assert action.description
