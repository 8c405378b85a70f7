"""Publishing: by whom, how often, and over which way; what is sent again is published once."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from chat import services
from chat.models import Membership, User
from tests.people import World, make_token
from tests.socket.acts import do
from tests.socket.conftest import LAYERS, Gateway
from tests.socket.test_topics import CLOSED, RACE, ROOM, follow, heard, taken

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/api/topics/events/"


def event(**changes: Any) -> dict[str, Any]:
    return {"topic": RACE, "event_type": "NESClick", "payload": {"number": 1}, **changes}


class Program:
    """A program that publishes over HTTP."""

    def __init__(self, token: str = "") -> None:
        self.client = Client()
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    @classmethod
    async def of(cls, user: User, *scopes: str) -> Program:
        return cls(await do(make_token, user, *(scopes or ("publish",))))

    async def post(self, body: Any) -> tuple[int, Any]:
        response = await do(
            self.client.post,
            PATH,
            body if isinstance(body, str) else json.dumps(body),
            content_type="application/json",
            headers=self.headers,
        )
        return response.status_code, response.json()

    async def refused(self, body: Any) -> tuple[int, str]:
        status, answer = await self.post(body)
        return status, answer["error"]["code"]


# --- over a socket ------------------------------------------------------------------------------


@pytest.mark.parametrize("layer_name", LAYERS)
async def test_what_is_sent_again_is_published_once(gateway: Gateway, world: World) -> None:
    alice, bob = await gateway.open(world.alice), await gateway.open(world.bob)
    await follow(bob)
    first = await alice.result("publish", **event(client_id="c-1"))
    assert first["offset"] == 1
    other = await gateway.open(world.alice)
    for socket in (alice, other):
        assert await socket.result("publish", **event(client_id="c-1")) == first
    for change in ({"payload": {"number": 2}}, {"event_type": "DashClick"}):
        error = await alice.refusal("publish", **event(client_id="c-1", **change))
        assert error["code"] == "idempotency_conflict"
    # Another sender's is another one, another topic's too, and without one nothing is the same.
    assert (await bob.result("publish", **event(client_id="c-1")))["offset"] == 2
    elsewhere = await alice.result("publish", **event(client_id="c-1", topic="race/8"))
    assert elsewhere["offset"] == 1
    assert (await alice.result("publish", **event()))["offset"] == 3
    assert (await alice.result("publish", **event()))["offset"] == 4
    await heard(bob, 4)
    assert await bob.so_far() == []


@pytest.mark.parametrize("layer_name", LAYERS)
async def test_a_key_of_the_sender_is_known_as_long_as_its_event_can_be_resumed(
    gateway: Gateway, world: World, settings: Settings
) -> None:
    settings.TOPIC_EVENTS_MAX = 3
    alice = await gateway.open(world.alice)
    for number in range(4):
        await alice.result("publish", **event(client_id=f"c-{number}"))
    assert (await alice.result("publish", **event(client_id="c-1")))["offset"] == 2
    assert (await alice.result("publish", **event(client_id="c-0")))["offset"] == 5


async def test_the_same_event_may_be_written_differently(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    for payload in ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}):
        told = await alice.result("publish", **event(client_id="c-1", payload=payload))
        assert told["offset"] == 1


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"topic": "race 7"}, "invalid", "topic"),
        ({"event_type": ""}, "invalid", "event_type"),
        ({"event_type": "  "}, "invalid", "event_type"),
        ({"event_type": "*"}, "invalid", "event_type"),
        ({"event_type": "x" * 101}, "invalid", "event_type"),
        ({"payload": [1]}, "invalid", "payload"),
        ({"payload": "text"}, "invalid", "payload"),
        ({"payload": None}, "invalid", "payload"),
        ({"payload": {"text": "x" * 32_768}}, "too_large", "payload"),
        ({"payload": {"text": "ü" * 16_384}}, "too_large", "payload"),
        ({"client_id": "with space"}, "invalid", "client_id"),
        ({"client_id": "x" * 65}, "invalid", "client_id"),
        ({"client_id": "two\nlines"}, "invalid", "client_id"),
    ],
)
async def test_an_event_that_makes_no_sense_is_refused(
    gateway: Gateway, world: World, change: dict[str, Any], code: str, field: str
) -> None:
    alice = await gateway.open(world.alice)
    error = await alice.refusal("publish", **event(**change))
    assert error["code"] == code
    assert list(error["fields"]) == [field]
    program = await Program.of(world.alice)
    assert (await program.refused(event(**change)))[1] == code


async def test_a_payload_of_the_full_size_is_taken(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    await follow(alice)
    payload = {"text": "x" * (32_768 - len('{"text":""}'))}
    await alice.result("publish", **event(payload=payload))
    assert json.loads((await taken(alice))["payload"]) == payload


async def test_the_older_form_publishes_too(gateway: Gateway, world: World) -> None:
    alice, wscat = await gateway.open(world.alice), await gateway.plain(world.bob)
    await follow(alice, "iot-events")
    await follow(alice)
    message = {"color": "blue", "button": "a", "axis": None, "value": 1, "source": "ws"}
    iot = {"MessageType": "NESClick", "Message": message}
    # Nothing is answered that was not asked for.
    await wscat.send({"action": "submitIotEvent", "event": iot})
    found = await taken(alice)
    assert (found["topic"], found["message_type"]) == ("iot-events", "NESClick")
    assert json.loads(found["payload"]) == message
    answer = await wscat.ask("submitIotEvent", event=iot, topic=RACE)
    assert answer["result"]["topic"] == RACE
    assert (await taken(alice))["topic"] == RACE
    unknown = {"MessageType": "Never heard of", "Message": {}}
    assert (await wscat.ask("submitIotEvent", event=unknown))["ok"] is True
    assert (await taken(alice))["message_type"] == "Never heard of"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"event": {}},
        {"event": {"Message": {}}},
        {"event": {"MessageType": "", "Message": {}}},
        {"event": {"MessageType": " ", "Message": {}}},
        {"event": {"MessageType": None, "Message": {}}},
        {"event": {"MessageType": "NESClick"}},
        {"event": {"MessageType": "NESClick", "Message": "text"}},
        {"event": "NESClick"},
    ],
)
async def test_the_older_form_without_a_type_is_refused_and_the_socket_stays(
    gateway: Gateway, world: World, body: dict[str, Any]
) -> None:
    plain = await gateway.plain(world.alice)
    assert (await plain.refusal("submitIotEvent", **body))["code"] == "invalid"
    assert (await plain.ask("ping"))["ok"] is True


# --- who may ------------------------------------------------------------------------------------


async def test_nobody_publishes_without_a_name(gateway: Gateway, world: World) -> None:
    nobody = await gateway.open()
    for topic in (RACE, ROOM, CLOSED):
        error = await nobody.refusal("publish", **event(topic=topic))
        assert error["code"] == "not_authenticated"
        assert await Program().refused(event(topic=topic)) == (401, "not_authenticated")
    iot = {"MessageType": "A", "Message": {}}
    assert (await nobody.refusal("submitIotEvent", event=iot))["code"] == "not_authenticated"


async def test_a_key_needs_the_scope_publish(gateway: Gateway, world: World) -> None:
    program = await gateway.program(world.alice, "read", "post")
    assert (await program.refusal("publish", **event()))["code"] == "forbidden"
    assert await (await Program.of(world.alice, "read", "post")).refused(event()) == (
        403,
        "forbidden",
    )
    # And with it alone, nothing else.
    producer = await gateway.program(world.alice, "publish")
    assert await producer.result("publish", **event())
    post = {"room": "garden", "text": "Hello"}
    assert (await producer.refusal("post.create", **post))["code"] == "forbidden"
    only = await Program.of(world.alice)
    assert (await only.post(event()))[0] == 201
    response = await do(
        only.client.post, "/api/rooms/garden/posts/", {"text": "Hello"}, headers=only.headers
    )
    assert response.status_code == 403


@pytest.mark.parametrize(
    ("name", "topic", "code"),
    [
        ("alice", CLOSED, None),
        ("bob", CLOSED, None),
        ("charlie", CLOSED, "not_found"),
        ("bob", ROOM, None),
        ("charlie", ROOM, "forbidden"),
        ("alice", "room/nowhere/x", "not_found"),
        ("alice", "room", "not_found"),
        ("charlie", "rooms/cellar", None),
    ],
)
async def test_who_may_post_in_a_room_may_publish_below_it(
    gateway: Gateway, world: World, name: str, topic: str, code: str | None
) -> None:
    user = getattr(world, name)
    socket, program = await gateway.open(user), await Program.of(user)
    answer = await socket.ask("publish", **event(topic=topic))
    status, told = await program.post(event(topic=topic))
    if code is None:
        assert answer["result"]["offset"] == 1
        assert (status, told["offset"]) == (201, 2)
    else:
        assert answer["error"]["code"] == told["error"]["code"] == code


def mute(world: World) -> None:
    muted = Membership.objects.get(room=world.cellar, user=world.bob)
    muted.muted_until = timezone.now() + timedelta(hours=1)
    muted.save()


def archive(world: World) -> None:
    services.update_room(viewer=world.alice, slug="cellar", is_archived=True)


def announce(world: World) -> None:
    services.update_room(viewer=world.alice, slug="cellar", is_announcement_only=True)


def leave(world: World) -> None:
    services.leave_room(viewer=world.bob, slug="cellar")


@pytest.mark.parametrize("lose", [mute, archive, announce, leave])
async def test_who_may_no_longer_post_may_publish_for_a_second_at_most(
    gateway: Gateway, world: World, lose: Any
) -> None:
    bob = await gateway.open(world.bob)
    await bob.result("publish", **event(topic=CLOSED))
    await do(lose, world)
    loop = asyncio.get_running_loop()
    lost_at = loop.time()
    while (answer := await bob.ask("publish", **event(topic=CLOSED)))["ok"]:
        assert loop.time() - lost_at < 5
        await asyncio.sleep(0.2)
    assert answer["error"]["code"] in ("forbidden", "not_found")


async def test_publishing_to_a_room_asks_the_database_once_a_second(
    gateway: Gateway, world: World, queries: list[str]
) -> None:
    producer = await gateway.program(world.bob, "publish")
    await producer.result("publish", **event(topic=CLOSED))
    loop = asyncio.get_running_loop()
    began, once = loop.time(), 3
    queries.clear()
    for _ in range(50):
        await producer.result("publish", **event(topic=CLOSED))
    assert len(queries) <= once * (int(loop.time() - began) + 1)


async def test_rates_are_those_of_people_and_of_producers(
    gateway: Gateway, world: World, settings: Settings
) -> None:
    settings.REQUESTS_BURST, settings.PRODUCER_REQUESTS_BURST = 5, 50
    person, key = await gateway.open(world.alice), await gateway.program(world.alice, "publish")
    for socket, burst in ((person, 5), (key, 50)):
        answers = [await socket.ask("publish", **event()) for _ in range(burst)]
        assert all(answer["ok"] for answer in answers)
        while (answer := await socket.ask("publish", **event()))["ok"]:
            pass
        assert answer["error"]["code"] == "rate_limited"
        assert answer["error"]["retry_after_ms"] > 0


# --- over HTTP ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layer_name", LAYERS)
async def test_an_event_over_http_reaches_sockets(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    told = await follow(alice)
    program = await Program.of(world.bob)
    status, answer = await program.post(event())
    assert status == 201
    assert answer == {"topic": RACE, "epoch": told["epoch"], "offset": 1}
    assert (await taken(alice))["payload"] == '{"number":1}'
    again = event(client_id="c-1")
    assert await program.post(again) == await program.post(again)
    assert await program.refused({**again, "payload": {}}) == (409, "idempotency_conflict")
    # The socket's own way knows what came over the other.
    bob = await gateway.open(world.bob)
    assert (await bob.result("publish", **again))["offset"] == 2


async def test_a_session_publishes_over_http_with_its_csrf_token(
    gateway: Gateway, world: World
) -> None:
    client = Client(enforce_csrf_checks=True)
    await do(client.force_login, world.alice)
    send: dict[str, Any] = {"data": json.dumps(event()), "content_type": "application/json"}
    assert (await do(client.post, PATH, **send)).status_code == 403
    await do(client.get, "/rooms/garden/")
    headers = {"X-CSRFToken": client.cookies["csrftoken"].value}
    assert (await do(client.post, PATH, headers=headers, **send)).status_code == 201


@pytest.mark.parametrize("layer_name", LAYERS)
async def test_a_batch_is_answered_record_by_record(gateway: Gateway, world: World) -> None:
    bob = await gateway.open(world.bob)
    await follow(bob)
    program = await Program.of(world.bob)
    records = [
        event(payload={"number": 0}),
        event(topic="bad topic"),
        event(payload={"number": 1}, client_id="c-1"),
        "no object",
        event(topic="room/nowhere/x"),
        event(topic="race/8", payload={"number": 2}),
        event(payload={"number": 1}, client_id="c-1"),
        event(payload={"number": 9}, client_id="c-1"),
        event(topic=CLOSED, payload={"number": 3}),
        event(payload={"text": "x" * 40_000}),
        event(payload={"number": 4}),
    ]
    status, answer = await program.post({"records": records})
    assert status == 200
    told = [
        each["error"]["code"] if "error" in each else (each["topic"], each["offset"])
        for each in answer["records"]
    ]
    assert told == [
        (RACE, 1),
        "invalid",
        (RACE, 2),
        "invalid",
        "not_found",
        ("race/8", 1),
        (RACE, 2),
        "idempotency_conflict",
        (CLOSED, 1),
        "too_large",
        (RACE, 3),
    ]
    assert answer["failed_record_count"] == 5
    assert answer["records"][1]["error"]["fields"].keys() == {"topic"}
    assert await heard(bob, 3) == [0, 1, 4]
    assert await bob.so_far() == []


@pytest.mark.parametrize(
    "body",
    [
        {"records": []},
        {"records": [event()] * 501},
        {"records": event()},
        {"records": None},
        {},
        {"topic": RACE},
    ],
)
async def test_a_body_that_makes_no_sense_is_refused(
    gateway: Gateway, world: World, body: Any
) -> None:
    program = await Program.of(world.alice)
    assert await program.refused(body) == (400, "invalid")
    assert await program.refused("[") == (400, "invalid")


async def test_a_batch_of_the_full_length_keeps_its_order(gateway: Gateway, world: World) -> None:
    program = await Program.of(world.alice)
    records = [event(payload={"number": number}) for number in range(500)]
    status, answer = await program.post({"records": records})
    assert (status, answer["failed_record_count"]) == (200, 0)
    assert [each["offset"] for each in answer["records"]] == list(range(1, 501))
    alice = await gateway.open(world.alice)
    told = await follow(alice, offset=244)
    assert [json.loads(each["payload"])["number"] for each in told["events"]] == list(
        range(244, 500)
    )


@pytest.mark.parametrize("is_key", [True, False])
async def test_events_over_http_are_counted_over_all_requests(
    gateway: Gateway, world: World, settings: Settings, is_key: bool
) -> None:
    settings.PRODUCER_REQUESTS_PER_SECOND, settings.REQUESTS_PER_SECOND = 5, 2
    program, most = await Program.of(world.alice), 50
    if not is_key:
        program, most = Program(), 20
        await do(program.client.force_login, world.alice)
    other = await Program.of(world.bob)
    for _ in range(3):  # A new window may begin between two requests, and once more by the way.
        assert (await program.post({"records": [event()] * (most - 1)}))[0] == 200
        assert (await program.post(event()))[0] in (201, 429)
        status, answer = await program.post({"records": [event()] * 2})
        if status == 429:
            break
    assert answer["error"]["code"] == "rate_limited"
    assert 0 < answer["error"]["retry_after_ms"] <= 10_000
    assert (await other.post(event()))[0] == 201
