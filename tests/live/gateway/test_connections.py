"""Connections, presence and typing over two server processes, and what a crash leaves of them."""

import re
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
import pytest

from tests.live.client import Client
from tests.live.pair import Pair, sign_in, submit
from tests.live.raw import Socket, handshake, wait_until
from tests.live.servers import AppServer

# Seconds after which a process that was killed counts as gone, and those in which the others
# notice: protocol, "Presence and typing".
LEASE_S, NOTICED_S = 15, 25
# What a slow machine gets on top of a promise.
SLACK_S = 10
MAKE_STAFF = """
from chat.models import User
User.objects.filter(username="alice").update(is_staff=True, is_superuser=True)
"""


@dataclass
class Table:
    """The connections table, read past the servers."""

    url: str

    def read(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql, values).fetchall()

    def ids(self) -> set[str]:
        return {row[0] for row in self.read("SELECT connection_id FROM chat_connection")}

    def present(self) -> set[str]:
        """Who is written down as present anywhere."""
        sql = "SELECT username FROM chat_presence JOIN chat_user u ON u.id = user_id"
        return {row[0] for row in self.read(sql)}

    def nodes(self) -> set[str]:
        return {row[0] for row in self.read("SELECT node FROM chat_connection")}


@pytest.fixture
def table(pair: Pair) -> Table:
    return Table(pair.site.database_url)


@dataclass
class Door:
    """Lets people in, and sends them home at the end of a test."""

    pair: Pair
    clients: list[Client] = field(default_factory=list)

    async def open(self, name: str, server: AppServer, *rooms: str) -> tuple[Client, str]:
        """Connect, subscribe, and return the connection's id, too."""
        client = await self.pair.connect(name, server)
        self.clients.append(client)
        if rooms:
            await client.subscribe(*rooms)
        return client, (await client.notice("hello"))["connection_id"]


@pytest.fixture
async def door(pair: Pair, table: Table) -> AsyncIterator[Door]:
    """Begins and ends with nobody there, as all processes have written down."""
    wait_until(lambda: not table.ids() | table.present(), NOTICED_S)
    door = Door(pair)
    yield door
    for client in door.clients:
        await client.close()


@pytest.fixture(scope="module")
def staff(shared_pair: Pair) -> Iterator[httpx.Client]:
    """Alice's browser in the admin, on daphne."""
    shared_pair.site.run("manage.py", "shell", "--verbosity", "0", "-c", MAKE_STAFF)
    browser = sign_in(shared_pair.daphne, "alice")
    yield browser
    browser.close()


async def told(
    client: Client, is_it: Callable[[dict[str, Any]], bool], deadline_s: float = 10
) -> dict[str, Any]:
    """Return the first notice that is it, whether it has come or will come."""
    return await client.until(
        lambda: next((each for each in client.notices if is_it(each)), None), deadline_s
    )


def leaving(name: str) -> Callable[[dict[str, Any]], bool]:
    def is_it(notice: dict[str, Any]) -> bool:
        return name in [user["username"] for user in notice.get("left", ())]

    return is_it


def joining(name: str) -> Callable[[dict[str, Any]], bool]:
    def is_it(notice: dict[str, Any]) -> bool:
        return name in [user["username"] for user in notice.get("joined", ())]

    return is_it


async def who(client: Client, room: str) -> list[str]:
    result = await client.request("presence", room=room)
    return [user["username"] for user in result["users"]]


def list_of(browser: httpx.Client) -> str:
    return browser.get("/admin/chat/connection/").text


def press(browser: httpx.Client, connection_id: str, page: str, **fields: str) -> str:
    """Press a button of a connection's page, and return what the admin says then."""
    path = f"/admin/chat/connection/{connection_id.replace('=', '_3D')}/{page}/"
    answer = submit(browser, path, **fields)
    assert answer.status_code == 302, answer.text[:2000]
    shown = browser.get(answer.headers["Location"], follow_redirects=True)
    [message] = re.findall(r'<ul class="messagelist">(.*?)</ul>', shown.text, re.DOTALL)
    return str(message)


def reset(client: Socket) -> None:
    """Vanish with a reset, as a process that is killed with unread data does."""
    linger = struct.pack("ii", 1, 0)
    client.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    client.connection.close()


async def test_both_processes_write_into_one_table(pair: Pair, table: Table, door: Door) -> None:
    clients = [await door.open("alice", server, "garden") for server in pair.servers]
    ids = {connection_id for _, connection_id in clients}
    wait_until(lambda: ids <= table.ids())
    assert len(table.nodes()) == 2
    for client, _ in clients:
        await client.close()
    wait_until(lambda: not ids & table.ids())


async def test_the_admin_reaches_a_connection_of_the_other_process(
    pair: Pair, table: Table, door: Door, staff: httpx.Client
) -> None:
    bob, name = await door.open("bob", pair.uvicorn, "garden")
    wait_until(lambda: name in table.ids())
    assert name in list_of(staff)
    assert "It is there, says its process" in press(staff, name, "change", _inspect="1")
    said = press(staff, name, "change", _send="1", text='{"type": "notice", "text": "Hello"}')
    assert "on its way" in said
    assert (await bob.notice("notice"))["text"] == "Hello"
    assert "It was dropped" in press(staff, name, "drop", reason="Enough")
    assert (await bob.notice("disconnect"))["reason"] == "Enough"
    assert await bob.closed() == 4012
    assert "It is gone" in press(staff, name, "change", _inspect="1")
    wait_until(lambda: name not in table.ids())


