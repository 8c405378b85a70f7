"""Why the gateway closes a socket: each code arrives over the real wire, with its reason.

4210, for who reads too slowly, is in test_two_processes.py.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from psycopg import sql
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.live.client import DEADLINE_S, V1, open_socket
from tests.live.pair import PEOPLE, ROOMS
from tests.live.programs import make_keys
from tests.live.raw import TEXT, frame
from tests.live.servers import AppServer, Site, new_database

PROGRAMS = ["daphne", "uvicorn"]
PACKED = "picturegram.v1.msgpack"
LIMIT = 128 * 1024
REVOKE = "from chat.models import AccessKey; [k.revoke() for k in AccessKey.objects.filter({})]"


@dataclass
class Place:
    """A server that is ready, its site, and everybody's token."""

    site: Site
    server: AppServer
    tokens: dict[str, str]

    async def open(self, path: str = "/ws/", name: str = "", **options: Any) -> ClientConnection:
        token = self.tokens[name] if name else ""
        return await open_socket(self.server.ws_url + path, token=token, **options)


@contextmanager
def place_in(folder: Path, database_url: str, program: str, **variables: str) -> Iterator[Place]:
    site = Site(folder, database_url, variables=variables)
    site.migrate()
    tokens = site.populate(PEOPLE, ROOMS)
    with site.serving(program) as server:
        yield Place(site, server, tokens)
        assert "Traceback" not in server.log, server.log[-4000:]


@pytest.fixture(scope="module", params=PROGRAMS)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with place_in(tmp_path_factory.mktemp("closes"), "", request.param) as place:
        yield place


async def end_of(socket: ClientConnection) -> tuple[list[dict[str, Any]], int | None, str | None]:
    """Read to the end; return the JSON frames that came, the close code and its reason."""
    frames = []
    with suppress(ConnectionClosed):
        async with asyncio.timeout(DEADLINE_S):
            async for wire in socket:
                frames.append(json.loads(wire) if isinstance(wire, str) else {})
    return frames, socket.close_code, socket.close_reason


async def assert_ends(
    socket: ClientConnection, code: int, reason: str, *, reconnect: bool = False
) -> dict[str, Any]:
    """Hold the end to the protocol's section 12; return the `disconnect` frame."""
    frames, found_code, found_reason = await end_of(socket)
    assert (found_code, found_reason) == (code, reason)
    if socket.subprotocol != V1:
        assert "disconnect" not in [each.get("type") for each in frames]
        return {}
    farewell = frames[-1]
    assert (farewell["type"], farewell["code"], farewell["reason"]) == ("disconnect", code, reason)
    assert farewell["reconnect"] is reconnect
    return farewell


DIALECTS = pytest.mark.parametrize("dialect", [V1, "chat", ""])


@DIALECTS
@pytest.mark.parametrize("data", [b"", b"\x00\xff", b'{"action": "ping"}'])
async def test_bytes_to_a_dialect_of_text_are_1003(place: Place, dialect: str, data: bytes) -> None:
    socket = await place.open(subprotocols=[dialect] if dialect else [])
    await socket.send(data)
    await assert_ends(socket, 1003, "unsupported_data")


@pytest.mark.parametrize("text", ["", '{"action": "ping"}'])
async def test_text_to_the_dialect_of_bytes_is_1003(place: Place, text: str) -> None:
    socket = await place.open(subprotocols=[PACKED])
    await socket.send(text)
    _, code, reason = await end_of(socket)
    assert (code, reason) == (1003, "unsupported_data")


