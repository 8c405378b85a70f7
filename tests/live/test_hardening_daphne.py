"""Plain `daphne config.asgi:application` with the hardening, measured from outside.

The application is `apps/hardened.py`; the figures are those of ADR 0006.
"""

import contextlib
import json
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.raw import (
    BINARY,
    CLOSE,
    TEXT,
    Process,
    Socket,
    daphne,
    fill,
    frame,
    handshake,
    read_all,
    wait_until,
)

MIB = 1024 * 1024
# What a bounded server may grow by while it is being flooded.
GROWTH_BYTES_MAX = 16 * MIB


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with daphne(tmp_path_factory.mktemp("daphne")) as process:
        yield process


# Back-pressure


def test_a_flood_of_messages_is_not_read_while_the_application_is_busy(server: Process) -> None:
    client = server.open("/slow")
    before = server.memory_bytes
    taken = fill(client.connection, frame(TEXT, b"x" * 1000), 64 * MIB)
    assert taken < 16 * MIB  # The buffers of both kernels.
    assert server.memory_bytes - before < GROWTH_BYTES_MAX
    handled = server.get("/counts")["received"]
    wait_until(lambda: server.get("/counts")["received"] > handled + 50)


def test_messages_wait_in_order_and_none_is_lost(server: Process) -> None:
    client = server.open("/echo")
    burst = b"".join(frame(TEXT, str(number).encode()) for number in range(2000))
    client.connection.sendall(burst)
    assert [client.receive() for _ in range(2000)] == [
        (TEXT, str(number).encode()) for number in range(2000)
    ]


def test_a_send_waits_for_a_reader_that_does_not_read(server: Process) -> None:
    before, sent_before = server.memory_bytes, server.get("/counts")["sent"]
    client = server.open("/push?count=1000")
    sent = _settled(lambda: server.get("/counts")["sent"]) - sent_before
    assert 0 < sent < 300  # 64 KiB each; the kernels hold the most of them.
    assert server.memory_bytes - before < GROWTH_BYTES_MAX
    numbers = [int(client.receive()[1].split()[0]) for _ in range(1000)]
    assert numbers == list(range(1000))


def test_an_application_that_does_not_wait_has_its_connection_aborted(server: Process) -> None:
    before = server.memory_bytes
    client = server.open("/blind")
    wait_until(lambda: "disconnect /blind 1006" in server.diary)
    assert server.memory_bytes - before < GROWTH_BYTES_MAX
    assert wait_until(client.is_gone) < 5


def test_a_download_waits_for_a_reader_that_does_not_read(server: Process) -> None:
    before, sent_before = server.memory_bytes, server.get("/counts")["sent"]
    with server.connect() as connection:
        connection.sendall(b"GET /download?mib=64 HTTP/1.1\r\nHost: x\r\n\r\n")
        sent = _settled(lambda: server.get("/counts")["sent"]) - sent_before
        assert 0 < sent < 64  # 256 KiB each.
        assert server.memory_bytes - before < GROWTH_BYTES_MAX


def test_the_last_piece_of_an_answer_keeps_nobody_waiting(server: Process) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /two HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        wait_until(lambda: "answered in two" in server.diary, 5)
        assert read_all(connection).count(b"x") == 120_000


def test_a_download_that_nobody_takes_is_aborted(tmp_path: Path) -> None:
    figures = {"daphne_requests": {"PIECE_S": 1}}
    with daphne(tmp_path, FIGURES=json.dumps(figures)) as server, server.connect() as connection:
        connection.sendall(b"GET /download?mib=64 HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: "download over" in server.diary, 5)
        assert wait_until(Socket(connection).is_gone) < 1


def test_without_the_hardening_daphne_has_no_back_pressure(tmp_path: Path) -> None:
    with daphne(tmp_path, HARDENING="0") as stock:
        before = stock.memory_bytes
        client = stock.open("/slow")
        assert fill(client.connection, frame(TEXT, b"x" * 1000), 64 * MIB) >= 64 * MIB
        assert stock.memory_bytes - before > 4 * GROWTH_BYTES_MAX


# Frames and closing


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1008, 1009, 1011, 1012, 1013, 3000, 4001, 4999])
def test_a_close_code_arrives_as_sent_with_its_reason(server: Process, code: int) -> None:
    client = server.open(f"/close?code={code}&reason=because+of+%C3%A4")
    assert client.receive_close() == (code, "because of ä")
    client.send(CLOSE, struct.pack("!H", code))
    assert wait_until(client.is_gone) < 1


@pytest.mark.parametrize(
    ("bytes_", "code"),
    [
        (frame(TEXT, b"x", mask=False), 1002),
        (frame(3, b"x"), 1002),
        (frame(TEXT, b"\xff\xfe"), 1007),
        (frame(TEXT, b"x" * (128 * 1024 + 1)), 1009),
        (frame(BINARY, b"x" * 100_000, fin=False) + frame(0, b"x" * 100_000), 1009),
        (frame(TEXT, b"", fin=False) + frame(0, b"", fin=False) * 5000, 1009),
    ],
    ids=["no mask", "opcode", "utf-8", "message", "fragments", "empty fragments"],
)
def test_a_violation_is_answered_with_its_close_code(
    server: Process, bytes_: bytes, code: int
) -> None:
    client = server.open("/echo")
    client.connection.sendall(bytes_)
    assert client.receive_close()[0] == code


