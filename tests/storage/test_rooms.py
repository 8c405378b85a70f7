"""Rooms and their members: who may, what is refused, and what the log tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from pytest_django import DjangoAssertNumQueries, Settings

from chat import services
from chat.access import Viewer, access_room
from chat.errors import AppError, Conflict, Forbidden, Invalid, NotAuthenticated, NotFound
from chat.models import Membership, Room
from chat.unread import UNREAD_MAX, unread_counts
from posts.services import create_post, delete_post, hide_post
from tests.people import World, make_person
from tests.storage.following import log_of
from tests.storage.test_posts import outcome

NOBODY = AnonymousUser()
Refusal = type[AppError] | None


@pytest.fixture
def people(world: World) -> dict[str, Viewer]:
    """Everybody who may be somebody to the garden and the cellar; mona is moderator of both."""
    mona = make_person("mona")
    for room in (world.garden, world.cellar):
        Membership.objects.create(room=room, user=mona, role=Membership.Role.MODERATOR)
    staff = make_person("staff", is_staff=True)
    return {
        "owner": world.alice,
        "moderator": mona,
        "member": world.bob,
        "stranger": world.charlie,
        "staff": staff,
        "nobody": NOBODY,
    }


def types_after(room: Room, seq: int) -> list[str]:
    return [event["type"] for event in log_of(room, after=seq)]


# --- who may ------------------------------------------------------------------------------------

ALL = dict.fromkeys(("owner", "moderator", "member", "stranger", "staff"), None)
OWNERS: dict[str, Refusal] = {
    "owner": None,
    "moderator": Forbidden,
    "member": Forbidden,
    "stranger": Forbidden,
    "staff": None,
    "nobody": NotAuthenticated,
}
MODERATORS: dict[str, Refusal] = {**OWNERS, "moderator": None}

RIGHTS: dict[str, tuple[Callable[[Viewer, str], object], dict[str, Refusal]]] = {
    "rename": (lambda v, slug: services.update_room(viewer=v, slug=slug, title="New"), MODERATORS),
    "make it for announcements": (
        lambda v, slug: services.update_room(viewer=v, slug=slug, is_announcement_only=True),
        MODERATORS,
    ),
    "make it private": (
        lambda v, slug: services.update_room(viewer=v, slug=slug, visibility="private"),
        OWNERS,
    ),
    "archive": (
        lambda v, slug: services.update_room(viewer=v, slug=slug, is_archived=True),
        OWNERS,
    ),
    "add a member": (
        lambda v, slug: services.add_member(viewer=v, slug=slug, username="dave"),
        MODERATORS,
    ),
    "add a moderator": (
        lambda v, slug: services.add_member(viewer=v, slug=slug, username="dave", role="moderator"),
        OWNERS,
    ),
    "make a member a moderator": (
        lambda v, slug: services.set_role(viewer=v, slug=slug, username="erin", role="moderator"),
        OWNERS,
    ),
    "remove a member": (
        lambda v, slug: services.remove_member(viewer=v, slug=slug, username="erin"),
        MODERATORS,
    ),
    "ban a member": (
        lambda v, slug: services.remove_member(viewer=v, slug=slug, username="erin", is_ban=True),
        MODERATORS,
    ),
    "remove a moderator": (
        lambda v, slug: services.remove_member(viewer=v, slug=slug, username="mike"),
        OWNERS,
    ),
    "mark as read": (
        lambda v, slug: services.mark_read(viewer=v, slug=slug, seq=1),
        {
            "owner": None,
            "moderator": None,
            "member": None,
            "stranger": Forbidden,
            "staff": Forbidden,
            "nobody": NotAuthenticated,
        },
    ),
    "join": (
        lambda v, slug: services.join_room(viewer=v, slug=slug),
        {**ALL, "nobody": NotAuthenticated},
    ),
}


@pytest.mark.parametrize("who", ["owner", "moderator", "member", "stranger", "staff", "nobody"])
@pytest.mark.parametrize("action", RIGHTS)
def test_everybody_tries_everything(
    people: dict[str, Viewer], world: World, action: str, who: str
) -> None:
    dave, erin, mike = (make_person(name) for name in ("dave", "erin", "mike"))
    for room in (world.garden, world.cellar):
        Membership.objects.create(room=room, user=erin)
        Membership.objects.create(room=room, user=mike, role=Membership.Role.MODERATOR)
    act, in_public = RIGHTS[action]
    assert outcome(act, people[who], "garden") is in_public[who]
    in_private = in_public | {"stranger": NotFound, "staff": NotFound}
    assert outcome(act, people[who], "cellar") is in_private[who]
    nowhere = NotAuthenticated if who == "nobody" else NotFound
    assert outcome(act, people[who], "nowhere") is nowhere
    assert dave.pk


def test_a_private_room_is_seen_by_its_members_only(
    people: dict[str, Viewer], world: World
) -> None:
    for who, viewer in people.items():
        sees = who in ("owner", "moderator", "member")
        assert outcome(access_room, viewer, "cellar") is (None if sees else NotFound)
        assert outcome(access_room, viewer, "garden") is None
        listed = Room.objects.visible_to(viewer).order_by("slug").values_list("slug", flat=True)
        assert list(listed) == (["cellar", "garden"] if sees else ["garden"])


def test_visitors_see_nothing_where_anonymous_reading_is_off(
    world: World, settings: Settings
) -> None:
    settings.ANONYMOUS_MAY_READ = False
    assert outcome(access_room, NOBODY, "garden") is NotFound
    assert outcome(access_room, world.charlie, "garden") is None


def test_who_is_banned_neither_sees_nor_joins(world: World) -> None:
    services.remove_member(viewer=world.alice, slug="garden", username="charlie", is_ban=True)
    assert outcome(access_room, world.charlie, "garden") is NotFound
    assert outcome(services.join_room, viewer=world.charlie, slug="garden") is NotFound
    services.add_member(viewer=world.alice, slug="garden", username="charlie")
    assert outcome(access_room, world.charlie, "garden") is None


# --- making and changing rooms ------------------------------------------------------------------


def test_who_creates_a_room_owns_it(world: World) -> None:
    room = services.create_room(
        viewer=world.charlie, slug="attic", title=" The attic ", visibility="private"
    )
    assert (room.title, room.visibility, room.last_seq) == ("The attic", "private", 1)
    assert room.memberships.get().role == "owner"
    (joined,) = log_of(room)
    assert (joined["type"], joined["actor"]["username"]) == ("member.joined", "charlie")


@pytest.mark.parametrize(
    "slug", ["", "-a", "a-", "A", "a_b", "a b", "ä", "a" * 51, "dm-1-2", "a\n", "a/b"]
)
def test_a_bad_slug_is_refused(world: World, slug: str) -> None:
    with pytest.raises(Invalid) as refusal:
        services.create_room(viewer=world.alice, slug=slug, title="Room")
    assert "slug" in (refusal.value.fields or {})


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"title": ""}, "title"),
        ({"title": " "}, "title"),
        ({"title": "x" * 81}, "title"),
        ({"description": "x" * 501}, "description"),
        ({"visibility": "direct"}, "visibility"),
        ({"visibility": "secret"}, "visibility"),
    ],
)
def test_a_bad_field_is_named(world: World, fields: dict[str, Any], name: str) -> None:
    with pytest.raises(Invalid) as refusal:
        services.create_room(viewer=world.alice, slug="attic", **{"title": "Attic", **fields})
    assert name in (refusal.value.fields or {})
    with pytest.raises(Invalid) as refusal:
        services.update_room(viewer=world.alice, slug="garden", **fields)
    assert name in (refusal.value.fields or {})


def test_a_slug_is_taken_once_whoever_sees_it(world: World) -> None:
    with pytest.raises(Conflict):
        services.create_room(viewer=world.charlie, slug="cellar", title="Mine")


def test_a_change_is_one_event_and_no_change_is_none(world: World) -> None:
    before = world.garden.last_seq
    room = services.update_room(
        viewer=world.alice, slug="garden", title="Orchard", is_archived=True
    )
    assert room.last_seq == before + 1
    assert types_after(room, before) == ["room.updated"]
    room = services.update_room(viewer=world.alice, slug="garden", title="Orchard")
    assert room.last_seq == before + 1


def test_a_direct_room_stays_as_it_is(world: World) -> None:
    room, is_new = services.direct_room(viewer=world.alice, username="bob")
    again, is_new_again = services.direct_room(viewer=world.bob, username="alice")
    assert (room.pk, is_new, is_new_again) == (again.pk, True, False)
    changes: list[tuple[Callable[..., object], dict[str, Any]]] = [
        (services.update_room, {"title": "Us"}),
        (services.leave_room, {}),
        (services.add_member, {"username": "charlie"}),
        (services.set_role, {"username": "bob", "role": "owner"}),
        (services.remove_member, {"username": "bob"}),
    ]
    staff_or_member = world.alice
    staff_or_member.is_staff = True
    staff_or_member.save()
    for change, fields in changes:
        assert outcome(change, viewer=world.alice, slug=room.slug, **fields) is Forbidden
    assert outcome(access_room, world.charlie, room.slug) is NotFound


# --- joining and leaving ------------------------------------------------------------------------


def test_joining_twice_is_one_event(world: World) -> None:
    before = world.garden.last_seq
    for _ in range(2):
        room = services.join_room(viewer=world.charlie, slug="garden")
        assert room.last_seq == before + 1
    assert types_after(world.garden, before) == ["member.joined"]


def test_joining_a_private_room_changes_nothing_for_a_member(world: World) -> None:
    before = log_of(world.cellar)
    services.join_room(viewer=world.bob, slug="cellar")
    assert log_of(world.cellar) == before


def test_an_archived_room_is_not_joined(world: World) -> None:
    services.update_room(viewer=world.alice, slug="garden", is_archived=True)
    assert outcome(services.join_room, viewer=world.charlie, slug="garden") is Forbidden
    assert outcome(services.join_room, viewer=world.bob, slug="garden") is None
    add = {"viewer": world.alice, "slug": "garden", "username": "charlie"}
    assert outcome(services.add_member, **add) is Forbidden


def test_leaving_tells_that_somebody_left_and_not_that_they_were_removed(world: World) -> None:
    before = world.garden.last_seq
    room = services.leave_room(viewer=world.bob, slug="garden")
    assert room.last_seq == before + 1
    assert types_after(room, before) == ["member.left"]
    assert outcome(services.leave_room, viewer=world.bob, slug="garden") is Forbidden


def test_a_private_room_is_returned_a_last_time_to_who_leaves_it(world: World) -> None:
    assert services.leave_room(viewer=world.bob, slug="cellar").slug == "cellar"
    assert outcome(services.leave_room, viewer=world.bob, slug="cellar") is NotFound


def test_the_last_owner_stays_owner(world: World) -> None:
    alone = {"viewer": world.alice, "slug": "garden"}
    assert outcome(services.leave_room, **alone) is Forbidden
    lowered = {**alone, "username": "alice", "role": "member"}
    assert outcome(services.set_role, **lowered) is Forbidden
    services.set_role(viewer=world.alice, slug="garden", username="bob", role="owner")
    assert outcome(services.leave_room, **alone) is None
    staff = make_person("staff", is_staff=True)
    last = {"viewer": staff, "slug": "garden", "username": "bob"}
    assert outcome(services.remove_member, **last) is Forbidden
    assert outcome(services.set_role, **last, role="moderator") is Forbidden


# --- members ------------------------------------------------------------------------------------


def test_adding_somebody_again_changes_nothing(world: World) -> None:
    add = {"viewer": world.alice, "slug": "garden", "username": "charlie"}
    membership, is_new = services.add_member(**add)  # type: ignore[arg-type]
    assert (membership.role, is_new) == ("member", True)
    before = log_of(world.garden)
    assert services.add_member(**add)[1] is False  # type: ignore[arg-type]
    assert log_of(world.garden) == before
    assert outcome(services.add_member, **add, role="owner") is Conflict


def test_nobody_is_added_who_does_not_exist_or_is_away(world: World) -> None:
    world.charlie.is_active = False
    world.charlie.save()
    for username in ("nobody", "charlie"):
        add = {"viewer": world.alice, "slug": "garden", "username": username}
        assert outcome(services.add_member, **add) is Invalid


@pytest.mark.parametrize("role", ["banned", "admin", ""])
def test_only_three_roles_are_given(world: World, role: str) -> None:
    for service, username in ((services.add_member, "charlie"), (services.set_role, "bob")):
        change = {"viewer": world.alice, "slug": "garden", "username": username, "role": role}
        assert outcome(service, **change) is Invalid


def test_nobody_removes_themself(world: World) -> None:
    own = {"viewer": world.alice, "slug": "garden", "username": "alice"}
    assert outcome(services.remove_member, **own) is Forbidden


def test_a_removal_tells_who_did_it_and_the_role_that_was(world: World) -> None:
    services.remove_member(viewer=world.alice, slug="garden", username="bob")
    told = log_of(world.garden)[-1]
    assert (told["type"], told["actor"]["username"]) == ("member.removed", "alice")
    assert (told["data"]["user"]["username"], told["data"]["role"]) == ("bob", "member")
    gone = {"viewer": world.alice, "slug": "garden", "username": "bob"}
    assert outcome(services.remove_member, **gone) is NotFound
    assert outcome(services.set_role, **gone, role="owner") is NotFound


# --- reading ------------------------------------------------------------------------------------


def marker_of(world: World) -> int:
    return Membership.objects.get(room=world.garden, user=world.bob).last_read_seq


def test_the_highest_marker_wins_and_none_is_beyond_the_head(world: World) -> None:
    head = world.garden.last_seq
    for seq, expected in ((1, 1), (0, 1), (10**30, head), (1, head)):
        membership = services.mark_read(viewer=world.bob, slug="garden", seq=seq)
        assert membership.last_read_seq == marker_of(world) == expected


def unread(world: World) -> int:
    membership = Membership.objects.get(room=world.garden, user=world.bob)
    return unread_counts([membership])[world.garden.pk]


def test_unread_are_visible_posts_of_others_above_the_marker(world: World) -> None:
    def post(viewer: Viewer) -> Any:
        return create_post(viewer=viewer, room_slug="garden", text="Hi")

    first, second, third = post(world.alice), post(world.alice), post(world.alice)
    post(world.bob)
    services.join_room(viewer=world.charlie, slug="garden")
    assert unread(world) == 3
    delete_post(viewer=world.alice, post_id=second.pk)
    assert unread(world) == 2
    hide_post(viewer=world.alice, post_id=third.pk)
    assert unread(world) == 1
    services.mark_read(viewer=world.bob, slug="garden", seq=first.seq)
    assert unread(world) == 0


def test_counting_the_unread_stops_somewhere(world: World) -> None:
    for _ in range(UNREAD_MAX + 2):
        create_post(viewer=world.alice, room_slug="garden", text="Hi")
    assert unread(world) == UNREAD_MAX


def test_unread_of_many_rooms_are_one_query(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    create_post(viewer=world.alice, room_slug="cellar", text="Hi")
    memberships = list(Membership.objects.of(world.bob))
    with django_assert_num_queries(1):
        assert unread_counts(memberships) == {world.garden.pk: 0, world.cellar.pk: 1}


@pytest.mark.parametrize("title", ["\u202eabc", "a\u2066b", "two\nlines", "a\tb"])
def test_a_title_is_one_line_that_turns_nothing_around(world: World, title: str) -> None:
    with pytest.raises(Invalid):
        services.create_room(viewer=world.alice, slug="odd", title=title)
