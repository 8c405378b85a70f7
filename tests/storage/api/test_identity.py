"""Who asks: keys, sessions, nobody."""

from __future__ import annotations

from typing import Any

import pytest

from chat.models import AccessKey
from posts.models import Post
from tests.people import PASSWORD, World, make_token
from tests.storage.api.conftest import Client, client_of, client_with
from tests.storage.following import log_of

POSTS = "/api/rooms/garden/posts/"


def test_a_key_is_its_user(world: World) -> None:
    client = client_with(make_token(world.bob, "read", "post"))
    assert client.ask("GET", "/api/me/", status=200)["user"]["username"] == "bob"
    post = client.ask("POST", POSTS, {"text": "From a bot"}, status=201)
    assert post["author"]["username"] == "bob"
    assert log_of(world.garden)[-1]["actor"]["username"] == "bob"


def test_a_key_needs_no_csrf_token(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.credentials(HTTP_AUTHORIZATION=f"bearer {make_token(world.bob, 'post')}")
    client.ask("POST", POSTS, {"text": "Hi"}, status=201)


def test_a_key_may_what_its_scopes_say(world: World) -> None:
    reader, writer = (client_with(make_token(world.bob, scope)) for scope in ("read", "post"))
    reader.ask("GET", POSTS, status=200)
    assert reader.refused("POST", POSTS, {"text": "Hi"}) == (403, "forbidden")
    assert writer.refused("GET", POSTS) == (403, "forbidden")
    post = writer.ask("POST", POSTS, {"text": "Hi"}, status=201)
    for method, path in (
        ("PATCH", f"/api/posts/{post['id']}/"),
        ("DELETE", f"/api/posts/{post['id']}/"),
        ("POST", "/api/rooms/garden/leave/"),
    ):
        assert reader.refused(method, path, {"text": "Ho"}) == (403, "forbidden")
    assert Post.objects.get().text == "Hi"


@pytest.mark.parametrize(
    "authorization",
    ["Bearer pgk_0_unknown", "Bearer ", "Bearer", "Basic YWxpY2U6c2VjcmV0", "nonsense", ""],
)
@pytest.mark.parametrize("path", ["/api/rooms/", "/api/me/", "/api/limits/", "/api/nowhere/"])
def test_a_bad_key_is_refused_everywhere_and_never_downgraded(
    world: World, authorization: str, path: str
) -> None:
    client = client_of(world.bob)
    client.credentials(HTTP_AUTHORIZATION=authorization)
    response = client.get(path)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "not_authenticated"
    assert response["WWW-Authenticate"] == "Bearer"


def test_a_key_ends_when_it_is_revoked_or_its_user_is_away(world: World) -> None:
    token = make_token(world.bob, "read")
    client_with(token).ask("GET", "/api/rooms/", status=200)
    world.bob.is_active = False
    world.bob.save()
    assert client_with(token).refused("GET", "/api/rooms/") == (401, "not_authenticated")
    world.bob.is_active = True
    world.bob.save()
    AccessKey.objects.get().revoke()
    assert client_with(token).refused("GET", "/api/rooms/") == (401, "not_authenticated")


def test_a_session_writes_only_with_the_csrf_token(world: World) -> None:
    client = client_of(world.bob, enforce_csrf_checks=True)
    client.get("/accounts/login/")
    assert client.login(username="bob", password=PASSWORD)
    client.ask("GET", POSTS, status=200)
    for method, path in (("POST", POSTS), ("POST", "/api/rooms/garden/leave/")):
        assert client.refused(method, path, {"text": "Hi"}) == (403, "forbidden")
    assert not Post.objects.exists()
    # The page that shows a form sets the cookie.
    client.get("/rooms/garden/")
    token = client.cookies["csrftoken"].value
    client.ask("POST", POSTS, {"text": "Hi"}, status=201, HTTP_X_CSRFTOKEN=token)


def test_a_wrong_csrf_token_is_refused_before_the_body_is_read(world: World) -> None:
    client = client_of(world.bob, enforce_csrf_checks=True)
    assert client.refused(
        "POST", POSTS, {"text": "Hi"}, HTTP_X_CSRFTOKEN="x" * 32, format="multipart"
    ) == (403, "forbidden")


WRITES: list[tuple[str, str, Any]] = [
    ("POST", "/api/rooms/", {"slug": "attic", "title": "Attic"}),
    ("PATCH", "/api/rooms/{room}/", {"title": "Mine"}),
    ("POST", "/api/rooms/{room}/join/", None),
    ("POST", "/api/rooms/{room}/leave/", None),
    ("POST", "/api/rooms/{room}/read/", {"seq": 1}),
    ("POST", "/api/rooms/{room}/members/", {"username": "charlie"}),
    ("PATCH", "/api/rooms/{room}/members/bob/", {"role": "owner"}),
    ("DELETE", "/api/rooms/{room}/members/bob/", None),
    ("POST", "/api/rooms/{room}/posts/", {"text": "Hi"}),
    ("PATCH", "/api/posts/0195f3c8-a511-7c3e-9b1f-2f6f0c9d1e11/", {"text": "Hi"}),
    ("DELETE", "/api/posts/0195f3c8-a511-7c3e-9b1f-2f6f0c9d1e11/", None),
    ("POST", "/api/posts/0195f3c8-a511-7c3e-9b1f-2f6f0c9d1e11/restore/", None),
    ("POST", "/api/posts/0195f3c8-a511-7c3e-9b1f-2f6f0c9d1e11/reactions/", {"emoji": "🎉"}),
    ("DELETE", "/api/posts/0195f3c8-a511-7c3e-9b1f-2f6f0c9d1e11/reactions/?emoji=x", None),
]


@pytest.mark.parametrize("room", ["garden", "cellar", "nowhere"])
@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_an_anonymous_write_is_401_whatever_is_there(
    as_nobody: Client, method: str, path: str, body: Any, room: str
) -> None:
    path = path.format(room=room)
    response = as_nobody.send(method, path, body)
    assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")
    # Nor is a body read that could not be.
    assert as_nobody.send(method, path, "{", content_type="application/json").status_code == 401


def test_anonymous_visitors_read_public_rooms(as_nobody: Client, world: World) -> None:
    listed = as_nobody.ask("GET", "/api/rooms/", status=200)["results"]
    assert [room["slug"] for room in listed] == ["garden"]
    as_nobody.ask("GET", POSTS, status=200)
    assert as_nobody.refused("GET", "/api/rooms/cellar/") == (404, "not_found")
    assert as_nobody.refused("GET", "/api/rooms/cellar/posts/") == (404, "not_found")


def test_where_anonymous_reading_is_off_visitors_find_nothing(
    as_nobody: Client, world: World, settings: Any
) -> None:
    settings.ANONYMOUS_MAY_READ = False
    assert as_nobody.ask("GET", "/api/rooms/", status=200)["results"] == []
    for path in ("/api/rooms/garden/", POSTS, "/api/rooms/garden/members/"):
        assert as_nobody.refused("GET", path) == (404, "not_found")
    as_nobody.ask("GET", "/api/limits/", status=200)
    assert as_nobody.ask("GET", "/api/me/", status=200) == {"user": None}
