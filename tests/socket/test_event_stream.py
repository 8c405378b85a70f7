"""Server-Sent Events: the same events, as one endless answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat import services as rooms
from chat.realtime import http, stream
from posts import services
from tests.people import World
from tests.socket.acts import do, head, post, post_many
from tests.socket.conftest import Gateway, eventually, sign_in
from tests.socket.http_client import Exchange, Record
from tests.socket.test_delivery import restore
from tests.socket.test_rights import sign_out

pytestmark = pytest.mark.django_db(transaction=True)


class Streamer:
    """Opens event streams of rooms, as somebody."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._exchanges: list[Exchange] = []

    async def open(self, room: str = "garden", query: str = "", **options: Any) -> Exchange:
        last_id = options.pop("last_id", None)
        if last_id is not None:
            options["headers"] = [("last-event-id", last_id)]
        path = f"/api/rooms/{room}/stream/?{query}"
        exchange = Exchange(self._gateway.application, path, **options).start()
        self._exchanges.append(exchange)
        return exchange

    async def events(self, room: str = "garden", query: str = "", **options: Any) -> Exchange:
        exchange = await (await self.open(room, query, **options)).started()
        assert exchange.status == 200
        return exchange

    async def end(self) -> None:
        for exchange in self._exchanges:
            await exchange.leave()


@pytest.fixture
async def streamer(gateway: Gateway) -> AsyncIterator[Streamer]:
    streamer = Streamer(gateway)
    yield streamer
    await streamer.end()


async def record_of(exchange: Exchange) -> Record:
    record = await exchange.record()
    assert record is not None, "the stream is over"
    return record


async def test_the_first_record_names_the_head(streamer: Streamer, world: World) -> None:
    epoch, last = await head(world.garden)
    exchange = await streamer.events()
    assert exchange.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "no-store" in exchange.headers["cache-control"]
    assert exchange.headers["x-accel-buffering"] == "no"
    record = await record_of(exchange)
    assert record.text == (
        f"event: head\nid: {epoch}:{last}\n"
        f'data: {{"type":"head","room":"garden","epoch":"{epoch}","seq":{last}}}\n\n'
    )


async def test_events_follow_live_as_the_sockets_have_them(
    gateway: Gateway, streamer: Streamer, world: World
) -> None:
    socket = await gateway.open()
    await socket.result("subscribe", rooms=["garden"])
    exchange = await streamer.events()
    await record_of(exchange)
    await post_many(world.bob, 3)
    for _ in range(3):
        event = await socket.event("post.created")
        record = await record_of(exchange)
        assert record.event == "", "so that onmessage gets it"
        assert record.id == f"{event['epoch']}:{event['seq']}"
        assert record.data == event


@pytest.mark.parametrize("where", ["header", "query"])
async def test_a_position_is_resumed(streamer: Streamer, world: World, where: str) -> None:
    epoch, last = await head(world.garden)
    await post_many(world.bob, 3)
    if where == "header":
        exchange = await streamer.events(last_id=f"{epoch}:{last}")
    else:
        exchange = await streamer.events(query=f"epoch={epoch}&after_seq={last}")
    first = await record_of(exchange)
    assert (first.event, first.id, first.data["seq"]) == ("head", f"{epoch}:{last}", last + 3)
    await post(world.bob, "live")
    got = [(await record_of(exchange)).data["seq"] for _ in range(4)]
    assert got == [last + 1, last + 2, last + 3, last + 4]


async def test_the_header_counts_before_the_query(streamer: Streamer, world: World) -> None:
    epoch, last = await head(world.garden)
    await post_many(world.bob, 3)
    exchange = await streamer.events(
        query=f"epoch={epoch}&after_seq={last}", last_id=f"{epoch}:{last + 2}"
    )
    await record_of(exchange)
    assert (await record_of(exchange)).data["seq"] == last + 3


async def test_coming_back_again_and_again_gives_each_event_once(
    streamer: Streamer, world: World
) -> None:
    epoch, start = await head(world.garden)
    last_id, got = f"{epoch}:{start}", list[int]()
    for number in range(4):
        await post_many(world.bob, 2)
        exchange = await streamer.events(last_id=last_id)
        await record_of(exchange)
        for _ in range(2):
            record = await record_of(exchange)
            last_id = record.id
            got.append(record.data["seq"])
        await exchange.leave()
        assert number < 4
    assert got == list(range(start + 1, start + 9))


async def test_a_void_position_is_a_gap_in_place_of_the_head(
    streamer: Streamer, world: World
) -> None:
    epoch, last = await head(world.garden)
    exchange = await streamer.events(last_id="other:1")
    record = await record_of(exchange)
    assert (record.event, record.id) == ("gap", f"{epoch}:{last}")
    assert record.data == {
        "type": "gap",
        "room": "garden",
        "epoch": epoch,
        "seq": last,
        "reason": "epoch_changed",
    }
    await post(world.bob, "live")
    assert (await record_of(exchange)).data["seq"] == last + 1


