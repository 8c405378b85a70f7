"""`picturegram.v1.msgpack`: v1 in binary frames."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.people import World
from tests.socket.acts import as_it_is, head, post, post_many
from tests.socket.client import PACKED, Socket
from tests.socket.conftest import Gateway

pytestmark = pytest.mark.django_db(transaction=True)

pack = msgspec.msgpack.encode


async def packed(gateway: Gateway, user: Any = None, **options: Any) -> Socket:
    return await gateway.open(user, subprotocols=(PACKED,), **options)


async def test_hello_replies_and_refusals_are_binary(gateway: Gateway, world: World) -> None:
    bob = await packed(gateway, world.bob)
    assert bob.hello["type"] == "hello"
    assert bob.hello["user"]["username"] == "bob"
    assert await bob.result("ping") == {"heads": {}}
    assert (await bob.refusal("nope"))["code"] == "unknown_action"


async def test_events_are_the_same_in_both_dialects(gateway: Gateway, world: World) -> None:
    bob = await packed(gateway, world.bob)
    text = await gateway.open(world.bob)
    quiet = await gateway.plain(world.bob)
    for socket in (bob, text, quiet):
        await socket.ask("subscribe", rooms=["garden"])
    made = await post(world.alice, "Grüße 🎉")
    events = [await socket.event("post.created") for socket in (bob, text, quiet)]
    assert events[0] == events[1]
    assert json.loads(events[2].pop("payload")) == events[0]["data"]
    assert events[2] == events[0]
    assert events[0]["data"] == await as_it_is(made)


async def test_a_resume_carries_what_was_missed(gateway: Gateway, world: World) -> None:
    epoch, seq = await head(world.garden)
    await post_many(world.alice, 3)
    position = {"room": "garden", "epoch": epoch, "seq": seq}
    bob, text = await packed(gateway, world.bob), await gateway.open(world.bob)
    answers = [await each.result("subscribe", rooms=[position]) for each in (bob, text)]
    assert answers[0] == answers[1]
    assert [event["seq"] for event in answers[0]["rooms"][0]["events"]] == [
        seq + 1,
        seq + 2,
        seq + 3,
    ]


async def test_a_post_and_a_stream_go_both_ways(gateway: Gateway, world: World) -> None:
    bob = await packed(gateway, world.bob)
    made = await bob.result("post.create", room="garden", text="packed", client_id="one")
    assert made["text"] == "packed"
    (item,) = await bob.stream("history", room="garden", limit=1)
    assert item["id"] == made["id"]


async def test_an_edit_reaches_what_is_packed_already(gateway: Gateway, world: World) -> None:
    epoch, seq = await head(world.garden)
    bob = await packed(gateway, world.bob)
    await bob.result("subscribe", rooms=["garden"])
    made = await bob.result("post.create", room="garden", text="secret")
    assert "secret" in str(await bob.so_far())
    await bob.result("post.delete", id=made["id"])
    position = {"room": "garden", "epoch": epoch, "seq": seq}
    late = await packed(gateway, world.bob)
    answer = await late.ask("subscribe", rooms=[position])
    assert "secret" not in str(answer)
    assert answer["result"]["rooms"][0]["events"][0]["data"]["deleted"] is True


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xc1",
        b"{}",
        b"\x81\xa6action",
        pack([{"action": "ping"}]),
        pack("ping"),
        pack(None),
        b"\x81\x90\x01",
        b"\x91" * 100_000,
        b"\xdf\xff\xff\xff\xff",
        pack({"action": "ping"}) + b"\x00",
    ],
)
async def test_what_is_no_map_is_refused_and_the_socket_lives(
    gateway: Gateway, message: bytes
) -> None:
    nobody = await packed(gateway)
    await nobody.send(message)
    answer = await nobody.frame()
    assert (answer["ok"], answer["error"]["code"]) == (False, "invalid")
    assert await nobody.result("ping") == {"heads": {}}


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "members",
    [
        {"more": b"bytes"},
        {"more": float("nan")},
        {"more": [float("inf")]},
        {"more": 2**64 - 1},
        {"more": {5: 6}},
        {"more": {None: 6}},
        {"more": datetime(2025, 1, 1, tzinfo=UTC)},
        {"more": msgspec.msgpack.Ext(5, b"x")},
        {"more": "a\x00b"},
        {"a\x00b": 1},
        {"more": nested(40)},
    ],
)
async def test_values_that_json_has_not_are_refused_with_their_request_id(
    gateway: Gateway, members: dict[str, Any]
) -> None:
    nobody = await packed(gateway)
    await nobody.send(pack({"action": "ping", "request_id": "r", **members}))
    answer = await nobody.frame()
    assert (answer["request_id"], answer["error"]["code"]) == ("r", "invalid")


async def test_text_is_not_taken(gateway: Gateway) -> None:
    nobody = await packed(gateway)
    await nobody.send('{"action": "ping"}')
    assert await nobody.closed() == 1003


async def test_a_message_of_the_full_size_is_taken_and_a_larger_one_closes(
    gateway: Gateway, settings: Any
) -> None:
    empty = len(pack({"action": "ping", "request_id": 1, "more": "x" * 70_000})) - 70_000
    nobody = await packed(gateway)
    full = "x" * (settings.MESSAGE_BYTES_MAX - empty)
    await nobody.send({"action": "ping", "request_id": 1, "more": full})
    assert (await nobody.frame())["ok"] is True
    await nobody.send({"action": "ping", "request_id": 1, "more": full + "x"})
    assert await nobody.closed() == 1009


async def test_the_first_dialect_of_ours_that_is_offered_is_spoken(gateway: Gateway) -> None:
    socket = await gateway.open(subprotocols=("soap", PACKED, "chat"))
    assert socket.subprotocol == PACKED
