"""Routes on real servers: an operator's own files, and a table that three players share."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.live.client import open_socket
from tests.live.pair import PEOPLE, ROOMS
from tests.live.servers import AppServer, Site, StartFailed, new_database
from tests.services.redis import redis_server

PROGRAMS = ["daphne", "uvicorn"]
HANDLER = "examples.shared_state.handler"
NAMES = ["updatePlayers", "sendState", "receiveState", "acknowledgeState"]
TABLE = [f"{name}={HANDLER}!" for name in NAMES] + [
    f"${name}={HANDLER}" for name in ("connect", "disconnect")
]
DEADLINE_S = 20.0

# A daphne, a uvicorn, and the tokens of people.
Servers = tuple[AppServer, AppServer, dict[str, str]]


# --- an operator's own --------------------------------------------------------------------------

SCORE = """
def handler(event, context):
    if event["body"] == "[object Object]":
        raise RuntimeError("a bug")
    return {"statusCode": 200, "body": "Home 3, guests 1"}

two_way = True
"""
# Only who names themself comes in.
CONNECT = """
def handler(event, context):
    name = event["queryStringParameters"].get("name")
    return {"statusCode": 200 if name else 401, "body": "Connected"}
"""


@pytest.fixture(scope="module", params=PROGRAMS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AppServer]:
    """A server with a folder of routes and an example, on SQLite."""
    folder = tmp_path_factory.mktemp("routes")
    routes = folder / "routes"
    routes.mkdir()
    (routes / "default.py").write_text(SCORE)
    (routes / "connect.py").write_text(CONNECT)
    variables = {"ROUTES_DIR": str(routes), "ROUTES": "hello=examples.hello.handler"}
    site = Site(folder, "", variables=variables)
    site.migrate()
    with site.serving(request.param) as server:
        yield server


async def plain(server: AppServer, query: str = "?name=ada") -> ClientConnection:
    return await open_socket(f"{server.ws_url}/ws/{query}", subprotocols=())


async def test_a_plain_client_closes_after_its_first_message_which_is_the_score(
    server: AppServer,
) -> None:
    async with await plain(server) as socket:
        await socket.send("What is the score?")
        assert await asyncio.wait_for(socket.recv(), DEADLINE_S) == "Home 3, guests 1"
        await socket.close()
    assert socket.close_code == 1000


async def test_a_failing_handler_leaves_the_socket_open(server: AppServer) -> None:
    async with await plain(server) as socket:
        await socket.send("[object Object]")
        answer = json.loads(await asyncio.wait_for(socket.recv(), DEADLINE_S))
        assert answer["message"] == "Internal server error"
        assert len(answer["connectionId"]) == len(answer["requestId"]) == 16
        await socket.send('{"action": "hello", "request_id": 1}')
        answer = json.loads(await asyncio.wait_for(socket.recv(), DEADLINE_S))
        assert answer["result"] == "Hello, stranger!"
    assert "RuntimeError: a bug" in server.log


async def test_who_the_connect_route_does_not_want_is_refused(server: AppServer) -> None:
    for query in ("", "?name="):
        with pytest.raises(InvalidStatus) as refusal:
            await plain(server, query)
        assert refusal.value.response.status_code == 403


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_server_does_not_start_with_a_route_that_it_cannot_mount(
    tmp_path: Path, program: str
) -> None:
    site = Site(tmp_path, "")
    site.migrate()
    site.variables["ROUTES"] = "hello=examples.hello.handle"
    with pytest.raises(StartFailed):
        site.server(program).start()
    log = next(tmp_path.glob("*.log")).read_text()
    sentence = "The route hello cannot be mounted: there is no function examples.hello.handle."
    assert f"PictureGram cannot start. {sentence}" in log
    assert "Traceback" not in log


# --- three players at one table, over two processes ---------------------------------------------


class Player:
    """A client as people write them: it sends, and looks at what comes."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[dict[str, Any]] = []

    async def until(self, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the first frame that is it, among those that came and those that will."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for place, frame in enumerate(self.frames):
                    if is_it(frame):
                        del self.frames[: place + 1]
                        return frame
                self.frames.append(json.loads(await self.socket.recv()))

    async def pushed(self, type: str, **members: Any) -> dict[str, Any]:
        return await self.until(lambda frame: frame == {"type": type, **members})

    async def ask(self, action: str, **members: Any) -> dict[str, Any]:
        """Send a request and return its answer, which may be a refusal."""
        request_id = f"{action} {id(members)}"
        request = {"action": action, "request_id": request_id, **members}
        await self.socket.send(json.dumps(request))
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for frame in self.frames:
                    if frame.get("request_id") == request_id:
                        self.frames.remove(frame)
                        return frame
                self.frames.append(json.loads(await self.socket.recv()))


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Servers]:
    """A daphne and a uvicorn with the table's routes, and a token for each person."""
    folder = tmp_path_factory.mktemp("table")
    with new_database(postgres_url) as url, redis_server() as redis:
        site = Site(folder, url, redis.url, variables={"ROUTES": ",".join(TABLE)})
        site.migrate()
        tokens = site.populate(PEOPLE, ROOMS)
        with site.serving("daphne") as daphne, site.serving("uvicorn") as uvicorn:
            yield daphne, uvicorn, tokens


