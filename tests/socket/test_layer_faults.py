"""The layer may be away, deaf or black-holed: posting and following go on from the log."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.layers import get_channel_layer
from channels_redis.pubsub import RedisPubSubChannelLayer
from pytest_django import Settings

from chat.realtime import layer as layer_module
from chat.realtime.hub import Hub
from tests.people import World
from tests.services.redis import redis_server
from tests.services.server import Server as Service
from tests.socket.acts import do, logged, post
from tests.socket.conftest import Gateway, eventually
from tests.socket.http_client import Exchange
from tests.socket.test_delivery import Listener, MakeHub

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def own_redis() -> Iterator[Service]:
    """A Redis that these tests stop and start."""
    with redis_server() as server:
        yield server


@pytest.fixture
def redis(own_redis: Service) -> Iterator[Service]:
    yield own_redis
    if own_redis._process is None:
        own_redis.start()


@pytest.fixture
def layer_name() -> str:
    return "own"


@pytest.fixture(autouse=True)
def channel_layer(redis: Service, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the Redis that is stopped here, and beat quickly."""
    settings.REDIS_URLS = [redis.url]
    settings.CHANNEL_LAYERS = {"default": configuration(redis.url)}
    monkeypatch.setattr(layer_module, "TICK_S", 0.2)
    monkeypatch.setattr(layer_module, "DEAF_TICK_S", 0.1)
    monkeypatch.setattr(layer_module, "DEAF_AFTER_S", 1.0)
    monkeypatch.setattr(layer_module, "TIMEOUT_S", 0.5)


def configuration(url: str) -> dict[str, Any]:
    return {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            "hosts": [{"address": url, "socket_timeout": 8, "socket_connect_timeout": 2}],
            "prefix": f"test-{secrets.token_hex(6)}",
        },
    }


async def stop(redis: Service) -> None:
    await asyncio.to_thread(redis.stop)


async def start(redis: Service) -> None:
    await asyncio.to_thread(redis.start)


async def readiness(gateway: Gateway) -> tuple[int, Any]:
    exchange = Exchange(gateway.application, "/readyz").start()
    answer = await exchange.json()
    return exchange.status, answer


async def followed_by(world: World, *listeners: Listener) -> None:
    """Wait until each listener has the whole log behind its members, and nothing else."""
    expected = (await logged(world.garden))[2:]
    await eventually(lambda: all(len(each.frames) >= len(expected) for each in listeners))
    for each in listeners:
        assert each.seqs == expected
        assert each.gaps == []


async def test_everything_works_while_redis_is_down_from_the_start(
    gateway: Gateway, another_hub: MakeHub, world: World, redis: Service
) -> None:
    await stop(redis)
    hub = await another_hub()
    other = await Listener.on(hub, world)
    alice = await gateway.open(world.alice, "/ws/rooms/garden/")
    answered = await alice.result("post.create", room="garden", text="nobody feels it")
    assert (await alice.so_far())[0]["data"] == answered
    await followed_by(world, other)
    status, answer = await readiness(gateway)
    assert (status, answer["checks"]["layer"], answer["checks"]["database"]) == (
        503,
        "not heard",
        "ok",
    )

    await start(redis)
    link = (await gateway.hub()).link
    await eventually(lambda: link.is_hearing and hub.link.is_hearing)
    assert await readiness(gateway) == (
        200,
        {"ready": True, "checks": {"database": "ok", "layer": "ok", "process": "ok"}},
    )
    await post(world.bob, "heard again")
    await followed_by(world, other)


async def test_nothing_is_lost_doubled_or_closed_while_redis_goes_and_comes(
    gateway: Gateway, another_hub: MakeHub, world: World, redis: Service
) -> None:
    hub = await another_hub()
    other = await Listener.on(hub, world)
    alice = await gateway.open(world.alice, "/ws/rooms/garden/")
    await eventually(lambda: hub.link.is_hearing)
    is_over = asyncio.Event()

    async def write() -> None:
        while not is_over.is_set():
            await post(world.bob, "again")

    writing = asyncio.create_task(write())
    for _ in range(2):
        await stop(redis)
        await eventually(lambda: not hub.link.is_hearing)
        await start(redis)
        await eventually(lambda: hub.link.is_hearing)
    is_over.set()
    await writing
    await followed_by(world, other)
    expected = (await logged(world.garden))[2:]
    got = [frame["seq"] for frame in await alice.so_far() if "data" in frame]
    while len(got) < len(expected):
        got.append((await alice.event("post.created"))["seq"])
    assert got == expected