@DIALECTS
async def test_a_message_at_the_limit_is_answered_and_one_above_is_1009(
    place: Place, dialect: str
) -> None:
    socket = await place.open(subprotocols=[dialect] if dialect else [])
    request = '{"action": "ping", "request_id": 1, "pad": "%s"}'
    at = request % ("ä" * ((LIMIT - len(request) + 2) // 2))
    at += " " * (LIMIT - len(at.encode()))
    await socket.send(at)
    async with asyncio.timeout(DEADLINE_S):
        while json.loads(await socket.recv()).get("request_id") != 1:
            pass
    await socket.send(at + " ")
    assert (await end_of(socket))[1] == 1009


@DIALECTS
async def test_text_that_is_not_utf_8_is_1007(place: Place, dialect: str) -> None:
    socket = await place.open(subprotocols=[dialect] if dialect else [])
    socket.transport.write(frame(TEXT, b'{"action": "\xff"}'))
    assert (await end_of(socket))[1] == 1007


@DIALECTS
@pytest.mark.parametrize("path", ["/ws/rooms/studio/", "/ws/rooms/nowhere/"])
async def test_a_room_that_cannot_be_had_is_4003(place: Place, dialect: str, path: str) -> None:
    socket = await place.open(path, "charlie", subprotocols=[dialect] if dialect else [])
    await assert_ends(socket, 4003, "forbidden")


@DIALECTS
@pytest.mark.parametrize("query", ["seq=x", "seq=-1", "epoch=k3"])
async def test_a_malformed_position_is_4004(place: Place, dialect: str, query: str) -> None:
    path = f"/ws/rooms/lobby/?{query}"
    socket = await place.open(path, subprotocols=[dialect] if dialect else [])
    await assert_ends(socket, 4004, "protocol_error")


@DIALECTS
async def test_a_revoked_key_is_4001(place: Place, dialect: str) -> None:
    """One key for each dialect, since a revoked one opens nothing any more."""
    name = {V1: "alice", "chat": "bob", "": "charlie"}[dialect]
    socket = await place.open(name=name, subprotocols=[dialect] if dialect else [])
    revoke = REVOKE.format(f"user__username={name!r}")
    await asyncio.to_thread(place.site.run, "manage.py", "shell", "--verbosity", "0", "-c", revoke)
    await assert_ends(socket, 4001, "signed_out")


async def test_a_socket_that_is_dropped_is_4012(place: Place) -> None:
    key = (await asyncio.to_thread(make_keys, place.site))["staff"]
    socket = await place.open()
    hello = json.loads(await socket.recv())
    address = f"{place.server.http_url}/prod/@connections/{hello['connection_id']}"
    async with httpx.AsyncClient(headers=key.headers, trust_env=False) as http:
        assert (await http.delete(address, params={"code": "4012"})).status_code == 204
    await assert_ends(socket, 4012, "dropped")


@DIALECTS
async def test_who_floods_regardless_is_4108(place: Place, dialect: str) -> None:
    socket = await place.open(subprotocols=[dialect] if dialect else [])

    async def flood() -> None:
        with suppress(ConnectionClosed):
            while True:
                await socket.send('{"action": "ping", "request_id": 1}')
                # A steady one: every frame but the allowed twenty a second is refused.
                await asyncio.sleep(0.002)

    flooding = asyncio.create_task(flood())
    try:
        farewell = await assert_ends(socket, 4108, "rate_limited", reconnect=True)
    finally:
        flooding.cancel()
    assert farewell.get("retry_after_ms", 1) > 0


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_server_without_its_database_is_4100_until_it_is_back(
    tmp_path: Path, postgres_url: str, program: str
) -> None:
    with (
        new_database(postgres_url) as url,
        place_in(tmp_path, url, program) as place,
        psycopg.connect(postgres_url, autocommit=True) as admin,
    ):
        name = urlsplit(url).path[1:]
        allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        admin.execute(allow.format(sql.Identifier(name), sql.Literal(False)))
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        for dialect in (V1, "chat"):
            socket = await place.open(name="alice", subprotocols=[dialect])
            await assert_ends(socket, 4100, "over_capacity", reconnect=True)
        admin.execute(allow.format(sql.Identifier(name), sql.Literal(True)))
        deadline = time.monotonic() + 30
        while True:
            socket = await place.open(name="alice")
            if json.loads(await socket.recv())["type"] == "hello":
                await socket.close()
                return
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("program", PROGRAMS)
async def test_who_misses_two_heartbeats_is_4209_and_who_is_told_to_go_4113(
    tmp_path: Path, program: str
) -> None:
    settings = "tests.live.apps.brisk_settings"
    with place_in(tmp_path, "", program, DJANGO_SETTINGS_MODULE=settings) as place:
        silent = await place.open()
        await assert_ends(silent, 4209, "heartbeat_missed", reconnect=True)
        others = [await place.open(subprotocols=[name]) for name in (V1, "chat")]
        stopping = asyncio.to_thread(place.server.terminate)
        ends = [assert_ends(socket, 4113, "draining", reconnect=True) for socket in others]
        farewell, *_, _ = await asyncio.gather(*ends, stopping)
        assert isinstance(farewell, dict)
        assert farewell["retry_after_ms"] >= 0