def test_a_message_at_the_limit_passes(server: Process) -> None:
    client = server.open("/echo")
    client.send(BINARY, b"x" * 128 * 1024)
    assert client.receive() == (BINARY, b"x" * 128 * 1024)


def test_the_limit_does_not_hold_for_what_we_send(server: Process) -> None:
    client = server.open("/big?kib=600")
    assert client.receive() == (TEXT, b"x" * 600 * 1024)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_empty_messages_are_delivered_both_ways(server: Process, opcode: int) -> None:
    client = server.open("/echo")
    client.send(opcode, b"")
    assert client.receive() == (opcode, b"")


def test_a_stalled_connection_is_aborted_when_the_application_says_so(server: Process) -> None:
    client = server.open("/stall?then=abort", receive_bytes=4096)
    wait_until(lambda: "disconnect /stall 1006" in server.diary)
    assert "stalled" in server.diary
    assert wait_until(client.is_gone) < 1


def test_a_close_that_nobody_takes_ends_after_five_seconds(tmp_path: Path) -> None:
    with daphne(tmp_path) as server:
        stalled = server.open("/stall?then=close", receive_bytes=4096)
        leaver = server.open("/push?count=1000", receive_bytes=4096)
        _settled(lambda: server.get("/counts")["sent"])
        # It says goodbye, but does not read what is still on its way.
        leaver.send(CLOSE, struct.pack("!H", 1000))
        wait_until(lambda: "stalled" in server.diary)
        took = wait_until(lambda: len(_ends(server, "/stall", "/push")) == 2, 8)
        assert 3 < took < 6.5
        assert wait_until(stalled.is_gone) < 1
        assert wait_until(leaver.is_gone) < 1


def _ends(server: Process, *paths: str) -> list[str]:
    return [line for line in server.diary if line in {f"end {path}" for path in paths}]


def _settled(read: Callable[[], int]) -> int:
    """Return the value that has not moved for half a second."""
    value, since = read(), time.monotonic()
    while time.monotonic() - since < 0.5:
        time.sleep(0.05)
        if (now := read()) != value:
            value, since = now, time.monotonic()
    return value


# Requests


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_above_the_limit_is_refused_before_it_is_stored(
    server: Process, is_chunked: bool
) -> None:
    before = server.memory_bytes
    with server.connect() as connection:
        length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {300 * MIB}"
        connection.sendall(f"POST /body HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n".encode())
        piece = b"%x\r\n%b\r\n" % (MIB, b"x" * MIB) if is_chunked else b"x" * MIB
        for _ in range(43):
            connection.sendall(piece)
        answer = connection.recv(1 << 16)
        assert server.memory_bytes - before < GROWTH_BYTES_MAX
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 413 ")
        assert b"Connection: close" in head
        assert json.loads(body)["error"]["code"] == "too_large"


