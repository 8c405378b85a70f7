"""Mounted routes over a socket: who hears an answer, and what a handler cannot break."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chat.gateway.handlers import mounting
from chat.gateway.handlers.mounting import mount, mounted
from chat.gateway.handlers.routes import Route
from chat.gateway.remote import post_now
from chat.realtime import dialog
from chat.realtime.router import router
from tests.people import World
from tests.socket.client import PACKED, Refused, Socket
from tests.socket.conftest import Gateway, eventually

pytestmark = pytest.mark.django_db(transaction=True)

Event = dict[str, Any]
Mounter = Callable[..., None]


@pytest.fixture
def mounting_here() -> Iterator[Mounter]:
    """Mount handlers for one test."""
    keys: list[str] = []

    def mount_here(key: str, handler: Any, *, is_two_way: bool = False) -> None:
        mount(Route(key, handler, is_two_way, "a test"))
        keys.append(key)

    yield mount_here
    for key in keys:
        del mounted[key]
        router.routes.pop(key, None)


def returns(value: object) -> Callable[[Event, object], object]:
    return lambda event, context: value


def raises(event: Event, context: object) -> None:
    raise RuntimeError("a bug")


# --- who hears an answer ------------------------------------------------------------------------


async def test_who_asks_with_a_request_id_gets_the_answer(
    gateway: Gateway, world: World, mounting_here: Mounter
) -> None:
    mounting_here("hello", returns({"statusCode": 200, "body": '{"hello": ["world"]}'}))
    bob = await gateway.open(world.bob)
    await bob.send({"action": "hello", "request_id": 7})
    assert await bob.frame() == {
        "request_id": 7,
        "action": "hello",
        "ok": True,
        "result": {"hello": ["world"]},
    }


@pytest.mark.parametrize("is_quiet", [False, True])
async def test_without_a_request_id_the_answer_is_nobodys(
    gateway: Gateway, world: World, mounting_here: Mounter, is_quiet: bool
) -> None:
    done = threading.Event()
    mounting_here("hello", returns("hello"))
    mounting_here("refuse", returns({"statusCode": 403, "body": "No."}))
    mounting_here("note", lambda event, context: done.set())
    bob = await (gateway.plain(world.bob) if is_quiet else gateway.open(world.bob))
    for name in ("hello", "refuse", "note"):
        await bob.send({"action": name})
    await eventually(done.is_set)
    assert await bob.so_far() == []


async def test_a_two_way_route_answers_everybody_in_their_dialect(
    gateway: Gateway, world: World, mounting_here: Mounter
) -> None:
    mounting_here("score", returns({"statusCode": 200, "body": '{"score": 3}'}), is_two_way=True)
    plain, v1 = await gateway.plain(world.bob), await gateway.open(world.bob)
    packed = await gateway.open(world.bob, subprotocols=(PACKED,))
    for socket in (plain, v1, packed):
        await socket.send({"action": "score"})
    assert await plain.text() == '{"score": 3}'
    for socket in (v1, packed):
        assert await socket.frame() == {"action": "score", "ok": True, "result": {"score": 3}}
    await plain.send({"action": "score", "request_id": "s"})
    answer = await plain.frame()
    assert json.loads(answer["payload"]) == answer["result"] == {"score": 3}


async def test_a_two_way_route_says_nothing_when_there_is_nothing_to_say(
    gateway: Gateway, world: World, mounting_here: Mounter
) -> None:
    done = threading.Event()
    mounting_here("note", lambda event, context: done.set(), is_two_way=True)
    plain = await gateway.plain(world.bob)
    await plain.send({"action": "note"})
    await eventually(done.is_set)
    assert await plain.so_far() == []


async def test_bytes_come_as_bytes_to_plain_clients(
    gateway: Gateway, mounting_here: Mounter
) -> None:
    body = {"statusCode": 200, "body": "AP8=", "isBase64Encoded": True}
    mounting_here("score", returns(body), is_two_way=True)
    plain, v1 = await gateway.plain(), await gateway.open()
    await plain.send({"action": "score"})
    assert await plain.binary() == b"\x00\xff"
    assert await v1.result("score") == "AP8="


@pytest.mark.parametrize("is_quiet", [False, True])
async def test_a_refusal_is_an_error_with_what_the_handler_says(
    gateway: Gateway, mounting_here: Mounter, is_quiet: bool
) -> None:
    body = json.dumps({"message": "Somebody was faster.", "current": {"version": 2}})
    mounting_here("sendState", returns({"statusCode": 409, "body": body}))
    socket = await (gateway.plain() if is_quiet else gateway.open())
    await socket.send({"action": "sendState", "request_id": 1})
    answer = await socket.frame()
    error = {
        "code": "conflict",
        "message": "Somebody was faster.",
        "current": {"version": 2},
    }
    if is_quiet:
        assert json.loads(answer.pop("payload")) == error
    assert answer == {"request_id": 1, "ok": False, "error": error}


# --- what a handler is told ---------------------------------------------------------------------


async def test_a_handler_gets_the_message_as_it_came_and_who_sent_it(
    gateway: Gateway, world: World, mounting_here: Mounter
) -> None:
    mounting_here("hello", lambda event, context: event)
    bob = await gateway.open(world.bob, headers=[("user-agent", "curl/8")])
    text = '{"action":"hello",  "request_id":1, "data": "Grüße"}'
    await bob.send(text)
    event = (await bob.frame())["result"]
    assert event["body"] == text
    context = event["requestContext"]
    assert context["routeKey"] == "hello"
    assert context["connectionId"] == bob.hello["connection_id"]
    assert context["identity"] == {"sourceIp": "127.0.0.1", "userAgent": "curl/8"}
    assert context["authorizer"] == {"principalId": str(world.bob.pk), "username": "bob"}


async def test_a_packed_message_comes_to_a_handler_as_json(
    gateway: Gateway, mounting_here: Mounter
) -> None:
    mounting_here("hello", lambda event, context: event["body"])
    packed = await gateway.open(subprotocols=(PACKED,))
    result = json.loads(await packed.result("hello", data={"a": [1, None]}))
    assert result == {"action": "hello", "request_id": "r1", "data": {"a": [1, None]}}


async def test_a_handler_may_push_to_any_connection(
    gateway: Gateway, world: World, mounting_here: Mounter
) -> None:
    alice, bob = await gateway.open(world.alice), await gateway.plain(world.bob)
    ids = {"alice": alice.hello["connection_id"]}

    def push(event: Event, context: object) -> None:
        post_now(ids["alice"], b'{"from": "bob"}')
        post_now(event["requestContext"]["connectionId"], b"done")

    mounting_here("push", push)
    await bob.send({"action": "push"})
    assert await bob.text() == "done"
    assert await alice.frame() == {"from": "bob"}


# --- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("request_id", [None, 5])
async def test_a_failing_handler_is_told_in_both_languages_and_the_socket_lives(
    gateway: Gateway, world: World, mounting_here: Mounter, request_id: int | None
) -> None:
    mounting_here("fail", raises)
    bob = await gateway.open(world.bob)
    await bob.send({"action": "fail", "request_id": request_id})
    answer = await bob.frame()
    assert len(answer.pop("requestId")) == 16
    expected: dict[str, Any] = {
        "ok": False,
        "message": "Internal server error",
        "connectionId": bob.hello["connection_id"],
        "error": {"code": "internal_error", "message": "Internal server error"},
    }
    if request_id is not None:
        expected["request_id"] = request_id
    assert answer == expected
    assert await bob.so_far() == []


async def test_a_handler_that_trips_over_a_task_of_its_own_has_failed(
    gateway: Gateway, mounting_here: Mounter
) -> None:
    async def trip(event: Event, context: object) -> None:
        task = asyncio.create_task(asyncio.sleep(60))
        task.cancel()
        await task

    mounting_here("trip", trip)
    nobody = await gateway.open()
    assert (await nobody.refusal("trip"))["code"] == "internal_error"


async def test_a_failure_has_a_payload_for_plain_clients(
    gateway: Gateway, mounting_here: Mounter
) -> None:
    mounting_here("fail", raises)
    plain = await gateway.plain()
    await plain.send({"action": "fail"})
    answer = await plain.frame()
    assert answer["message"] == "Internal server error"
    assert json.loads(answer["payload"]) == answer["error"]


async def test_a_slow_handler_times_out(
    gateway: Gateway, mounting_here: Mounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounting, "HANDLER_TIMEOUT_S", 0.05)
    ended = asyncio.Event()

    async def slow(event: Event, context: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    mounting_here("slow", slow)
    nobody = await gateway.open()
    answer = await nobody.ask("slow")
    assert answer["message"] == "Endpoint request timed out"
    assert answer["error"]["code"] == "unavailable"
    assert ended.is_set()


async def test_a_handler_that_is_slow_delays_no_other_request(
    gateway: Gateway, mounting_here: Mounter
) -> None:
    go_on = threading.Event()
    mounting_here("slow", lambda event, context: go_on.wait(60))
    nobody = await gateway.open()
    await nobody.send({"action": "slow", "request_id": "slow"})
    try:
        assert await nobody.result("ping") == {"heads": {}}
    finally:
        go_on.set()
    assert (await nobody.frame())["result"] is True


async def test_one_connection_has_a_few_calls_at_once(
    gateway: Gateway, mounting_here: Mounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialog, "JOBS_MAX", 2)
    go_on = asyncio.Event()
    count = 0

    async def slow(event: Event, context: object) -> None:
        nonlocal count
        count += 1
        await go_on.wait()

    mounting_here("slow", slow)
    nobody = await gateway.open()
    for number in range(3):
        await nobody.send({"action": "slow", "request_id": number})
    answer = await nobody.frame()
    assert (answer["request_id"], answer["error"]["code"]) == (2, "rate_limited")
    go_on.set()
    assert {(await nobody.frame())["request_id"] for _ in range(2)} == {0, 1}
    assert count == 2, "what was refused was not called"


@pytest.mark.parametrize("is_async", [False, True])
async def test_what_was_sent_is_done_though_its_sender_leaves_at_once(
    gateway: Gateway, world: World, mounting_here: Mounter, is_async: bool
) -> None:
    done = threading.Event()

    async def note(event: Event, context: object) -> None:
        await asyncio.sleep(0)
        done.set()

    mounting_here("note", note if is_async else lambda event, context: done.set())
    bob = await gateway.plain(world.bob)
    await bob.send({"action": "note"})
    await bob.leave()
    await eventually(done.is_set)


# --- $default -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["What is the score?", "[1, 2]", '{"type": "message"}', '{"action": "nope"}', "null"]
)
async def test_a_default_route_gets_what_no_action_matches(
    gateway: Gateway, mounting_here: Mounter, text: str
) -> None:
    mounting_here("$default", lambda event, context: event, is_two_way=True)
    nobody = await gateway.open()
    await nobody.send(text)
    answer = await nobody.frame()
    assert (answer["action"], answer["ok"]) == ("$default", True)
    assert answer["result"]["body"] == text
    assert answer["result"]["requestContext"]["routeKey"] == "$default"


async def test_a_plain_client_that_asks_in_english_gets_the_score_as_its_first_message(
    gateway: Gateway, world: World, mounting_here: Mounter
) -> None:
    def score(event: Event, context: object) -> Event:
        assert event["body"] == "What is the score?"
        return {"statusCode": 200, "body": "Home 3, guests 1"}

    mounting_here("$default", score, is_two_way=True)
    plain = await gateway.plain(world.bob, "/ws/rooms/garden/")
    await plain.send("What is the score?")
    assert await plain.text() == "Home 3, guests 1"


async def test_actions_and_routes_come_before_the_default(
    gateway: Gateway, mounting_here: Mounter
) -> None:
    mounting_here("$default", returns("default"))
    mounting_here("hello", returns("hello"))
    nobody = await gateway.open()
    assert await nobody.result("ping") == {"heads": {}}
    assert await nobody.result("hello") == "hello"
    assert await nobody.result("Hello") == "default"


async def test_an_object_that_was_sent_as_it_is_is_told_how_to_send_it(gateway: Gateway) -> None:
    for socket in (await gateway.plain(), await gateway.open()):
        await socket.send("[object Object]")
        message = (await socket.frame())["error"]["message"]
        assert "[object Object] is no JSON: send JSON.stringify(object), not the object." in message
        assert '{"action": "ping", "request_id": 1}' in message


async def test_the_servers_own_answer_names_the_mounted_routes(
    gateway: Gateway, mounting_here: Mounter
) -> None:
    mounting_here("hello", returns("hello"))
    nobody = await gateway.open()
    await nobody.send("hello")
    assert "hello, " in (await nobody.frame())["error"]["message"]


# --- $connect -----------------------------------------------------------------------------------


async def test_a_connect_route_lets_in_and_is_told_who_comes(
    gateway: Gateway, world: World, mounting_here: Mounter
) -> None:
    seen: list[Event] = []

    def connect(event: Event, context: object) -> Event:
        seen.append(event)
        return {"statusCode": 200, "body": "Connected"}

    mounting_here("$connect", connect)
    bob = await gateway.open(world.bob, "/ws/rooms/garden/?seq=0")
    (event,) = seen
    assert event["requestContext"]["connectionId"] == bob.hello["connection_id"]
    assert event["requestContext"]["eventType"] == "CONNECT"
    assert event["queryStringParameters"] == {"seq": "0"}
    assert event["headers"]["Host"] == "localhost"
    assert "sessionid" not in json.dumps(event)


@pytest.mark.parametrize(
    "handler",
    [
        returns({"statusCode": 403}),
        returns({"statusCode": 302}),
        returns({"statusCode": "no"}),
        raises,
    ],
)
async def test_a_connect_route_that_answers_other_than_2xx_refuses(
    gateway: Gateway, world: World, mounting_here: Mounter, handler: Any
) -> None:
    ends: list[Event] = []
    mounting_here("$connect", handler)
    mounting_here("$disconnect", lambda event, context: ends.append(event))
    for who in (world.alice, world.bob, world.charlie, None):
        with pytest.raises(Refused):
            await gateway.open(who)
    assert not ends, "who never came in does not leave"


async def test_a_connect_route_that_is_too_slow_refuses(
    gateway: Gateway, mounting_here: Mounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounting, "CONNECT_TIMEOUT_S", 0.05)

    async def slow(event: Event, context: object) -> None:
        await asyncio.Event().wait()

    mounting_here("$connect", slow)
    with pytest.raises(Refused):
        await gateway.open()


# --- $disconnect --------------------------------------------------------------------------------


@pytest.fixture
def ends(mounting_here: Mounter) -> list[Event]:
    """What the `$disconnect` route is told."""
    found: list[Event] = []
    mounting_here("$disconnect", lambda event, context: found.append(event))
    return found


async def test_a_disconnect_route_is_told_of_every_end_once(
    gateway: Gateway, world: World, ends: list[Event]
) -> None:
    bob = await gateway.open(world.bob)
    await bob.leave()
    await eventually(lambda: ends)
    (event,) = ends
    context = event["requestContext"]
    assert context["connectionId"] == bob.hello["connection_id"]
    assert (context["eventType"], context["disconnectStatusCode"]) == ("DISCONNECT", 1006)


async def test_a_disconnect_route_is_told_the_code_and_the_reason_of_a_close(
    gateway: Gateway, world: World, ends: list[Event]
) -> None:
    bob = await gateway.open(world.bob)
    (connection,) = (await gateway.server()).connections
    connection.close(4012)
    assert await bob.closed() == 4012
    await eventually(lambda: ends)
    assert ends[0]["requestContext"]["disconnectStatusCode"] == 4012


async def test_a_disconnect_route_that_fails_disturbs_nobody(
    gateway: Gateway, world: World, mounting_here: Mounter
) -> None:
    called = threading.Event()

    def fail(event: Event, context: object) -> None:
        called.set()
        raise RuntimeError("a bug")

    mounting_here("$disconnect", fail)
    alice, bob = await gateway.open(world.alice), await gateway.open(world.bob)
    await bob.leave()
    await eventually(called.is_set)
    assert await alice.result("ping") == {"heads": {}}


async def test_a_stopping_server_waits_until_ends_are_told(
    gateway: Gateway, world: World, mounting_here: Mounter
) -> None:
    told: list[str] = []

    async def note(event: Event, context: object) -> None:
        await asyncio.sleep(0)
        told.append(event["requestContext"]["connectionId"])

    mounting_here("$disconnect", note)
    sockets: list[Socket] = [await gateway.open(world.bob) for _ in range(30)]
    await (await gateway.server()).drain()
    assert sorted(told) == sorted(socket.hello["connection_id"] for socket in sockets)
