"""Programs of others, as they come, against a running server: nothing in them knows of us."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgpack  # type: ignore[import-untyped]  # comes with channels-redis
import pytest
import websocket
import websockets

from tests import node
from tests.live.client import DEADLINE_S, V1, Client
from tests.live.pair import PEOPLE, ROOMS
from tests.live.servers import AppServer, Site

PEERS = Path(__file__).with_name("peers")
PROGRAMS = ["daphne", "uvicorn"]
PACKED = "picturegram.v1.msgpack"


class Place:
    """A server that is ready, and a token for each person."""

    def __init__(self, server: AppServer, tokens: dict[str, str]) -> None:
        self.server = server
        self.tokens = tokens

    @property
    def url(self) -> str:
        return f"{self.server.ws_url}/ws/"

    def header(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[name]}"}

    async def connect(self, name: str) -> Client:
        return await Client.connect(self.url, token=self.tokens[name])


@pytest.fixture(scope="module", params=PROGRAMS)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    site = Site(tmp_path_factory.mktemp("peers"), "")
    site.migrate()
    tokens = site.populate(PEOPLE, ROOMS)
    with site.serving(request.param) as server:
        yield Place(server, tokens)
        assert "Traceback" not in server.log


def request_of(action: str, request_id: str | int, **body: Any) -> str:
    return json.dumps({"action": action, "request_id": request_id, **body})


# --- Python -----------------------------------------------------------------------------------


async def test_websockets_talks_to_us(place: Place) -> None:
    async with websockets.connect(
        place.url,
        subprotocols=[websockets.Subprotocol(V1)],
        additional_headers=place.header("alice"),
        ping_interval=0.2,
        proxy=None,
    ) as socket:
        assert socket.subprotocol == V1
        assert json.loads(await socket.recv())["user"]["username"] == "alice"
        await socket.send(request_of("subscribe", 1, rooms=["lobby"]))
        assert json.loads(await socket.recv())["request_id"] == 1
        text = request_of("post.create", "zwei", room="lobby", text="websockets")
        await socket.send([text[:10], text[10:], ""])
        answers = [json.loads(await socket.recv()) for _ in range(2)]
        assert {"zwei", None} == {each.get("request_id") for each in answers}
        assert await (await socket.ping()) < DEADLINE_S
        while not socket.latency:  # Its own pings are answered, too.
            await asyncio.sleep(0.05)
    assert socket.close_code == 1000


def test_websocket_client_talks_to_us(place: Place) -> None:
    socket = websocket.create_connection(
        place.url,
        subprotocols=[V1],
        header=place.header("bob"),
        timeout=DEADLINE_S,
        http_no_proxy=["*"],
    )
    assert socket.getsubprotocol() == V1
    assert json.loads(socket.recv())["user"]["username"] == "bob"
    socket.send(request_of("post.create", 1, room="lobby", text="websocket-client"))
    assert json.loads(socket.recv())["result"]["text"] == "websocket-client"
    socket.ping("there?")
    assert socket.recv_data(control_frame=True) == (websocket.ABNF.OPCODE_PONG, b"there?")
    socket.send_binary(b"\x00")
    assert json.loads(socket.recv())["type"] == "disconnect"
    opcode, payload = socket.recv_data(control_frame=True)
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    assert payload == (1003).to_bytes(2) + b"unsupported_data"
    socket.close()


async def test_aiohttp_talks_to_us_in_packed_frames(place: Place) -> None:
    """MessagePack is read by the library of its own people."""
    async with (
        aiohttp.ClientSession(headers=place.header("charlie")) as session,
        session.ws_connect(place.url, protocols=[PACKED], heartbeat=0.5, compress=15) as socket,
    ):
        assert socket.protocol == PACKED
        hello = msgpack.unpackb(await socket.receive_bytes(timeout=DEADLINE_S))
        assert hello["user"]["username"] == "charlie"
        request = {"action": "subscribe", "request_id": 1, "rooms": ["lobby"]}
        await socket.send_bytes(msgpack.packb(request))
        assert msgpack.unpackb(await socket.receive_bytes(timeout=DEADLINE_S))["ok"] is True
        async with await place.connect("alice") as alice:
            post = await alice.post("lobby", "für aiohttp 👍")
        event = msgpack.unpackb(await socket.receive_bytes(timeout=DEADLINE_S))
        assert (event["type"], event["data"]) == ("post.created", post)
        await socket.send_str("{}")
        farewell = msgpack.unpackb(await socket.receive_bytes(timeout=DEADLINE_S))
        assert farewell["code"] == 1003
        assert (await socket.receive(timeout=DEADLINE_S)).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 1003


# --- Node -------------------------------------------------------------------------------------


@asynccontextmanager
async def running(script: str, **options: Any) -> AsyncIterator[asyncio.StreamReader]:
    """Yield what a program says, a JSON text a line; it ends with the block at the latest."""
    node.packages()
    process = await asyncio.create_subprocess_exec(
        node.program(),
        str(PEERS / script),
        json.dumps(options),
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line_of(said: asyncio.StreamReader, deadline_s: float = DEADLINE_S) -> dict[str, Any]:
    async with asyncio.timeout(deadline_s):
        line = await said.readline()
    assert line, "the program has ended"
    found: dict[str, Any] = json.loads(line)
    return found


async def test_ws_talks_to_us(place: Place) -> None:
    async with running("program.cjs", url=place.url, token=place.tokens["alice"]) as said:
        found = await line_of(said, 2 * DEADLINE_S)
    assert found["protocol"] == V1
    assert found["hello"]["user"]["username"] == "alice"
    assert found["subscribed"]["ok"] is True
    assert found["created"]["result"] == found["event"]["data"]
    assert found["pong"] == "are you there?"
    assert found["farewell"]["reason"] == "unsupported_data"
    assert found["closed"] == {"code": 1003, "reason": "unsupported_data"}


SUBSCRIBE = {"action": "subscribe", "rooms": ["lobby"], "id": "race/7"}
FILTER = {"event_type": "NESClick", "filter_field": "color", "filter_expr": "blue"}
CLICK: dict[str, Any] = {"event_type": "NESClick", "payload": {"color": "blue", "button": "A"}}


KINDS = {
    *("post.created", "post.updated", "post.deleted", "reaction.added", "reaction.removed"),
    *("member.left", "member.joined", "state.updated", "event"),
}


async def make_everything_happen(place: Place) -> None:
    """Cause one of every kind of event that a plain reader of the lobby and a topic may hear."""
    async with (
        await place.connect("alice") as alice,
        await place.connect("bob") as bob,
        await place.connect("producer") as producer,
    ):
        post = await alice.post("lobby", 'with "quotes", ümlauts, 👩‍👩‍👧 and \\ slashes\n')
        await bob.request("reaction.add", post_id=post["id"], emoji="👍")
        await bob.request("reaction.remove", post_id=post["id"], emoji="👍")
        await alice.request("post.edit", id=post["id"], text="edited")
        await alice.request("post.delete", id=post["id"])
        await producer.request("publish", topic="race/7", **CLICK)
        await producer.request("publish", topic="race/8", **CLICK)
        click = {"MessageType": "NESClick", "Message": {"color": "blue"}}
        await producer.request("submitIotEvent", event=click)
        await alice.request("typing", room="lobby", typing=True)
        await bob.request("room.leave", room="lobby")
        await bob.request("room.join", room="lobby")
        await bob.request("presence", room="lobby")
        state = await alice.request("state.get", scope="lobby")
        await alice.request("state.set", scope="lobby", data={"n": 1}, version=state["version"])
        await alice.post("lobby", "the last one")


async def test_rxjs_parses_everything_and_completes_when_the_server_stops(
    tmp_path: Path, place: Place
) -> None:
    site = Site(tmp_path, "")
    site.migrate()
    tokens = site.populate(PEOPLE, ROOMS)
    with site.serving(place.server.program) as server:
        key = site.run("manage.py", "access_key", "alice", "--scope=read", "--scope=publish")
        here = Place(server, {**tokens, "producer": key.split()[-1]})
        requests = [
            SUBSCRIBE,
            {"action": "subscribe", "subscriptions": [FILTER]},
            {"action": "presence", "room": "lobby"},
            {"action": "nonsense"},
            {"action": "ping", "request_id": "ready"},
        ]
        url = f"{server.ws_url}/ws/rooms/lobby/?seq=0"
        # A browser's way to be somebody, in the quiet dialect: bob is a member.
        protocol = ["chat", f"picturegram.bearer.{tokens['bob']}"]
        options = {"url": url, "protocol": protocol, "requests": requests}
        async with running("consumer.cjs", **options) as said:
            heard: list[dict[str, Any]] = []
            while not is_answer(heard, "ready"):
                heard.append(await line_of(said))
            await make_everything_happen(here)
            while not is_post(heard, "the last one") or not kinds_of(heard) >= KINDS:
                heard.append(await line_of(said))
            stopping = asyncio.to_thread(server.terminate)
            ends, _ = await asyncio.gather(ends_of(said), stopping)
        assert [each for each in [*heard, *ends] if "threw" in each] == []
        assert ends[-1] == {"complete": True}
        assert all(each["wasClean"] for each in ends if "closed" in each)


def kinds_of(heard: list[dict[str, Any]]) -> set[str]:
    return {each["event"].get("type", "") for each in heard if "event" in each}


def is_answer(heard: list[dict[str, Any]], request_id: str) -> bool:
    return any(each.get("event", {}).get("request_id") == request_id for each in heard)


def is_post(heard: list[dict[str, Any]], text: str) -> bool:
    return any(
        each.get("event", {}).get("type") == "post.created" and each["payload"]["text"] == text
        for each in heard
    )


async def ends_of(said: asyncio.StreamReader) -> list[dict[str, Any]]:
    """Return what is said from now to the end."""
    lines = []
    async with asyncio.timeout(2 * DEADLINE_S):
        async for line in said:
            lines.append(json.loads(line))
    return lines


SEARCH = {"action": "SearchStories", "request_id": 1, "query": "nothing has this"}
RESUME = {"action": "subscribe", "request_id": 1, "rooms": [{"room": "lobby", "seq": 0}]}


@pytest.mark.parametrize(
    ("path", "request_"),
    [("/ws/", SEARCH), ("/ws/", RESUME), ("/chat", SEARCH), ("/ws/rooms/lobby/", RESUME)],
    ids=["search", "resume", "search in the lobby", "resume in the lobby"],
)
async def test_who_takes_the_first_message_for_the_answer_gets_the_answer(
    place: Place, path: str, request_: dict[str, Any]
) -> None:
    """Also where events come meanwhile, unless they are there before the question."""
    silent = asyncio.Event()

    async def talk() -> None:
        async with await place.connect("alice") as alice:
            while not silent.is_set():
                await alice.post("lobby", "chatter")
                await asyncio.sleep(0.05)  # as often as one may

    talking = asyncio.create_task(talk()) if path == "/ws/" else None
    try:
        asker = {"url": place.server.ws_url + path, "request": request_}
        async with running("asker.cjs", **asker) as said:
            found = await line_of(said)
    finally:
        silent.set()
        if talking is not None:
            await talking
    assert "threw" not in found
    assert found["message"]["request_id"] == 1
    assert found["complete"] is True
    assert found["wasClean"] is True
