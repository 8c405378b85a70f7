"""The connections table follows the sockets of its process, in batches and through failures."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from chat.gateway import table
from chat.gateway.table import ConnectionsTable, sweep
from chat.models import Connection, Lease, Presence
from chat.models.lease import LEASE_SECONDS
from chat.realtime import lease
from chat.realtime.database import in_database
from tests.people import World
from tests.socket.acts import do
from tests.socket.client import Socket
from tests.socket.conftest import Gateway

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what the table's own thread does, but for sweeping."""
    found: list[str] = []
    execute = CursorWrapper.execute

    def noting(self: CursorWrapper, sql: str, params: Any = None) -> Any:
        is_ours = threading.current_thread().name.startswith("background")
        if is_ours and "chat_lease" not in sql and not sql.startswith("BEGIN"):
            found.append(sql)
        return execute(self, sql, params)

    monkeypatch.setattr(CursorWrapper, "execute", noting)
    return found


async def rows() -> dict[str, Connection]:
    return await in_database(lambda: {row.pk: row for row in Connection.objects.all()})


async def names() -> set[str]:
    return set(await rows())


async def presences() -> set[tuple[int, int]]:
    return await in_database(lambda: set(Presence.objects.values_list("room_id", "user_id")))


async def until(read: Callable[[], Any], expected: object, deadline_s: float = 10) -> None:
    """Wait until reading the database gives what is expected."""
    async with asyncio.timeout(deadline_s):
        while await read() != expected:
            await asyncio.sleep(0.02)


async def settled(gateway: Gateway) -> None:
    """Wait until everything is written that was known when this was called."""
    await (await gateway.server()).part(ConnectionsTable).flush()


def name_of(socket: Socket) -> str:
    name: str = socket.hello["connection_id"]
    return name


@contextmanager
def failing_database() -> Iterator[None]:
    """Take the table away, so that every statement on it fails."""

    def rename(before: str, after: str) -> None:
        with database.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {before} RENAME TO {after}")

    rename("chat_connection", "chat_connection_away")
    try:
        yield
    finally:
        rename("chat_connection_away", "chat_connection")


async def test_a_connection_is_a_row_while_it_is_open(gateway: Gateway, world: World) -> None:
    socket = await gateway.open(world.alice, headers=[("user-agent", "a bot")])

    await until(names, {name_of(socket)})
    row = (await rows())[name_of(socket)]
    assert row.user_id == world.alice.pk
    assert (row.domain_name, row.source_ip, row.user_agent) == ("localhost", "127.0.0.1", "a bot")
    assert row.node == lease.NODE.hex()
    assert row.subscriptions == {"rooms": []}
    assert timezone.now() - row.connected_at < timedelta(seconds=60)
    assert row.last_active_at >= row.connected_at
    assert time.time() < row.ttl <= time.time() + table.TTL_S
    await socket.leave()
    await until(names, set())


async def test_a_row_tells_the_rooms_that_are_subscribed_to(gateway: Gateway, world: World) -> None:
    socket = await gateway.open(world.alice)
    await socket.ask("subscribe", rooms=["garden", "cellar"])

    async def told() -> object:
        found = (await rows()).get(name_of(socket))
        return found and found.subscriptions

    await until(told, {"rooms": ["cellar", "garden"]})
    await socket.ask("unsubscribe", rooms=["garden"])
    await until(told, {"rooms": ["cellar"]})


async def test_a_row_tells_the_topics_and_filters_that_are_subscribed_to(
    gateway: Gateway, world: World
) -> None:
    socket = await gateway.open(world.alice)
    clicks = {"event_type": "NESClick", "filter_field": "color", "filter_expr": "blue"}
    await socket.result("subscribe", id="race/7")
    await socket.result("subscribe", subscriptions=[clicks])
    await settled(gateway)
    [row] = (await rows()).values()
    assert row.subscriptions["topics"] == ["race/7"]
    [told] = row.subscriptions["filters"]
    assert clicks.items() <= told.items()
    await socket.result("unsubscribe", id="race/7", subscriptions=[clicks])
    await settled(gateway)
    [row] = (await rows()).values()
    assert row.subscriptions == {"rooms": []}


