"""The echo route: where it exists, for whom, and where a server refuses to start with it."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.raw import BINARY, TEXT, Socket, handshake
from tests.live.servers import AppServer, Site, StartFailed

PROGRAMS = ["daphne", "uvicorn"]
ECHO = {"ECHO_ROUTE": "1"}


def site_in(folder: Path, **variables: str) -> Site:
    site = Site(folder, "", variables=variables)
    site.migrate()
    return site


@pytest.fixture(scope="module", params=PROGRAMS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AppServer]:
    with site_in(tmp_path_factory.mktemp("echo"), **ECHO).serving(request.param) as server:
        yield server


def shake(server: AppServer, **headers: str) -> tuple[Socket, str]:
    """Return a client and the head of the answer to its upgrade."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    connection.sendall(handshake("/ws/echo/", Host=f"127.0.0.1:{server.port}", **headers))
    client = Socket(connection)
    return client, client.read_head().decode()


def status(head: str) -> int:
    return int(head.split()[1])


def test_text_and_bytes_come_back_as_what_they_were(server: AppServer) -> None:
    client, head = shake(server)
    assert status(head) == 101
    for opcode in (TEXT, BINARY):
        client.send(opcode, b"like this")
        assert client.receive() == (opcode, b"like this")


def test_an_offered_sub_protocol_is_no_obstacle_and_not_echoed(server: AppServer) -> None:
    client, head = shake(server, Sec_WebSocket_Protocol="mqtt, picturegram.v1.json")
    assert status(head) == 101
    assert "sec-websocket-protocol" not in head.lower()
    client.send(TEXT, b"x")
    assert client.receive() == (TEXT, b"x")


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_whoever_comes_through_a_proxy_is_refused(server: AppServer, name: str) -> None:
    assert status(shake(server, **{name.replace("-", "_"): "127.0.0.1"})[1]) == 403


@pytest.mark.parametrize("program", PROGRAMS)
def test_without_the_setting_there_is_no_such_route(tmp_path: Path, program: str) -> None:
    with site_in(tmp_path).serving(program) as server:
        assert status(shake(server)[1]) == 403


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_server_that_others_may_reach_does_not_start_with_it(
    tmp_path: Path, program: str
) -> None:
    variables = {**ECHO, "DEBUG": "0", "ALLOWED_HOSTS": "example.org"}
    server = Site(tmp_path, "", variables=variables).server(program)
    with pytest.raises(StartFailed):
        server.start()
    assert "ECHO_ROUTE=1 opens /ws/echo/ without a sign-in" in server.log
    assert "Traceback" not in server.log
