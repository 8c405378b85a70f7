"""The pages of rooms, as a browser without scripts has them."""

import json
import re
from io import BytesIO
from typing import Any

import pytest
from django.test import Client
from PIL import Image
from pytest_django import DjangoAssertNumQueries

from chat.models import Membership, Room, User
from chat.services import create_room, join_room
from posts.models import Post
from posts.services import create_post
from posts.views import PAGE_SIZE

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> dict[str, User]:
    """alice owns, bob belongs, charlie is a stranger."""
    return {name: User.objects.create_user(name) for name in ("alice", "bob", "charlie")}


@pytest.fixture
def room(people: dict[str, User]) -> Room:
    room = create_room(viewer=people["alice"], slug="lobby", title="Lobby")
    join_room(viewer=people["bob"], slug="lobby")
    return room


@pytest.fixture
def private(people: dict[str, User]) -> Room:
    room = create_room(viewer=people["alice"], slug="studio", title="Studio", visibility="private")
    Membership.objects.create(room=room, user=people["bob"])
    return room


def browser_of(user: User | None) -> Client:
    client = Client()
    if user:
        client.force_login(user)
    return client


def start_of(client: Client, path: str) -> dict[str, Any]:
    """What the page hands to its scripts."""
    found = re.search(r'id="room-start"[^>]*>(.*?)</script>', client.get(path).content.decode())
    assert found
    start: dict[str, Any] = json.loads(found[1])
    return start


def texts(client: Client, path: str) -> list[str]:
    return re.findall(r'data-length="short" >(.*?)</p>', client.get(path).content.decode())


def test_everybody_reads_a_public_room(people: dict[str, User], room: Room) -> None:
    create_post(viewer=people["alice"], room_slug="lobby", text="Hello")
    for user in (*people.values(), None):
        assert texts(browser_of(user), "/rooms/lobby/")[0] == "Hello"


def test_a_private_room_is_there_for_its_members_only(
    people: dict[str, User], private: Room
) -> None:
    statuses = {
        name: browser_of(people.get(name)).get("/rooms/studio/").status_code
        for name in ("alice", "bob", "charlie", "nobody")
    }
    assert statuses == {"alice": 200, "bob": 200, "charlie": 404, "nobody": 404}


def test_where_visitors_may_not_read_they_are_asked_to_sign_in(room: Room, settings: Any) -> None:
    settings.ANONYMOUS_MAY_READ = False
    answer = browser_of(None).get("/rooms/lobby/")
    assert answer["Location"] == "/accounts/login/?next=/rooms/lobby/"


def test_only_members_are_offered_to_write(people: dict[str, User], room: Room) -> None:
    may_write = {
        name: start_of(browser_of(people.get(name)), "/rooms/lobby/")["may_write"]
        for name in ("alice", "bob", "charlie", "nobody")
    }
    assert may_write == {"alice": True, "bob": True, "charlie": False, "nobody": False}


def test_the_page_hands_over_the_position_it_was_read_at(
    people: dict[str, User], room: Room
) -> None:
    create_post(viewer=people["alice"], room_slug="lobby", text="Hello")
    page = start_of(browser_of(people["bob"]), "/rooms/lobby/")["page"]
    room.refresh_from_db()
    assert (page["epoch"], page["seq"]) == (room.epoch, room.last_seq)
    assert [post["text"] for post in page["results"]] == ["Hello"]
    assert page["next"] is None


def test_older_posts_are_a_link_away(people: dict[str, User], room: Room) -> None:
    for number in range(PAGE_SIZE + 2):
        create_post(viewer=people["alice"], room_slug="lobby", text=f"Post {number}")
    client = browser_of(people["bob"])
    page = start_of(client, "/rooms/lobby/")["page"]
    assert len(page["results"]) == PAGE_SIZE
    assert page["next"] == f"/api/rooms/lobby/posts/?before_seq={page['results'][-1]['seq']}"
    older = texts(client, f"/rooms/lobby/?before_seq={page['results'][-1]['seq']}")
    assert older[:2] == ["Post 1", "Post 0"]


