"""Keys keep their token sealed: the database alone signs nothing, and SECRET_KEY can change."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from chat import sealing
from chat.models import AccessKey
from chat.services import issue_access_key
from tests.people import World

pytestmark = pytest.mark.django_db


def issue(world: World) -> tuple[AccessKey, str]:
    key, token = issue_access_key(user=world.bob, scopes=["read"])
    key.refresh_from_db()
    return key, token


def sealed(key: AccessKey) -> bytes:
    assert key.sealed_token is not None
    return bytes(key.sealed_token)


def test_a_key_gives_its_token_back_and_the_row_does_not_show_it(world: World) -> None:
    key, token = issue(world)
    assert key.unsealed_token() == token
    assert token.encode() not in sealed(key)
    assert sealing.seal(token) != sealing.seal(token)


def test_a_key_from_before_signed_requests_still_opens_the_door(world: World) -> None:
    key, token = issue(world)
    AccessKey.objects.filter(pk=key.pk).update(sealed_token=None)
    key.refresh_from_db()
    assert key.unsealed_token() is None
    assert AccessKey.objects.for_token(token) == key


def test_a_token_outlives_a_new_secret_key_with_the_former_as_fallback(
    world: World, settings: Settings
) -> None:
    key, token = issue(world)
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another " * 8
    assert key.unsealed_token() is None
    settings.SECRET_KEY_FALLBACKS = [former]
    assert key.unsealed_token() == token


def test_resealed_tokens_outlive_the_fallback(world: World, settings: Settings) -> None:
    key, token = issue(world)
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another " * 8
    # Neither fallback nor seal: such a key is left as it is.
    assert AccessKey.objects.reseal() == 0
    settings.SECRET_KEY_FALLBACKS = [former]
    assert [AccessKey.objects.reseal(), AccessKey.objects.reseal()] == [1, 0]
    settings.SECRET_KEY_FALLBACKS = []
    key.refresh_from_db()
    assert key.unsealed_token() == token


def test_what_is_tampered_with_opens_nothing(world: World) -> None:
    key, _ = issue(world)
    tampered = bytearray(sealed(key))
    tampered[20] ^= 1
    assert sealing.unseal(bytes(tampered)) is None
    assert sealing.unseal(b"") is None
