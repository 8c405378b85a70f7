"""Rooms, members and people over REST."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from chat.models import Membership, Room
from tests.people import World, make_person, make_room
from tests.storage.api.conftest import Client, client_of

ROOM_FIELDS = {
    "slug",
    "title",
    "description",
    "visibility",
    "is_announcement_only",
    "is_archived",
    "epoch",
    "seq",
    "role",
    "last_read_seq",
    "unread_count",
}
# Signing in and finding the person: the session, the user.
SIGN_IN_QUERIES = 2


def walk(client: Client, path: str) -> list[list[Any]]:
    """Follow `next` from a first page to the last; check that `previous` leads back."""
    pages: list[list[Any]] = []
    reached: str | None = path
    while reached is not None:
        page = client.ask("GET", reached, status=200)
        if pages:
            back = client.ask("GET", page["previous"], status=200)
            assert back["results"] == pages[-1]
        else:
            assert page["previous"] is None
        pages.append(page["results"])
        reached = page["next"]
    return pages


# --- rooms --------------------------------------------------------------------------------------


def test_a_room_is_shown_with_the_viewers_own_place(
    world: World, as_alice: Client, as_charlie: Client, as_nobody: Client
) -> None:
    room = as_alice.ask("GET", "/api/rooms/garden/", status=200)
    assert room.keys() == ROOM_FIELDS
    assert (room["slug"], room["role"], room["last_read_seq"]) == ("garden", "owner", 0)
    assert (room["epoch"], room["seq"]) == (world.garden.epoch, world.garden.last_seq)
    for client in (as_charlie, as_nobody):
        room = client.ask("GET", "/api/rooms/garden/", status=200)
        assert room.keys() == ROOM_FIELDS
        assert [room[name] for name in ("role", "last_read_seq", "unread_count")] == [None] * 3


def test_a_room_is_created_with_its_creator_as_owner(as_charlie: Client) -> None:
    body = {"slug": "attic", "title": "Attic", "visibility": "private", "description": "Dusty"}
    room = as_charlie.ask("POST", "/api/rooms/", body, status=201)
    assert {name: room[name] for name in body} == body
    assert (room["role"], room["seq"], room["unread_count"]) == ("owner", 1, 0)
    assert as_charlie.refused("POST", "/api/rooms/", body) == (409, "conflict")
    direct = {"slug": "us", "title": "Us", "visibility": "direct"}
    assert as_charlie.refused("POST", "/api/rooms/", direct) == (400, "invalid")
    assert as_charlie.refused("POST", "/api/rooms/", {"slug": "us"}) == (400, "invalid")


def test_a_room_is_changed_by_who_may(as_alice: Client, as_bob: Client, as_charlie: Client) -> None:
    room = as_alice.ask("PATCH", "/api/rooms/garden/", {"title": "Orchard"}, status=200)
    assert room["title"] == "Orchard"
    as_alice.ask("PATCH", "/api/rooms/garden/", {}, status=200)
    for client in (as_bob, as_charlie):
        refusal = client.refused("PATCH", "/api/rooms/garden/", {"title": "Mine"})
        assert refusal == (403, "forbidden")
    assert as_charlie.refused("PATCH", "/api/rooms/cellar/", {}) == (404, "not_found")
    for body in ({"visibility": "direct"}, {"is_archived": "yes"}, {"title": None}):
        assert as_alice.refused("PATCH", "/api/rooms/garden/", body) == (400, "invalid")


def test_joining_and_leaving_answer_the_room(as_charlie: Client, as_bob: Client) -> None:
    before = as_charlie.ask("GET", "/api/rooms/garden/", status=200)
    joined = as_charlie.ask("POST", "/api/rooms/garden/join/", status=200)
    assert (joined["role"], joined["seq"]) == ("member", before["seq"] + 1)
    assert as_charlie.ask("POST", "/api/rooms/garden/join/", {}, status=200) == joined
    left = as_charlie.ask("POST", "/api/rooms/garden/leave/", status=200)
    assert (left["role"], left["seq"]) == (None, joined["seq"] + 1)
    assert as_charlie.refused("POST", "/api/rooms/garden/leave/") == (403, "forbidden")

    assert as_charlie.refused("POST", "/api/rooms/cellar/join/") == (404, "not_found")
    assert as_bob.ask("POST", "/api/rooms/cellar/leave/", status=200)["role"] is None
    assert as_bob.refused("POST", "/api/rooms/cellar/leave/") == (404, "not_found")


def test_reading_moves_the_marker_up_only(as_bob: Client, as_charlie: Client) -> None:
    path = "/api/rooms/garden/read/"
    assert as_bob.ask("POST", path, {"seq": 1}, status=200) == {
        "room": "garden",
        "seq": 1,
        "unread_count": 0,
    }
    assert as_bob.ask("POST", path, {"seq": 0}, status=200)["seq"] == 1
    assert as_bob.ask("POST", path, {"seq": 2**62}, status=200)["seq"] == 2
    assert as_charlie.refused("POST", path, {"seq": 1}) == (403, "forbidden")
    for body in ({}, {"seq": -1}, {"seq": "1"}, {"seq": 1.5}, {"seq": True}, {"seq": 2**70}):
        assert as_bob.refused("POST", path, body) == (400, "invalid")


def test_rooms_come_in_pages_by_slug(world: World, as_bob: Client) -> None:
    for number in range(5):
        make_room(f"room-{number}", world.alice)
    make_room("secret", world.alice, visibility="private")
    pages = walk(as_bob, "/api/rooms/?limit=3")
    assert [[room["slug"] for room in page] for page in pages] == [
        ["cellar", "garden", "room-0"],
        ["room-1", "room-2", "room-3"],
        ["room-4"],
    ]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit=", "after=%00"])
def test_a_bad_page_is_invalid(as_bob: Client, query: str) -> None:
    for path in ("/api/rooms/", "/api/users/", "/api/rooms/garden/members/"):
        assert as_bob.refused("GET", f"{path}?{query}") == (400, "invalid")


def test_a_page_of_rooms_takes_the_same_queries_whatever_its_size(
    world: World, as_bob: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(10):
        make_room(f"room-{number}", world.alice, world.bob)
    for limit in (1, 10):
        # The rooms, the memberships, the unread posts.
        with django_assert_num_queries(SIGN_IN_QUERIES + 3):
            as_bob.ask("GET", f"/api/rooms/?limit={limit}", status=200)


# --- members ------------------------------------------------------------------------------------

MEMBERS = "/api/rooms/garden/members/"


def test_signed_in_people_who_see_a_room_see_its_members(
    world: World, as_charlie: Client, as_nobody: Client
) -> None:
    listed = as_charlie.ask("GET", MEMBERS, status=200)["results"]
    assert [(each["user"]["username"], each["role"]) for each in listed] == [
        ("alice", "owner"),
        ("bob", "member"),
    ]
    assert listed[1] == as_charlie.ask("GET", f"{MEMBERS}bob/", status=200)
    assert listed[1] == {
        "user": {"id": world.bob.pk, "username": "bob", "display_name": "", "avatar": None},
        "role": "member",
    }
    assert as_charlie.refused("GET", f"{MEMBERS}charlie/") == (404, "not_found")
    assert as_charlie.refused("GET", "/api/rooms/cellar/members/") == (404, "not_found")
    assert as_nobody.refused("GET", MEMBERS) == (401, "not_authenticated")
    assert as_nobody.refused("GET", "/api/rooms/cellar/members/") == (404, "not_found")


def test_members_are_added_changed_and_removed(as_alice: Client, as_charlie: Client) -> None:
    new = {"username": "charlie", "role": "moderator"}
    added = as_alice.ask("POST", MEMBERS, new, status=201)
    assert (added["user"]["username"], added["role"]) == ("charlie", "moderator")
    assert as_alice.ask("POST", MEMBERS, new, status=200) == added
    assert as_alice.refused("POST", MEMBERS, {"username": "charlie"}) == (409, "conflict")

    changed = as_alice.ask("PATCH", f"{MEMBERS}charlie/", {"role": "member"}, status=200)
    assert changed["role"] == "member"
    assert as_charlie.refused("DELETE", f"{MEMBERS}bob/") == (403, "forbidden")
    assert as_alice.ask("DELETE", f"{MEMBERS}charlie/?ban=0", status=204) is None
    assert as_alice.refused("DELETE", f"{MEMBERS}charlie/") == (404, "not_found")
    assert as_alice.refused("PATCH", f"{MEMBERS}charlie/", {"role": "owner"}) == (404, "not_found")
    assert not Membership.objects.filter(role="banned").exists()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": "nobody"},
        {"username": "Bob"},
        {"username": "bob\x00"},
        {"username": 5},
        {"username": "charlie", "role": "banned"},
        {"username": "charlie", "role": None},
    ],
)
def test_a_bad_member_is_invalid(as_alice: Client, body: dict[str, Any]) -> None:
    assert as_alice.refused("POST", MEMBERS, body) == (400, "invalid")


def test_a_banned_person_is_no_member(world: World, as_alice: Client) -> None:
    Membership.objects.create(room=world.garden, user=world.charlie, role="banned")
    listed = as_alice.ask("GET", MEMBERS, status=200)["results"]
    assert "charlie" not in [each["user"]["username"] for each in listed]
    assert as_alice.refused("GET", f"{MEMBERS}charlie/") == (404, "not_found")
    assert as_alice.refused("DELETE", f"{MEMBERS}charlie/") == (404, "not_found")


def test_members_come_in_pages_by_username(
    world: World, as_alice: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(4):
        Membership.objects.create(room=world.garden, user=make_person(f"m{number}"))
    pages = walk(as_alice, f"{MEMBERS}?limit=2")
    assert [[each["user"]["username"] for each in page] for page in pages] == [
        ["alice", "bob"],
        ["m0", "m1"],
        ["m2", "m3"],
    ]
    for limit in (1, 6):
        # The room, the viewer afresh, the members.
        with django_assert_num_queries(SIGN_IN_QUERIES + 3):
            as_alice.ask("GET", f"{MEMBERS}?limit={limit}", status=200)


# --- people -------------------------------------------------------------------------------------


def test_me_is_who_asks(world: World, as_bob: Client, as_nobody: Client) -> None:
    world.bob.email = "bob@example.org"
    world.bob.save()
    assert as_bob.ask("GET", "/api/me/", status=200) == {
        "user": {
            "id": world.bob.pk,
            "username": "bob",
            "display_name": "",
            "avatar": None,
            "email": "bob@example.org",
            "is_staff": False,
        }
    }
    assert as_nobody.ask("GET", "/api/me/", status=200) == {"user": None}


def test_people_are_for_signed_in_people(as_charlie: Client, as_nobody: Client) -> None:
    names = [
        each["username"] for each in as_charlie.ask("GET", "/api/users/", status=200)["results"]
    ]
    assert names == ["alice", "bob", "charlie"]
    person = as_charlie.ask("GET", "/api/users/alice/", status=200)
    assert person.keys() == {"id", "username", "display_name", "avatar"}
    assert as_charlie.refused("GET", "/api/users/nobody/") == (404, "not_found")
    for path in ("/api/users/", "/api/users/alice/"):
        assert as_nobody.refused("GET", path) == (401, "not_authenticated")


def test_people_are_found_by_either_name_and_not_by_email(world: World, as_bob: Client) -> None:
    make_person("dave", display_name="David 100%", email="sneaky@example.org")
    make_person("erin", is_active=False)

    def found(query: str) -> list[str]:
        results = as_bob.ask("GET", "/api/users/", {"query": query}, status=200)["results"]
        return [each["username"] for each in results]

    assert found("DAV") == ["dave"]
    assert found("0%") == ["dave"]
    assert found("_") == []
    assert found("sneaky") == []
    assert found("erin") == []
    assert found("li") == ["alice", "charlie"]
    assert as_bob.refused("GET", "/api/users/erin/") == (404, "not_found")
    assert as_bob.refused("GET", "/api/users/?query=%00") == (400, "invalid")
    assert as_bob.refused("GET", f"/api/users/?query={'x' * 100}") == (400, "invalid")


def test_people_of_a_room_are_listed_to_who_sees_it(world: World) -> None:
    expected = {"alice": ["alice", "bob"], "bob": ["alice", "bob"], "charlie": None}
    for name, members in expected.items():
        client = client_of(getattr(world, name))
        if members is None:
            assert client.refused("GET", "/api/users/?room=cellar") == (404, "not_found")
        else:
            found = client.ask("GET", "/api/users/?room=cellar", status=200)["results"]
            assert [each["username"] for each in found] == members
        assert client.refused("GET", "/api/users/?room=%00") == (400, "invalid")


def test_people_come_in_pages_that_keep_the_query(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = client_of(world.alice)
    for number in range(5):
        make_person(f"p{number}")
    pages = walk(client, "/api/users/?query=p&limit=2")
    assert [[each["username"] for each in page] for page in pages] == [
        ["p0", "p1"],
        ["p2", "p3"],
        ["p4"],
    ]
    for limit in (1, 8):
        # The viewer afresh, the people.
        with django_assert_num_queries(SIGN_IN_QUERIES + 2):
            client.ask("GET", f"/api/users/?limit={limit}", status=200)


def test_everybody_reads_the_limits(as_nobody: Client) -> None:
    told = as_nobody.ask("GET", "/api/limits/", status=200)
    assert told["pictures_per_post_max"] == 4
    assert {"image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"} <= set(
        told["picture_types"]
    )


def test_a_room_of_the_model_shows_in_the_list_at_once(world: World, as_nobody: Client) -> None:
    Room.objects.create(slug="fresh", title="Fresh")
    slugs = [each["slug"] for each in as_nobody.ask("GET", "/api/rooms/", status=200)["results"]]
    assert slugs == ["fresh", "garden"]


def test_two_people_have_one_direct_room(
    as_alice: Client, as_bob: Client, as_charlie: Client, as_nobody: Client
) -> None:
    body = {"visibility": "direct", "username": "bob"}
    room = as_alice.ask("POST", "/api/rooms/", body, status=201)
    assert (room["visibility"], room["role"]) == ("direct", "member")
    assert room["slug"].startswith("dm-")
    again = as_bob.ask(
        "POST", "/api/rooms/", {"visibility": "direct", "username": "alice"}, status=200
    )
    assert again["slug"] == room["slug"]
    path = f"/api/rooms/{room['slug']}/"
    for client in (as_charlie, as_nobody):
        assert client.refused("GET", path) == (404, "not_found")
    assert as_nobody.refused("POST", "/api/rooms/", body) == (401, "not_authenticated")
    for username in ("alice", "nobody-at-all"):
        alone = {"visibility": "direct", "username": username}
        assert as_alice.refused("POST", "/api/rooms/", alone) == (404, "not_found")


def test_a_ban_keeps_people_out_until_they_are_added_again(
    as_alice: Client, as_bob: Client, as_charlie: Client
) -> None:
    as_bob.ask("GET", "/api/rooms/garden/", status=200)
    path = "/api/rooms/garden/members/bob/?ban=1"
    assert as_charlie.refused("DELETE", path) == (403, "forbidden")
    assert as_alice.refused("DELETE", "/api/rooms/garden/members/bob/?ban=2") == (400, "invalid")
    for _ in range(2):
        assert as_alice.delete(path).status_code == 204
        assert as_bob.refused("GET", "/api/rooms/garden/") == (404, "not_found")
        assert as_bob.refused("POST", "/api/rooms/garden/join/") == (404, "not_found")
    as_alice.ask("POST", "/api/rooms/garden/members/", {"username": "bob"}, status=201)
    as_bob.ask("GET", "/api/rooms/garden/", status=200)
    # Somebody who never was a member can be banned as well.
    assert as_alice.delete("/api/rooms/garden/members/charlie/?ban=1").status_code == 204
    assert as_charlie.refused("GET", "/api/rooms/garden/") == (404, "not_found")