async def test_a_reset_while_connected_is_a_gap(
    gateway: Gateway, streamer: Streamer, world: World
) -> None:
    exchange = await streamer.events()
    await record_of(exchange)
    await restore(world.garden, last_seq=1, epoch="restored")
    await (await gateway.hub()).tick()
    record = await record_of(exchange)
    assert (record.event, record.id) == ("gap", "restored:1")


async def test_losing_the_room_ends_the_stream_with_a_word(
    streamer: Streamer, world: World
) -> None:
    exchange = await streamer.events("cellar", cookie=await do(sign_in, world.bob))
    await record_of(exchange)
    await do(rooms.remove_member, viewer=world.alice, slug="cellar", username="bob")
    await post(world.alice, "after", room="cellar")
    record = await record_of(exchange)
    assert record.event == "unsubscribed"
    assert record.data == {"type": "unsubscribed", "room": "cellar", "reason": "removed"}
    assert await exchange.record() is None


async def test_losing_the_room_before_the_first_record_ends_the_stream_too(
    streamer: Streamer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = http._start_stream

    async def removed_meanwhile(send: Any) -> None:
        await do(rooms.remove_member, viewer=world.alice, slug="cellar", username="bob")
        await post(world.alice, "after", room="cellar")
        await start(send)

    monkeypatch.setattr(http, "_start_stream", removed_meanwhile)
    exchange = await streamer.events("cellar", cookie=await do(sign_in, world.bob))
    got = []
    while (record := await exchange.record()) is not None:
        got.append(record)
    assert "after" not in str(got)


async def test_signing_out_ends_the_stream_without_a_word(streamer: Streamer, world: World) -> None:
    cookie = await do(sign_in, world.bob)
    exchange = await streamer.events("cellar", cookie=cookie)
    await record_of(exchange)
    await do(sign_out, cookie)
    await post(world.alice, "after", room="cellar")
    assert await exchange.record() is None


async def test_a_stopping_server_says_when_to_come_back(
    gateway: Gateway, streamer: Streamer, world: World
) -> None:
    exchange = await streamer.events()
    await record_of(exchange)
    await (await gateway.server()).drain()
    record = await record_of(exchange)
    assert record.text.startswith("retry: ")
    assert await exchange.record() is None


async def test_a_slow_reader_is_ended_and_resumes(
    gateway: Gateway, streamer: Streamer, world: World, settings: Any
) -> None:
    settings.OUTBOX_MESSAGES_MAX = 5
    exchange = await streamer.events()
    await record_of(exchange)
    exchange.reading.clear()
    await post_many(world.bob, 20)
    hub = await gateway.hub()
    await eventually(lambda: not hub.sockets.all)
    exchange.reading.set()
    while await exchange.record() is not None:
        pass
    await eventually(lambda: not hub.rooms)


async def test_a_silent_stream_sends_comments(
    streamer: Streamer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "COMMENT_S", 0.02)
    exchange = await streamer.events()
    await record_of(exchange)
    for _ in range(2):
        assert (await record_of(exchange)).text == ": heartbeat\n\n"


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"last_id": "nonsense"}, 400, "invalid"),
        ({"last_id": "e1:x"}, 400, "invalid"),
        ({"last_id": ":5"}, 400, "invalid"),
        ({"last_id": "e1:"}, 400, "invalid"),
        ({"query": "epoch=e1"}, 400, "invalid"),
        ({"query": "after_seq=-1"}, 400, "invalid"),
        ({"room": "cellar"}, 404, "not_found"),
        ({"room": "nowhere"}, 404, "not_found"),
        ({"method": "POST"}, 405, "method_not_allowed"),
        ({"token": "pgk_1_2"}, 401, "not_authenticated"),
    ],
)
async def test_errors_before_the_first_record_are_ordinary_ones(
    streamer: Streamer, world: World, options: dict[str, Any], status: int, code: str
) -> None:
    exchange = await streamer.open(**options)
    answer = await exchange.json()
    assert (exchange.status, answer["error"]["code"]) == (status, code)


async def test_who_goes_away_leaves_nothing_behind(
    gateway: Gateway, streamer: Streamer, world: World
) -> None:
    exchange = await streamer.events()
    await exchange.leave()
    hub = await gateway.hub()
    await eventually(lambda: not hub.rooms and not hub.sockets.all)


async def test_what_is_gone_is_gone_here_too(streamer: Streamer, world: World) -> None:
    epoch, last = await head(world.garden)
    written = await post(world.bob, "secret")
    await do(services.delete_post, viewer=world.bob, post_id=written.pk)
    exchange = await streamer.events(last_id=f"{epoch}:{last}")
    got = [await record_of(exchange) for _ in range(3)]
    assert "secret" not in str(got)


async def test_a_trimmed_position_is_a_gap(streamer: Streamer, world: World) -> None:
    epoch, last = await head(world.garden)
    await do(stream.trim, world.garden.pk, below=last)
    exchange = await streamer.events(last_id=f"{epoch}:0")
    assert (await record_of(exchange)).data["reason"] == "trimmed"