async def test_others_describe_what_else_is_subscribed_to(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "describers", [lambda connection: {"topics": [connection.dialect]}])
    await gateway.open(world.alice)
    await settled(gateway)
    [row] = (await rows()).values()
    assert row.subscriptions == {"rooms": [], "topics": ["picturegram.v1.json"]}


async def test_who_is_anonymous_has_a_row_without_a_user_and_is_nowhere_present(
    gateway: Gateway, world: World
) -> None:
    socket = await gateway.open()
    await socket.ask("subscribe", rooms=["garden"])
    await settled(gateway)
    assert [row.user_id for row in (await rows()).values()] == [None]
    assert await presences() == set()


async def test_five_hundred_at_once_cost_a_handful_of_statements(
    gateway: Gateway, world: World, statements: list[str]
) -> None:
    server = await gateway.server()
    async with server.part(ConnectionsTable)._writing:  # so that all come within one moment
        for _ in range(10):
            await asyncio.gather(*(gateway.open(path="/ws/rooms/garden/") for _ in range(50)))
        statements.clear()
    await settled(gateway)
    assert len(await rows()) == 500
    inserts = [sql for sql in statements if "INSERT" in sql]
    assert len(inserts) <= 6, "SQLite takes some hundred rows a statement, PostgreSQL all"
    assert len(statements) <= 12, statements


async def test_who_opens_and_closes_in_a_moment_costs_nothing(
    gateway: Gateway, world: World, statements: list[str]
) -> None:
    server = await gateway.server()
    await settled(gateway)
    async with server.part(ConnectionsTable)._writing:
        statements.clear()
        for _ in range(20):
            socket = await gateway.open(world.alice, "/ws/rooms/garden/")
            await socket.leave()
    await settled(gateway)
    assert statements == []


async def test_a_person_is_present_once_however_many_sockets(
    gateway: Gateway, world: World
) -> None:
    here = {(world.garden.pk, world.alice.pk)}
    first, second = [await gateway.open(world.alice, "/ws/rooms/garden/") for _ in range(2)]
    await settled(gateway)
    assert await presences() == here
    [before] = await do(lambda: list(Presence.objects.all()))
    await first.leave()
    await settled(gateway)
    [after] = await do(lambda: list(Presence.objects.all()))
    assert after.since > before.since
    await second.leave()
    await settled(gateway)
    assert await presences() == set()


async def test_one_that_is_being_closed_is_out_before_the_peer_agrees(
    gateway: Gateway, world: World
) -> None:
    server = await gateway.server()
    socket = await gateway.open(world.alice, "/ws/rooms/garden/")
    await settled(gateway)
    socket.reading.clear()
    for connection in server.connections:
        connection.close(4209)
    await settled(gateway)
    assert (await rows(), await presences()) == ({}, set())


async def test_a_header_that_no_database_takes_spoils_nobody_s_row(
    gateway: Gateway, world: World
) -> None:
    await gateway.open(world.alice, headers=[("user-agent", "a\0b")])
    await gateway.open(world.bob)
    await settled(gateway)
    assert sorted(row.user_agent for row in (await rows()).values()) == ["", "ab"]


