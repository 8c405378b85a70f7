"""Searching over the socket: streamed posts, the headlines of older clients, `history`'s end."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chat import services as rooms
from chat.realtime.router import router
from posts import services
from posts.search_actions import SEARCH_BATCH, SearchPosts, Stories, Story, found_posts
from posts.shapes import Post as PostShape
from tests.people import World
from tests.socket.acts import as_it_is, do, head, post
from tests.socket.client import Frame, Socket
from tests.socket.conftest import Gateway

pytestmark = pytest.mark.django_db(transaction=True)

WHO = ("alice", "bob", "charlie", "anonymous")


@pytest.fixture
async def sockets(gateway: Gateway, world: World) -> dict[str, Socket]:
    """One socket each: alice owns the rooms, bob belongs, charlie is a stranger."""
    people = {"alice": world.alice, "bob": world.bob, "charlie": world.charlie}
    return {who: await gateway.open(people.get(who)) for who in WHO}


async def texts(socket: Socket, query: str, **narrowed: Any) -> list[str]:
    return [item["text"] for item in await socket.stream("search", query=query, **narrowed)]


async def frames(socket: Socket, action: str, **fields: Any) -> list[Frame]:
    """Ask, and return all frames of the answer, the last one being its end or an error."""
    await socket.send({"action": action, "request_id": "s", **fields})
    found: list[Frame] = []
    while not found or not {"done", "ok"} & found[-1].keys():
        found.append(await socket.until(lambda frame: frame.get("request_id") == "s"))
    return found


# --- search -------------------------------------------------------------------------------------


async def test_everybody_finds_posts_of_the_rooms_that_they_see(
    sockets: dict[str, Socket], world: World
) -> None:
    await post(world.alice, "Tea for all")
    written = await post(world.bob, "Tea for us", room="cellar")
    for who in ("alice", "bob"):
        assert await texts(sockets[who], "tea") == ["Tea for us", "Tea for all"]
    for who in ("charlie", "anonymous"):
        assert await texts(sockets[who], "tea") == ["Tea for all"]
        for room in ("cellar", "nowhere"):
            (answer,) = await frames(sockets[who], "search", query="tea", room=room)
            assert (answer["request_id"], answer["error"]["code"]) == ("s", "not_found")
    (item,) = await sockets["alice"].stream("search", query="us", author="bob", has_image=False)
    assert item == await as_it_is(written)
    msgspec.convert(item, PostShape)


async def test_what_is_gone_or_edited_away_is_not_found_any_more(
    sockets: dict[str, Socket], world: World
) -> None:
    edited, hidden, deleted = [await post(world.bob, f"secret {n}") for n in range(3)]
    charlie = sockets["charlie"]
    assert len(await texts(charlie, "secret")) == 3
    await sockets["bob"].result("post.edit", id=str(edited.pk), text="public")
    await do(services.hide_post, viewer=world.alice, post_id=hidden.pk)
    await sockets["bob"].result("post.delete", id=str(deleted.pk))
    for who in WHO:
        assert await texts(sockets[who], "secret") == []
        assert await texts(sockets[who], "public") == ["public"]


async def test_who_is_put_out_finds_nothing_more(sockets: dict[str, Socket], world: World) -> None:
    await post(world.alice, "Tea", room="cellar")
    assert await texts(sockets["bob"], "tea") == ["Tea"]
    await do(rooms.remove_member, viewer=world.alice, slug="cellar", username="bob")
    assert await texts(sockets["bob"], "tea") == []


async def test_the_first_posts_go_out_before_the_last_are_found(
    sockets: dict[str, Socket], world: World, queries: list[str]
) -> None:
    """A post that goes between two batches is in none of them."""
    count = SEARCH_BATCH * 3

    def write() -> None:
        for number in range(count):
            services.create_post(viewer=world.bob, room_slug="garden", text=f"tea {number}")

    await do(write)
    bob = sockets["bob"]
    bob.reading.clear()
    queries.clear()
    await bob.send({"action": "search", "request_id": "s", "query": "tea", "limit": 100})
    bob.reading.set()
    assert (await bob.frame())["result"]["text"] == f"tea {count - 1}"
    rest = [await bob.frame() for _ in range(count)]
    assert [frame["result"]["text"] for frame in rest[:-1]] == [
        f"tea {number}" for number in reversed(range(count - 1))
    ]
    assert rest[-1] == {"request_id": "s", "done": True, "count": count}
    searches = [sql for sql in queries if "searchindex" in sql or "@@" in sql]
    assert len(searches) == count // SEARCH_BATCH


async def test_rights_are_asked_anew_for_every_batch(world: World) -> None:
    for number in range(SEARCH_BATCH + 6):
        await post(world.alice, "tea", room="cellar" if number < 5 else "garden")
    stream = found_posts(world.bob, SearchPosts("tea"))
    rooms_found = [(await anext(stream))["room"]]
    await do(rooms.remove_member, viewer=world.alice, slug="cellar", username="bob")
    rooms_found += [item["room"] async for item in stream]
    assert rooms_found == ["garden"] * (SEARCH_BATCH + 1)


async def test_a_search_is_limited_and_narrowed(sockets: dict[str, Socket], world: World) -> None:
    first = await post(world.bob, "tea 0")
    second = await post(world.alice, "tea 1")
    bob = sockets["bob"]
    assert await texts(bob, "tea", limit=1) == ["tea 1"]
    assert await texts(bob, "tea", author="bob") == ["tea 0"]
    at = (await as_it_is(second))["created_at"]
    assert await texts(bob, "tea", before=at) == ["tea 0"]
    assert await texts(bob, "tea", after=(await as_it_is(first))["created_at"]) == ["tea 1"]
    assert await texts(bob, "tea", has_image=True) == []


async def test_a_key_searches_with_the_scope_read(gateway: Gateway, world: World) -> None:
    await post(world.alice, "Tea", room="cellar")
    reader = await gateway.program(world.bob, "read")
    assert await texts(reader, "tea") == ["Tea"]
    writer = await gateway.program(world.bob, "post")
    for action in ("search", "SearchStories"):
        assert (await writer.refusal(action, query="tea"))["code"] == "forbidden"


@pytest.mark.parametrize("action", ["search", "SearchStories"])
@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, "query"),
        ({"query": None}, "query"),
        ({"query": 7}, "query"),
        ({"query": ["tea"]}, "query"),
        ({"query": ""}, "query"),
        ({"query": "* ? !"}, "query"),
        ({"query": "x" * 201}, "query"),
        ({"query": "tea", "room": 7}, "room"),
        ({"query": "tea", "room": "NOT A SLUG"}, "room"),
        ({"query": "tea", "author": {}}, "author"),
        ({"query": "tea", "author": "a b"}, "author"),
        ({"query": "tea", "has_image": 1}, "has_image"),
        ({"query": "tea", "before": 1735689600}, "before"),
        ({"query": "tea", "before": "soon"}, "before"),
        ({"query": "tea", "after": ""}, "after"),
        ({"query": "tea", "limit": 0}, "limit"),
        ({"query": "tea", "limit": 101}, "limit"),
        ({"query": "tea", "limit": "5"}, "limit"),
    ],
)
async def test_a_bad_search_is_invalid(
    sockets: dict[str, Socket], action: str, fields: dict[str, Any], wrong: str
) -> None:
    for who in ("bob", "anonymous"):
        error = await sockets[who].refusal(action, **fields)
        assert (error["code"], list(error["fields"])) == ("invalid", [wrong])


@pytest.mark.parametrize("query", ['"tea', "tea*", "tea AND", "NEAR(tea)", "tea & | !", "(tea) --"])
async def test_no_query_is_syntax(sockets: dict[str, Socket], world: World, query: str) -> None:
    await post(world.bob, "Tea near and far")
    assert await texts(sockets["bob"], query) == ["Tea near and far"]


# --- SearchStories ------------------------------------------------------------------------------


async def test_older_clients_get_headlines_in_one_answer(
    sockets: dict[str, Socket], world: World
) -> None:
    first = await post(world.alice, "Tea at five\nand cake")
    second = await post(world.bob, "tea " + "very " * 40, room="cellar")
    for who, written in (("bob", [second, first]), ("charlie", [first]), ("anonymous", [first])):
        (answer,) = await frames(sockets[who], "SearchStories", query="tea")
        assert answer["action"] == "SearchStories"
        assert answer["ok"] is True
        assert answer["result"] == {"query": answer["query"], "results": answer["results"]}
        assert answer["query"] == "tea"
        msgspec.convert(answer["result"], Stories)
        assert [story["id"] for story in answer["results"]] == [str(each.pk) for each in written]
    (story,) = answer["results"]
    assert story == {
        "$type": "Story",
        "id": str(first.pk),
        "title": "Tea at five",
        "room": "garden",
        "author": "alice",
        "created_at": (await as_it_is(first))["created_at"],
    }
    (answer,) = await frames(sockets["bob"], "SearchStories", query="very")
    assert len(answer["results"][0]["title"]) == 80


async def test_older_clients_get_headlines_one_by_one_when_they_ask_for_a_stream(
    sockets: dict[str, Socket], world: World
) -> None:
    for number in range(3):
        await post(world.bob, f"tea {number}")
    *items, end = await frames(sockets["charlie"], "SearchStories", query="tea", stream=True)
    assert [item.keys() for item in items] == [{"request_id", "result"}] * 3
    assert [item["result"]["title"] for item in items] == ["tea 2", "tea 1", "tea 0"]
    msgspec.convert(items[0]["result"], Story)
    assert end == {"request_id": "s", "done": True, "count": 3}
    (answer,) = await frames(sockets["charlie"], "SearchStories", query="?", stream=True)
    assert answer["error"]["code"] == "invalid"


async def test_a_plain_client_reads_headlines_in_the_payload(
    gateway: Gateway, world: World
) -> None:
    await post(world.bob, "tea")
    plain = await gateway.plain(world.charlie)
    (answer,) = await frames(plain, "SearchStories", query="tea")
    assert msgspec.json.decode(answer["payload"]) == answer["result"]
    assert answer["results"][0]["title"] == "tea"


async def test_answers_carry_their_own_request_ids(
    sockets: dict[str, Socket], world: World
) -> None:
    await post(world.bob, "tea and cake")
    bob = sockets["bob"]
    for number, query in enumerate(("tea", "cake", "nothing"), start=1):
        await bob.send({"action": "SearchStories", "request_id": number, "query": query})
    answers = [await bob.frame() for _ in range(3)]
    counted = {frame["request_id"]: (frame["query"], len(frame["results"])) for frame in answers}
    assert counted == {1: ("tea", 1), 2: ("cake", 1), 3: ("nothing", 0)}


def test_every_action_says_what_it_answers() -> None:
    for name in ("search", "SearchStories"):
        assert router.actions[name].result is not None
        assert router.actions[name].description


# --- history ------------------------------------------------------------------------------------


async def test_the_end_of_a_history_tells_the_head_that_was_read_before_it(
    sockets: dict[str, Socket], world: World
) -> None:
    for number in range(25):
        await post(world.bob, f"line {number}")
    epoch, seq = await head(world.garden)
    for fields in ({}, {"limit": 3}, {"after_seq": 0, "limit": 22}, {"before_seq": 1}):
        *items, end = await frames(sockets["charlie"], "history", room="garden", **fields)
        assert end == {
            "request_id": "s",
            "done": True,
            "count": len(items),
            "epoch": epoch,
            "seq": seq,
        }
