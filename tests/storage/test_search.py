"""Full-text search: what is found, by whom, in which order, and what is not found any more."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from urllib.parse import urlencode

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from pytest_django import DjangoAssertNumQueries, Settings

from chat import services as rooms
from chat.access import Viewer
from chat.errors import Invalid, NotFound
from chat.models import Room, User
from chat.realtime.stream import dated
from posts.indexing import SLOTS, place_in_time
from posts.models import Post, SearchEntry
from posts.search import Search, find
from posts.services import (
    create_post,
    delete_post,
    edit_post,
    hide_post,
    restore_post,
)
from posts.words import words
from tests.people import World, make_person, make_room
from tests.storage.api.conftest import Client, client_of
from tests.storage.api.test_rooms import SIGN_IN_QUERIES
from tests.storage.pictures import add_picture, upload

pytestmark = pytest.mark.django_db

SEARCH = "/api/search/"
# Later than the rooms of the tests, since time only rises in a room.
NOON = datetime(2100, 3, 1, 12, tzinfo=UTC)


def say(author: User, text: str, *, room: str = "garden", **fields: Any) -> Post:
    return create_post(viewer=author, room_slug=room, text=text, **fields)


def found(viewer: Viewer, query: str, *, limit: int = 100, **narrowed: Any) -> list[str]:
    """Return the texts that somebody finds, in order."""
    return [post.text for post in find(viewer, Search(query, **narrowed), limit=limit).posts]


def page(client: Client, **parameters: object) -> Any:
    return client.ask("GET", f"{SEARCH}?{urlencode(parameters)}", status=200)


def texts(page: Any) -> list[str]:
    return [post["text"] for post in page["results"]]


# --- what is found ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Sunset over the harbour", "sunset"),
        ("Sunset over the harbour", "HARBOUR sunset"),
        ("Sunset over the harbour", "over harb"),
        ("Sunset over the harbour", "  sunset,  harbour! "),
        ("Café crème à la Zoë", "cafe creme zoe"),
        ("cafe creme", "Café Crème"),
        ("Straße nach Łódź", "strasse lodz"),
        ("ΑΘΗΝΑ και Ωμέγα", "αθηνα ωμεγα"),
        ("Съешь ещё этих булок", "ЕЩЕ БУЛОК"),
        ("İstanbul", "istanbul"),
        ("e\u0301te\u0301", "été"),
        ("ﬁne Ｗｉｄｅ", "fine wide"),
        ("日本語のテストです", "テスト"),
        ("日本語のテストです", "語"),
        ("日本語のテストです", "す"),
        ("ภาษาไทยสวัสดี", "สวัสดี"),
        ("한국어로 검색합니다", "검색"),
        ("हिन्दी में लिखा", "हिन्दी"),
        ("A party 🎉 for ❤️ everybody", "🎉"),
        ("A party 🎉 for ❤️ everybody", "❤ party"),
        ("see http://example.org/state-of_the.art?x=1", "example art"),
        ("Pi is 3.14", "3.14 is pi"),
        ("x" * 300, "x" * 200),
        ("x" * 300, "x" * 10),
        ("don't", "don't"),
    ],
)
def test_a_post_is_found_by_its_words(world: World, text: str, query: str) -> None:
    say(world.bob, text)
    say(world.bob, "Something else altogether: 別の文, другое")
    assert len(found(world.alice, query)) == 1


@pytest.mark.parametrize(
    "query",
    ["sun over", "unset", "sunsets", "sunset harbour boat", "harbour 🎉", "日", "sunset !picture"],
)
def test_a_post_is_not_found_by_other_words(world: World, query: str) -> None:
    """Only the last word of a query may be unfinished, and all of them must be there."""
    say(world.bob, "Sunset over the harbour")
    assert found(world.alice, query) == []


@pytest.mark.parametrize(
    "query",
    [
        '"',
        "'",
        "*",
        "sunset*",
        '"sunset',
        "sunset AND",
        "NOT sunset",
        "sunset OR boat",
        "NEAR(sunset harbour, 5)",
        "words:sunset",
        "^sunset",
        "(sunset",
        "sunset) --",
        "sun & !set | (",
        "sunset:*",
        "sunset:AB <-> harbour",
        "'; DROP TABLE posts_post; --",
        "\\",
        "\\' :*",
        "%",
        "_",
        "%s %(x)s {}",
        "@1",
        "#1",
        "!picture",
        "\u202esunset\u200d",
        "𝔰𝔲𝔫𝔰𝔢𝔱",
        "\ud7ff\uffff\U0010ffff",
        "' OR 1=1",
    ],
)
def test_no_query_is_syntax(world: World, query: str) -> None:
    """The words alone count, whatever stands around them."""
    say(world.bob, "Sunset over the harbour")
    wanted = set(words(query))
    with nullcontext() if wanted else pytest.raises(Invalid, match="not valid"):
        is_found = bool(found(world.alice, query))
        assert is_found == (wanted <= {"sunset", "over", "the", "harbour"})
    assert Post.objects.count() == 1


@pytest.mark.parametrize("query", ["", "   ", "?!…", "\u200d", "x" * 201, "a\x00b", "\ud800"])
def test_a_query_without_a_word_or_with_too_many_is_invalid(world: World, query: str) -> None:
    with pytest.raises(Invalid):
        found(world.alice, query)


def test_pictures_are_found_by_their_alt_texts(
    world: World, settings: Settings, tmp_path: Any
) -> None:
    settings.MEDIA_ROOT = tmp_path
    post = say(world.bob, "Look!", images=[upload(), upload()], alts=["A red kite", "Its tail"])
    assert found(world.alice, "kite tail look") == ["Look!"]
    assert found(world.alice, "red", has_image=True) == ["Look!"]
    assert found(world.alice, "red", has_image=False) == []
    edit_post(viewer=world.bob, post_id=post.pk, alts=["A blue kite"])
    assert found(world.alice, "blue") == ["Look!"]
    assert found(world.alice, "red") == found(world.alice, "tail") == []


def test_a_picture_that_is_added_or_described_later_is_found(world: World) -> None:
    post = say(world.bob, "Look!")
    picture = add_picture(post, alt="A lighthouse")
    assert found(world.alice, "lighthouse", has_image=True) == ["Look!"]
    picture.alt = "A windmill"
    picture.save()
    assert found(world.alice, "windmill") == ["Look!"]
    assert found(world.alice, "lighthouse") == []
    picture.delete()
    assert found(world.alice, "windmill") == found(world.alice, "look", has_image=True) == []


def test_posts_are_found_by_their_author_and_their_room(world: World) -> None:
    say(world.alice, "Sunset")
    say(world.bob, "Sunrise")
    say(world.bob, "Noon", room="cellar")
    assert found(world.alice, "bob") == ["Noon", "Sunrise"]
    assert found(world.alice, "cel") == ["Noon"]
    assert found(world.alice, "garden bob") == ["Sunrise"]
    assert found(world.alice, "sunset ali") == ["Sunset"]
    assert found(world.alice, "nobody") == []


def test_a_new_name_is_the_one_to_be_found_by(world: World) -> None:
    say(world.bob, "Sunrise")
    world.bob.display_name = "Robert Müller"
    world.bob.save()
    assert found(world.alice, "Robert Müller") == ["Sunrise"]
    world.bob.display_name = "Somebody"
    world.bob.save()
    assert found(world.alice, "robert") == []
    rooms.update_room(viewer=world.alice, slug="garden", title="Café Orchard")
    assert found(world.charlie, "cafe orch") == ["Sunrise"]


# --- filters and order --------------------------------------------------------------------------


def test_filters_narrow_what_is_found(world: World) -> None:
    for hour, (author, room) in enumerate(
        [(world.alice, "garden"), (world.bob, "garden"), (world.alice, "cellar")]
    ):
        with dated(NOON + timedelta(hours=hour)):
            say(author, f"tea {hour}", room=room)
    viewer = world.bob
    assert found(viewer, "tea") == ["tea 2", "tea 1", "tea 0"]
    assert found(viewer, "tea", room="garden") == ["tea 1", "tea 0"]
    assert found(viewer, "tea", author="alice") == ["tea 2", "tea 0"]
    assert found(viewer, "tea", author="Alice", room="cellar") == ["tea 2"]
    assert found(viewer, "tea", author="nobody") == []
    one = "2100-03-01T14:00:00+01:00"
    assert found(viewer, "tea", before=one) == ["tea 0"]
    assert found(viewer, "tea", after=one) == ["tea 2"]
    assert found(viewer, "tea", after="2100-03-01T11:59:59.999999Z", before=one) == ["tea 0"]
    assert found(viewer, "tea", after=one, before=one) == []
    assert len(found(viewer, "tea", after="0001-01-01", before="9999-12-31T23:59:59Z")) == 3
    assert found(viewer, "tea", limit=2) == ["tea 2", "tea 1"]


def test_the_newest_come_first_across_rooms_also_when_they_are_of_one_moment(
    world: World,
) -> None:
    """Rooms whose keys differ by the slots of a microsecond would take the same place in it."""
    far = Room(pk=world.garden.pk + SLOTS, slug="far", title="Far")
    far.save()
    rooms.join_room(viewer=world.bob, slug="far")
    made = []
    for moment in (NOON, NOON + timedelta(days=1)):
        with dated(moment):
            made += [say(world.bob, "tea", room="garden"), say(world.bob, "tea", room="far")]
    posts = find(world.charlie, Search("tea"), limit=10).posts
    expected = sorted(made, key=lambda post: (post.created_at, post.room_id), reverse=True)
    assert [post.pk for post in posts] == [post.pk for post in expected]
    numbers = SearchEntry.objects.order_by("number").values_list("number", flat=True)
    assert place_in_time(NOON, far.pk) + 1 in numbers


# --- who finds what -----------------------------------------------------------------------------


def test_only_rooms_that_one_may_see_are_searched(world: World, settings: Settings) -> None:
    say(world.alice, "tea for all")
    say(world.alice, "tea for us", room="cellar")
    nobody = client_of(None)
    both = ["tea for us", "tea for all"]
    assert found(world.alice, "tea") == found(world.bob, "tea") == both
    assert found(world.charlie, "tea") == ["tea for all"]
    assert texts(page(nobody, query="tea")) == ["tea for all"]
    assert found(world.charlie, "us") == found(world.charlie, "cellar") == []
    for slug in ("cellar", "nowhere"):
        with pytest.raises(NotFound):
            found(world.charlie, "tea", room=slug)
        assert nobody.refused("GET", f"{SEARCH}?query=tea&room={slug}") == (404, "not_found")
    rooms.add_member(viewer=world.alice, slug="cellar", username="charlie")
    assert found(world.charlie, "tea") == both
    rooms.remove_member(viewer=world.alice, slug="cellar", username="charlie")
    assert found(world.charlie, "tea") == ["tea for all"]
    rooms.remove_member(viewer=world.alice, slug="garden", username="bob", is_ban=True)
    assert found(world.bob, "tea") == ["tea for us"]
    settings.ANONYMOUS_MAY_READ = False
    assert texts(page(nobody, query="tea")) == []


def test_staff_search_no_private_room_of_others(world: World) -> None:
    say(world.alice, "tea for us", room="cellar")
    assert found(make_person("eve", is_staff=True), "tea") == []


def test_an_edited_post_is_found_by_what_it_says_now(world: World) -> None:
    post = say(world.bob, "the secret word")
    edit_post(viewer=world.bob, post_id=post.pk, text="the public word")
    assert found(world.bob, "secret") == []
    assert found(world.bob, "public") == ["the public word"]


def test_hidden_and_deleted_posts_are_not_found_until_they_are_restored(world: World) -> None:
    for remove in (hide_post, delete_post):
        post = say(world.bob, f"secret of {remove.__name__}")
        remove(viewer=world.alice, post_id=post.pk)
        for viewer in (world.alice, world.bob, world.charlie):
            assert found(viewer, "secret") == []
        assert not SearchEntry.objects.filter(post=post).exists()
        restore_post(viewer=world.alice, post_id=post.pk)
        assert found(world.charlie, "secret") == [f"secret of {remove.__name__}"]
        post.refresh_from_db()
        post.delete()
        assert found(world.alice, "secret") == []


def test_an_edit_of_what_is_hidden_brings_nothing_back(world: World) -> None:
    post = say(world.bob, "secret")
    hide_post(viewer=world.alice, post_id=post.pk)
    post.refresh_from_db()
    post.text = "secret still"
    post.save()
    assert found(world.alice, "secret") == []


def test_the_index_forgets_what_it_no_longer_has(world: World) -> None:
    """No trace of the words is left in what the database itself asks its index for."""
    post = say(world.bob, "unmistakable")
    assert indexed("unmistakable") == 1
    edit_post(viewer=world.bob, post_id=post.pk, text="plain")
    assert indexed("unmistakable") == 0
    delete_post(viewer=world.bob, post_id=post.pk)
    assert indexed("plain") == 0


def indexed(word: str) -> int:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "INSERT INTO posts_searchindex(posts_searchindex, rank) "
                "VALUES ('integrity-check', 1)"
            )
            cursor.execute("SELECT count(*) FROM posts_searchindex(%s)", [word])
        else:
            cursor.execute(
                "SELECT count(*) FROM posts_searchentry WHERE vector @@ %s::tsquery", [word]
            )
        count: int = cursor.fetchone()[0]
        return count


def test_what_was_loaded_past_the_models_is_found_after_a_rebuild(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    posts = [say(world.bob, f"tea {number}") for number in range(3)]
    Post.objects.filter(pk=posts[0].pk).update_unpublished(text="coffee")
    Post.objects.filter(pk=posts[1].pk).update_unpublished(deleted_at=NOON)
    SearchEntry.objects.filter(post=posts[2]).delete()
    call_command("rebuild_search")
    assert capsys.readouterr().out == "Indexed 3 posts.\n"
    assert found(world.bob, "tea") == ["tea 2"]
    assert found(world.bob, "coffee") == ["coffee"]


def test_posts_of_an_earlier_release_are_filed_as_new_ones_are(world: World) -> None:
    far = Room(pk=world.garden.pk + SLOTS, slug="far", title="Far")
    far.save()
    rooms.join_room(viewer=world.bob, slug="far")
    with dated(NOON):
        add_picture(say(world.bob, "tea", room="garden"), alt="A cup")
        say(world.bob, "tea, too", room="far")
        delete_post(viewer=world.bob, post_id=say(world.bob, "secret").pk)

    def filed() -> set[tuple[Any, ...]]:
        return set(SearchEntry.objects.values_list("post", "room", "words", "number"))

    before = filed()
    assert len(before) == 2
    SearchEntry.objects.all().delete()
    migration = import_module("posts.migrations.0003_search_earlier_posts")
    migration.file_earlier_posts(apps, None)
    assert filed() == before


# --- REST ---------------------------------------------------------------------------------------


def test_pages_of_a_search_are_walked_by_next_without_doubles(world: World) -> None:
    for number in range(7):
        say(world.bob, f"tea {number}", room="garden" if number % 2 else "cellar")
    client = client_of(world.alice)
    seen: list[str] = []
    reached: Any = f"{SEARCH}?query=tea&limit=3"
    for expected in (3, 3, 1):
        part = client.ask("GET", reached, status=200)
        assert len(part["results"]) == expected
        assert part["previous"] is None
        seen += texts(part)
        reached = part["next"]
    assert reached is None
    assert seen == [f"tea {number}" for number in reversed(range(7))]
    exact = page(client, query="tea", limit=7)
    assert (len(exact["results"]), exact["next"]) == (7, None)


def test_a_page_keeps_its_filters_and_what_is_new_does_not_shift_it(world: World) -> None:
    for number in range(4):
        say(world.bob, f"tea {number}")
    first = page(client_of(world.alice), query="tea", room="garden", author="bob", limit=2)
    say(world.bob, "tea, another")
    say(world.alice, "tea of mine")
    second = client_of(world.alice).ask("GET", first["next"], status=200)
    assert texts(first) + texts(second) == ["tea 3", "tea 2", "tea 1", "tea 0"]


def test_a_found_post_is_the_post_as_it_is_read(world: World) -> None:
    post = say(world.bob, "tea")
    add_picture(post, alt="A cup")
    client = client_of(world.charlie)
    (result,) = page(client, query="cup")["results"]
    assert result == client.ask("GET", f"/api/posts/{post.pk}/", status=200)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({}, "query"),
        ({"query": ""}, "query"),
        ({"query": "*"}, "query"),
        ({"query": "a\x00b"}, "query"),
        ({"query": "tea", "limit": 0}, "limit"),
        ({"query": "tea", "limit": 101}, "limit"),
        ({"query": "tea", "limit": "x"}, "limit"),
        ({"query": "tea", "room": "NO ROOM"}, "room"),
        ({"query": "tea", "room": "a\x00"}, "room"),
        ({"query": "tea", "author": "a\x00"}, "author"),
        ({"query": "tea", "author": ""}, "author"),
        ({"query": "tea", "has_image": "maybe"}, "has_image"),
        ({"query": "tea", "before": "yesterday"}, "before"),
        ({"query": "tea", "after": "2025-02-30"}, "after"),
        ({"query": "tea", "cursor": "x"}, "cursor"),
        ({"query": "tea", "cursor": "1e9"}, "cursor"),
    ],
)
def test_a_bad_search_is_invalid_and_says_where(
    world: World, parameters: dict[str, object], field: str
) -> None:
    for client in (client_of(world.bob), client_of(None)):
        response = client.send("GET", f"{SEARCH}?{urlencode(parameters)}")
        assert response.status_code == 400
        error = response.json()["error"]
        assert (error["code"], list(error["fields"])) == ("invalid", [field])


def test_cursors_beyond_all_numbers_end_or_begin_the_list(world: World) -> None:
    say(world.bob, "tea")
    client = client_of(world.bob)
    assert len(page(client, query="tea", cursor="9" * 19)["results"]) == 1
    assert len(page(client, query="tea", cursor="-" + "9" * 19)["results"]) == 0


# --- cost ---------------------------------------------------------------------------------------


def test_a_search_takes_as_many_queries_however_much_is_found(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(12):
        make_room(f"room-{number}", world.bob)
        add_picture(say(world.bob, "tea", room=f"room-{number}"), alt="A cup")
    client = client_of(world.bob)
    for limit in (2, 12):
        with django_assert_num_queries(SIGN_IN_QUERIES + 6):
            assert len(page(client, query="tea cup", limit=limit)["results"]) == limit


def test_no_search_reads_the_whole_table(world: World) -> None:
    say(world.bob, "tea")
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "EXPLAIN QUERY PLAN SELECT entry.number FROM posts_searchindex AS found CROSS JOIN "
                "posts_searchentry AS entry ON entry.number = found.rowid "
                "WHERE posts_searchindex MATCH 'tea' ORDER BY found.rowid DESC LIMIT 5"
            )
            plan = "\n".join(row[3] for row in cursor.fetchall())
            assert "TEMP B-TREE" not in plan
            assert "SEARCH entry USING INTEGER PRIMARY KEY" in plan
        else:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_indexscan = off")
            cursor.execute(
                "EXPLAIN SELECT number FROM posts_searchentry WHERE vector @@ 'tea'::tsquery"
            )
            assert "search_vector" in "\n".join(row[0] for row in cursor.fetchall())
