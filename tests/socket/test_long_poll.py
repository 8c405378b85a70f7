"""Long-polling: a hub subscriber like a socket, over plain HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.db import OperationalError

from chat import services as rooms
from chat.realtime import stream
from posts import services
from tests.people import World, make_token
from tests.socket.acts import do, head, post, post_many
from tests.socket.client import seqs
from tests.socket.conftest import Gateway, eventually, sign_in
from tests.socket.http_client import Exchange
from tests.socket.test_rights import deactivate, sign_out

pytestmark = pytest.mark.django_db(transaction=True)


class Poller:
    """Asks for the events of rooms, as somebody."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._exchanges: list[Exchange] = []

    def start(self, room: str = "garden", query: str = "", **options: Any) -> Exchange:
        path = f"/api/rooms/{room}/events/?{query}"
        exchange = Exchange(self._gateway.application, path, **options).start()
        self._exchanges.append(exchange)
        return exchange

    async def get(self, room: str = "garden", query: str = "", **options: Any) -> Any:
        exchange = self.start(room, query, **options)
        answer = await exchange.json()
        assert exchange.headers["cache-control"] == "no-store"
        assert exchange.status == 200, answer
        return answer

    async def refusal(self, room: str = "garden", query: str = "", **options: Any) -> Any:
        exchange = self.start(room, query, **options)
        answer = await exchange.json()
        return exchange.status, answer["error"]["code"]

    async def end(self) -> None:
        for exchange in self._exchanges:
            await exchange.leave()


@pytest.fixture
async def poller(gateway: Gateway) -> AsyncIterator[Poller]:
    poller = Poller(gateway)
    yield poller
    await poller.end()


async def waiting(gateway: Gateway, room_id: int, count: int = 1) -> None:
    """Wait until so many readers are live in a room."""
    hub = await gateway.hub()

    def is_live() -> bool:
        state = hub.rooms.get(room_id)
        live = [each for each in state.subscriptions.values() if not each.is_held] if state else []
        return len(live) == count

    await eventually(is_live)


async def test_without_a_position_the_head_is_told(poller: Poller, world: World) -> None:
    epoch, last = await head(world.garden)
    assert await poller.get() == {
        "room": "garden",
        "epoch": epoch,
        "seq": last,
        "recovered": None,
        "reason": None,
        "events": [],
    }


async def test_what_is_new_is_told_at_once(poller: Poller, world: World) -> None:
    epoch, last = await head(world.garden)
    await post_many(world.bob, 3)
    for wait in (0, 25):
        answer = await poller.get(query=f"epoch={epoch}&after_seq={last}&wait={wait}")
        assert (answer["recovered"], answer["seq"]) == (True, last + 3)
        assert seqs(answer["events"]) == [last + 1, last + 2, last + 3]


async def test_nothing_new_and_no_wait_is_told_at_once(poller: Poller, world: World) -> None:
    epoch, last = await head(world.garden)
    answer = await poller.get(query=f"epoch={epoch}&after_seq={last}")
    assert answer == {
        "room": "garden",
        "epoch": epoch,
        "seq": last,
        "recovered": True,
        "reason": None,
        "events": [],
    }


async def test_the_first_event_ends_the_waiting(
    gateway: Gateway, poller: Poller, world: World
) -> None:
    epoch, last = await head(world.garden)
    exchange = poller.start(query=f"epoch={epoch}&after_seq={last}&wait=25")
    await waiting(gateway, world.garden.pk)
    await post(world.bob, "Hello")
    answer = await exchange.json()
    assert (answer["recovered"], answer["seq"]) == (True, last + 1)
    assert answer["events"][0]["data"]["text"] == "Hello"
    hub = await gateway.hub()
    await eventually(lambda: not hub.rooms and not hub.sockets.all)


async def test_asking_on_with_the_last_answer_gives_each_event_once(
    poller: Poller, world: World
) -> None:
    epoch, start = await head(world.garden)
    position, got = start, list[int]()
    for number in range(5):
        await post_many(world.bob, number)
        answer = await poller.get(query=f"epoch={epoch}&after_seq={position}&wait=0")
        position = answer["seq"]
        got += seqs(answer["events"])
    assert got == list(range(start + 1, start + 11))


async def test_the_waiting_ends_by_itself(gateway: Gateway, poller: Poller, world: World) -> None:
    epoch, last = await head(world.garden)
    answer = await poller.get(query=f"epoch={epoch}&after_seq={last}&wait=1")
    assert (answer["recovered"], answer["events"], answer["seq"]) == (True, [], last)


async def test_the_waiting_ends_when_the_server_stops(
    gateway: Gateway, poller: Poller, world: World
) -> None:
    epoch, last = await head(world.garden)
    exchange = poller.start(query=f"epoch={epoch}&after_seq={last}&wait=25")
    await waiting(gateway, world.garden.pk)
    await (await gateway.server()).drain()
    answer = await exchange.json()
    assert (answer["recovered"], answer["events"], answer["seq"]) == (True, [], last)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("epoch=other&after_seq=1", "epoch_changed"),
        ("after_seq=10000", "seq_ahead"),
        ("after_seq=0", "trimmed"),
        ("after_seq=2", "too_many"),
    ],
)
async def test_what_cannot_be_resumed_is_told_at_once(
    poller: Poller, world: World, settings: Any, query: str, reason: str
) -> None:
    await post_many(world.bob, 8)
    await do(stream.trim, world.garden.pk, below=2)
    settings.REPLAY_EVENTS_MAX = 6 if reason == "too_many" else 500
    epoch, last = await head(world.garden)
    answer = await poller.get(query=f"{query}&wait=25")
    assert answer == {
        "room": "garden",
        "epoch": epoch,
        "seq": last,
        "recovered": False,
        "reason": reason,
        "events": [],
    }