async def test_after_a_failure_the_table_is_what_is_connected(
    gateway: Gateway, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    before = [await gateway.open(world.alice, "/ws/rooms/garden/") for _ in range(3)]
    await settled(gateway)
    manager = failing_database()
    await do(manager.__enter__)
    try:
        during = [await gateway.open(world.bob, "/ws/rooms/garden/") for _ in range(3)]
        await before[0].leave()
        await during[0].leave()
        async with asyncio.timeout(10):
            while "have to wait" not in caplog.text:
                await asyncio.sleep(0.02)
        await before[1].leave()
        await during[1].leave()
    finally:
        await do(manager.__exit__, None, None, None)

    await until(names, {name_of(before[2]), name_of(during[2])})
    people = {world.alice.pk, world.bob.pk}
    await until(presences, {(world.garden.pk, user_id) for user_id in people})


async def test_rows_that_others_swept_come_back_when_the_process_does(
    gateway: Gateway, world: World
) -> None:
    """As after a pause longer than the lease, in which the others took it for dead."""
    server = await gateway.server()
    socket = await gateway.open(world.alice, "/ws/rooms/garden/")
    await settled(gateway)

    def lose() -> None:
        Connection.objects.all().delete()
        Presence.objects.all().delete()
        make_row("left", lease.NODE.hex())

    await do(lose)
    server.part(ConnectionsTable)._ticked_at -= table.LAPSE_S

    await until(names, {name_of(socket)})
    await until(presences, {(world.garden.pk, world.alice.pk)})


async def test_who_was_heard_is_noted_for_all_in_one_statement(
    gateway: Gateway, world: World, statements: list[str]
) -> None:
    server = await gateway.server()
    sockets = [await gateway.open(world.alice) for _ in range(5)]
    silent = await gateway.open(world.bob)
    await settled(gateway)
    before = await rows()
    for socket in sockets:
        await socket.ask("ping")
    [quiet] = [each for each in server.connections if each.id == name_of(silent)]
    quiet.heard_at -= 100
    statements.clear()
    part = server.part(ConnectionsTable)
    part._noted_at -= table.HEARD_EVERY_S
    part._wake.set()

    async def moved() -> set[str]:
        found = (await rows()).values()
        return {row.pk for row in found if row.last_active_at > before[row.pk].last_active_at}

    await until(moved, {name_of(socket) for socket in sockets})
    assert len([sql for sql in statements if "last_active_at" in sql]) == 1


async def test_rows_are_renewed_before_they_may_be_swept(gateway: Gateway, world: World) -> None:
    server = await gateway.server()
    await gateway.open(world.alice)
    await settled(gateway)
    soon = int(time.time()) + 5
    await do(lambda: Connection.objects.update(ttl=soon))
    part = server.part(ConnectionsTable)
    part._renewed_at -= table.RENEW_EVERY_S
    part._wake.set()

    async def is_renewed() -> bool:
        return all(row.ttl > soon for row in (await rows()).values())

    await until(is_renewed, True)


async def test_a_process_that_stops_in_good_order_leaves_no_rows(
    gateway: Gateway, world: World
) -> None:
    server = await gateway.server()
    socket = await gateway.open(world.alice, "/ws/rooms/garden/")
    await settled(gateway)
    await asyncio.gather(server.drain(), socket.closed())
    assert (await rows(), await presences()) == ({}, set())


def make_row(name: str, node: str, *, ttl_s: float = 100) -> None:
    now = timezone.now()
    Connection.objects.create(
        connection_id=name,
        node=node,
        connected_at=now,
        last_active_at=now,
        ttl=int(time.time() + ttl_s),
    )
    Presence.objects.create(key=f"{node}.1.{name}", node=node, room_id=1, user_id=1, since=now)


def make_lease(node: str, *, ago_s: float = 0) -> None:
    renewed_at = timezone.now() - timedelta(seconds=ago_s)
    Lease.objects.create(node=node, host="x", pid=1, is_shared=True, renewed_at=renewed_at)


def test_what_dead_processes_left_is_swept(db: None) -> None:
    make_lease("living")
    make_lease("dead", ago_s=LEASE_SECONDS + 1)
    for node in ("living", "dead", "unknown"):
        make_row(node, node)
    make_row("forgotten", "living", ttl_s=-1)
    assert sweep() == 3
    assert list(Connection.objects.values_list("pk", flat=True)) == ["living"]
    assert set(Presence.objects.values_list("node", flat=True)) == {"living"}
    assert sweep() == 0


def test_a_process_sweeps_none_of_its_own_rows(db: None) -> None:
    """It knows better than its lease, which may not be renewed yet."""
    make_row("own", lease.NODE.hex())
    assert sweep() == 0


async def test_a_process_that_starts_sweeps_at_once(gateway: Gateway, db: None) -> None:
    await do(make_row, "old", "dead")
    await gateway.server()

    await until(names, set())
