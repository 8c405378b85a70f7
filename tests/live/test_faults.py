"""What people feel when Redis, PostgreSQL or a room's lock is away: as little as can be."""

import asyncio
import time
from pathlib import Path

import psycopg

from tests.live.client import Client
from tests.live.pair import Pair, session_headers, sign_in, submit
from tests.live.servers import Site
from tests.services.postgres import postgres_server
from tests.services.redis import redis_server

# DATABASE_THREADS: as many requests of sockets as a process works on at once.
THREADS = 8


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


async def test_a_locked_room_does_not_delay_lost_rights(pair: Pair) -> None:
    """Requests that wait for a room hold every thread of the process, but none of the hub's."""
    browser = await asyncio.to_thread(sign_in, pair.daphne, "bob")
    headers = session_headers(browser, pair.uvicorn)
    socket = await Client.connect(f"{pair.uvicorn.ws_url}/ws/", headers=headers)
    crowd = [await pair.connect("alice", pair.uvicorn) for _ in range(2 * THREADS)]
    with psycopg.connect(pair.site.database_url) as connection:
        connection.execute("SELECT 1 FROM chat_room WHERE slug = 'garden' FOR UPDATE")
        waiting = [asyncio.create_task(each.post("garden", "waits")) for each in crowd]
        try:
            await until_locked(pair.site, THREADS)
            await asyncio.to_thread(submit, browser, "/accounts/logout/")
            assert await socket.closed(deadline_s=1) == 4001
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
