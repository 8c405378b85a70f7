"""The ASGI application in this process, with a real database and a real channel layer."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import AsyncIterator, Callable
from functools import cache
from typing import Any

import pytest
from channels.layers import get_channel_layer
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.core.asgi import get_asgi_application
from django.db.backends.utils import CursorWrapper
from django.test import Client
from pytest_django import Settings

from chat.models import User
from chat.realtime.database import in_database
from chat.realtime.hub import Hub
from chat.realtime.server import Server
from config.routing import build_application
from tests.people import make_token, world
from tests.socket.client import Socket

__all__ = ["world"]

LAYERS = ["memory", "redis"]
# Tables and columns that only the background tick reads and writes.
OF_THE_TICK = ("chat_lease", "chat_rights", '"chat_room"."first_seq" FROM', "PRAGMA")


@pytest.fixture
def layer_name() -> str:
    """Parametrise with LAYERS to run a test on each channel layer."""
    return "memory"


@pytest.fixture(autouse=True)
def channel_layer(layer_name: str, request: pytest.FixtureRequest, settings: Settings) -> None:
    """Set the channel layer and the topics' rings, with a key prefix of the test's own."""
    settings.REDIS_PREFIX = f"test-{secrets.token_hex(6)}"
    if layer_name == "memory":
        settings.REDIS_URLS = []
        backend: dict[str, Any] = {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    else:
        url = request.getfixturevalue("redis_url")
        settings.REDIS_URLS = [url]
        backend = {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {
                "hosts": [{"address": url, "socket_timeout": 8}],
                "prefix": settings.REDIS_PREFIX,
            },
        }
    settings.CHANNEL_LAYERS = {"default": backend}


def another_layer() -> Any:
    """Return the test's layer as another process has it."""
    layer = get_channel_layer()
    if isinstance(layer, RedisPubSubChannelLayer):
        return RedisPubSubChannelLayer(*layer._args, **layer._kwargs)
    return layer


def sign_in(user: User) -> str:
    """Return the cookie of a new session."""
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


@cache
def application() -> Any:
    """Return what serves all tests; building Django's part takes a while."""
    return build_application(get_asgi_application())


class Gateway:
    """Opens sockets on the application, and ends them."""

    def __init__(self) -> None:
        self.application = application()
        self._sockets: list[Socket] = []

    def socket(self, path: str = "/ws/", **options: Any) -> Socket:
        """Return a socket that is not connected yet."""
        socket = Socket(self.application, path, **options)
        self._sockets.append(socket)
        return socket

    async def open(self, user: User | None = None, path: str = "/ws/", **options: Any) -> Socket:
        """Connect as somebody, with a session of their own, or as nobody."""
        if user is not None and "cookie" not in options:
            options["cookie"] = await in_database(sign_in, user)
        return await self.socket(path, **options).connect()

    async def plain(self, user: User | None = None, path: str = "/ws/", **options: Any) -> Socket:
        """Connect in the quiet dialect."""
        return await self.open(user, path, subprotocols=(), **options)

    async def program(self, user: User, *scopes: str, **options: Any) -> Socket:
        """Connect with an access key."""
        token = await in_database(make_token, user, *scopes)
        return await self.open(token=token, origin=None, **options)

    async def server(self) -> Server:
        return await Server.running()

    async def hub(self) -> Hub:
        return (await Server.running()).hub

    async def end(self) -> None:
        for socket in self._sockets:
            await socket.leave()


@pytest.fixture
async def gateway(channel_layer: None, db: None) -> AsyncIterator[Gateway]:
    gateway = Gateway()
    yield gateway
    await gateway.end()
    await (await Server.running()).stop()


@pytest.fixture
async def another_hub(gateway: Gateway) -> AsyncIterator[Callable[[], Any]]:
    """Make hubs that stand for other processes: they hear this one through the layer alone."""
    hubs: list[Hub] = []

    async def make(layer: Any = None) -> Hub:
        hub = Hub(layer or another_layer())
        hubs.append(hub)
        await hub.start()
        return hub

    yield make
    for hub in hubs:
        await hub.stop()


async def eventually(is_so: Callable[[], object], deadline_s: float = 10.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(deadline_s):
        while not is_so():
            await asyncio.sleep(0.01)


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the SQL of every thread, but for what is asked and written by the way."""
    found: list[str] = []
    execute = CursorWrapper.execute

    def noting(self: CursorWrapper, sql: str, params: Any = None) -> Any:
        is_by_the_way = threading.current_thread().name.startswith("background")
        if not is_by_the_way and not any(sign in sql for sign in OF_THE_TICK):
            found.append(sql)
        return execute(self, sql, params)

    monkeypatch.setattr(CursorWrapper, "execute", noting)
    return found
