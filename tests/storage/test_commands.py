"""What the commands print, make and refuse."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from chat.models import AccessKey, Membership, User
from tests.people import World

pytestmark = pytest.mark.django_db


def access_key(*arguments: str) -> str:
    out = StringIO()
    call_command("access_key", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_access_key_prints_an_id_and_a_token_that_opens_the_door(world: World) -> None:
    words = access_key("bob", "--scope", "read", "--scope", "post", "--name", "A bot").split()
    printed = dict(zip(words[::2], words[1::2], strict=True))
    key = AccessKey.objects.for_token(printed["token"])
    assert key is not None
    assert (key.pk, key.user, key.name) == (printed["id"], world.bob, "A bot")
    assert key.scopes == ["read", "post"]
    assert printed["token"] not in str(AccessKey.objects.values().get())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nobody", "--scope", "read"), "There is no user nobody."),
        (("bob", "--scope", "fly"), "There is no scope fly."),
        (("bob",), "Name at least one of read, post,"),
        (("bob", "--scope", "moderate"), "The scope moderate is for staff; bob is none."),
    ],
)
def test_access_key_refuses_in_plain_sentences(
    world: World, arguments: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(CommandError, match=sentence.replace(".", r"\.")):
        access_key(*arguments)
    assert not AccessKey.objects.exists()


def test_access_key_refuses_a_deactivated_account(world: World) -> None:
    world.bob.is_active = False
    world.bob.save()
    with pytest.raises(CommandError, match=r"The account bob is not active\."):
        access_key("bob", "--scope", "read")


def test_access_key_gives_staff_scopes_to_staff(world: World) -> None:
    User.objects.filter(pk=world.bob.pk).update(is_staff=True)
    assert "pgk_" in access_key("bob", "--scope", "connections")


def test_demo_is_refused_without_debug(settings: Settings) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG=1"):
        call_command("demo")
    assert not User.objects.exists()


def test_demo_does_nothing_where_people_are(world: World, settings: Settings) -> None:
    settings.DEBUG = True
    out = StringIO()
    call_command("demo", stdout=out)
    assert "left out" in out.getvalue()
    assert User.objects.count() == 3


def test_the_first_superuser_stands_in_a_lobby(db: None) -> None:
    call_command(
        "createsuperuser", "--noinput", "--username=root", "--email=r@e.org", stdout=StringIO()
    )
    membership = Membership.objects.get(user__username="root")
    assert (membership.room.slug, membership.room.visibility) == ("lobby", "public")
