"""Every action, as its owner, as a member, as a stranger, as nobody: success and refusal."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chat import services as rooms
from chat.models import Membership
from chat.realtime.database import in_database
from posts import services
from posts.models import Post, Reaction
from tests.people import World, make_person
from tests.socket.acts import as_it_is, do, head, logged, post
from tests.socket.client import Frame, Socket
from tests.socket.conftest import Gateway

pytestmark = pytest.mark.django_db(transaction=True)

WHO = ("alice", "bob", "charlie", "anonymous")
OK = "ok"


@pytest.fixture
async def sockets(gateway: Gateway, world: World) -> dict[str, Socket]:
    """One socket each: alice owns the rooms, bob belongs, charlie is a stranger."""
    people = {"alice": world.alice, "bob": world.bob, "charlie": world.charlie}
    return {who: await gateway.open(people.get(who)) for who in WHO}


async def outcomes(sockets: dict[str, Socket], action: str, **fields: Any) -> list[str]:
    """Let everybody ask the same; return what each was answered."""
    found = []
    for who in WHO:
        answer = await sockets[who].ask(action, **fields)
        found.append(OK if answer["ok"] else answer["error"]["code"])
    return found


# --- who may what -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        ("garden", [OK, OK, "forbidden", "not_authenticated"]),
        ("cellar", [OK, OK, "not_found", "not_authenticated"]),
        ("nowhere", ["not_found", "not_found", "not_found", "not_authenticated"]),
    ],
)
async def test_who_posts_where(
    sockets: dict[str, Socket], world: World, room: str, expected: list[str]
) -> None:
    assert await outcomes(sockets, "post.create", room=room, text="Hello") == expected
    count = await in_database(Post.objects.count)
    assert count == expected.count(OK)


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        ("garden", ["forbidden", OK, "forbidden", "not_authenticated"]),
        ("cellar", ["forbidden", OK, "not_found", "not_authenticated"]),
    ],
)
async def test_who_edits_a_post_of_bobs(
    sockets: dict[str, Socket], world: World, room: str, expected: list[str]
) -> None:
    written = await post(world.bob, "first", room=room)
    assert await outcomes(sockets, "post.edit", id=str(written.pk), text="edited") == expected


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        ("garden", ["forbidden", "not_authenticated"]),
        ("cellar", ["not_found", "not_authenticated"]),
    ],
)
async def test_who_does_not_delete_a_post_of_bobs(
    sockets: dict[str, Socket], world: World, room: str, expected: list[str]
) -> None:
    written = await post(world.bob, "first", room=room)
    for who, code in zip(("charlie", "anonymous"), expected, strict=True):
        error = await sockets[who].refusal("post.delete", id=str(written.pk))
        assert error["code"] == code
    assert (await as_it_is(written))["deleted"] is False


@pytest.mark.parametrize("who", ["alice", "bob"])
async def test_authors_and_moderators_delete_and_a_second_time_changes_nothing(
    sockets: dict[str, Socket], world: World, who: str
) -> None:
    written = await post(world.bob, "first")
    tombstone = {
        "id": str(written.pk),
        "room": "garden",
        "seq": written.seq,
        "deleted": True,
        "text": "",
        "images": [],
    }
    assert await sockets[who].result("post.delete", id=str(written.pk)) == tombstone
    before = await head(world.garden)
    assert await sockets[who].result("post.delete", id=str(written.pk)) == tombstone
    assert await head(world.garden) == before


async def test_a_member_does_not_delete_what_others_wrote(
    sockets: dict[str, Socket], world: World
) -> None:
    written = await post(world.alice, "first")
    assert (await sockets["bob"].refusal("post.delete", id=str(written.pk)))["code"] == "forbidden"


@pytest.mark.parametrize("action", ["reaction.add", "reaction.remove"])
@pytest.mark.parametrize(
    ("room", "expected"),
    [
        ("garden", [OK, OK, "forbidden", "not_authenticated"]),
        ("cellar", [OK, OK, "not_found", "not_authenticated"]),
    ],
)
async def test_who_reacts(
    sockets: dict[str, Socket], world: World, action: str, room: str, expected: list[str]
) -> None:
    written = await post(world.bob, "first", room=room)
    assert await outcomes(sockets, action, post_id=str(written.pk), emoji="🎉") == expected


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        ("garden", [OK, OK, OK, OK]),
        ("cellar", [OK, OK, "not_found", "not_found"]),
        ("nowhere", ["not_found"] * 4),
    ],
)
async def test_who_reads(
    sockets: dict[str, Socket], world: World, room: str, expected: list[str]
) -> None:
    if room != "nowhere":
        await post(world.bob, "Hello", room=room)
    assert await outcomes(sockets, "subscribe", rooms=[room]) == expected
    for who, outcome in zip(WHO, expected, strict=True):
        socket = sockets[who]
        if outcome == OK:
            (item,) = await socket.stream("history", room=room)
            assert item["text"] == "Hello"
        else:
            await socket.send({"action": "history", "request_id": "h", "room": room})
            answer = await socket.frame()
            assert (answer["request_id"], answer["error"]["code"]) == ("h", outcome)


@pytest.mark.parametrize("action", ["unsubscribe", "ping"])
async def test_what_everybody_may(sockets: dict[str, Socket], action: str) -> None:
    fields = {"rooms": ["cellar"]} if action == "unsubscribe" else {}
    assert await outcomes(sockets, action, **fields) == [OK] * 4


async def test_nobody_learns_of_posts_that_they_may_not_see(
    sockets: dict[str, Socket], world: World
) -> None:
    """The absent and the invisible are answered alike, to the letter."""
    hidden = await post(world.bob, "secret", room="cellar")
    absent = "01956f3c-8a51-7c3e-9b1f-2f6f0c9d1e11"
    for who in ("charlie", "anonymous"):
        for action, name, more in (
            ("post.edit", "id", {"text": "x"}),
            ("post.delete", "id", {}),
            ("reaction.add", "post_id", {"emoji": "🎉"}),
            ("reaction.remove", "post_id", {"emoji": "🎉"}),
        ):
            errors = [
                await sockets[who].refusal(action, **{name: post_id}, **more)
                for post_id in (str(hidden.pk), absent)
            ]
            assert errors[0] == errors[1]


async def test_where_anonymous_reading_is_off_every_room_is_absent_to_nobody(
    sockets: dict[str, Socket], world: World, settings: Any
) -> None:
    settings.ANONYMOUS_MAY_READ = False
    nobody = sockets["anonymous"]
    for room in ("garden", "nowhere"):
        assert (await nobody.refusal("subscribe", rooms=[room]))["code"] == "not_found"
    await sockets["charlie"].result("subscribe", rooms=["garden"])
    error = await nobody.refusal("post.create", room="garden", text="x")
    assert error["code"] == "not_authenticated"


# --- programs -----------------------------------------------------------------------------------


async def test_a_key_may_what_its_scopes_allow(gateway: Gateway, world: World) -> None:
    reader = await gateway.program(world.bob, "read")
    writer = await gateway.program(world.bob, "post")
    assert reader.hello["user"]["username"] == "bob"
    await reader.result("subscribe", rooms=["cellar"])
    error = await reader.refusal("post.create", room="cellar", text="x")
    assert error["code"] == "forbidden"
    await writer.result("post.create", room="cellar", text="x")
    for action, fields in (
        ("subscribe", {"rooms": ["cellar"]}),
        ("history", {"room": "cellar"}),
        ("unsubscribe", {"rooms": ["cellar"]}),
    ):
        assert (await writer.refusal(action, **fields))["code"] == "forbidden"
    await writer.result("ping")


async def test_a_key_without_read_gets_no_room_by_address_either(
    gateway: Gateway, world: World
) -> None:
    writer = await gateway.program(world.bob, "post", path="/ws/rooms/garden/")
    assert (await writer.frame())["error"]["code"] == "forbidden"
    assert await writer.closed() == 4003


async def test_a_key_may_no_more_than_its_person(gateway: Gateway, world: World) -> None:
    program = await gateway.program(world.charlie, "read", "post")
    assert (await program.refusal("subscribe", rooms=["cellar"]))["code"] == "not_found"
    error = await program.refusal("post.create", room="garden", text="x")
    assert error["code"] == "forbidden"


# --- post.create --------------------------------------------------------------------------------


@pytest.mark.parametrize("layer_name", ["memory", "redis"])
async def test_a_post_is_answered_and_told(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", rooms=["garden"])
    answered = await alice.result("post.create", room="garden", text=" Hello ", client_id="c-1")
    (event,) = await alice.so_far()
    assert event["data"] == answered
    assert (answered["text"], answered["client_id"], event["client_id"]) == ("Hello", "c-1", "c-1")
    assert answered["seq"] == event["seq"]
    assert answered == await as_it_is(await in_database(Post.objects.get, pk=answered["id"]))


async def test_the_answer_comes_after_the_commit(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    answered = await alice.result("post.create", room="garden", text="Hello")
    assert await in_database(Post.objects.filter(pk=answered["id"]).exists)
    assert (await logged(world.garden))[-1] == answered["seq"]


async def test_the_same_client_id_makes_no_second_post(gateway: Gateway, world: World) -> None:
    alice, elsewhere = await gateway.open(world.alice), await gateway.open(world.alice)
    create = {"room": "garden", "text": "Hello", "client_id": "c-1"}
    first = await alice.result("post.create", **create)
    assert await elsewhere.result("post.create", **create) == first
    error = await alice.refusal("post.create", **{**create, "text": "another"})
    assert error["code"] == "idempotency_conflict"
    error = await alice.refusal("post.create", **{**create, "room": "cellar"})
    assert error["code"] == "idempotency_conflict"
    await alice.result("post.delete", id=first["id"])
    assert (await alice.result("post.create", **create))["deleted"] is True
    assert await in_database(Post.objects.count) == 1


async def test_the_same_client_id_at_the_same_moment_makes_one_post(
    gateway: Gateway, world: World
) -> None:
    sockets = [await gateway.open(world.alice) for _ in range(6)]
    create = {"room": "garden", "text": "Hello", "client_id": "c-1"}
    answers = await asyncio.gather(*(each.result("post.create", **create) for each in sockets))
    assert all(answer == answers[0] for answer in answers)
    assert await in_database(Post.objects.count) == 1


async def test_a_client_id_belongs_to_its_author(gateway: Gateway, world: World) -> None:
    create = {"room": "garden", "text": "Hello", "client_id": "c-1"}
    posts = [
        await (await gateway.open(user)).result("post.create", **create)
        for user in (world.alice, world.bob)
    ]
    assert posts[0]["id"] != posts[1]["id"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": " \n "}, "text"),
        ({"text": "x" * 4001}, "text"),
        ({"text": 5}, "text"),
        ({"text": None}, "text"),
        ({"text": "x", "room": 5}, "room"),
        ({"text": "x", "room": None}, "room"),
        ({"text": "x", "reply_to": "no uuid"}, "reply_to"),
        ({"text": "x", "reply_to": "01956f3c-8a51-7c3e-9b1f-2f6f0c9d1e11"}, "reply_to"),
        ({"text": "x", "reply_to": 5}, "reply_to"),
        ({"text": "x", "client_id": ""}, "client_id"),
        ({"text": "x", "client_id": "x" * 65}, "client_id"),
        ({"text": "x", "client_id": "with space"}, "client_id"),
        ({"text": "x", "client_id": "ünlatin"}, "client_id"),
        ({"text": "x", "client_id": None}, "client_id"),
    ],
)
async def test_a_malformed_post_is_refused_by_the_name_of_its_field(
    gateway: Gateway, world: World, fields: dict[str, Any], field: str
) -> None:
    alice = await gateway.open(world.alice)
    error = await alice.refusal("post.create", **{"room": "garden", **fields})
    assert error["code"] == "invalid"
    assert list(error["fields"]) == [field]
    assert await in_database(Post.objects.count) == 0


async def test_an_answer_is_to_a_visible_post_of_the_same_room(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice)
    replied, elsewhere = await post(world.bob, "first"), await post(world.bob, "x", room="cellar")
    create = {"room": "garden", "text": "answer"}
    answered = await alice.result("post.create", **create, reply_to=str(replied.pk))
    assert answered["reply_to"] == str(replied.pk)
    none = await alice.result("post.create", **create, reply_to=None)
    assert none["reply_to"] is None
    for gone in (elsewhere, replied):
        await do(services.delete_post, viewer=world.bob, post_id=replied.pk)
        error = await alice.refusal("post.create", **create, reply_to=str(gone.pk))
        assert error["code"] == "invalid"


async def test_text_of_the_full_length_is_taken_as_nfc(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    answered = await alice.result("post.create", room="garden", text="e\u0301" * 4000)
    assert answered["text"] == "é" * 4000


async def test_where_nobody_or_not_everybody_posts(gateway: Gateway, world: World) -> None:
    bob, alice = await gateway.open(world.bob), await gateway.open(world.alice)
    create = {"room": "garden", "text": "x"}
    await do(rooms.update_room, viewer=world.alice, slug="garden", is_announcement_only=True)
    assert (await bob.refusal("post.create", **create))["code"] == "forbidden"
    await alice.result("post.create", **create)
    await do(rooms.update_room, viewer=world.alice, slug="garden", is_archived=True)
    for socket in (alice, bob):
        assert (await socket.refusal("post.create", **create))["code"] == "forbidden"


async def test_who_is_muted_is_told_how_long(gateway: Gateway, world: World) -> None:
    from datetime import timedelta  # noqa: PLC0415

    from django.utils import timezone  # noqa: PLC0415

    def mute() -> None:
        membership = Membership.objects.get(room=world.garden, user=world.bob)
        membership.muted_until = timezone.now() + timedelta(minutes=5)
        membership.save()

    await do(mute)
    bob = await gateway.open(world.bob)
    error = await bob.refusal("post.create", room="garden", text="x")
    assert error["code"] == "forbidden"
    assert 290_000 < error["retry_after_ms"] <= 300_000


# --- post.edit ----------------------------------------------------------------------------------


async def test_an_edit_answers_the_post_and_tells_it(gateway: Gateway, world: World) -> None:
    written = await post(world.bob, "first")
    bob = await gateway.open(world.bob)
    await bob.result("subscribe", rooms=["garden"])
    answered = await bob.result("post.edit", id=str(written.pk), text="second")
    (event,) = await bob.so_far()
    assert (event["type"], event["data"]) == ("post.updated", answered)
    assert answered["text"] == "second"
    assert answered["edited_at"]
    assert answered["seq"] == written.seq < event["seq"]
    assert "client_id" not in event, "only on post.created"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"text": None},
        {"text": ""},
        {"text": "x" * 4001},
        {"alts": ["of no picture"]},
        {"alts": "text"},
        {"alts": [5]},
        {"alts": None},
        {"text": "x", "id": "no uuid"},
        {"text": "x", "id": 5},
    ],
)
async def test_a_malformed_edit_is_invalid(
    gateway: Gateway, world: World, fields: dict[str, Any]
) -> None:
    written = await post(world.bob, "first")
    bob = await gateway.open(world.bob)
    error = await bob.refusal("post.edit", **{"id": str(written.pk), **fields})
    assert error["code"] == "invalid"
    assert (await as_it_is(written))["text"] == "first"


async def test_what_is_gone_is_not_edited_and_not_reacted_to(
    gateway: Gateway, world: World
) -> None:
    written = await post(world.bob, "first")
    await do(services.delete_post, viewer=world.bob, post_id=written.pk)
    bob = await gateway.open(world.bob)
    error = await bob.refusal("post.edit", id=str(written.pk), text="x")
    assert error["code"] == "not_found"
    error = await bob.refusal("reaction.add", post_id=str(written.pk), emoji="🎉")
    assert error["code"] == "not_found"


async def test_who_left_neither_edits_nor_deletes_nor_reacts(
    gateway: Gateway, world: World
) -> None:
    written = await post(world.bob, "first")
    await do(rooms.leave_room, viewer=world.bob, slug="garden")
    bob = await gateway.open(world.bob)
    for action, fields in (
        ("post.edit", {"id": str(written.pk), "text": "x"}),
        ("post.delete", {"id": str(written.pk)}),
        ("reaction.add", {"post_id": str(written.pk), "emoji": "🎉"}),
    ):
        assert (await bob.refusal(action, **fields))["code"] == "forbidden"


# --- reactions ----------------------------------------------------------------------------------


async def test_reactions_are_counted_and_twice_is_no_event(gateway: Gateway, world: World) -> None:
    written = await post(world.bob, "first")
    alice, bob = await gateway.open(world.alice), await gateway.open(world.bob)
    await alice.result("subscribe", rooms=["garden"])
    react = {"post_id": str(written.pk), "emoji": "👩‍🚀"}
    assert (await bob.result("reaction.add", **react)) == {**react, "count": 1}
    assert (await alice.result("reaction.add", **react))["count"] == 2
    assert (await alice.result("reaction.add", **react))["count"] == 2
    assert (await alice.result("reaction.remove", **react))["count"] == 1
    assert (await alice.result("reaction.remove", **react))["count"] == 1
    events = await alice.so_far()
    told = [(e["type"], e["data"]["user_id"], e["data"]["count"]) for e in events]
    assert told == [
        ("reaction.added", world.bob.pk, 1),
        ("reaction.added", world.alice.pk, 2),
        ("reaction.removed", world.alice.pk, 1),
    ]


async def test_reactions_at_the_same_moment_count_exactly(gateway: Gateway, world: World) -> None:
    written = await post(world.bob, "first")
    people = [await do(make_person, f"person{number}") for number in range(6)]
    sockets = []
    for person in people:
        await do(rooms.join_room, viewer=person, slug="garden")
        sockets.append(await gateway.open(person))
    react = {"post_id": str(written.pk), "emoji": "🎉"}
    answers = await asyncio.gather(*(each.result("reaction.add", **react) for each in sockets))
    assert sorted(answer["count"] for answer in answers)[-1] == 6
    (entry,) = (await as_it_is(written))["reactions"]
    assert entry["count"] == await in_database(Reaction.objects.count) == 6


@pytest.mark.parametrize("emoji", ["", "a", "🎉🎉", "ok", "<b>", "\u200d", 5, None, "👩‍🚀" * 3])
async def test_what_is_no_emoji_is_invalid(gateway: Gateway, world: World, emoji: object) -> None:
    written = await post(world.bob, "first")
    bob = await gateway.open(world.bob)
    error = await bob.refusal("reaction.add", post_id=str(written.pk), emoji=emoji)
    assert (error["code"], list(error["fields"])) == ("invalid", ["emoji"])


@pytest.mark.parametrize("emoji", ["🎉", "❤️", "👍🏽", "👩‍🚀", "👨‍👩‍👧‍👦", "🇩🇪", "1️⃣", "🏴‍☠️"])
async def test_what_a_reader_would_count_as_one_emoji_is_taken(
    gateway: Gateway, world: World, emoji: str
) -> None:
    written = await post(world.bob, "first")
    bob = await gateway.open(world.bob)
    result = await bob.result("reaction.add", post_id=str(written.pk), emoji=emoji)
    assert result["emoji"] == emoji


# --- history ------------------------------------------------------------------------------------


@pytest.fixture
async def lines(world: World) -> list[Post]:
    """Sixty posts, one of them deleted and one hidden."""
    found = [await post(world.bob, f"line {number}") for number in range(60)]
    await do(services.delete_post, viewer=world.bob, post_id=found[10].pk)
    await do(services.hide_post, viewer=world.alice, post_id=found[20].pk)
    return [line for number, line in enumerate(found) if number not in (10, 20)]


def seqs_of(items: list[Frame]) -> list[int]:
    return [item["seq"] for item in items]


async def test_history_is_the_newest_first(
    gateway: Gateway, world: World, lines: list[Post]
) -> None:
    nobody = await gateway.open()
    items = await nobody.stream("history", room="garden")
    assert seqs_of(items) == [line.seq for line in reversed(lines)][:50]
    assert items[0] == await as_it_is(lines[-1])


async def test_history_is_paged_both_ways(
    gateway: Gateway, world: World, lines: list[Post]
) -> None:
    seqs = [line.seq for line in lines]
    nobody = await gateway.open()
    back: list[int] = []
    while items := await nobody.stream(
        "history", room="garden", before_seq=back[-1] if back else 10_000, limit=23
    ):
        back += seqs_of(items)
    assert back == seqs[::-1]
    forth: list[int] = []
    while items := await nobody.stream(
        "history", room="garden", after_seq=forth[-1] if forth else 0, limit=23
    ):
        forth += seqs_of(items)
    assert forth == seqs


async def test_history_between_two_is_oldest_first(
    gateway: Gateway, world: World, lines: list[Post]
) -> None:
    nobody = await gateway.open()
    items = await nobody.stream(
        "history", room="garden", after_seq=lines[3].seq, before_seq=lines[40].seq, limit=100
    )
    assert seqs_of(items) == [line.seq for line in lines[4:40]]


async def test_an_empty_history_ends_at_once(gateway: Gateway, world: World) -> None:
    assert await (await gateway.open()).stream("history", room="garden") == []


@pytest.mark.parametrize(
    "fields",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": "5"},
        {"limit": None},
        {"before_seq": 0},
        {"before_seq": -1},
        {"after_seq": -1},
        {"after_seq": 2**63},
        {"before_seq": 2**64},
        {"room": ""},
        {"room": None},
    ],
)
async def test_a_malformed_history_is_invalid(
    gateway: Gateway, world: World, fields: dict[str, Any]
) -> None:
    nobody = await gateway.open()
    error = await nobody.refusal("history", **{"room": "garden", **fields})
    assert error["code"] == "invalid"


@pytest.mark.parametrize("is_quiet", [False, True])
async def test_a_stream_needs_a_request_id(gateway: Gateway, world: World, is_quiet: bool) -> None:
    nobody = await (gateway.plain() if is_quiet else gateway.open())
    await nobody.send({"action": "history", "room": "garden"})
    answer = await nobody.frame()
    assert (answer["ok"], answer["error"]["code"]) == (False, "invalid")
    assert "request_id" not in answer


async def test_events_and_other_answers_come_in_between_a_stream(
    gateway: Gateway, world: World, lines: list[Post]
) -> None:
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", rooms=["garden"])
    for number in range(3):
        await alice.send({"action": "history", "request_id": number, "room": "garden"})
    await alice.result("post.create", room="garden", text="between")
    counts = dict.fromkeys(range(3), 0)
    done: set[int] = set()
    frames = alice.aside
    while len(done) < 3:
        frame = frames.pop(0) if frames else await alice.frame()
        if "result" in frame:
            counts[frame["request_id"]] += 1
        elif frame.get("done"):
            assert frame["count"] == counts[frame["request_id"]]
            done.add(frame["request_id"])


async def test_a_room_that_is_lost_ends_its_history_with_an_error(
    gateway: Gateway, world: World, lines: list[Post], monkeypatch: pytest.MonkeyPatch
) -> None:
    from posts import actions  # noqa: PLC0415

    monkeypatch.setattr(actions, "HISTORY_BATCH", 5)
    history = actions._history
    calls: list[int] = []

    def banned_after_the_first(*args: Any) -> Any:
        if calls:
            Membership.objects.filter(room=world.garden, user=world.bob).delete()
            rooms.remove_member(viewer=world.alice, slug="garden", username="bob", is_ban=True)
        calls.append(1)
        return history(*args)

    monkeypatch.setattr(actions, "_history", banned_after_the_first)
    bob = await gateway.open(world.bob)
    await bob.send({"action": "history", "request_id": 1, "room": "garden"})
    got = [await bob.frame() for _ in range(6)]
    assert [("result" in frame) for frame in got] == [True] * 5 + [False]
    assert got[-1] == {
        "request_id": 1,
        "ok": False,
        "error": {**got[-1]["error"], "code": "not_found"},
    }


# --- ping ---------------------------------------------------------------------------------------


async def test_ping_tells_up_to_where_events_were_put_into_this_socket(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice)
    assert await alice.result("ping", seqs={"garden": 1}) == {"heads": {}}
    start = (await alice.result("subscribe", rooms=["garden"]))["rooms"][0]["seq"]
    assert await alice.result("ping") == {"heads": {"garden": start}}
    await post(world.bob, "Hello")
    await alice.event("post.created")
    assert await alice.result("ping") == {"heads": {"garden": start + 1}}


@pytest.mark.parametrize("seqs", [5, {"garden": "x"}, {"garden": -1}, None, ["garden"]])
async def test_malformed_positions_in_a_ping_are_invalid(gateway: Gateway, seqs: object) -> None:
    nobody = await gateway.open()
    assert (await nobody.refusal("ping", seqs=seqs))["code"] == "invalid"
