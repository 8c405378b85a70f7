"""Pictures over HTTP, to those who may see the room at that moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.http import HttpResponseBase
from pytest_django import Settings

from chat import services as rooms
from posts.models import Post
from posts.services import create_post, delete_post, hide_post, restore_post
from tests.people import World, make_token
from tests.storage.api.conftest import Client, client_with
from tests.storage.pictures import upload

pytestmark = pytest.mark.filterwarnings(
    # The test client is synchronous; servers are not.
    "ignore:StreamingHttpResponse must consume asynchronous iterators"
)


@pytest.fixture(autouse=True)
def media(settings: Settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def post(world: World) -> Post:
    """Bob's, in alice's private room."""
    return create_post(
        viewer=world.bob, room_slug="cellar", images=[upload(side=400)], alts=["Red"]
    )


@pytest.fixture
def image(post: Post, as_bob: Client) -> Any:
    return as_bob.ask("GET", f"/api/posts/{post.pk}/", status=200)["images"][0]


def content_of(response: Any) -> bytes:
    assert isinstance(response, HttpResponseBase)
    return b"".join(response)


def statuses(url: str, *clients: Client) -> list[int]:
    return [client.get(url).status_code for client in clients]


def test_a_picture_is_what_it_says_and_can_do_nothing(
    image: Any, as_bob: Client, media: Path
) -> None:
    response = as_bob.get(image["url"])
    assert response.status_code == 200
    content = content_of(response)
    assert content.startswith(b"\x89PNG")
    assert response["Content-Type"] == "image/png"
    assert response["Content-Length"] == str(len(content))
    assert response["Cache-Control"] == "private, no-cache"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert response["Content-Disposition"].startswith('inline; filename="picturegram-')
    assert "red" not in response["Content-Disposition"]
    assert {"Authorization", "Cookie"} <= set(response["Vary"].split(", "))
    (rendition,) = image["renditions"]
    smaller = as_bob.get(rendition["url"])
    assert smaller["Content-Type"] == rendition["type"] == "image/webp"
    assert content_of(smaller)[8:12] == b"WEBP"


def test_who_asks_for_webp_only_gets_the_picture_that_there_is(image: Any, as_bob: Client) -> None:
    assert as_bob.get(image["url"], HTTP_ACCEPT="image/webp").status_code == 200


def test_head_tells_the_size_and_sends_nothing(image: Any, as_bob: Client) -> None:
    response = as_bob.head(image["url"])
    assert response.status_code == 200
    assert int(response["Content-Length"]) > 0
    assert content_of(response) == b""


def test_only_who_sees_the_room_gets_its_pictures(
    world: World,
    image: Any,
    as_alice: Client,
    as_bob: Client,
    as_charlie: Client,
    as_nobody: Client,
) -> None:
    everybody = (as_alice, as_bob, as_charlie, as_nobody)
    assert statuses(image["url"], *everybody) == [200, 200, 404, 404]
    rooms.update_room(viewer=world.alice, slug="cellar", visibility="public")
    assert statuses(image["url"], *everybody) == [200, 200, 200, 200]
    rooms.remove_member(viewer=world.alice, slug="cellar", username="charlie", is_ban=True)
    assert statuses(image["url"], as_charlie, as_nobody) == [404, 200]
    assert statuses(image["url"], client_with(make_token(world.alice, "read"))) == [200]
    assert statuses(image["url"], client_with(make_token(world.alice, "post"))) == [403]
    assert statuses(image["url"], client_with("pgk_0_unknown")) == [401]


def test_rights_come_before_the_304(world: World, image: Any, as_bob: Client) -> None:
    etag = as_bob.get(image["url"])["ETag"]
    response = as_bob.get(image["url"], HTTP_IF_NONE_MATCH=etag)
    assert (response.status_code, response["ETag"]) == (304, etag)
    assert response["Cache-Control"] == "private, no-cache"
    rooms.remove_member(viewer=world.alice, slug="cellar", username="bob")
    assert as_bob.get(image["url"], HTTP_IF_NONE_MATCH=etag).status_code == 404


def test_pictures_of_what_is_gone_are_gone_for_everybody(
    world: World, post: Post, image: Any, as_alice: Client, as_bob: Client
) -> None:
    delete_post(viewer=world.bob, post_id=post.pk)
    assert statuses(image["url"], as_alice, as_bob) == [404, 404]
    restore_post(viewer=world.bob, post_id=post.pk)
    assert statuses(image["url"], as_alice, as_bob) == [200, 200]
    hide_post(viewer=world.alice, post_id=post.pk)
    assert statuses(image["url"], as_alice, as_bob) == [404, 404]


def test_no_name_leads_out_of_the_folder(image: Any, as_bob: Client, media: Path) -> None:
    (media / "pictures" / "secret.txt").write_text("Psst")
    folder = image["url"].rsplit("/", 1)[0]
    for name in ("..%2fsecret.txt", "../secret.txt", "%2e%2e/secret.txt", "original", "a%00b", ""):
        assert as_bob.get(f"{folder}/{name}").status_code == 404
    assert as_bob.get("/media/pictures/nonsense/original.png").status_code == 404
    assert as_bob.post(image["url"]).status_code == 405


def test_a_file_that_is_missing_is_not_found(image: Any, as_bob: Client, media: Path) -> None:
    for file in media.rglob("original.*"):
        file.unlink()
    response = as_bob.get(image["url"])
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


def test_avatars_are_not_served_yet(as_bob: Client) -> None:
    assert as_bob.get(f"{configured.MEDIA_URL}avatars/1.webp").status_code == 404