def test_a_refused_sender_has_time_to_read_the_answer(tmp_path: Path) -> None:
    figures = {"daphne_requests": {"LINGER_S": 1}}
    with daphne(tmp_path, FIGURES=json.dumps(figures)) as server, server.connect() as connection:
        connection.sendall(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 5:
                connection.sendall(b"x" * 1000)
        assert 0.5 < time.monotonic() - began < 2
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 413 ")


def test_a_body_of_four_large_pictures_is_taken_without_being_held_in_memory(
    server: Process,
) -> None:
    before = server.memory_bytes
    with server.connect() as connection:
        connection.sendall(
            b"POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n"
            b"Content-Length: %d\r\n\r\n" % (41 * MIB)
        )
        for _ in range(41):
            connection.sendall(b"x" * MIB)
        assert read_all(connection).endswith(
            json.dumps({"bytes": 41 * MIB}).encode() + b"\r\n0\r\n\r\n"
        )
        assert server.memory_bytes - before < GROWTH_BYTES_MAX


def test_a_request_that_drips_in_is_dropped(tmp_path: Path) -> None:
    figures = {"daphne_requests": {"HEAD_S": 1, "BODY_S": 1}}
    with daphne(tmp_path, FIGURES=json.dumps(figures)) as server:
        silent, head, second, upgrade, body = (server.connect() for _ in range(5))
        second.sendall(b"GET /counts HTTP/1.1\r\nHost: x\r\n\r\n")
        assert second.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        head.sendall(b"GET / HTTP/1.1\r\n")
        upgrade.sendall(handshake("/echo")[:-2])
        body.sendall(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        dripping = [head, second, upgrade, body]

        def drip() -> bool:
            for connection in list(dripping):
                with contextlib.suppress(OSError):
                    connection.send(b"x")
                if Socket(connection).is_gone():
                    dripping.remove(connection)
            return not dripping

        assert 0.5 < wait_until(drip, 4) < 2.5
        assert wait_until(Socket(silent).is_gone) < 1
        assert server.get("/counts")


def test_a_lawful_connection_outlives_the_deadlines(tmp_path: Path) -> None:
    figures = {"daphne_requests": {"HEAD_S": 0.3, "BODY_S": 0.3}}
    with daphne(tmp_path, FIGURES=json.dumps(figures)) as server, server.connect() as connection:
        for _ in range(2):
            connection.sendall(b"GET /wait?seconds=0.5 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"waited" in connection.recv(1 << 16)
            # Between two requests nothing is due for a minute.
            assert not _is_readable(connection, 0.5)
        client = server.open("/echo")
        assert not _is_readable(client.connection, 0.5)
        client.send(TEXT, b"still here")
        assert client.receive() == (TEXT, b"still here")


def _is_readable(connection: socket.socket, for_s: float) -> bool:
    connection.settimeout(for_s)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return False
    finally:
        connection.settimeout(10)
    return True


def test_an_exception_in_mid_response_ends_the_connection_and_nothing_else(
    server: Process,
) -> None:
    for _ in range(2):  # daphne's loop that clears up would not survive the first.
        with server.connect() as connection:
            connection.sendall(b"GET /download?mib=1 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert not read_all(connection).endswith(b"0\r\n\r\n")


def test_the_figures_are_those_of_the_record(server: Process) -> None:
    figures = server.get("/figures")
    assert (
        figures.items()
        >= {
            "HEAD_S": 10,
            "IDLE_S": 60,
            "BODY_S": 30,
            "CLOSE_S": 5,
            "DRAIN_S": 5,
            "GRACE_S": 5,
            "INPUT_MESSAGES_MAX": 32,
            "UNSENT_BYTES_MAX": MIB,
            "MESSAGE_BYTES_MAX": 128 * 1024,
            "BODY_BYTES_MAX": 42 * MIB,
        }.items()
    )


@pytest.mark.parametrize("name", ["Daphne-Root-Path", "daphne-root-path"])
def test_a_client_cannot_move_the_mount_point(server: Process, name: str) -> None:
    with server.connect() as connection:
        connection.sendall(f"GET /mount HTTP/1.0\r\nHost: x\r\n{name}: /evil\r\n\r\n".encode())
        answer = json.loads(read_all(connection).partition(b"\r\n\r\n")[2])
    assert answer["root_path"] == ""
    assert name.lower() not in answer["headers"]


# Handshakes


def test_another_version_is_refused_and_told_ours(server: Process) -> None:
    for version in ("8", "12", "14", "99"):
        head = _answer(server, handshake("/echo", Sec_WebSocket_Version=version))
        assert head.startswith(b"HTTP/1.1 4")
        assert b"\r\nSec-WebSocket-Version: 13" in head


def test_a_sub_protocol_that_is_not_ascii_is_a_bad_request(server: Process) -> None:
    head = _answer(server, handshake("/echo", Sec_WebSocket_Protocol="schön"))
    assert head.startswith(b"HTTP/1.1 400 ")


def test_a_storm_of_connections_waits_to_be_accepted(server: Process) -> None:
    server.popen.send_signal(signal.SIGSTOP)
    connections = []
    try:
        # While nobody accepts, the kernel completes as many as the queue is long.
        for _ in range(300):
            connections.append(server.connect(deadline_s=5))
    finally:
        server.popen.send_signal(signal.SIGCONT)
        for connection in connections:
            connection.close()
    assert server.get("/counts")


def _answer(server: Process, request: bytes) -> bytes:
    with server.connect() as connection:
        connection.sendall(request)
        return Socket(connection).read_head()


# The end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_the_application_say_goodbye_and_closes_with_1012(
    tmp_path: Path, number: signal.Signals
) -> None:
    with daphne(tmp_path) as server:
        clients = [server.open("/echo") for _ in range(20)]
        polite = server.open("/polite")
        in_flight = server.connect()
        in_flight.sendall(b"GET /wait?seconds=1 HTTP/1.0\r\nHost: x\r\n\r\n")
        wait_until(lambda: "waiting" in server.diary)
        # A request's entry has no application right after an upgrade.
        clients.append(server.open("/echo"))
        server.popen.send_signal(number)
        assert polite.receive() == (TEXT, b"goodbye")
        for client in [*clients, polite]:
            assert client.receive_close() == (1012, "")
            client.send(CLOSE, struct.pack("!H", 1012))
        assert read_all(in_flight).endswith(b'{"waited": true}')
        assert server.popen.wait(15) == 0
        assert server.diary.count("disconnect /echo 1012") == len(clients)
        assert "left" in server.diary
        with pytest.raises(ConnectionRefusedError):
            server.connect()


def test_a_stop_does_not_wait_for_ever(tmp_path: Path) -> None:
    with daphne(tmp_path) as server:
        server.open("/stall?then=close", receive_bytes=4096)
        endless = server.connect()
        endless.sendall(b"GET /wait?seconds=60 HTTP/1.0\r\nHost: x\r\n\r\n")
        half = server.connect()
        half.sendall(b"GET / HTTP/1.0\r\n")
        wait_until(lambda: "waiting" in server.diary)
        server.popen.send_signal(signal.SIGTERM)
        assert server.popen.wait(15) == 0
