"""Keys keep their token sealed: the database alone signs nothing, and SECRET_KEY can change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from django.test import Client
from pytest_django import Settings

from chat import sealing
from chat.errors import Forbidden
from chat.gateway.keys import authorize
from chat.gateway.signatures import InvalidSignatureException, Request
from chat.models import AccessKey, User
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


# --- signed requests --------------------------------------------------------------------------


def request_with(authorization: str) -> Request:
    headers = [(b"host", b"testserver"), (b"authorization", authorization.encode())]
    return Request("GET", b"/@connections/Ecrmfdd1oAMAdhQ%3D", b"", headers, b"")


def signed_by(key_id: str, secret: str) -> Request:
    unsent = AWSRequest("GET", "http://testserver/@connections/Ecrmfdd1oAMAdhQ%3D")
    SigV4Auth(Credentials(key_id, secret), "execute-api", "local").add_auth(unsent)
    moment = unsent.headers["X-Amz-Date"].encode()
    request = request_with(unsent.headers["Authorization"])
    return replace(request, headers=[*request.headers, (b"x-amz-date", moment)])


def every_way(key: AccessKey, token: str) -> list[Request]:
    return [request_with(f"Bearer {token}"), signed_by(str(key), token), signed_by(key.pk, token)]


def outcomes(key: AccessKey, token: str, scope: str = "connections") -> set[str]:
    """What a key may by each way of showing it: one thing, whatever the way."""
    found = set()
    for request in every_way(key, token):
        try:
            assert authorize(request, scope) == key
            found.add("allowed")
        except Forbidden as refusal:
            found.add(type(refusal).__name__)
    return found


@pytest.fixture
def staff_key(world: World) -> tuple[AccessKey, str]:
    User.objects.filter(pk=world.alice.pk).update(is_staff=True)
    world.alice.refresh_from_db()
    return issue_access_key(user=world.alice, scopes=["connections"])


def test_a_key_of_staff_is_known_by_its_token_and_by_its_signature(
    staff_key: tuple[AccessKey, str],
) -> None:
    assert outcomes(*staff_key) == {"allowed"}
    assert outcomes(*staff_key, scope="read") == {"Forbidden"}


def test_a_revoked_key_is_refused(staff_key: tuple[AccessKey, str]) -> None:
    staff_key[0].revoke()
    assert outcomes(*staff_key) == {"Forbidden"}


def test_a_key_of_who_is_no_longer_staff_or_active_is_refused(
    staff_key: tuple[AccessKey, str], world: World
) -> None:
    User.objects.filter(pk=world.alice.pk).update(is_staff=False)
    assert outcomes(*staff_key) == {"Forbidden"}
    User.objects.filter(pk=world.alice.pk).update(is_staff=True, is_active=False)
    assert outcomes(*staff_key) == {"Forbidden"}


def test_unknown_keys_wrong_secrets_and_keys_without_a_seal_get_one_answer(
    staff_key: tuple[AccessKey, str],
) -> None:
    key, token = staff_key
    answers = set()
    for request in (signed_by("pgk_0000", token), signed_by(str(key), f"{token}x")):
        with pytest.raises(InvalidSignatureException) as refusal:
            authorize(request, "connections")
        answers.add(str(refusal.value))
    AccessKey.objects.filter(pk=key.pk).update(sealed_token=None)
    with pytest.raises(InvalidSignatureException) as refusal:
        authorize(signed_by(str(key), token), "connections")
    assert answers == {str(refusal.value)}


def test_an_unknown_token_is_refused(world: World) -> None:
    with pytest.raises(Forbidden, match="This key is not valid"):
        authorize(request_with("Bearer pgk_0000_x"), "connections")


def test_the_admin_shows_both_halves_of_the_pair(admin_client: Client, world: World) -> None:
    form = {"user": world.bob.pk, "name": "A bot", "scopes": ["read"]}
    page = admin_client.post("/admin/chat/accesskey/add/", form).content.decode()
    key = AccessKey.objects.get()
    token = key.unsealed_token()
    assert token is not None
    assert f"<code>{key}</code>" in page
    assert f'value="{token}"' in page
