"""The admin: every page opens, what it saves is published, and only staff get in."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.models import (
    AccessKey,
    Connection,
    Lease,
    Membership,
    RightsChange,
    Room,
    RoomEvent,
    User,
)
from posts import services as posts
from posts.models import Picture, Post, Reaction
from tests.people import PASSWORD, World, make_person
from tests.storage.pictures import add_picture

pytestmark = pytest.mark.django_db

PAGES = (
    *(User, Room, Membership, RoomEvent, RightsChange, Lease, Connection, AccessKey),
    *(Post, Picture, Reaction),
)
ADDABLE = (User, Room, Membership, AccessKey, Post, Reaction)


@pytest.fixture
def caretaker(db: None) -> User:
    user: User = User.objects.create_superuser("caretaker", password=PASSWORD)
    return user


@pytest.fixture
def staff(caretaker: User, client: Client) -> Client:
    client.force_login(caretaker)
    return client


@pytest.fixture
def picture(world: World) -> Picture:
    """A picture of bob's, in the private cellar, with a reaction of alice's."""
    post = posts.create_post(viewer=world.bob, room_slug="cellar", text="Look")
    posts.add_reaction(viewer=world.alice, post_id=post.pk, emoji="🎉")
    return add_picture(post, alt="A hedge")


def address(model: type[Model], *rest: object) -> str:
    parts = (model._meta.app_label, model._meta.model_name, *rest)
    return "/admin/" + "".join(f"{part}/" for part in parts)


def act(staff: Client, model: type[Model], action: str, *rows: Model) -> None:
    """Do a list's action with these rows."""
    form = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    response = staff.post(address(model), form)
    assert response.status_code == 302, response.content.decode()


def form_of(staff: Client, url: str) -> dict[str, Any]:
    """What a browser would send if nobody changed anything on the page."""
    context = staff.get(url).context
    form = context["adminform"].form
    values = {form.add_prefix(name): form.initial.get(name) for name in form.fields}
    for each in context["inline_admin_formsets"]:
        forms = [each.formset.management_form, *each.formset.forms]
        for inner in forms:
            for name, field in inner.fields.items():
                value = inner.initial.get(name, field.initial)
                values[inner.add_prefix(name)] = value
    return {
        name: value for name, value in values.items() if value is not None and value is not False
    }


def types(room: Room) -> list[str]:
    return list(room.events.order_by("seq").values_list("type", flat=True))


def make_rows(world: World, number: int) -> None:
    """Make one more of everything, each with a room, a person and a picture of its own."""
    person = make_person(f"person{number}", email=f"person{number}@example.org")
    room = Room.objects.create(slug=f"room{number}", title="A room")
    Membership.objects.create(room=room, user=person)
    Membership.objects.create(room=world.garden, user=person)
    post = posts.create_post(viewer=person, room_slug=room.slug, text="Hello")
    add_picture(post, alt="A hedge")
    posts.add_reaction(viewer=person, post_id=post.pk, emoji="🎉")
    AccessKey.objects.issue(person, scopes=["read"])
    RightsChange.objects.user_blocked(person.pk)
    Lease.objects.create(
        node=f"n{number}", host="here", pid=number, is_shared=False, renewed_at=timezone.now()
    )
    Connection.objects.create(
        connection_id=f"c{number}",
        user=person,
        connected_at=timezone.now(),
        last_active_at=timezone.now(),
        ttl=2**31,
        node=f"n{number}",
    )


