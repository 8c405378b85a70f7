"""Two server processes on one database: together they are one site.

A daphne and a uvicorn, each as an operator starts it; what one of them commits, the other tells.
"""

import asyncio
import json
import signal
import socket
import struct
import time
from pathlib import Path

import pytest

from tests.live.client import V1, Client, Position
from tests.live.pair import Pair, pair_of, session_headers, sign_in, submit
from tests.live.raw import CLOSE, TEXT, Socket, handshake
from tests.live.servers import AppServer, new_database


async def interleaved(pair: Pair, room: str) -> None:
    """Post through both in turn; both tell everything, in the order of the log."""
    left, right = pair.servers
    async with (
        await pair.connect("alice", left) as alice,
        await pair.connect("bob", right) as bob,
    ):
        listeners = [alice, bob]
        for listener in listeners:
            await listener.subscribe(room)
        first = alice.positions[room].seq
        for number in range(10):
            author = listeners[number % 2]
            await author.post(room, f"{number}")
        # And at the same time.
        await asyncio.gather(
            *(each.post(room, "all at once") for each in listeners for _ in "1234")
        )
        for listener in listeners:
            await listener.event(room=room, seq=first + 18)
            numbers = [event["seq"] for event in listener.events]
            assert numbers == list(range(first + 1, first + 19))
            texts = [event["data"]["text"] for event in listener.events[:10]]
            assert texts == [str(number) for number in range(10)]
            assert not listener.faults


async def test_a_post_through_either_process_appears_on_sockets_of_both(pair: Pair) -> None:
    await interleaved(pair, "studio")


async def test_two_daphnes_do_the_same(tmp_path: Path, postgres_url: str) -> None:
    with new_database(postgres_url) as url, pair_of(["daphne", "daphne"], tmp_path, url) as pair:
        await interleaved(pair, "studio")


