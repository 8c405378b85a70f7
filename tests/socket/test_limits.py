"""Everything is bounded: rates, sizes, silence, and slow readers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chat.realtime import connection as connection_module
from chat.realtime import dialog
from chat.realtime.connection import Connection
from chat.realtime.server import Server
from tests.people import World
from tests.socket.acts import caught_bells, post, post_many
from tests.socket.client import Socket, seqs
from tests.socket.conftest import Gateway, eventually

pytestmark = pytest.mark.django_db(transaction=True)


async def connection_of(gateway: Gateway, socket: Socket) -> Connection:
    server = await gateway.server()
    (found,) = [each for each in server.connections if each.id == socket.hello["connection_id"]]
    return found


# --- rates --------------------------------------------------------------------------------------


async def test_too_many_requests_are_told_when_to_come_back(
    gateway: Gateway, settings: Any
) -> None:
    settings.REQUESTS_PER_SECOND, settings.REQUESTS_BURST = 5, 3
    nobody = await gateway.open()
    for number in range(4):
        await nobody.send({"action": "ping", "request_id": number})
    answers = [await nobody.frame() for _ in range(4)]
    assert [answer["ok"] for answer in answers] == [True, True, True, False]
    error = answers[3]["error"]
    assert (answers[3]["request_id"], error["code"]) == (3, "rate_limited")
    assert 0 < error["retry_after_ms"] <= 200
    await asyncio.sleep(error["retry_after_ms"] / 1000)  # what the answer asked for
    assert await nobody.result("ping") == {"heads": {}}


@pytest.mark.parametrize(
    "text",
    [
        '{"action": "ping"}',
        "plain text",
        '{"action": "nope"}',
        '{"action": "ping", "request_id": 1.5}',
        '{"a": ' + "[" * 50 + "]" * 50 + "}",
        r'{"a": "\ud800"}',
    ],
)
async def test_who_goes_on_regardless_is_closed(gateway: Gateway, settings: Any, text: str) -> None:
    settings.REQUESTS_PER_SECOND, settings.REQUESTS_BURST = 1, 5
    nobody = await gateway.open()
    for _ in range(dialog.REFUSALS_MAX + 10):
        await nobody.send(text)
    assert await nobody.closed() == 4108
    farewell = nobody.aside[-1]
    assert (farewell["type"], farewell["reason"]) == ("disconnect", "rate_limited")
    assert farewell["reconnect"] is True
    assert farewell["retry_after_ms"] > 0


async def test_one_sockets_rate_is_not_anothers(gateway: Gateway, settings: Any) -> None:
    settings.REQUESTS_PER_SECOND, settings.REQUESTS_BURST = 1, 3
    first, second = await gateway.open(), await gateway.open()
    for _ in range(10):
        await first.send({"action": "ping"})
    assert await second.result("ping") == {"heads": {}}


async def test_streams_at_once_are_limited(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on = asyncio.Event()

    async def endless(request: object, body: object) -> Any:
        await may_go_on.wait()
        yield {}

    from chat.realtime.router import Action, router  # noqa: PLC0415
    from posts.actions import History  # noqa: PLC0415

    action = Action("history", History, None, endless, "read", True)
    monkeypatch.setitem(router.actions, "history", action)
    nobody = await gateway.open()
    for number in range(dialog.JOBS_MAX + 1):
        await nobody.send({"action": "history", "request_id": number, "room": "garden"})
    answer = await nobody.frame()
    assert answer["request_id"] == dialog.JOBS_MAX
    assert answer["error"]["code"] == "rate_limited"
    may_go_on.set()
    done = 0
    while done < dialog.JOBS_MAX:
        done += (await nobody.frame()).get("done", False)


# --- sizes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["x", "ä", "🎉"])
async def test_a_message_of_the_full_size_is_taken_and_a_larger_one_closes(
    gateway: Gateway, settings: Any, text: str
) -> None:
    size = settings.MESSAGE_BYTES_MAX
    frame = '{"action": "ping", "request_id": 1, "more": "%s"}'
    room = size - len(frame) + 2
    filled = frame % (text * (room // len(text.encode()) - 1))
    filled += " " * (size - len(filled.encode()))
    nobody = await gateway.open()
    await nobody.send(filled)
    assert (await nobody.frame())["ok"] is True
    await nobody.send(filled + " ")
    assert await nobody.closed() == 1009
    assert nobody.aside[-1]["code"] == 1009


@pytest.mark.parametrize("is_quiet", [False, True])
async def test_a_binary_message_closes(gateway: Gateway, is_quiet: bool) -> None:
    socket = await (gateway.plain() if is_quiet else gateway.open())
    await socket.send(b'{"action": "ping"}')
    assert await socket.closed() == 1003
    assert len(socket.aside) == (0 if is_quiet else 1)


# --- silence ------------------------------------------------------------------------------------


class Clock:
    """The server's monotonic clock, turned by hand."""

    def __init__(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = float(int(server.now()))  # so that sums are exact
        monkeypatch.setattr(server, "now", lambda: self.seconds)
        self._server = server

    def turn(self, seconds: float) -> None:
        self.seconds += seconds
        self._server.look_at_heartbeats()


@pytest.fixture
async def clock(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(await gateway.server(), monkeypatch)


async def test_a_heartbeat_names_the_heads(gateway: Gateway, world: World, clock: Clock) -> None:
    alice = await gateway.open(world.alice)
    result = await alice.result("subscribe", rooms=["garden", "cellar"])
    clock.turn(24.9)
    assert await alice.so_far() == []
    clock.turn(0.2)
    heads = {room["room"]: room["seq"] for room in result["rooms"]}
    assert await alice.so_far() == [{"type": "heartbeat", "heads": heads}]
    clock.turn(1)
    assert await alice.so_far() == [], "one each 25 seconds"
    clock.turn(24.1)
    assert len(await alice.so_far()) == 1


async def test_silence_of_two_heartbeats_closes(gateway: Gateway, clock: Clock) -> None:
    nobody = await gateway.open()
    clock.turn(25)
    assert (await nobody.frame())["type"] == "heartbeat"
    clock.turn(23)
    assert await nobody.so_far() == [], "not yet"
    clock.turn(25)
    assert (await nobody.frame())["type"] == "heartbeat"
    clock.turn(23.9)
    assert await nobody.closed() == 4209
    assert nobody.aside[-1] == {
        "type": "disconnect",
        "code": 4209,
        "reason": "heartbeat_missed",
        "reconnect": True,
        "retry_after_ms": None,
    }


@pytest.mark.parametrize("text", ['{"action": "ping"}', "anything", '{"action": "nope"}'])
async def test_any_frame_is_a_sign_of_life(gateway: Gateway, clock: Clock, text: str) -> None:
    nobody = await gateway.open()
    for _ in range(6):
        clock.turn(20)
        await nobody.send(text)
        while (await nobody.frame()).get("type") == "heartbeat":
            pass
    assert await nobody.result("ping") == {"heads": {}}


async def test_quiet_sockets_owe_no_heartbeat_and_get_none(gateway: Gateway, clock: Clock) -> None:
    nobody = await gateway.plain()
    clock.turn(3600)
    assert await nobody.so_far() == []


async def test_heads_leave_out_what_is_held_back_for_a_replay(
    gateway: Gateway, world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A heartbeat tells up to where events were put in front of it, not what still waits."""
    from chat.access import access_room  # noqa: PLC0415
    from tests.socket.test_subscribing import Pause  # noqa: PLC0415

    alice, watcher = await gateway.open(world.alice), await gateway.open(world.bob)
    for socket in (alice, watcher):
        await socket.result("subscribe", rooms=["garden", "cellar"])
    pause = Pause(access_room)
    monkeypatch.setattr("chat.realtime.hub.access_room", pause)
    rooms = [{"room": "garden", "seq": 0}]
    await alice.send({"action": "subscribe", "request_id": "s", "rooms": rooms})
    await pause.reached.wait()
    await post(world.bob, "held back")
    await watcher.event("post.created")
    clock.turn(25)
    assert set((await alice.frame())["heads"]) == {"cellar"}
    pause.may_go_on.set()
    assert (await alice.frame())["request_id"] == "s"
    assert (await alice.frame())["data"]["text"] == "held back"


# --- slow readers -------------------------------------------------------------------------------


async def test_a_slow_reader_is_closed_and_delays_nobody(
    gateway: Gateway, world: World, settings: Any
) -> None:
    settings.OUTBOX_MESSAGES_MAX = 20
    slow, fast = await gateway.open(world.alice), await gateway.open(world.bob)
    for socket in (slow, fast):
        await socket.result("subscribe", rooms=["garden"])
    connection = await connection_of(gateway, slow)
    slow.reading.clear()
    await post_many(world.bob, 30)
    got = [await fast.event("post.created") for _ in range(30)]
    assert len(seqs(got)) == 30
    await eventually(lambda: connection.is_closing)
    assert len(connection.outbox) <= 1
    hub = await gateway.hub()
    assert connection not in hub.rooms[world.garden.pk].subscriptions
    slow.reading.set()
    assert await slow.closed() == 4210
    farewell = slow.aside.pop()
    assert (farewell["reason"], farewell["reconnect"]) == ("slow_reader", True)
    assert len(slow.aside) <= 1, "what waited was thrown away"


async def test_a_slow_reader_comes_back_with_its_position(
    gateway: Gateway, world: World, settings: Any
) -> None:
    settings.OUTBOX_MESSAGES_MAX = 5
    slow = await gateway.open(world.alice)
    (room,) = (await slow.result("subscribe", rooms=["garden"]))["rooms"]
    slow.reading.clear()
    await post_many(world.bob, 20)
    slow.reading.set()
    assert await slow.closed() == 4210
    handled = max([room["seq"], *seqs(slow.aside)])
    again = await gateway.open(world.alice)
    position = {"room": "garden", "epoch": room["epoch"], "seq": handled}
    (answer,) = (await again.result("subscribe", rooms=[position]))["rooms"]
    assert seqs(answer["events"]) == list(range(handled + 1, room["seq"] + 21))


async def test_a_peer_that_never_reads_its_close_is_aborted(
    gateway: Gateway, world: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "CLOSE_TIMEOUT_S", 0.1)
    settings.OUTBOX_MESSAGES_MAX = 5
    slow = await gateway.open(world.alice)
    await slow.result("subscribe", rooms=["garden"])
    slow.reading.clear()
    await post_many(world.bob, 20)
    await slow.gone()
    assert slow.is_aborted
    assert not (await gateway.server()).connections


async def test_heartbeats_are_dropped_before_a_slow_reader_is(
    gateway: Gateway, world: World, clock: Clock, settings: Any
) -> None:
    settings.OUTBOX_MESSAGES_MAX = 8
    slow, watcher = await gateway.open(world.alice), await gateway.plain(world.bob)
    for socket in (slow, watcher):
        await socket.result("subscribe", rooms=["garden"])
    connection = await connection_of(gateway, slow)
    slow.reading.clear()
    for _ in range(12):
        clock.turn(25)
        connection.heard_at = clock.seconds
    assert not connection.is_closing
    await post_many(world.bob, 5)
    while len(seqs(watcher.aside)) < 5:
        watcher.aside.append(await watcher.frame())
    assert not connection.is_closing
    slow.reading.set()
    assert len(seqs(await slow.so_far())) == 5


async def test_a_replay_counts_as_one_message(
    gateway: Gateway, world: World, settings: Any
) -> None:
    settings.OUTBOX_MESSAGES_MAX = 5
    await post_many(world.bob, 30)
    for opening in (gateway.open, gateway.plain):
        socket = await opening(world.alice)
        await socket.send(
            {"action": "subscribe", "request_id": 1, "rooms": [{"room": "garden", "seq": 0}]}
        )
        await socket.until(lambda frame: frame.get("request_id") == 1)
        await socket.so_far()


async def test_a_broken_send_frees_everything(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's error for a peer that is gone does not leave a subscription behind."""
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", rooms=["garden"])
    connection = await connection_of(gateway, alice)

    async def broken(message: object) -> None:
        raise RuntimeError("Attempt to send on a closed protocol")

    connection._send = broken
    await post(world.bob, "to nobody")
    with caught_bells():
        await post(world.bob, "to nobody")
    await alice.leave()
    server = await gateway.server()
    await eventually(lambda: not server.hub.rooms)
    assert not server.connections