def query_count(staff: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        response = staff.get(url)
    assert response.status_code == 200, (url, response.status_code)
    return len(queries)


def test_every_model_has_a_page() -> None:
    """But for the head of the rights log, which is a lock."""
    ours = {model for model in admin.site._registry if model._meta.app_label in ("chat", "posts")}
    assert ours == set(PAGES)


@pytest.mark.parametrize("model", PAGES)
def test_a_list_costs_as_many_queries_for_many_rows_as_for_few(
    staff: Client, world: World, model: type[Model]
) -> None:
    for number in range(2):
        make_rows(world, number)
    few = query_count(staff, address(model))
    for number in range(2, 7):
        make_rows(world, number)
    assert query_count(staff, address(model)) == few
    assert few <= 12


@pytest.mark.parametrize("model", PAGES)
def test_a_row_s_page_opens_with_a_fixed_number_of_queries(
    staff: Client, world: World, model: type[Model]
) -> None:
    make_rows(world, 0)
    row = world.garden if model is Room else model._default_manager.latest("pk")
    url = address(model, row.pk, "change")
    query_count(staff, url)  # the first time, content types are fetched
    few = query_count(staff, url)
    for number in range(1, 5):
        make_rows(world, number)
    assert query_count(staff, url) == few
    assert few <= 15


@pytest.mark.parametrize("model", ADDABLE)
def test_a_page_for_adding_opens(staff: Client, model: type[Model]) -> None:
    query_count(staff, address(model, "add"))


@pytest.mark.parametrize("model", sorted(set(PAGES) - set(ADDABLE), key=str))
def test_what_is_only_told_cannot_be_added(staff: Client, model: type[Model]) -> None:
    assert staff.get(address(model, "add")).status_code == 403


@pytest.mark.parametrize("model", [User, Room, Post, Picture, RoomEvent, AccessKey])
def test_what_must_stay_cannot_be_deleted(
    staff: Client, picture: Picture, caretaker: User, model: type[Model]
) -> None:
    AccessKey.objects.issue(caretaker, scopes=["read"])
    row = model._default_manager.latest("pk")
    assert staff.get(address(model, row.pk, "delete")).status_code == 403


@pytest.mark.parametrize("query", ["text=x", "q=hedge", "state=hidden", "room=1", "room=x"])
def test_searching_and_filtering_posts_works(staff: Client, picture: Picture, query: str) -> None:
    response = staff.get(f"{address(Post)}?{query}", follow=True)
    assert response.status_code == 200


@pytest.mark.parametrize("model", PAGES)
def test_every_search_works(staff: Client, world: World, model: type[Model]) -> None:
    make_rows(world, 0)
    for sought in ("hello", "17", str(world.garden.pk)):
        url = f"{address(model)}?{urlencode({'q': sought})}"
        assert staff.get(url, follow=True).status_code == 200


def test_strangers_and_members_get_no_admin(client: Client, world: World) -> None:
    for user in (None, world.charlie, world.alice):
        if user is not None:
            client.force_login(user)
        for model in PAGES:
            assert client.get(address(model)).status_code in (302, 403)
        thumbnail = f"/admin/posts/picture/{world.garden.epoch.rjust(32, '0')}/thumbnail/"
        assert client.get(thumbnail).status_code in (302, 403, 404)


def test_staff_without_the_permission_see_nothing(client: Client, world: World) -> None:
    User.objects.filter(pk=world.charlie.pk).update(is_staff=True)
    client.force_login(world.charlie)
    for model in PAGES:
        assert client.get(address(model)).status_code == 403


def test_hiding_restoring_and_deleting_are_events_of_whoever_did_it(
    staff: Client, caretaker: User, picture: Picture, world: World
) -> None:
    act(staff, Post, "hide_posts", picture.post)
    act(staff, Post, "restore_posts", picture.post)
    act(staff, Post, "delete_posts", picture.post)
    act(staff, Post, "restore_posts", picture.post)
    act(staff, Post, "restore_posts", picture.post)  # is no event
    events = world.cellar.events.order_by("-seq")[:4]
    assert [event.type for event in events] == [
        "post.restored",
        "post.deleted",
        "post.restored",
        "post.hidden",
    ]
    assert {event.actor for event in events} == {caretaker}


def test_what_was_hidden_in_the_admin_is_gone_from_the_log(
    staff: Client, picture: Picture, world: World
) -> None:
    act(staff, Post, "hide_posts", picture.post)
    about = world.cellar.events.filter(subject_id=str(picture.post_id), type__startswith="post.")
    assert {json.loads(event.data)["text"] for event in about} == {""}


def test_a_deletion_cannot_be_undone_when_the_time_is_over(staff: Client, picture: Picture) -> None:
    post = picture.post
    post.deleted_at = timezone.now() - timedelta(hours=1)
    post.save()
    act(staff, Post, "restore_posts", post)
    post.refresh_from_db()
    assert post.deleted_at is not None


@pytest.mark.parametrize(
    ("button", "kind"), [("_hide", "post.hidden"), ("_remove", "post.deleted")]
)
def test_the_buttons_on_a_post_s_page_do_the_same(
    staff: Client, picture: Picture, world: World, button: str, kind: str
) -> None:
    url = address(Post, picture.post_id, "change")
    before = len(types(world.cellar))
    assert staff.post(url, form_of(staff, url) | {button: "1"}).status_code == 302
    assert types(world.cellar)[before:] == [kind]


def test_a_text_and_an_alt_text_are_edited_for_everybody(
    staff: Client, picture: Picture, world: World
) -> None:
    url = address(Post, picture.post_id, "change")
    changed = {"text": "Better", "pictures-0-alt": "A garden hedge"}
    assert staff.post(url, form_of(staff, url) | changed).status_code == 302
    last = world.cellar.events.latest("seq")
    assert last.type == "post.updated"
    data = json.loads(last.data)
    assert (data["text"], data["images"][0]["alt"]) == ("Better", "A garden hedge")
    assert data["edited_at"] is not None


def test_saving_a_post_unchanged_is_no_event(staff: Client, picture: Picture, world: World) -> None:
    before = types(world.cellar)
    url = address(Post, picture.post_id, "change")
    assert staff.post(url, form_of(staff, url)).status_code == 302
    assert types(world.cellar) == before


def test_a_post_written_in_the_admin_is_published(
    staff: Client, caretaker: User, world: World
) -> None:
    form = {"room": world.garden.pk, "author": caretaker.pk, "text": "Good evening"}
    assert staff.post(address(Post, "add"), form).status_code == 302
    created = world.garden.events.latest("seq")
    assert created.type == "post.created"
    assert json.loads(created.data)["text"] == "Good evening"


def test_an_empty_post_and_a_reply_across_rooms_are_refused(
    staff: Client, caretaker: User, picture: Picture, world: World
) -> None:
    form = {"room": world.garden.pk, "author": caretaker.pk, "text": " "}
    assert staff.post(address(Post, "add"), form).status_code == 200
    form |= {"text": "Yes", "reply_to": picture.post_id}
    assert staff.post(address(Post, "add"), form).status_code == 200
    assert Post.objects.count() == 1


def test_a_reaction_given_and_taken_back_in_the_admin_is_published(
    staff: Client, picture: Picture, world: World
) -> None:
    form = {"post": picture.post_id, "user": world.bob.pk, "emoji": "👍"}
    assert staff.post(address(Reaction, "add"), form | {"emoji": "ok"}).status_code == 200
    assert staff.post(address(Reaction, "add"), form).status_code == 302
    reaction = Reaction.objects.latest("pk")
    assert staff.post(address(Reaction, reaction.pk, "delete"), {"post": "yes"}).status_code == 302
    assert types(world.cellar)[-2:] == ["reaction.added", "reaction.removed"]


def test_archiving_and_editing_a_room_are_published(staff: Client, world: World) -> None:
    act(staff, Room, "archive", world.garden, world.cellar)
    act(staff, Room, "open_again", world.garden)
    assert types(world.garden)[-2:] == ["room.updated"] * 2
    url = address(Room, world.garden.pk, "change")
    staff.post(url, form_of(staff, url) | {"title": "The garden", "slug": "other"})
    last = json.loads(world.garden.events.latest("seq").data)
    assert (last["title"], last["slug"]) == ("The garden", "garden")


def test_members_are_added_promoted_and_removed_on_a_room_s_page(
    staff: Client, world: World
) -> None:
    url = address(Room, world.garden.pk, "change")
    added = {
        "memberships-2-TOTAL_FORMS": 1,
        "memberships-2-0-user": world.charlie.pk,
        "memberships-2-0-role": "member",
        "memberships-2-0-room": world.garden.pk,
    }
    assert staff.post(url, form_of(staff, url) | added).status_code == 302
    assert types(world.garden)[-1] == "member.joined"
    promoted = {"memberships-1-role": "moderator", "memberships-2-DELETE": "on"}
    assert staff.post(url, form_of(staff, url) | promoted).status_code == 302
    assert types(world.garden)[-2:] == ["member.role_changed", "member.removed"]


def test_deactivating_closes_sockets_and_spares_oneself(
    staff: Client, caretaker: User, world: World
) -> None:
    act(staff, User, "deactivate", world.bob, caretaker)
    world.bob.refresh_from_db()
    caretaker.refresh_from_db()
    assert (world.bob.is_active, caretaker.is_active) == (False, True)
    change = RightsChange.objects.latest("number")
    assert (change.kind, change.user_id) == (RightsChange.Kind.USER_BLOCKED, world.bob.pk)


def test_somebody_made_in_the_admin_is_in_the_lobby(staff: Client) -> None:
    form = {
        "username": "dora",
        "usable_password": "true",
        "password1": PASSWORD,
        "password2": PASSWORD,
    }
    assert staff.post(address(User, "add"), form).status_code == 302
    assert User.objects.get(username="dora").memberships.get().room.slug == "lobby"


def test_staff_who_may_change_people_neither_become_superusers_nor_change_one(
    client: Client, world: World, caretaker: User
) -> None:
    User.objects.filter(pk=world.bob.pk).update(is_staff=True)
    allowed = Permission.objects.filter(codename__in=["view_user", "change_user"])
    world.bob.user_permissions.add(*allowed)
    client.force_login(world.bob)
    url = address(User, world.bob.pk, "change")
    client.post(url, form_of(client, url) | {"is_superuser": "on", "display_name": "Bob"})
    world.bob.refresh_from_db()
    assert (world.bob.is_superuser, world.bob.display_name) == (False, "Bob")
    assert client.post(address(User, caretaker.pk, "change"), {}).status_code == 403
    assert client.get(address(User, caretaker.pk, "password")).status_code == 403
    act(client, User, "deactivate", caretaker)
    caretaker.refresh_from_db()
    assert caretaker.is_active


def test_a_key_s_token_is_shown_once_and_opens_the_door_until_revoked(
    staff: Client, world: World
) -> None:
    form = {"user": world.bob.pk, "name": "A bot", "scopes": ["read", "post"]}
    response = staff.post(address(AccessKey, "add"), form)
    token = response.context["token"]
    assert token in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    key = AccessKey.objects.for_token(token)
    assert key is not None
    assert (key.user, key.scopes) == (world.bob, ["read", "post"])
    secret = token.split("_", 2)[2]  # it may hold underscores itself
    for url in (address(AccessKey), address(AccessKey, key.pk, "change"), "/admin/"):
        assert secret not in staff.get(url).content.decode()
    act(staff, AccessKey, "revoke", key)
    assert AccessKey.objects.for_token(token) is None
    assert RightsChange.objects.latest("number").kind == RightsChange.Kind.KEY_REVOKED


def test_a_staff_scope_is_refused_for_others(staff: Client, world: World) -> None:
    form = {"user": world.bob.pk, "scopes": ["moderate"]}
    assert staff.post(address(AccessKey, "add"), form).status_code == 200
    assert not AccessKey.objects.exists()


def test_the_admin_has_no_door_of_its_own(client: Client, world: World) -> None:
    response = client.post("/admin/login/", {"username": "caretaker", "password": PASSWORD})
    assert response["Location"].startswith("/accounts/login/?")
    client.force_login(world.alice)
    assert client.get("/admin/", follow=True).status_code == 403
