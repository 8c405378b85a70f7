"""Signing up, in and out; templates are not looked at."""

from __future__ import annotations

import secrets

import pytest
from django.test import Client
from pytest_django import Settings

from chat.models import Membership, RightsChange, Room, User
from posts.services import create_post
from tests.people import PASSWORD, World, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_rate_limits(settings: Settings) -> None:
    """Count what people try anew in each test."""
    backend = "django.core.cache.backends.locmem.LocMemCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": secrets.token_hex(8)}}


def sign_up(client: Client, **fields: str) -> int:
    """Send the form and return the answer's status: 302 when it was taken."""
    form = {"username": "dora", "password1": PASSWORD, "email": ""} | fields
    return client.post("/accounts/signup/", form).status_code


def test_who_signs_up_is_signed_in_and_may_post_in_the_lobby(client: Client) -> None:
    assert sign_up(client) == 302
    dora = User.objects.get(username="dora")
    assert client.session["_auth_user_id"] == str(dora.pk)
    assert dora.check_password(PASSWORD)
    assert create_post(viewer=dora, room_slug="lobby", text="Hello").text == "Hello"


def test_the_lobby_is_made_by_the_first_and_joined_by_the_second(client: Client) -> None:
    assert sign_up(client) == 302
    client.logout()
    assert sign_up(client, username="emil") == 302
    lobby = Room.objects.get(slug="lobby")
    assert [each.user.username for each in lobby.memberships.order_by("pk")] == ["dora", "emil"]
    joined = lobby.events.filter(type="member.joined").order_by("seq")
    assert [event.actor and event.actor.username for event in joined] == ["dora", "emil"]


@pytest.mark.parametrize("closed", [{"visibility": "private"}, {"is_archived": True}])
def test_a_closed_lobby_keeps_newcomers_out_and_signing_up_works(
    client: Client, closed: dict[str, object]
) -> None:
    Room.objects.create(slug="lobby", title="Lobby", **closed)
    assert sign_up(client) == 302
    assert not Membership.objects.exists()


def test_names_are_taken_in_lower_case(client: Client) -> None:
    assert sign_up(client, username="Dora") == 302
    assert User.objects.get().username == "dora"
    client.logout()
    response = client.post("/accounts/login/", {"login": "Dora", "password": PASSWORD})
    assert response.status_code == 302


@pytest.mark.parametrize(
    "fields",
    [
        {"username": "döra"},
        {"username": "d"},
        {"username": "-dora"},
        {"username": "dora dora"},
        {"username": "admin"},
        {"username": "x" * 31},
        {"password1": "12345678"},
        {"email": "nowhere"},
    ],
)
def test_bad_names_passwords_and_addresses_are_refused(
    client: Client, fields: dict[str, str]
) -> None:
    assert sign_up(client, **fields) == 200
    assert not User.objects.exists()


@pytest.mark.parametrize("username", ["dora", "DORA"])
def test_a_taken_name_is_refused(client: Client, username: str) -> None:
    make_person("dora")
    assert sign_up(client, username=username) == 200
    assert User.objects.count() == 1


@pytest.mark.parametrize("email", ["dora@example.org", "Dora@Example.org"])
def test_a_taken_address_is_refused_and_none_is_no_address(client: Client, email: str) -> None:
    assert sign_up(client, email="dora@example.org") == 302
    client.logout()
    assert sign_up(client, username="emil", email=email) == 200
    assert sign_up(client, username="emil") == 302
    client.logout()
    assert sign_up(client, username="fritz") == 302


def test_people_sign_in_by_name_or_address_and_out_by_post_only(client: Client) -> None:
    dora = make_person("dora", email="dora@example.org")
    for login in ("dora", "dora@example.org"):
        response = client.post("/accounts/login/", {"login": login, "password": PASSWORD})
        assert response.status_code == 302
        assert client.session["_auth_user_id"] == str(dora.pk)
        client.get("/accounts/logout/")
        assert "_auth_user_id" in client.session
        client.post("/accounts/logout/")
        assert "_auth_user_id" not in client.session
    changes = RightsChange.objects.filter(kind=RightsChange.Kind.SIGNED_OUT)
    assert changes.count() == 2


def test_a_wrong_password_and_a_deactivated_account_do_not_get_in(client: Client) -> None:
    dora = make_person("dora")
    client.post("/accounts/login/", {"login": "dora", "password": "wrong"})
    assert "_auth_user_id" not in client.session
    dora.is_active = False
    dora.save()
    client.post("/accounts/login/", {"login": "dora", "password": PASSWORD})
    assert "_auth_user_id" not in client.session


def test_passwords_are_kept_as_argon2(settings: Settings, client: Client) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    assert sign_up(client) == 302
    assert User.objects.get().password.startswith("argon2$argon2id$")


def test_guessing_passwords_is_slowed_down(
    client: Client, settings: Settings, world: World
) -> None:
    for _ in range(6):
        client.post("/accounts/login/", {"login": "alice", "password": "wrong"})
    client.post("/accounts/login/", {"login": "alice", "password": PASSWORD})
    assert "_auth_user_id" not in client.session