async def test_a_reset_while_waiting_is_told(
    gateway: Gateway, poller: Poller, world: World
) -> None:
    epoch, last = await head(world.garden)
    exchange = poller.start(query=f"epoch={epoch}&after_seq={last}&wait=25")
    await waiting(gateway, world.garden.pk)
    update = type(world.garden).objects.filter(pk=world.garden.pk).update_unpublished
    await do(update, epoch="restored")
    await (await gateway.hub()).tick()
    answer = await exchange.json()
    assert (answer["recovered"], answer["reason"]) == (False, "epoch_changed")
    assert (answer["epoch"], answer["events"]) == ("restored", [])


async def test_who_loses_the_room_while_waiting_is_told_so(
    gateway: Gateway, poller: Poller, world: World
) -> None:
    _, last = await head(world.cellar)
    cookie = await do(sign_in, world.bob)
    exchange = poller.start("cellar", f"after_seq={last}&wait=25", cookie=cookie)
    await waiting(gateway, world.cellar.pk)
    await do(rooms.remove_member, viewer=world.alice, slug="cellar", username="bob")
    answer = await exchange.json()
    assert (exchange.status, answer["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("how", ["signed out", "deactivated"])
async def test_who_is_signed_out_while_waiting_is_told_so(
    gateway: Gateway, poller: Poller, world: World, how: str
) -> None:
    _, last = await head(world.cellar)
    cookie = await do(sign_in, world.bob)
    exchange = poller.start("cellar", f"after_seq={last}&wait=25", cookie=cookie)
    await waiting(gateway, world.cellar.pk)
    await (do(sign_out, cookie) if how == "signed out" else do(deactivate, world.bob))
    await post(world.alice, "after", room="cellar")
    answer = await exchange.json()
    assert (exchange.status, answer["error"]["code"]) == (401, "not_authenticated")


async def test_who_may_read_what(poller: Poller, world: World) -> None:
    alice, charlie = await do(sign_in, world.alice), await do(sign_in, world.charlie)
    reader, writer = [await do(make_token, world.bob, scope) for scope in ("read", "post")]
    for who in ({"cookie": alice}, {"token": reader, "origin": None}):
        assert (await poller.get("cellar", **who))["room"] == "cellar"
    assert await poller.refusal("cellar", token=writer) == (403, "forbidden")
    assert await poller.refusal("cellar", token="pgk_1_2") == (401, "not_authenticated")
    for who in ({"cookie": charlie}, {}):
        assert (await poller.get("garden", **who))["room"] == "garden"
        for room in ("cellar", "nowhere"):
            assert await poller.refusal(room, "after_seq=1", **who) == (404, "not_found")


@pytest.mark.parametrize(
    "query",
    [
        "epoch=e1",
        "after_seq=",
        "after_seq=-1",
        "after_seq=x",
        "after_seq=1.0",
        f"after_seq={2**63}",
        "after_seq=0&wait=26",
        "after_seq=0&wait=-1",
        "after_seq=0&wait=x",
        "after_seq=0&wait=",
    ],
)
async def test_malformed_parameters_are_invalid(poller: Poller, world: World, query: str) -> None:
    assert await poller.refusal(query=query) == (400, "invalid")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_only_get_is_answered(poller: Poller, world: World, method: str) -> None:
    exchange = poller.start(method=method)
    answer = await exchange.json()
    assert (exchange.status, answer["error"]["code"]) == (405, "method_not_allowed")
    assert exchange.headers["allow"] == "GET"


async def test_what_is_gone_is_gone_here_too(poller: Poller, world: World) -> None:
    _, last = await head(world.garden)
    written = await post(world.bob, "secret")
    await do(services.delete_post, viewer=world.bob, post_id=written.pk)
    answer = await poller.get(query=f"after_seq={last}")
    assert "secret" not in str(answer)
    assert len(answer["events"]) == 2


async def test_who_goes_away_leaves_nothing_behind(
    gateway: Gateway, poller: Poller, world: World
) -> None:
    _, last = await head(world.garden)
    exchange = poller.start(query=f"after_seq={last}&wait=25")
    await waiting(gateway, world.garden.pk)
    await exchange.leave()
    hub = await gateway.hub()
    await eventually(lambda: not hub.rooms and not hub.sockets.all)


async def test_without_a_database_one_is_asked_to_come_back(
    gateway: Gateway, poller: Poller, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gateway.server()

    def fail(scope: object) -> None:
        raise OperationalError("no database")

    monkeypatch.setattr("chat.realtime.http.identify", fail)
    exchange = poller.start()
    answer = await exchange.json()
    assert (exchange.status, answer["error"]["code"]) == (503, "unavailable")
    assert answer["error"]["retry_after_ms"] > 0
    assert exchange.headers["retry-after"] == "1"
