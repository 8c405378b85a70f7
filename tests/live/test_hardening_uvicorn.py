"""Plain `uvicorn config.asgi:application` with what it lacks, measured from outside.

The application is `apps/hardened.py`, as for daphne.
"""

import json
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.raw import BINARY, CLOSE, TEXT, Process, uvicorn, wait_until

MIB = 1024 * 1024
GROWTH_BYTES_MAX = 16 * MIB


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with uvicorn(tmp_path_factory.mktemp("uvicorn")) as process:
        yield process


def test_a_message_above_the_limit_is_answered_with_1009(server: Process) -> None:
    client = server.open("/echo")
    client.send(BINARY, b"x" * 128 * 1024)
    assert client.receive() == (BINARY, b"x" * 128 * 1024)
    client.send(TEXT, b"x" * (128 * 1024 + 1))
    assert client.receive_close()[0] == 1009


def test_a_stalled_connection_is_aborted_when_the_application_says_so(server: Process) -> None:
    client = server.open("/stall?then=abort", receive_bytes=4096)
    wait_until(lambda: "end /stall" in server.diary)
    assert "stalled" in server.diary
    assert wait_until(client.is_gone) < 1


def test_a_close_that_nobody_takes_ends_after_five_seconds(tmp_path: Path) -> None:
    with uvicorn(tmp_path) as server:
        stalled = server.open("/stall?then=close", receive_bytes=4096)
        leaver = server.open("/push?count=1000", receive_bytes=4096)
        wait_until(lambda: "stalled" in server.diary)
        # It says goodbye, but does not read what is still on its way.
        leaver.send(CLOSE, struct.pack("!H", 1000))
        assert 3 < wait_until(lambda: "end /stall" in server.diary, 8) < 6.5
        assert wait_until(stalled.is_gone) < 1
        assert wait_until(leaver.is_gone) < 6


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_above_the_limit_is_refused(server: Process, is_chunked: bool) -> None:
    before = server.memory_bytes
    with server.connect() as connection:
        length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {300 * MIB}"
        connection.sendall(f"POST /body HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n".encode())
        piece = b"%x\r\n%b\r\n" % (MIB, b"x" * MIB) if is_chunked else b"x" * MIB
        for _ in range(43):
            connection.sendall(piece)
        head, _, body = connection.recv(1 << 16).partition(b"\r\n\r\n")
        assert server.memory_bytes - before < GROWTH_BYTES_MAX
        assert head.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close" in head.lower()
        body = body or connection.recv(1 << 16)
        assert json.loads(body)["error"]["code"] == "too_large"


def test_a_stop_lets_the_application_say_goodbye_and_closes_with_1012(tmp_path: Path) -> None:
    with uvicorn(tmp_path) as server:
        clients = [server.open("/echo") for _ in range(20)]
        polite = server.open("/polite")
        endless = server.connect()
        endless.sendall(b"GET /wait?seconds=60 HTTP/1.0\r\nHost: x\r\n\r\n")
        wait_until(lambda: "waiting" in server.diary)
        server.popen.send_signal(signal.SIGTERM)
        assert polite.receive() == (TEXT, b"goodbye")
        for client in [*clients, polite]:
            assert client.receive_close() == (1012, "")
        # uvicorn ends by the signal that it was sent.
        assert server.popen.wait(15) in (0, -signal.SIGTERM)
        assert server.diary.count("disconnect /echo 1012") == len(clients)
        assert "left" in server.diary
