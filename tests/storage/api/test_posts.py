"""Posts, pages and reactions over REST."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from pytest_django import DjangoAssertNumQueries, Settings

from chat import services as rooms
from posts.models import Post
from posts.services import add_reaction, create_post, delete_post, hide_post
from tests.people import World
from tests.storage.api.conftest import Client, client_of
from tests.storage.api.test_rooms import SIGN_IN_QUERIES
from tests.storage.following import log_of
from tests.storage.pictures import add_picture, upload

POSTS = "/api/rooms/garden/posts/"
POST_FIELDS = {
    "id",
    "room",
    "seq",
    "author",
    "text",
    "images",
    "reply_to",
    "client_id",
    "reactions",
    "created_at",
    "edited_at",
    "hidden",
    "deleted",
}


@pytest.fixture
def media(settings: Settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def post(world: World) -> Post:
    """Bob's, in alice's public room."""
    return create_post(viewer=world.bob, room_slug="garden", text="Hello")


def seqs(page: Any) -> list[int]:
    return [each["seq"] for each in page["results"]]


# --- creating -----------------------------------------------------------------------------------


def test_a_post_is_answered_as_it_is_told_and_fetched(world: World, as_bob: Client) -> None:
    response = as_bob.send("POST", POSTS, {"text": "Hi", "client_id": "c-1"})
    assert response.status_code == 201
    post = response.json()
    assert post.keys() == POST_FIELDS
    assert (post["text"], post["client_id"], post["room"]) == ("Hi", "c-1", "garden")
    assert response["Location"] == f"/api/posts/{post['id']}/"
    assert as_bob.ask("GET", response["Location"], status=200) == post
    assert as_bob.ask("GET", POSTS, status=200)["results"] == [post]
    told = log_of(world.garden)[-1]
    assert (told["data"], told["client_id"]) == (post, "c-1")


def test_a_repeat_is_answered_like_the_first(as_bob: Client) -> None:
    body = {"text": "Once", "client_id": "c-1"}
    first = as_bob.ask("POST", POSTS, body, status=201)
    assert as_bob.ask("POST", POSTS, body, status=201) == first
    other = as_bob.refused("POST", POSTS, {**body, "text": "Twice"})
    assert other == (409, "idempotency_conflict")
    gone = as_bob.ask("DELETE", f"/api/posts/{first['id']}/", status=200)
    assert as_bob.ask("POST", POSTS, body, status=201) == gone


def test_pictures_and_their_descriptions_are_paired(
    as_bob: Client, as_charlie: Client, media: Path
) -> None:
    body = {
        "text": "Two",
        "images": [upload(colour="red"), upload(colour="blue", side=16)],
        "alts": ["Red"],
        "client_id": "c-1",
    }
    post = as_bob.ask("POST", POSTS, body, format="multipart", status=201)
    assert [(each["alt"], each["width"]) for each in post["images"]] == [("Red", 8), ("", 16)]
    for image in post["images"]:
        assert image.keys() == {"id", "url", "width", "height", "alt", "placeholder", "renditions"}
        assert as_charlie.get(image["url"]).status_code == 200


def test_a_form_without_files_posts_words(as_bob: Client) -> None:
    form = urlencode({"text": "From a form", "client_id": "f-1"})
    content_type = "application/x-www-form-urlencoded"
    post = as_bob.ask("POST", POSTS, form, content_type=content_type, status=201)
    assert (post["text"], post["client_id"]) == ("From a form", "f-1")


@pytest.mark.parametrize(
    ("file", "refusal"),
    [
        (SimpleUploadedFile("a.png", b"<html>", "image/png"), (415, "unsupported_media_type")),
        (SimpleUploadedFile("a.png", b"", "image/png"), (415, "unsupported_media_type")),
        (
            SimpleUploadedFile("a.png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 99, "image/png"),
            (422, "unreadable_picture"),
        ),
    ],
)
def test_what_is_no_picture_is_refused_with_what_would_be(
    as_bob: Client, media: Path, file: SimpleUploadedFile, refusal: tuple[int, str]
) -> None:
    file.seek(0)
    response = as_bob.send("POST", POSTS, {"images": file}, format="multipart")
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == refusal
    assert "JPEG" in error["message"]
    assert "10 MiB" in error["message"]
    assert not [path for path in media.rglob("*") if path.is_file()]
    assert not Post.objects.exists()


def test_a_picture_of_too_many_bytes_is_too_large(
    as_bob: Client, media: Path, settings: Settings
) -> None:
    settings.PICTURE_BYTES_MAX = 50
    refusal = as_bob.refused("POST", POSTS, {"images": upload()}, format="multipart")
    assert refusal == (413, "too_large")


def test_a_fifth_picture_is_invalid(as_bob: Client, media: Path) -> None:
    body = {"images": [upload() for _ in range(5)]}
    assert as_bob.refused("POST", POSTS, body, format="multipart") == (400, "invalid")


def test_rights_are_those_of_the_room(as_charlie: Client) -> None:
    assert as_charlie.refused("POST", POSTS, {"text": "Hi"}) == (403, "forbidden")
    cellar = "/api/rooms/cellar/posts/"
    assert as_charlie.refused("POST", cellar, {"text": "Hi"}) == (404, "not_found")
    assert as_charlie.refused("GET", cellar) == (404, "not_found")


# --- one post -----------------------------------------------------------------------------------


def test_a_post_is_edited_by_its_author(
    post: Post, as_alice: Client, as_bob: Client, as_charlie: Client
) -> None:
    path = f"/api/posts/{post.pk}/"
    edited = as_bob.ask("PATCH", path, {"text": "Better"}, status=200)
    assert edited["text"] == "Better"
    assert edited["edited_at"].endswith("Z")
    assert as_bob.ask("GET", path, status=200) == edited
    for client in (as_alice, as_charlie):
        assert client.refused("PATCH", path, {"text": "Mine"}) == (403, "forbidden")
    bad: list[dict[str, Any]] = [{}, {"text": None}, {"alts": ["x"]}, {"alts": "x"}, {"text": ""}]
    for body in bad:
        assert as_bob.refused("PATCH", path, body) == (400, "invalid")


def test_a_deleted_post_is_a_tombstone_for_moderators_only(
    post: Post, as_alice: Client, as_bob: Client, as_charlie: Client
) -> None:
    path = f"/api/posts/{post.pk}/"
    assert as_charlie.refused("DELETE", path) == (403, "forbidden")
    tombstone = as_bob.ask("DELETE", path, status=200)
    assert tombstone == {
        "id": str(post.pk),
        "room": "garden",
        "seq": post.seq,
        "deleted": True,
        "text": "",
        "images": [],
    }
    assert as_bob.ask("DELETE", path, status=200) == tombstone
    assert as_alice.ask("GET", path, status=200) == tombstone
    for client in (as_bob, as_charlie):
        assert client.refused("GET", path) == (404, "not_found")
    assert as_alice.ask("GET", POSTS, status=200)["results"] == []
    assert as_charlie.refused("POST", f"{path}restore/") == (404, "not_found")
    assert as_bob.ask("POST", f"{path}restore/", {}, status=200)["text"] == "Hello"


def test_posts_of_rooms_out_of_sight_are_not_found(world: World, as_charlie: Client) -> None:
    secret = create_post(viewer=world.bob, room_slug="cellar", text="Psst")
    path = f"/api/posts/{secret.pk}/"
    for method, address, body in (
        ("GET", path, None),
        ("PATCH", path, {"text": "x"}),
        ("DELETE", path, None),
        ("POST", f"{path}restore/", None),
        ("POST", f"{path}reactions/", {"emoji": "🎉"}),
        ("DELETE", f"{path}reactions/?emoji=x", None),
    ):
        status, code = as_charlie.refused(method, address, body)
        assert (status, code) in ((404, "not_found"), (400, "invalid"))
        assert (status == 400) is ("emoji=x" in address)


def test_reactions_are_counted(post: Post, as_alice: Client, as_bob: Client) -> None:
    path = f"/api/posts/{post.pk}/reactions/"
    for count, client in ((1, as_alice), (1, as_alice), (2, as_bob)):
        answer = client.ask("POST", path, {"emoji": "🎉"}, status=200)
        assert answer == {"post_id": str(post.pk), "emoji": "🎉", "count": count}
    for _ in range(2):
        answer = as_bob.ask("DELETE", f"{path}?emoji=%F0%9F%8E%89", status=200)
        assert answer["count"] == 1
    for query in ("", "?emoji=", "?emoji=x", "?emoji=%FF"):
        assert as_bob.refused("DELETE", path + query) == (400, "invalid")
    for body in ({}, {"emoji": 5}, {"emoji": "🎉🎉"}):
        assert as_bob.refused("POST", path, body) == (400, "invalid")


# --- pages --------------------------------------------------------------------------------------


@pytest.fixture
def many(world: World) -> list[Post]:
    """Seven posts; between them other things happen. Two are gone, one has a picture."""
    made = []
    for number in range(7):
        post = create_post(viewer=world.bob, room_slug="garden", text=str(number))
        add_reaction(viewer=world.alice, post_id=post.pk, emoji="🎉")
        made.append(post)
    add_picture(made[2], alt="")
    delete_post(viewer=world.bob, post_id=made[5].pk)
    hide_post(viewer=world.alice, post_id=made[0].pk)
    return made


def test_a_page_names_the_position_and_leaves_out_what_is_gone(
    world: World, many: list[Post], as_charlie: Client
) -> None:
    page = as_charlie.ask("GET", POSTS, status=200)
    world.garden.refresh_from_db()
    assert page.keys() == {"room", "epoch", "seq", "results", "next", "previous"}
    assert (page["room"], page["epoch"], page["seq"]) == (
        "garden",
        world.garden.epoch,
        world.garden.last_seq,
    )
    assert [each["text"] for each in page["results"]] == ["6", "4", "3", "2", "1"]
    assert (page["next"], page["previous"]) == (None, None)


def test_what_happens_while_a_page_is_read_is_not_missed(world: World, as_charlie: Client) -> None:
    late: list[Post] = []

    def intervene(execute: Any, sql: str, *rest: Any) -> Any:
        if not late and 'FROM "posts_post"' in sql and "ORDER BY" in sql:
            late.append(Post())  # once
            late[0] = create_post(viewer=world.bob, room_slug="garden", text="Just now")
        return execute(sql, *rest)

    with connection.execute_wrapper(intervene):
        page = as_charlie.ask("GET", POSTS, status=200)
    assert page["seq"] == world.garden.last_seq
    assert seqs(page) == [late[0].seq]
    (told,) = log_of(world.garden, after=page["seq"])
    assert told["data"] == page["results"][0]


def test_pages_lead_down_and_back(many: list[Post], as_bob: Client) -> None:
    first = as_bob.ask("GET", f"{POSTS}?limit=2", status=200)
    assert first["next"] == f"{POSTS}?before_seq={many[4].seq}&limit=2"
    second = as_bob.ask("GET", first["next"], status=200)
    assert seqs(second) == [many[3].seq, many[2].seq]
    third = as_bob.ask("GET", second["next"], status=200)
    assert (seqs(third), third["next"]) == ([many[1].seq], None)
    # The other way is oldest first.
    back = as_bob.ask("GET", third["previous"], status=200)
    assert seqs(back) == [many[2].seq, many[3].seq]
    back = as_bob.ask("GET", back["next"], status=200)
    assert (seqs(back), back["next"]) == ([many[4].seq, many[6].seq], None)


def test_cursors_are_strict_and_combine(many: list[Post], as_bob: Client) -> None:
    def page(**query: object) -> Any:
        return as_bob.ask("GET", f"{POSTS}?{urlencode(query)}", status=200)

    assert seqs(page(after_seq=0)) == [many[number].seq for number in (1, 2, 3, 4, 6)]
    assert seqs(page(after_seq=many[2].seq)) == [many[number].seq for number in (3, 4, 6)]
    assert seqs(page(before_seq=many[3].seq)) == [many[2].seq, many[1].seq]
    between = page(after_seq=many[1].seq, before_seq=many[4].seq, limit=1)
    assert seqs(between) == [many[2].seq]
    onwards = as_bob.ask("GET", between["next"], status=200)
    assert (seqs(onwards), onwards["next"]) == ([many[3].seq], None)
    assert page(after_seq=many[6].seq)["results"] == []
    assert page(after_seq=2**70)["results"] == []
    assert len(page(before_seq=2**70)["results"]) == 5


def test_times_page_like_numbers(many: list[Post], as_bob: Client) -> None:
    def page(**query: object) -> Any:
        return as_bob.ask("GET", f"{POSTS}?{urlencode(query)}", status=200)

    middle = as_bob.ask("GET", f"/api/posts/{many[3].pk}/", status=200)["created_at"]
    assert seqs(page(after=middle)) == [many[4].seq, many[6].seq]
    assert seqs(page(before=middle)) == [many[2].seq, many[1].seq]
    naive = middle.removesuffix("Z")
    elsewhere = datetime.fromisoformat(middle).astimezone().isoformat()
    for same in (naive, elsewhere, f"{naive}+00:00"):
        assert seqs(page(before=same)) == [many[2].seq, many[1].seq]
    both = page(after=middle, limit=1)
    assert seqs(as_bob.ask("GET", both["next"], status=200)) == [many[6].seq]
    assert seqs(as_bob.ask("GET", both["previous"], status=200)) == [many[3].seq]
    future = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert page(after=future)["results"] == []


def test_pages_know_posts_with_and_without_pictures(many: list[Post], as_bob: Client) -> None:
    for yes in ("1", "true"):
        assert seqs(as_bob.ask("GET", f"{POSTS}?has_image={yes}", status=200)) == [many[2].seq]
    for no in ("0", "false"):
        page = as_bob.ask("GET", f"{POSTS}?has_image={no}&limit=2", status=200)
        assert seqs(page) == [many[6].seq, many[4].seq]
        assert seqs(as_bob.ask("GET", page["next"], status=200)) == [many[3].seq, many[1].seq]


@pytest.mark.parametrize(
    "query",
    [
        "before_seq=0",
        "before_seq=x",
        "before_seq=",
        "after_seq=-1",
        "after_seq=1.5",
        "limit=0",
        "limit=101",
        "before=yesterday",
        "before=12345",
        "after=0001-01-01T00:00:00%2B23:59",
        "after=2025-03-01T12:00:00 02:00",
        "after=2025-13-01T12:00:00Z",
        "has_image=maybe",
        "has_image=",
    ],
)
def test_a_malformed_parameter_is_invalid(as_bob: Client, query: str) -> None:
    error = as_bob.ask("GET", f"{POSTS}?{query}", status=400)["error"]
    assert error["code"] == "invalid"
    assert set(error["fields"]) == {query.split("=", 1)[0]}


def test_a_page_takes_the_same_queries_whatever_its_size(
    world: World, many: list[Post], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for post in many:
        for emoji in "👍🚀":
            if post.is_standing and post not in (many[0], many[5]):
                add_reaction(viewer=world.bob, post_id=post.pk, emoji=emoji)
    client = client_of(world.bob)
    for limit in (1, 100):
        # The room, the posts, their pictures, their reactions.
        with django_assert_num_queries(SIGN_IN_QUERIES + 4):
            client.ask("GET", f"{POSTS}?limit={limit}", status=200)
    with django_assert_num_queries(4):
        client_of(None).ask("GET", POSTS, status=200)


def test_a_page_is_fetched_again_only_after_something_happened(
    world: World,
    post: Post,
    as_bob: Client,
    as_nobody: Client,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    first = as_bob.get(POSTS)
    etag = first["ETag"]
    assert etag.startswith('W/"')
    assert first["Cache-Control"] == "private, no-cache"
    assert {"Authorization", "Cookie"} <= set(first["Vary"].split(", "))

    with django_assert_num_queries(SIGN_IN_QUERIES + 1):
        again = as_bob.get(POSTS, HTTP_IF_NONE_MATCH=etag)
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == etag
    assert again["Cache-Control"] == "private, no-cache"
    for known in (etag.removeprefix("W/"), f'"other", {etag}', "*"):
        assert as_bob.get(POSTS, HTTP_IF_NONE_MATCH=known).status_code == 304
    # Another query, another class of viewer.
    assert as_bob.get(f"{POSTS}?limit=1", HTTP_IF_NONE_MATCH=etag).status_code == 200
    assert as_nobody.get(POSTS, HTTP_IF_NONE_MATCH=etag).status_code == 200

    add_reaction(viewer=world.alice, post_id=post.pk, emoji="🎉")
    changed = as_bob.get(POSTS, HTTP_IF_NONE_MATCH=etag)
    assert changed.status_code == 200
    assert changed["ETag"] != etag


def test_rights_come_before_the_304(world: World, as_bob: Client) -> None:
    path = "/api/rooms/cellar/posts/"
    etag = as_bob.get(path)["ETag"]
    assert as_bob.get(path, HTTP_IF_NONE_MATCH=etag).status_code == 304
    rooms.remove_member(viewer=world.alice, slug="cellar", username="bob")
    for known in (etag, "*"):
        assert as_bob.get(path, HTTP_IF_NONE_MATCH=known).status_code == 404


def test_pages_go_all_the_way(world: World, as_bob: Client) -> None:
    made = [
        create_post(viewer=world.bob, room_slug="garden", text=str(number)).seq
        for number in range(10)
    ]
    page = as_bob.ask("GET", f"{POSTS}?limit=3", status=200)
    found = seqs(page)
    while page["next"]:
        page = as_bob.ask("GET", page["next"], status=200)
        found += seqs(page)
    assert found == made[::-1]