async def test_the_rights_log_is_followed_while_redis_is_down(
    gateway: Gateway, another_hub: MakeHub, world: World, redis: Service
) -> None:
    from chat.services import remove_member  # noqa: PLC0415

    hub = await another_hub()
    bob = Listener(world.bob.pk)
    _, subscription = await hub.subscribe(bob, world.bob, "cellar")
    subscription.go_live()
    await stop(redis)
    await do(remove_member, viewer=world.alice, slug="cellar", username="bob")
    await post(world.alice, "after", room="cellar")
    await eventually(lambda: bob.lost)
    assert bob.frames == []


class Proxy:
    """Stands between a hub and Redis; while `is_open` is clear it swallows all bytes."""

    def __init__(self, url: str) -> None:
        self._port = int(url.rsplit(":", 1)[1].split("/")[0])
        self._writers: set[asyncio.StreamWriter] = set()
        self.is_black = False
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        try:
            yield self
        finally:
            server.close()
            for writer in self._writers:
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers |= {writer, back}
        await asyncio.gather(self._pipe(reader, back), self._pipe(there, writer))

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if not self.is_black:
                    writer.write(data)
        except OSError:
            pass
        finally:
            writer.close()


async def test_a_black_hole_is_noticed_lived_with_and_left_again(
    gateway: Gateway, another_hub: MakeHub, world: World, redis: Service
) -> None:
    proxy = Proxy(redis.url)
    async with proxy.running():
        prefix = settings_prefix()
        layer = RedisPubSubChannelLayer(hosts=[{"address": proxy.url}], prefix=prefix)
        hub: Hub = await another_hub(layer)
        other = await Listener.on(hub, world)
        await gateway.server()
        await eventually(lambda: hub.link.is_hearing)
        channel = hub.link._channel

        proxy.is_black = True
        await post(world.bob, "into the hole")
        await followed_by(world, other)
        await eventually(lambda: not hub.link.is_hearing)
        late = await Listener.on(hub, world)
        assert late.frames == []
        await eventually(lambda: hub.link._channel != channel)

        proxy.is_black = False
        await eventually(lambda: hub.link.is_hearing)
        hub.tick = never  # type: ignore[method-assign]
        await post(world.bob, "heard through the layer")
        await followed_by(world, other)
        await hub.stop()


async def test_a_link_that_went_deaf_without_an_error_is_made_anew(
    gateway: Gateway, another_hub: MakeHub, world: World, redis: Service
) -> None:
    layer: Any = RedisPubSubChannelLayer(hosts=[{"address": redis.url}], prefix=settings_prefix())
    hub: Hub = await another_hub(layer)
    other = await Listener.on(hub, world)
    await gateway.server()
    await eventually(lambda: hub.link.is_hearing)
    channel = hub.link._channel
    for shard in layer._get_layer()._shards:
        await shard._pubsub.unsubscribe()  # Redis forgets us, and nobody says so
    await eventually(lambda: hub.link._channel not in ("", channel))
    await eventually(lambda: hub.link.is_hearing)
    again = hub.link._channel
    hub.tick = never  # type: ignore[method-assign]
    await post(world.bob, "heard through the layer")
    await followed_by(world, other)
    assert hub.link._channel == again, "made anew once"


def settings_prefix() -> str:
    """Return the key prefix of the server's own layer."""
    layer: Any = get_channel_layer()
    prefix: str = layer._kwargs["prefix"]
    return prefix


async def never() -> None:
    """A tick that does not come."""


async def test_nobody_waits_for_a_layer_that_is_known_to_fail(
    gateway: Gateway,
    another_hub: MakeHub,
    world: World,
    redis: Service,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = Proxy(redis.url)
    async with proxy.running():
        layer = RedisPubSubChannelLayer(hosts=[{"address": proxy.url}], prefix=settings_prefix())
        hub: Hub = await another_hub(layer)
        await eventually(lambda: hub.link.is_hearing)
        proxy.is_black = True
        await eventually(lambda: hub.link._is_failing)
        monkeypatch.setattr(layer_module, "TIMEOUT_S", 3600.0)
        hub.tick = never  # type: ignore[method-assign]
        other = await Listener.on(hub, world)
        assert other.gaps == []
        hub.unsubscribe(other, world.garden.pk)
        monkeypatch.setattr(layer_module, "TIMEOUT_S", 0.1)
        await hub.stop()
