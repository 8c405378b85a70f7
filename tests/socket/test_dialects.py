"""The two dialects, frame by frame, and what no action matches."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError

from chat.errors import AppError
from chat.limits import limits
from chat.realtime.router import Action, router
from posts.actions import Create
from tests.people import World, make_room
from tests.socket.acts import do, head, post
from tests.socket.conftest import Gateway

pytestmark = pytest.mark.django_db(transaction=True)


# --- hello --------------------------------------------------------------------------------------


async def test_hello_comes_first_and_says_who_and_what(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    hello = dict(alice.hello)
    assert re.fullmatch(r"[A-Za-z0-9]{15}=", hello.pop("connection_id"))
    told = datetime.fromisoformat(hello.pop("server_time"))
    assert abs(told - datetime.now(UTC)) < timedelta(seconds=10)
    assert hello == {
        "type": "hello",
        "user": {"id": world.alice.pk, "username": "alice", "display_name": "", "avatar": None},
        "heartbeat_ms": 25000,
        "limits": limits(),
    }


async def test_the_limits_in_hello_are_those_of_the_protocol(gateway: Gateway) -> None:
    nobody = await gateway.open()
    assert nobody.hello["user"] is None
    assert nobody.hello["limits"] == {
        "message_bytes_max": 131072,
        "requests_per_second": 20,
        "requests_burst": 60,
        "producer_requests_per_second": 200,
        "producer_requests_burst": 400,
        "subscriptions_max": 200,
        "outbox_messages_max": 256,
        "outbox_bytes_max": 1048576,
        "replay_events_max": 500,
        "replay_bytes_max": 524288,
        "event_payload_bytes_max": 32768,
        "topic_events_max": 256,
        "topic_bytes_max": 1048576,
        "publish_records_max": 500,
        "state_bytes_max": 65536,
        "post_text_max": 4000,
        "alt_text_max": 1000,
        "pictures_per_post_max": 4,
        "picture_bytes_max": 10485760,
        "picture_pixels_max": 50000000,
        "request_body_max": 42991616,
        "undo_minutes": 10,
    }


async def test_every_connection_has_an_id_of_its_own(gateway: Gateway) -> None:
    ids = {(await gateway.open()).hello["connection_id"] for _ in range(5)}
    assert len(ids) == 5


async def test_a_client_may_speak_before_hello(gateway: Gateway, world: World) -> None:
    socket = gateway.socket()
    await socket.send({"action": "ping", "request_id": 1})
    # What was sent lies behind the handshake.
    first = await socket._to_server.get()
    connecting = socket.connect()
    await socket._to_server.put({"type": "websocket.connect"})
    await socket._to_server.put(first)
    await connecting
    assert socket.hello["type"] == "hello"
    assert (await socket.frame())["request_id"] == 1


# --- replies ------------------------------------------------------------------------------------

IDS: list[Any] = ["a", "", "x" * 128, "🎉", 0, 7, -7, 2**63 - 1, -(2**63)]


@pytest.mark.parametrize("request_id", IDS)
@pytest.mark.parametrize("is_quiet", [False, True])
async def test_a_request_id_comes_back_verbatim(
    gateway: Gateway, request_id: Any, is_quiet: bool
) -> None:
    socket = await (gateway.plain() if is_quiet else gateway.open())
    await socket.send({"action": "ping", "request_id": request_id})
    success = await socket.frame()
    await socket.send({"action": "nope", "request_id": request_id})
    refusal = await socket.frame()
    for frame in (success, refusal):
        assert frame["request_id"] == request_id
        assert type(frame["request_id"]) is type(request_id)


@pytest.mark.parametrize("request_id", ["x" * 129, 2**63, 1.5, True, {}, ["a"]])
async def test_what_is_no_request_id_is_refused_without_one(
    gateway: Gateway, request_id: Any
) -> None:
    nobody = await gateway.open()
    await nobody.send({"action": "ping", "request_id": request_id})
    answer = await nobody.frame()
    assert (answer["ok"], answer["error"]["code"]) == (False, "invalid")
    assert "request_id" not in answer


async def test_in_v1_every_request_is_answered(gateway: Gateway) -> None:
    nobody = await gateway.open()
    await nobody.send({"action": "ping"})
    assert await nobody.frame() == {"action": "ping", "ok": True, "result": {"heads": {}}}
    await nobody.send({"action": "ping", "request_id": None})
    assert await nobody.frame() == {"action": "ping", "ok": True, "result": {"heads": {}}}


async def test_errors_name_no_action(gateway: Gateway) -> None:
    nobody = await gateway.open()
    await nobody.send({"action": "history", "request_id": 5, "room": "nowhere"})
    answer = await nobody.frame()
    assert set(answer) == {"request_id", "ok", "error"}
    assert set(answer["error"]) == {"code", "message"}


# --- quiet --------------------------------------------------------------------------------------


async def test_quiet_sockets_hear_events_alone_and_each_with_a_payload(
    gateway: Gateway, world: World
) -> None:
    bob = await gateway.plain(world.bob, "/ws/rooms/garden/")
    await bob.send({"action": "post.create", "room": "garden", "text": "Hello"})
    event = await bob.frame()
    assert event["type"] == "post.created"
    assert json.loads(event["payload"]) == event["data"]
    assert await bob.so_far() == [], "no hello, no answer"


async def test_quiet_sockets_are_answered_when_they_ask_to_be(
    gateway: Gateway, world: World
) -> None:
    bob = await gateway.plain(world.bob)
    assert bob.subprotocol is None
    await bob.send({"action": "post.create", "request_id": 7, "room": "garden", "text": "Hello"})
    answer = await bob.frame()
    assert (answer["request_id"], answer["action"], answer["ok"]) == (7, "post.create", True)
    assert json.loads(answer["payload"]) == answer["result"]


async def test_quiet_errors_are_always_answered(gateway: Gateway) -> None:
    nobody = await gateway.plain()
    await nobody.send({"action": "post.create", "room": "garden", "text": "Hello"})
    answer = await nobody.frame()
    assert answer["error"]["code"] == "not_authenticated"
    assert json.loads(answer["payload"]) == answer["error"]
    assert set(answer) == {"ok", "error", "payload"}


async def test_quiet_streams_carry_payloads(gateway: Gateway, world: World) -> None:
    await post(world.bob, "Hello")
    nobody = await gateway.plain()
    await nobody.send({"action": "history", "request_id": 1, "room": "garden"})
    item, end = await nobody.frame(), await nobody.frame()
    assert json.loads(item["payload"]) == item["result"]
    payload = end.pop("payload")
    epoch, seq = await head(world.garden)
    told = {"request_id": 1, "done": True, "count": 1, "epoch": epoch, "seq": seq}
    assert json.loads(payload) == end == told


async def test_quiet_replays_come_as_plain_events_behind_the_answer(
    gateway: Gateway, world: World
) -> None:
    for number in range(3):
        await post(world.bob, f"line {number}")
    nobody = await gateway.plain()
    rooms = [{"room": "garden", "seq": 2}]
    await nobody.send({"action": "subscribe", "request_id": 1, "rooms": rooms})
    answer = await nobody.frame()
    assert answer["result"]["rooms"][0]["events"] == []
    assert answer["result"]["rooms"][0]["recovered"] is True
    assert [(await nobody.frame())["seq"] for _ in range(3)] == [3, 4, 5]


async def test_a_quiet_position_that_is_void_is_told_once(gateway: Gateway, world: World) -> None:
    nobody = await gateway.plain()
    rooms = [{"room": "garden", "epoch": "other", "seq": 2}]
    await nobody.send({"action": "subscribe", "rooms": rooms})
    gap = await nobody.frame()
    payload = gap.pop("payload")
    assert (gap["type"], gap["reason"]) == ("gap", "epoch_changed")
    assert json.loads(payload) == gap
    await nobody.send({"action": "subscribe", "request_id": 1, "rooms": rooms})
    assert (await nobody.frame())["result"]["rooms"][0]["reason"] == "epoch_changed"
    assert await nobody.so_far() == []


async def test_the_name_chat_is_the_quiet_dialect(gateway: Gateway) -> None:
    nobody = await gateway.open(subprotocols=("chat",))
    assert nobody.subprotocol == "chat"
    await nobody.send({"action": "ping", "request_id": 1})
    assert "payload" in await nobody.frame()


# --- $default -----------------------------------------------------------------------------------

NONSENSE = [
    "[object Object]",
    "hello",
    "{}",
    '{"type": "message", "message": "hi"}',
    "[]",
    "null",
    '{"action": "nope"}',
    '{"action": null}',
    '{"action": 5}',
    '{"action": "$default"}',
    '{"action": "$connect"}',
    '{"action": "find"}',
    '{"a": NaN}',
]


@pytest.mark.parametrize("text", NONSENSE)
@pytest.mark.parametrize("is_quiet", [False, True])
async def test_what_no_action_matches_is_answered_with_what_there_is(
    gateway: Gateway, text: str, is_quiet: bool
) -> None:
    socket = await (gateway.plain() if is_quiet else gateway.open())
    await socket.send(text)
    error = (await socket.frame())["error"]
    assert error["code"] == "unknown_action"
    for name in router.actions:
        assert name in error["message"]


async def test_a_readable_request_id_comes_back_with_an_unknown_action(gateway: Gateway) -> None:
    nobody = await gateway.open()
    assert (await nobody.refusal("nope"))["code"] == "unknown_action"
    await nobody.send({"request_id": 3})
    assert (await nobody.frame())["request_id"] == 3


@pytest.mark.parametrize(
    "text",
    [
        r'{"action": "post.create", "room": "garden", "text": "\ud800"}',
        r'{"action": "post.create", "room": "garden", "text": "a\u0000b"}',
        r'{"action": "subscribe", "rooms": ["gar\u0000den"]}',
        r'{"action": "history", "request_id": "h", "room": "\u0000"}',
        '{"action": "ping", "more": ' + "[" * 40 + "]" * 40 + "}",
        '{"action": "ping", "more": ' + "[" * 60000 + "]" * 60000 + "}",
    ],
)
async def test_abuse_is_refused_and_the_socket_lives(
    gateway: Gateway, world: World, text: str
) -> None:
    alice = await gateway.open(world.alice)
    await alice.send(text)
    assert (await alice.frame())["error"]["code"] == "invalid"
    assert await alice.so_far() == []


@pytest.mark.parametrize("more", [r'"\ud800"', r'"\u0000"', "1e999", "[" * 40 + "]" * 40])
async def test_a_readable_request_id_comes_back_with_abuse(gateway: Gateway, more: str) -> None:
    nobody = await gateway.open()
    await nobody.send('{"action": "ping", "request_id": "r-1", "more": ' + more + "}")
    answer = await nobody.frame()
    assert (answer["request_id"], answer["error"]["code"]) == ("r-1", "invalid")


# --- newchat ------------------------------------------------------------------------------------


async def test_newchat_is_a_post_by_the_sessions_user_whoever_it_claims_to_be(
    gateway: Gateway, world: World
) -> None:
    bob = await gateway.plain(world.bob, "/ws/rooms/garden/")
    await bob.send({"type": "newchat", "user": "alice", "message": "Hello", "client_id": "c-1"})
    event = await bob.frame()
    assert event["data"]["author"]["username"] == "bob"
    assert (event["data"]["text"], event["client_id"]) == ("Hello", "c-1")


async def test_newchat_is_answered_as_post_create(gateway: Gateway, world: World) -> None:
    bob = await gateway.open(world.bob)
    await bob.send({"type": "newchat", "room": "cellar", "message": "Hello", "request_id": "n"})
    answer = await bob.frame()
    assert (answer["request_id"], answer["action"]) == ("n", "post.create")
    assert answer["result"]["room"] == "cellar"


async def test_newchat_without_a_room_is_for_the_lobby(gateway: Gateway, world: World) -> None:
    await do(make_room, "lobby", world.alice, world.bob)
    for path in ("/ws/", "/chat", "/chats"):
        bob = await gateway.open(world.bob, path)
        await bob.send({"type": "newchat", "message": "Hello", "request_id": "n"})
        answer = await bob.until(lambda frame: frame.get("request_id") == "n")
        assert answer["result"]["room"] == "lobby"


@pytest.mark.parametrize("more", [{}, {"message": ""}, {"message": 5}, {"message": None}])
async def test_newchat_without_a_message_is_invalid(
    gateway: Gateway, world: World, more: dict[str, Any]
) -> None:
    bob = await gateway.plain(world.bob, "/ws/rooms/garden/")
    await bob.send({"type": "newchat", **more})
    assert (await bob.frame())["error"]["code"] == "invalid"


async def test_newchat_by_nobody_is_refused(gateway: Gateway, world: World) -> None:
    nobody = await gateway.plain(path="/ws/rooms/garden/")
    await nobody.send({"type": "newchat", "user": "alice", "message": "Hello"})
    assert (await nobody.frame())["error"]["code"] == "not_authenticated"


async def test_an_action_counts_before_the_type(gateway: Gateway) -> None:
    nobody = await gateway.open()
    await nobody.send({"action": "ping", "type": "newchat", "request_id": 1})
    assert (await nobody.frame())["action"] == "ping"


# --- faults of our own --------------------------------------------------------------------------


def breaks(error: BaseException) -> Action:
    async def handler(request: object, body: object) -> None:
        raise error

    return Action("post.create", Create, None, handler, "post", False)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("a bug"), "internal_error"),
        (ZeroDivisionError(), "internal_error"),
        (TimeoutError(), "internal_error"),
        (AppError(), "internal_error"),
        (OperationalError("server closed the connection"), "unavailable"),
    ],
)
async def test_a_broken_action_is_answered_and_never_kills_the_socket(
    gateway: Gateway,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    code: str,
) -> None:
    monkeypatch.setitem(router.actions, "post.create", breaks(error))
    alice = await gateway.open(world.alice)
    answer = await alice.refusal("post.create", room="garden", text="x")
    assert answer["code"] == code
    assert "a bug" not in answer["message"], "what happened inside stays inside"
    assert await alice.so_far() == []


async def test_a_broken_stream_ends_with_an_error(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("posts.actions._history", fail)
    nobody = await gateway.open()
    await nobody.send({"action": "history", "request_id": 1, "room": "garden"})
    answer = await nobody.frame()
    assert (answer["request_id"], answer["error"]["code"]) == (1, "internal_error")
    assert await nobody.so_far() == []