def test_a_form_posts_text_and_picture_once(people: dict[str, User], room: Room) -> None:
    picture = BytesIO()
    Image.new("RGB", (40, 30), "teal").save(picture, "PNG")
    client = browser_of(people["bob"])
    for _ in range(2):
        picture.seek(0)
        picture.name = "teal.png"
        form = {"text": "Hello", "images": picture, "alts": "Teal", "client_id": "form-1"}
        answer = client.post("/rooms/lobby/", form)
        assert answer.status_code == 302
    post = Post.objects.get()
    assert post.text == "Hello"
    assert [each.alt for each in post.pictures.all()] == ["Teal"]


def test_a_refused_form_comes_back_with_what_was_written(
    people: dict[str, User], room: Room
) -> None:
    answer = browser_of(people["bob"]).post("/rooms/lobby/", {"text": "x" * 4001})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "At most 4000 characters" in page or "at most 4000 characters" in page
    assert "x" * 4001 in page
    assert not Post.objects.exists()


def test_a_fifth_picture_is_refused_with_what_was_written(
    people: dict[str, User], room: Room
) -> None:
    pictures = [BytesIO(b"no picture yet, and too many") for _ in range(5)]
    form = {"text": "Five at once", "images": pictures}
    response = browser_of(people["bob"]).post("/rooms/lobby/", form)
    assert response.status_code == 400
    page = response.content.decode()
    assert "Five at once" in page
    assert "At most 4 pictures." in page


def test_who_may_not_post_cannot_by_a_form_either(people: dict[str, User], room: Room) -> None:
    assert browser_of(people["charlie"]).post("/rooms/lobby/", {"text": "Hi"}).status_code == 403
    visitor = browser_of(None).post("/rooms/lobby/", {"text": "Hi"})
    assert visitor.status_code == 302
    assert visitor["Location"].startswith("/accounts/login/")
    assert not Post.objects.exists()


def test_a_form_joins_a_public_room_and_no_private_one(
    people: dict[str, User], room: Room, private: Room
) -> None:
    client = browser_of(people["charlie"])
    assert client.post("/rooms/lobby/", {"join": "1"}).status_code == 302
    assert client.post("/rooms/studio/", {"join": "1"}).status_code == 404
    assert [each.room.slug for each in people["charlie"].memberships.all()] == ["lobby"]


def test_home_is_the_last_room_or_the_lobby(
    people: dict[str, User], room: Room, private: Room
) -> None:
    client = browser_of(people["alice"])
    assert client.get("/")["Location"] == "/rooms/lobby/"
    client.get("/rooms/studio/")
    assert client.get("/")["Location"] == "/rooms/studio/"
    client.logout()
    client.cookies["room"] = "studio"
    assert client.get("/")["Location"] == "/rooms/lobby/"


def test_a_link_to_a_post_leads_to_it(people: dict[str, User], room: Room) -> None:
    post = create_post(viewer=people["alice"], room_slug="lobby", text="Here")
    answer = browser_of(None).get(f"/rooms/lobby/posts/{post.pk}/")
    assert answer["Location"] == f"/rooms/lobby/?before_seq={post.seq + 1}#post-{post.pk}"
    assert browser_of(None).get(f"/rooms/nope/posts/{post.pk}/").status_code == 404


def test_a_page_takes_the_same_queries_however_many_posts_it_has(
    people: dict[str, User], room: Room, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = browser_of(people["bob"])
    create_post(viewer=people["alice"], room_slug="lobby", text="One")
    client.get("/rooms/lobby/")
    with django_assert_num_queries(8):
        client.get("/rooms/lobby/")
    for number in range(10):
        create_post(viewer=people["alice"], room_slug="lobby", text=f"Post {number}")
    with django_assert_num_queries(8):
        client.get("/rooms/lobby/")


def test_markup_in_texts_is_escaped(people: dict[str, User], room: Room) -> None:
    create_post(
        viewer=people["alice"], room_slug="lobby", text="</script><script>alert(1)</script>"
    )
    page = browser_of(None).get("/rooms/lobby/").content.decode()
    assert "<script>alert" not in page


def test_only_the_import_map_is_inline_and_carries_the_nonce(room: Room) -> None:
    answer = browser_of(None).get("/rooms/lobby/")
    page = answer.content.decode()
    nonce = re.search(r"'nonce-([^']+)'", answer["Content-Security-Policy"])
    assert nonce
    inline = re.findall(r"<script(?![^>]*\bsrc=)([^>]*)>", page)
    assert sorted("importmap" in each for each in inline) == [False, True]
    assert f'type="importmap" nonce="{nonce[1]}"' in page
    assert not re.search(r"\son\w+=|\sstyle=", page)
