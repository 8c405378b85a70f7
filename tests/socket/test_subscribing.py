"""Subscribing and resuming: all that was missed, or none of it and a reason."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from chat import access
from chat.realtime import hub as hub_module
from chat.realtime import stream
from chat.services import remove_member
from tests.people import World, make_room
from tests.socket.acts import caught_bells, do, head, post, post_many
from tests.socket.client import Frame, Socket, seqs
from tests.socket.conftest import Gateway, eventually

pytestmark = pytest.mark.django_db(transaction=True)


async def subscribe(socket: Socket, **position: Any) -> Frame:
    """Subscribe to the garden with a position; return the room's answer."""
    result = await socket.result("subscribe", rooms=[{"room": "garden", **position}])
    answer: Frame = result["rooms"][0]
    return answer


async def test_without_a_position_the_head_is_told(gateway: Gateway, world: World) -> None:
    epoch, last = await head(world.garden)
    alice = await gateway.open(world.alice)
    assert await subscribe(alice) == {
        "room": "garden",
        "epoch": epoch,
        "seq": last,
        "recovered": None,
        "events": [],
    }


async def test_a_bare_slug_is_a_room_without_a_position(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    result = await alice.result("subscribe", rooms=["garden", {"room": "cellar"}])
    assert [room["room"] for room in result["rooms"]] == ["garden", "cellar"]


async def test_everything_since_a_position_is_replayed_in_order(
    gateway: Gateway, world: World
) -> None:
    epoch, last = await head(world.garden)
    await post_many(world.bob, 5)
    alice = await gateway.open(world.alice)
    answer = await subscribe(alice, epoch=epoch, seq=last)
    assert answer["recovered"] is True
    assert answer["seq"] == last + 5
    assert seqs(answer["events"]) == list(range(last + 1, last + 6))
    assert "reason" not in answer
    await post(world.bob, "live")
    assert (await alice.event("post.created"))["seq"] == last + 6


async def test_replayed_events_are_the_live_ones(gateway: Gateway, world: World) -> None:
    listener = await gateway.open(world.bob)
    epoch, last = await head(world.garden)
    await subscribe(listener)
    await post(world.alice, "Hello", client_id="c-1")
    live = await listener.event("post.created")
    hub = await gateway.hub()
    late = await gateway.open(world.alice)
    from_ring = (await subscribe(late, epoch=epoch, seq=last))["events"]
    hub.rooms[world.garden.pk].ring.clear()
    from_log = (await subscribe(late, epoch=epoch, seq=last))["events"]
    assert from_ring == from_log == [live]
    assert live["client_id"] == "c-1"
    assert live["actor"]["username"] == "alice"


async def test_the_whole_log_is_replayed_from_position_0(gateway: Gateway, world: World) -> None:
    _, last = await head(world.garden)
    alice = await gateway.open(world.alice)
    answer = await subscribe(alice, seq=0)
    assert seqs(answer["events"]) == list(range(1, last + 1))


async def test_being_at_the_head_is_recovered_without_events(
    gateway: Gateway, world: World
) -> None:
    epoch, last = await head(world.garden)
    alice = await gateway.open(world.alice)
    answer = await subscribe(alice, epoch=epoch, seq=last)
    assert (answer["recovered"], answer["events"]) == (True, [])


async def refused(gateway: Gateway, world: World, **position: Any) -> str:
    """Subscribe with a position that cannot be resumed; return the reason."""
    alice = await gateway.open(world.alice)
    answer = await subscribe(alice, **position)
    epoch, last = await head(world.garden)
    assert answer["recovered"] is False
    assert answer["events"] == []
    assert (answer["epoch"], answer["seq"]) == (epoch, last), "the head is told"
    await post(world.bob, "live all the same")
    assert (await alice.event("post.created"))["seq"] == last + 1
    reason: str = answer["reason"]
    return reason


async def test_another_epoch_is_not_resumed(gateway: Gateway, world: World) -> None:
    for epoch in ("other", ""):
        assert await refused(gateway, world, epoch=epoch, seq=1) == "epoch_changed"


async def test_a_position_beyond_the_head_is_not_resumed(gateway: Gateway, world: World) -> None:
    _, last = await head(world.garden)
    assert await refused(gateway, world, seq=last + 1) == "seq_ahead"


async def test_a_trimmed_position_is_not_resumed(gateway: Gateway, world: World) -> None:
    _, last = await head(world.garden)
    await post_many(world.bob, 3)
    await do(stream.trim, world.garden.pk, below=last + 2)
    assert await refused(gateway, world, seq=last) == "trimmed"


async def test_the_oldest_position_that_is_left_is_resumed(gateway: Gateway, world: World) -> None:
    _, last = await head(world.garden)
    await post_many(world.bob, 3)
    await do(stream.trim, world.garden.pk, below=last + 2)
    alice = await gateway.open(world.alice)
    assert seqs((await subscribe(alice, seq=last + 1))["events"]) == [last + 2, last + 3]


@pytest.mark.parametrize("is_in_ring", [False, True])
async def test_too_many_events_are_not_replayed(
    gateway: Gateway, world: World, settings: Any, is_in_ring: bool
) -> None:
    settings.REPLAY_EVENTS_MAX = 5
    _, last = await head(world.garden)
    if is_in_ring:
        await subscribe(await gateway.open(world.bob))
    await post_many(world.bob, 6)
    assert await refused(gateway, world, seq=last) == "too_many"
    alice = await gateway.open(world.alice)
    assert len((await subscribe(alice, seq=last + 2))["events"]) == 5


async def test_too_many_bytes_are_not_replayed(
    gateway: Gateway, world: World, settings: Any
) -> None:
    settings.REPLAY_BYTES_MAX = 3000
    _, last = await head(world.garden)
    await post(world.bob, "日本" * 600)
    assert await refused(gateway, world, seq=last) == "too_many"


async def test_the_limits_count_over_all_rooms_in_their_order(
    gateway: Gateway, world: World, settings: Any
) -> None:
    settings.REPLAY_EVENTS_MAX = 5
    positions = {}
    for room in (world.garden, world.cellar):
        positions[room.slug] = (await head(room))[1]
        await post_many(world.bob, 3, room=room.slug)
    alice = await gateway.open(world.alice)
    rooms = [{"room": slug, "seq": seq} for slug, seq in positions.items()]
    first, second = (await alice.result("subscribe", rooms=rooms))["rooms"]
    assert (first["recovered"], len(first["events"])) == (True, 3)
    assert (second["recovered"], second["reason"]) == (False, "too_many")


async def test_a_position_that_a_page_or_another_process_knew_first_is_not_ahead(
    gateway: Gateway, world: World
) -> None:
    """A client posts over REST and subscribes with the answer, before our doorbell rang."""
    alice, bob = await gateway.open(world.alice), await gateway.open(world.bob)
    epoch = (await subscribe(alice))["epoch"]
    with caught_bells():
        await post_many(world.bob, 3)
    _, last = await head(world.garden)
    answer = await subscribe(bob, epoch=epoch, seq=last - 1)
    assert answer["recovered"] is True
    assert (answer["seq"], seqs(answer["events"])) == (last, [last])
    got = [(await alice.event("post.created"))["seq"] for _ in range(3)]
    assert got == [last - 2, last - 1, last], "and the others do not miss it either"
    assert await bob.so_far() == []


async def test_the_epoch_that_a_page_knew_first_is_resumed(gateway: Gateway, world: World) -> None:
    alice, bob = await gateway.open(world.alice), await gateway.open(world.bob)
    await subscribe(alice)
    _, last = await head(world.garden)
    await do(
        type(world.garden).objects.filter(pk=world.garden.pk).update_unpublished,
        epoch="restored",
    )
    answer = await subscribe(bob, epoch="restored", seq=last)
    assert (answer["recovered"], answer["epoch"]) == (True, "restored")
    assert (await alice.event("gap"))["epoch"] == "restored"


# --- again --------------------------------------------------------------------------------------


async def test_again_with_a_position_replays_once_more_and_goes_on(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice)
    start = (await subscribe(alice))["seq"]
    await post_many(world.bob, 3)
    assert seqs([await alice.event("post.created") for _ in range(3)])
    answer = await subscribe(alice, seq=start + 1)
    assert seqs(answer["events"]) == [start + 2, start + 3]
    await post(world.bob, "live")
    assert (await alice.event("post.created"))["seq"] == start + 4


async def test_again_without_a_position_goes_on_undisturbed(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    start = (await subscribe(alice))["seq"]
    await post(world.bob, "one")
    await alice.event("post.created")
    assert (await subscribe(alice))["seq"] == start + 1
    await post(world.bob, "two")
    assert (await alice.event("post.created"))["seq"] == start + 2
    assert await alice.so_far() == [], "one subscription, one copy"


async def test_again_and_refused_leaves_the_subscription_as_it_was(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice)
    start = (await subscribe(alice))["seq"]
    await alice.refusal("subscribe", rooms=["garden", "nowhere"])
    await post(world.bob, "live")
    assert (await alice.event("post.created"))["seq"] == start + 1


# --- rooms that cannot be had -------------------------------------------------------------------


@pytest.mark.parametrize("room", ["cellar", "nowhere"])
async def test_one_room_that_cannot_be_had_refuses_all(
    gateway: Gateway, world: World, room: str
) -> None:
    charlie = await gateway.open(world.charlie)
    error = await charlie.refusal("subscribe", rooms=["garden", {"room": room, "seq": 0}])
    assert (error["code"], error["fields"]) == ("not_found", {"room": room})
    await post(world.alice, "nobody hears it")
    assert await charlie.so_far() == []
    hub = await gateway.hub()
    await eventually(lambda: not hub.rooms)


async def test_the_invisible_and_the_absent_are_refused_alike(
    gateway: Gateway, world: World
) -> None:
    await (await gateway.open(world.alice)).result("subscribe", rooms=["cellar"])
    for stranger in (await gateway.open(world.charlie), await gateway.open()):
        invisible, absent = [
            await stranger.refusal("subscribe", rooms=[{"room": room, "epoch": "e", "seq": 1}])
            for room in ("cellar", "nowhere")
        ]
        assert {**invisible, "fields": None} == {**absent, "fields": None}


@pytest.mark.parametrize(
    "rooms",
    [
        [],
        ["garden", "garden"],
        ["garden", {"room": "garden"}],
        [{"room": "garden", "epoch": "e1"}],
        [{"room": "garden", "epoch": ""}],
        [{"room": "garden", "seq": -1}],
        [{"room": "garden", "seq": "1"}],
        [{"room": "garden", "seq": None}],
        [{"room": "garden", "seq": 1.0}],
        [{"room": "garden", "seq": 2**63}],
        [{"room": "garden", "epoch": 1, "seq": 1}],
        [{"room": ""}],
        [{"room": None}],
        [{}],
        [5],
        "garden",
        None,
        ["garden"] * 201,
        [f"r{number}" for number in range(201)],
    ],
)
async def test_malformed_subscribes_are_invalid_and_change_nothing(
    gateway: Gateway, world: World, rooms: object
) -> None:
    alice = await gateway.open(world.alice)
    assert (await alice.refusal("subscribe", rooms=rooms))["code"] == "invalid"
    assert (await alice.result("ping"))["heads"] == {}


async def test_subscriptions_are_limited(gateway: Gateway, world: World, settings: Any) -> None:
    settings.SUBSCRIPTIONS_MAX = 2
    await do(make_room, "third", world.alice)
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", rooms=["garden", "cellar"])
    await alice.result("subscribe", rooms=["garden", "cellar"])
    assert (await alice.refusal("subscribe", rooms=["third"]))["code"] == "invalid"
    assert set((await alice.result("ping"))["heads"]) == {"garden", "cellar"}
    await alice.result("unsubscribe", rooms=["garden"])
    await alice.result("subscribe", rooms=["third"])


# --- unsubscribe --------------------------------------------------------------------------------


async def test_no_event_comes_after_the_answer_to_unsubscribe(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", rooms=["garden", "cellar"])
    result = await alice.result("unsubscribe", rooms=["garden", {"room": "nowhere"}])
    assert result == {"rooms": ["garden", "nowhere"]}
    await post(world.bob, "not heard")
    await post(world.bob, "heard", room="cellar")
    assert (await alice.frame())["data"]["text"] == "heard"


# --- races --------------------------------------------------------------------------------------


async def test_subscribing_while_others_post_leaves_no_hole_and_no_double(
    gateway: Gateway, world: World
) -> None:
    epoch, start = await head(world.garden)
    writing = asyncio.create_task(post_many(world.bob, 60))
    sockets = []
    while not writing.done():
        socket = await gateway.open(path=f"/ws/rooms/garden/?epoch={epoch}&seq={start}")
        again = await gateway.open()
        answer = await subscribe(again, epoch=epoch, seq=start)
        again.aside[:0] = answer["events"]
        sockets += [socket, again]
    await writing
    assert len(sockets) > 4
    for socket in sockets:
        while len(seqs(socket.aside)) < 60:
            socket.aside.append(await socket.frame())
        assert seqs(socket.aside) == list(range(start + 1, start + 61))
        assert await socket.so_far() == socket.aside or True


class Pause:
    """Stops a function of the database just after it has read, until it is let go."""

    def __init__(self, function: Callable[..., Any], *, on_call: int = 1) -> None:
        self._function = function
        self._left = on_call
        self._loop = asyncio.get_running_loop()
        self.reached = asyncio.Event()
        self.may_go_on = asyncio.Event()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._function(*args, **kwargs)
        finally:
            self._left -= 1
            if self._left == 0:
                self._loop.call_soon_threadsafe(self.reached.set)
                asyncio.run_coroutine_threadsafe(self.may_go_on.wait(), self._loop).result(10)


async def test_what_happens_while_the_log_is_read_follows_the_replay(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await gateway.open(world.alice)
    epoch, start = await head(world.garden)
    await post_many(world.bob, 3)
    pause = Pause(stream.read)
    monkeypatch.setattr(stream, "read", pause)
    await alice.send(
        {
            "action": "subscribe",
            "request_id": "s",
            "rooms": [{"room": "garden", "epoch": epoch, "seq": start}],
        }
    )
    await pause.reached.wait()
    await post_many(world.bob, 3)
    pause.may_go_on.set()
    answer = await alice.frame()
    assert seqs(answer["result"]["rooms"][0]["events"]) == [start + 1, start + 2, start + 3]
    live = [(await alice.frame())["seq"] for _ in range(3)]
    assert live == [start + 4, start + 5, start + 6]


async def test_a_right_that_is_lost_between_reading_it_and_the_answer_is_noticed(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket is indexed first, its right is read second: nothing slips between."""
    bob = await gateway.open(world.bob)
    pause = Pause(access.access_room, on_call=2)
    monkeypatch.setattr(hub_module, "access_room", pause)
    await bob.send(
        {"action": "subscribe", "request_id": "s", "rooms": [{"room": "cellar", "seq": 0}]}
    )
    await pause.reached.wait()
    await do(remove_member, viewer=world.alice, slug="cellar", username="bob")
    hub = await gateway.hub()
    await eventually(lambda: world.cellar.pk not in hub.rooms)
    pause.may_go_on.set()
    answer = await bob.frame()
    assert answer["error"]["code"] == "not_found"
    assert await bob.so_far() == []


async def test_a_room_that_is_lost_while_another_is_read_is_not_answered(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post(world.alice, "secret", room="cellar")
    bob = await gateway.open(world.bob)
    pause = Pause(access.access_room, on_call=3)
    monkeypatch.setattr(hub_module, "access_room", pause)
    rooms = [{"room": "cellar", "seq": 0}, {"room": "garden"}]
    await bob.send({"action": "subscribe", "request_id": "s", "rooms": rooms})
    await pause.reached.wait()
    await do(remove_member, viewer=world.alice, slug="cellar", username="bob")
    hub = await gateway.hub()
    await eventually(lambda: world.cellar.pk not in hub.rooms)
    pause.may_go_on.set()
    answer = await bob.frame()
    assert answer["error"] == {**answer["error"], "code": "not_found", "fields": {"room": "cellar"}}
    await post(world.alice, "nobody hears it")
    assert await bob.so_far() == []


async def test_a_stranger_hears_nothing_of_a_room_while_being_refused(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the loss of it nor a gap, which would tell that the room exists."""
    alice, charlie = await gateway.open(world.alice), await gateway.open(world.charlie)
    await alice.result("subscribe", rooms=["cellar"])
    hub = await gateway.hub()
    state = hub.rooms[world.cellar.pk]
    pause = Pause(lambda *args: None)
    monkeypatch.setattr(hub_module, "access_room", pause)
    await charlie.send({"action": "subscribe", "request_id": "s", "rooms": ["cellar"]})
    await pause.reached.wait()
    state.reset(state.head(), "epoch_changed")
    await alice.event("gap")
    await do(remove_member, viewer=world.alice, slug="cellar", username="bob")
    await alice.event("member.removed")
    pause.may_go_on.set()
    answer = await charlie.frame()
    assert answer["error"]["code"] == "not_found"
    assert await charlie.so_far() == []


async def test_a_reset_while_the_log_is_read_is_answered_with_the_new_head(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await gateway.open(world.alice), await gateway.open(world.bob)
    await alice.result("subscribe", rooms=["garden"])
    state = (await gateway.hub()).rooms[world.garden.pk]
    pause = Pause(access.access_room)
    monkeypatch.setattr(hub_module, "access_room", pause)
    await bob.send(
        {"action": "subscribe", "request_id": "s", "rooms": [{"room": "garden", "seq": 0}]}
    )
    await pause.reached.wait()
    state.reset(stream.Head(state.room_id, "restored", 2, 1), "epoch_changed")
    pause.may_go_on.set()
    (answer,) = (await bob.frame())["result"]["rooms"]
    assert (answer["recovered"], answer["reason"]) == (False, "epoch_changed")
    assert (answer["epoch"], answer["seq"], answer["events"]) == ("restored", 2, [])
    assert await bob.so_far() == []


async def test_a_failing_database_leaves_no_half_subscription(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import InterfaceError  # noqa: PLC0415

    def fail(*args: object, **kwargs: object) -> None:
        raise InterfaceError("connection already closed")

    alice = await gateway.open(world.alice)
    hub = await gateway.hub()
    with monkeypatch.context() as broken:
        broken.setattr(stream, "heads", fail)
        error = await alice.refusal("subscribe", rooms=["garden"])
    assert (error["code"], error["retry_after_ms"] > 0) == ("unavailable", True)
    await eventually(lambda: not hub.rooms)
    await subscribe(alice)


# --- room addresses -----------------------------------------------------------------------------


async def test_a_room_address_subscribes_and_hello_tells_the_head(
    gateway: Gateway, world: World
) -> None:
    epoch, last = await head(world.garden)
    alice = await gateway.open(world.alice, "/ws/rooms/garden/")
    assert alice.hello["rooms"] == [{"room": "garden", "epoch": epoch, "seq": last}]
    await post(world.bob, "live")
    assert (await alice.frame())["seq"] == last + 1


async def test_the_gateway_has_no_rooms_in_hello(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    assert "rooms" not in alice.hello


@pytest.mark.parametrize("path", ["/chat", "/chats", "/ws/rooms/lobby/"])
async def test_the_plain_addresses_are_the_lobby(gateway: Gateway, world: World, path: str) -> None:
    await do(make_room, "lobby", world.alice)
    someone = await gateway.plain(path=path)
    assert await someone.so_far() == []  # there is no hello to wait for
    await post(world.alice, "Hello", room="lobby")
    assert (await someone.frame())["data"]["text"] == "Hello"


@pytest.mark.parametrize("dialect", ["v1", "quiet"])
async def test_a_position_in_the_address_is_resumed_with_plain_events(
    gateway: Gateway, world: World, dialect: str
) -> None:
    epoch, last = await head(world.garden)
    await post_many(world.bob, 3)
    path = f"/ws/rooms/garden/?epoch={epoch}&seq={last}"
    opening = gateway.open if dialect == "v1" else gateway.plain
    alice = await opening(world.alice, path)
    await post(world.bob, "live")
    got = [await alice.frame() for _ in range(4)]
    assert seqs(got) == [last + 1, last + 2, last + 3, last + 4]
    if dialect == "v1":
        assert alice.hello["rooms"][0]["seq"] == last + 3


@pytest.mark.parametrize("dialect", ["v1", "quiet"])
async def test_a_position_in_the_address_that_is_void_is_told_as_a_gap(
    gateway: Gateway, world: World, dialect: str
) -> None:
    epoch, last = await head(world.garden)
    opening = gateway.open if dialect == "v1" else gateway.plain
    alice = await opening(world.alice, "/ws/rooms/garden/?epoch=other&seq=1")
    gap = await alice.frame()
    payload = gap.pop("payload", None)
    assert gap == {
        "type": "gap",
        "room": "garden",
        "epoch": epoch,
        "seq": last,
        "reason": "epoch_changed",
    }
    assert (payload is None) if dialect == "v1" else (json.loads(payload) == gap)
    await post(world.bob, "live")
    assert (await alice.frame())["seq"] == last + 1


@pytest.mark.parametrize(
    ("path", "code", "error"),
    [
        ("/ws/rooms/cellar/", 4003, "not_found"),
        ("/ws/rooms/nowhere/", 4003, "not_found"),
        ("/ws/rooms/garden/?epoch=k3", 4004, "invalid"),
        ("/ws/rooms/garden/?seq=-1", 4004, "invalid"),
        ("/ws/rooms/garden/?seq=", 4004, "invalid"),
        ("/ws/rooms/cellar/?seq=x", 4004, "invalid"),
    ],
)
@pytest.mark.parametrize("who", ["charlie", "anonymous"])
async def test_a_room_address_that_cannot_be_had_is_told_and_closed(
    gateway: Gateway, world: World, path: str, code: int, error: str, who: str
) -> None:
    user = world.charlie if who == "charlie" else None
    v1 = await gateway.open(user, path)
    refusal, farewell = await v1.frame(), await v1.frame()
    assert refusal["error"]["code"] == error
    assert "request_id" not in refusal
    assert (farewell["type"], farewell["code"], farewell["reconnect"]) == (
        "disconnect",
        code,
        False,
    )
    assert await v1.closed() == code
    quiet = await gateway.plain(user, path)
    refusal = await quiet.frame()
    assert json.loads(refusal["payload"]) == refusal["error"]
    assert await quiet.closed() == code
    assert quiet.aside == []


async def test_a_socket_on_a_room_address_may_subscribe_to_further_rooms(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice, "/ws/rooms/garden/")
    await alice.result("subscribe", rooms=["cellar"])
    await post(world.bob, "Hello", room="cellar")
    assert (await alice.event("post.created"))["room"] == "cellar"
