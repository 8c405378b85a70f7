"""What people feel when Redis, PostgreSQL or a room's lock is away: as little as can be."""

import asyncio
import io
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest
from PIL import Image

from tests.live.client import Client
from tests.live.pair import Pair, session_headers, sign_in, submit
from tests.live.servers import Site
from tests.services.postgres import postgres_server
from tests.services.redis import redis_server

# DATABASE_THREADS, the requests of sockets that a process works on at once; DATABASE_POOL_SIZE.
THREADS, POOL = 8, 16


async def test_nobody_who_posts_or_subscribes_feels_that_redis_is_away(pair: Pair) -> None:
    async with (
        await pair.connect("alice", pair.daphne) as alice,
        await pair.connect("bob", pair.uvicorn) as bob,
    ):
        await bob.subscribe("lobby")
        pair.redis.stop()
        try:
            began = time.monotonic()
            await alice.subscribe("garden")
            created = await alice.post("lobby", "Redis is away")
            assert time.monotonic() - began < 1
            # From the log: the next tick finds it.
            await bob.event(seq=created["seq"], deadline_s=5)
            assert not pair.uvicorn.is_ready()
        finally:
            pair.redis.start()
        await asyncio.to_thread(pair.uvicorn.wait_until_ready, 15)
        created = await alice.post("lobby", "Redis is back")
        await bob.event(seq=created["seq"], deadline_s=5)
        assert not bob.faults


async def test_a_silent_redis_delays_nobody_either(pair: Pair) -> None:
    """Redis neither answers nor closes: what a broken network looks like from here."""
    async with (
        await pair.connect("alice", pair.daphne) as alice,
        await pair.connect("bob", pair.uvicorn) as bob,
    ):
        await bob.subscribe("lobby")
        pair.redis.pause()
        try:
            for number in range(3):
                created = await alice.post("lobby", f"{number}", deadline_s=2)
                await bob.event(seq=created["seq"], deadline_s=5)
        finally:
            pair.redis.resume()
        await asyncio.to_thread(pair.uvicorn.wait_until_ready, 15)
        assert not bob.faults


async def test_a_database_that_was_away_is_found_at_once_when_it_is_back(tmp_path: Path) -> None:
    with postgres_server() as postgres, redis_server() as redis:
        site = Site(tmp_path, postgres.url, redis.url)
        site.migrate()
        token = site.populate(["alice"], {"lobby": {"owner": "alice"}})["alice"]
        with site.serving("uvicorn") as server:
            clients = [
                await Client.connect(f"{server.ws_url}/ws/", token=token) for _ in range(THREADS)
            ]
            await clients[0].subscribe("lobby")
            await asyncio.to_thread(postgres.stop)
            waiting = [
                asyncio.create_task(client.post("lobby", "?", client_id=f"c{number}"))
                for number, client in enumerate(clients)
            ]
            answers = await asyncio.gather(*waiting, return_exceptions=True)
            assert {str(answer).partition(":")[0] for answer in answers} == {"unavailable"}
            # The longer it is away, the longer psycopg's pool would leave it unnoticed.
            await asyncio.sleep(5)
            await asyncio.to_thread(postgres.start)
            began = time.monotonic()
            await asyncio.gather(
                *(client.post("lobby", "?", client_id=f"c{n}") for n, client in enumerate(clients))
            )
            assert time.monotonic() - began < 3
            for _ in clients:
                await clients[0].event(type="post.created")
            for client in clients:
                await client.close()


@pytest.mark.parametrize("which", [0, 1], ids=["daphne", "uvicorn"])
async def test_slow_readers_of_pictures_take_the_database_from_nobody(
    pair: Pair, which: int
) -> None:
    """An answer that is not read keeps no connection, or sixteen of them would stop everything."""
    server = pair.servers[which]
    authorization = {"Authorization": f"Bearer {pair.tokens['alice']}"}
    async with httpx.AsyncClient(
        base_url=server.http_url, headers=authorization, timeout=60, trust_env=False
    ) as http:
        files = {"images": ("noise.jpg", noise(), "image/jpeg")}
        answer = await http.post("/api/rooms/lobby/posts/", files=files)
        assert answer.status_code == 201, answer.text
        path = answer.json()["images"][0]["url"]
    with ExitStack() as open_sockets:
        for _ in range(2 * POOL):
            reader = open_sockets.enter_context(socket.socket())
            # Takes next to nothing from the server, and none of it is ever read.
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.settimeout(10)
            reader.connect(("127.0.0.1", server.port))
            head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
            lines = [f"{name}: {value}\r\n" for name, value in authorization.items()]
            reader.sendall("".join([head, *lines, "\r\n"]).encode())
            assert reader.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 200"
        async with await pair.connect("alice", server) as alice:
            await alice.post("lobby", "still possible", deadline_s=3)


def noise() -> bytes:
    """A photograph that compresses badly: larger than what lies in sockets' buffers."""
    content = io.BytesIO()
    Image.effect_noise((3200, 2400), 80).convert("RGB").save(content, "JPEG", quality=80)
    return content.getvalue()


async def test_a_locked_room_does_not_delay_lost_rights(pair: Pair) -> None:
    """Requests that wait for a room hold every thread of the process, but none of the hub's."""
    browser = await asyncio.to_thread(sign_in, pair.daphne, "bob")
    headers = session_headers(browser, pair.uvicorn)
    signed_in = await Client.connect(f"{pair.uvicorn.ws_url}/ws/", headers=headers)
    crowd = [await pair.connect("alice", pair.uvicorn) for _ in range(2 * THREADS)]
    with psycopg.connect(pair.site.database_url) as connection:
        connection.execute("SELECT 1 FROM chat_room WHERE slug = 'garden' FOR UPDATE")
        waiting = [asyncio.create_task(each.post("garden", "waits")) for each in crowd]
        try:
            await until_locked(pair.site, THREADS)
            await asyncio.to_thread(submit, browser, "/accounts/logout/")
            assert await signed_in.closed(deadline_s=1) == 4001
        finally:
            connection.rollback()
    await asyncio.gather(*waiting)
    for each in crowd:
        await each.close()


async def until_locked(site: Site, count: int) -> None:
    """Return when so many statements wait for a lock."""
    query = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"
    async with asyncio.timeout(10):
        with psycopg.connect(site.database_url, autocommit=True) as connection:
            while len(connection.execute(query, [connection.info.dbname]).fetchall()) < count:
                await asyncio.sleep(0.05)