@asynccontextmanager
async def sitting(servers: Servers, *names: str) -> AsyncIterator[list[Player]]:
    """Let people sit down, at the two servers in turn, and wait until each sees the others."""
    async with AsyncExitStack() as stack:
        players = []
        for number, name in enumerate(names):
            server, token = servers[number % 2], servers[2][name]
            assert isinstance(server, AppServer)
            socket = await open_socket(f"{server.ws_url}/ws/", token=token, subprotocols=())
            players.append(Player(await stack.enter_async_context(socket)))
        async with asyncio.timeout(DEADLINE_S):
            for player in players:
                # Whoever sat here before may be told of a moment later.
                while (await player.ask("updatePlayers"))["result"]["players"] != sorted(names):
                    await asyncio.sleep(0.1)
                player.frames.clear()
        yield players


async def test_three_players_share_a_state_and_a_roster(
    servers: Servers,
) -> None:
    async with sitting(servers, "alice", "bob") as (alice, bob):
        version = (await alice.ask("receiveState"))["result"]["version"]

        answer = await alice.ask("sendState", state={"turn": "bob"}, version=version)
        assert answer["result"] == {"version": version + 1}
        await bob.pushed("receiveState", version=version + 1, state={"turn": "bob"})

        daphne, _, tokens = servers
        charlies = await open_socket(
            f"{daphne.ws_url}/ws/", token=tokens["charlie"], subprotocols=()
        )
        async with charlies as socket:
            charlie = Player(socket)
            for player in (alice, bob):
                await player.pushed("updatePlayers", players=["alice", "bob", "charlie"])
            late = await charlie.ask("receiveState")
            assert late["result"] == {"version": version + 1, "state": {"turn": "bob"}}

            answers = await asyncio.gather(
                *(
                    player.ask("sendState", state=number, version=version + 1)
                    for number, player in enumerate((alice, bob, charlie))
                )
            )
            (winner,) = [number for number, answer in enumerate(answers) if answer["ok"]]
            for number, answer in enumerate(answers):
                if number != winner:
                    assert answer["error"]["code"] == "conflict"
                    assert answer["error"]["current"] == {"version": version + 2, "state": winner}
            for number, player in enumerate((alice, bob, charlie)):
                if number != winner:
                    await player.pushed("receiveState", version=version + 2, state=winner)

            for player in (alice, bob, charlie):
                known = await player.ask("acknowledgeState", version=version + 2)
            assert known["result"]["players"] == ["alice", "bob", "charlie"]
            socket.transport.abort()
        for player in (alice, bob):
            await player.pushed("updatePlayers", players=["alice", "bob"])
    # Nobody is left behind for the next who sit down.
    async with sitting(servers, "charlie"):
        pass


async def test_players_of_a_killed_process_are_off_the_roster(
    servers: Servers,
) -> None:
    uvicorn = servers[1]
    try:
        async with sitting(servers, "alice", "bob", "charlie") as (alice, bob, charlie):
            uvicorn.kill()
            with pytest.raises(ConnectionClosed):
                await bob.socket.recv()
            async with asyncio.timeout(60):
                # Its lease tells that it is gone, once that is over.
                while True:
                    await alice.ask("sendState", state="again")
                    told = await charlie.until(lambda frame: "type" in frame)
                    if told["type"] == "updatePlayers":
                        break
            assert told["players"] == ["alice", "charlie"]
    finally:
        uvicorn.start()