async def test_two_processes_on_one_sqlite_file_do_the_same(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/db.sqlite3"
    with pair_of(["daphne", "uvicorn"], tmp_path, url) as pair:
        await interleaved(pair, "studio")


async def test_a_socket_of_a_killed_process_resumes_on_the_other(pair: Pair) -> None:
    bob = await pair.connect("bob", pair.daphne)
    await bob.subscribe("lobby", "studio")
    async with await pair.connect("alice", pair.uvicorn) as alice:
        await alice.post("studio", "before")
        await bob.event(type="post.created", room="studio")
        pair.daphne.kill()
        assert await bob.closed() == 1006
        missed = [await alice.post("studio", f"while bob was away {number}") for number in range(5)]
        async with await Client.connect(
            f"{pair.uvicorn.ws_url}/ws/", token=pair.tokens["bob"], positions=bob.positions
        ) as back:
            replies = await back.subscribe("lobby", "studio")
            assert [reply["recovered"] for reply in replies] == [True, True]
            assert [event["data"]["id"] for event in back.events] == [each["id"] for each in missed]
            created = await alice.post("studio", "after")
            await back.event(seq=created["seq"])
            assert not back.faults
            assert not bob.faults


# --- rights -----------------------------------------------------------------------------------


async def time_to_sign_out(pair: Pair, deadline_s: float) -> float:
    """Sign out at one process; return the seconds until the socket at the other is closed."""
    browser = await asyncio.to_thread(sign_in, pair.daphne, "bob")
    headers = session_headers(browser, pair.uvicorn)
    async with await Client.connect(f"{pair.uvicorn.ws_url}/ws/", headers=headers) as socket:
        assert socket.notices[0]["user"]["username"] == "bob"
        other = await pair.connect("bob", pair.uvicorn)
        await asyncio.to_thread(submit, browser, "/accounts/logout/")
        began = time.monotonic()
        assert await socket.closed(deadline_s=deadline_s) == 4001
        took_s = time.monotonic() - began
        assert (await socket.notice("disconnect"))["reconnect"] is False
        # The same person's key is no part of that session.
        await other.request("ping")
        await other.close()
    return took_s


async def test_signing_out_at_one_process_closes_the_socket_at_the_other(pair: Pair) -> None:
    assert await time_to_sign_out(pair, 10) < 1


async def test_signing_out_closes_the_socket_without_redis_too(pair: Pair) -> None:
    pair.redis.stop()
    try:
        assert await time_to_sign_out(pair, 15) < 10
    finally:
        pair.redis.start()


# --- the end ----------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [0, 1], ids=["daphne", "uvicorn"])
async def test_a_process_that_is_stopped_sends_everybody_elsewhere(pair: Pair, which: int) -> None:
    server, other = pair.servers[which], pair.servers[1 - which]
    v1 = [await pair.connect("bob", server) for _ in range(20)]
    for client in v1:
        await client.subscribe("lobby")
    quiet = await Client.connect(f"{server.ws_url}/chat", subprotocols=())
    ending = asyncio.create_task(asyncio.to_thread(server.terminate, 15))
    pauses = []
    for client in v1:
        assert await client.closed() == 4113
        farewell = await client.notice("disconnect")
        assert farewell["code"] == 4113
        assert farewell["reconnect"] is True
        pauses.append(farewell["retry_after_ms"])
    assert 0 <= min(pauses) < max(pauses) <= 5000
    assert await quiet.closed() in (4113, 1012, 1001)
    # uvicorn ends by the signal that it was sent, after all is done.
    assert await ending in (0, -signal.SIGTERM)
    async with await pair.connect("bob", other, positions=v1[0].positions) as back:
        (reply,) = await back.subscribe("lobby")
        assert reply["recovered"] is True


# --- a slow reader ----------------------------------------------------------------------------


class SlowReader:
    """Asks for much and reads nothing until `read_to_the_end`."""

    def __init__(self, pair: Pair, server: AppServer, room: str, position: Position) -> None:
        self.room = room
        self.position = position
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(10)
        connection.connect(("127.0.0.1", server.port))
        headers = {"Authorization": f"Bearer {pair.tokens['bob']}", "Sec-WebSocket-Protocol": V1}
        connection.sendall(handshake("/ws/", **headers))
        self.socket = Socket(connection)
        assert b" 101 " in self.socket.read_head()

    def ask_for_replays(self, count: int) -> None:
        at = {"room": self.room, "epoch": self.position.epoch, "seq": self.position.seq}
        for _ in range(count):
            self.socket.send(TEXT, json.dumps({"action": "subscribe", "rooms": [at]}).encode())

    def read_to_the_end(self) -> int:
        """Handle what has come, and return the close code."""
        while True:
            opcode, payload = self.socket.receive()
            if opcode == CLOSE:
                code: int = struct.unpack("!H", payload[:2])[0]
                return code
            frame = json.loads(payload)
            rooms = frame["result"]["rooms"] if frame.get("action") == "subscribe" else []
            events = [event for room in rooms for event in room["events"]]
            for event in [*events, *([frame] if "seq" in frame else [])]:
                if event["seq"] == self.position.seq + 1:
                    self.position = Position(event["epoch"], event["seq"])


@pytest.mark.parametrize("which", [0, 1], ids=["daphne", "uvicorn"])
async def test_a_slow_reader_is_closed_and_resumes_without_loss(pair: Pair, which: int) -> None:
    server = pair.servers[which]
    async with (
        await pair.connect("alice", server) as alice,
        await pair.connect("bob", server) as bob,
    ):
        await bob.subscribe("garden")
        # 16 KB each: a replay of them is as long as a replay may be.
        for number in range(25):
            created = await alice.post("garden", f"{number} " + "\N{PARTY POPPER}" * 3900)
        await bob.event(seq=created["seq"])
        head = bob.positions["garden"]
        slow = SlowReader(pair, server, "garden", Position(head.epoch, head.seq - 25))
        slow.ask_for_replays(40)
        async with asyncio.timeout(20):
            while "reads too slowly" not in server.log:
                # Nobody else is delayed by it.
                began = time.monotonic()
                created = await alice.post("garden", "still here")
                await bob.event(seq=created["seq"], deadline_s=2)
                assert time.monotonic() - began < 2
        last = await alice.post("garden", "the last one")
        assert await asyncio.to_thread(slow.read_to_the_end) == 4210
        positions = {"garden": slow.position}
        async with await pair.connect("bob", server, positions=positions) as back:
            (reply,) = await back.subscribe("garden")
            assert reply["recovered"] is True
            assert back.positions["garden"].seq >= last["seq"]
            assert not back.faults
        assert not bob.faults