async def test_presence_spans_processes(pair: Pair, door: Door) -> None:
    alice, _ = await door.open("alice", pair.daphne, "garden")
    assert await who(alice, "garden") == ["alice"]
    await door.open("charlie", pair.uvicorn, "garden")
    bob, _ = await door.open("bob", pair.uvicorn, "garden")
    await told(alice, joining("bob"))
    assert await who(bob, "garden") == ["alice", "bob"]
    await bob.close()
    await told(alice, leaving("bob"))
    assert await who(alice, "garden") == ["alice"]


async def test_typing_spans_processes(pair: Pair, door: Door) -> None:
    alice, _ = await door.open("alice", pair.daphne, "studio")
    bob, _ = await door.open("bob", pair.uvicorn, "studio")

    def says(is_typing: bool) -> Callable[[dict[str, Any]], bool]:
        def is_it(notice: dict[str, Any]) -> bool:
            return notice["type"] == "typing.updated" and notice["typing"] is is_typing

        return is_it

    await bob.request("typing", room="studio", typing=True)
    notice = await told(alice, says(True))
    assert (notice["room"], notice["user"]["username"]) == ("studio", "bob")
    await bob.post("studio", "Here it is")
    await told(alice, says(False))
    assert not [each for each in bob.notices if each["type"] == "typing.updated"]


async def test_a_read_marker_moved_in_one_process_is_told_in_the_other(
    pair: Pair, door: Door
) -> None:
    bob, _ = await door.open("bob", pair.uvicorn)
    alice, _ = await door.open("alice", pair.daphne)
    post = await alice.post("lobby", "Hello")
    headers = {"Authorization": f"Bearer {pair.tokens['bob']}"}
    async with httpx.AsyncClient(base_url=pair.daphne.http_url, trust_env=False) as program:
        answer = await program.post(
            "/api/rooms/lobby/read/", json={"seq": post["seq"]}, headers=headers
        )
    assert answer.status_code == 200
    notice = await bob.notice("read.updated")
    assert notice == {"type": "read.updated", **answer.json()}


@pytest.mark.parametrize("program", ["daphne", "uvicorn"])
async def test_a_client_that_is_killed_is_gone_at_once(
    pair: Pair, table: Table, door: Door, program: str
) -> None:
    server: AppServer = getattr(pair, program)
    alice, name = await door.open("alice", pair.daphne, "garden")
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    token = {"Authorization": f"Bearer {pair.tokens['bob']}"}
    connection.sendall(handshake("/ws/rooms/garden/", **token))
    bob = Socket(connection)
    assert bob.read_head().startswith(b"HTTP/1.1 101 ")
    wait_until(lambda: len(table.ids()) == 2 and "bob" in table.present())
    assert await who(alice, "garden") == ["alice", "bob"]
    reset(bob)
    await told(alice, leaving("bob"))
    wait_until(lambda: "bob" not in table.present())
    wait_until(lambda: table.ids() == {name})


async def test_what_a_killed_process_held_is_gone_with_its_lease(
    pair: Pair, table: Table, door: Door, staff: httpx.Client
) -> None:
    alice, _ = await door.open("alice", pair.daphne, "garden")
    bob, name = await door.open("bob", pair.uvicorn, "garden")
    wait_until(lambda: name in table.ids())
    assert await who(alice, "garden") == ["alice", "bob"]
    pair.uvicorn.kill()
    killed_at = time.monotonic()
    # Nobody knows yet, and nobody pretends to.
    assert "does not answer" in press(staff, name, "change", _inspect="1")
    await told(alice, leaving("bob"), NOTICED_S + SLACK_S)
    assert time.monotonic() - killed_at < NOTICED_S + SLACK_S
    wait_until(lambda: name not in table.ids(), NOTICED_S)
    assert "It is gone" in press(staff, name, "change", _inspect="1")
    assert await bob.closed() == 1006


async def test_a_process_that_was_taken_for_dead_closes_its_sockets_and_goes_on(
    pair: Pair, table: Table, door: Door
) -> None:
    alice, _ = await door.open("alice", pair.daphne, "garden")
    bob, name = await door.open("bob", pair.uvicorn, "garden")
    wait_until(lambda: name in table.ids())
    assert await who(alice, "garden") == ["alice", "bob"]
    pair.uvicorn.pause()
    try:
        await told(alice, leaving("bob"), NOTICED_S + SLACK_S)
        wait_until(lambda: name not in table.ids(), NOTICED_S)
        alice.notices.clear()
    finally:
        pair.uvicorn.resume()
    assert await bob.closed() == 4211
    _, anew = await door.open("bob", pair.uvicorn, "garden")
    await told(alice, joining("bob"), NOTICED_S)
    wait_until(lambda: anew in table.ids())
    assert name not in table.ids()


@pytest.mark.parametrize("program", ["daphne", "uvicorn"])
async def test_a_process_that_ends_in_good_order_leaves_nothing(
    pair: Pair, table: Table, door: Door, program: str
) -> None:
    ending: AppServer = getattr(pair, program)
    (other,) = [each for each in pair.servers if each is not ending]
    alice, _ = await door.open("alice", other, "garden")
    bob, name = await door.open("bob", ending, "garden")
    wait_until(lambda: name in table.ids())
    assert await who(alice, "garden") == ["alice", "bob"]
    ending.terminate()
    assert name not in table.ids()
    await told(alice, leaving("bob"))
    await bob.closed()
