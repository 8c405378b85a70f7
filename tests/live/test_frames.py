"""Every kind of frame, lawful and not, on both servers through the echo route.

The table of what is sent and what must come of it is `frames.py`; who has a CPython 2.7 can point
Autobahn|Testsuite at the same route (docs/architecture.md).
"""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from tests.live.frames import CASES, Case, code
from tests.live.raw import CLOSE, PONG, Socket, frame, handshake, wait_until
from tests.live.servers import AppServer, Site

NORMAL = code(1000)


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AppServer]:
    site = Site(tmp_path_factory.mktemp("frames"), "", variables={"ECHO_ROUTE": "1"})
    site.migrate()
    with site.serving(request.param) as server:
        yield server
        assert "Traceback" not in server.log
        assert "ERROR" not in server.log


@contextlib.contextmanager
def opened(server: AppServer) -> Iterator[Socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(handshake("/ws/echo/", Host=f"127.0.0.1:{server.port}"))
        client = Socket(connection)
        assert client.read_head().startswith(b"HTTP/1.1 101 ")
        yield client


def conversation(client: Socket, case: Case) -> tuple[list[tuple[int, bytes]], list[bytes], bytes]:
    """Send everything; return messages, pongs, and what the server's close frame held."""
    messages: list[tuple[int, bytes]] = []
    pongs: list[bytes] = []
    # What is sent to who has closed already may fail; what that one said before has come.
    with contextlib.suppress(ConnectionError):
        for piece in case.sent:
            client.connection.sendall(piece)
    while case.closes_with is not None or len(messages) + len(pongs) < _answer_count(case):
        opcode, payload = client.receive()
        if opcode == CLOSE:
            return messages, pongs, payload
        if opcode == PONG:
            pongs.append(payload)
        else:
            messages.append((opcode, payload))
    client.send(CLOSE, NORMAL)
    opcode, payload = client.receive()
    assert opcode == CLOSE, (opcode, payload)
    return messages, pongs, payload


def _answer_count(case: Case) -> int:
    return len(case.messages) + len(case.pongs)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_frame_is_taken_as_the_standard_says(server: AppServer, case: Case) -> None:
    with opened(server) as client:
        messages, pongs, closed_with = conversation(client, case)
        assert closed_with[:2] == (NORMAL if case.closes_with is None else case.closes_with)
        # Who has to close need not answer first; nobody answers anything else.
        assert messages == list(case.messages)[: len(messages)]
        assert pongs == list(case.pongs)[: len(pongs)]
        with contextlib.suppress(ConnectionError):
            client.connection.sendall(frame(CLOSE, closed_with[:2]))
        wait_until(client.is_gone)
