"""Heads of upgrades, lawful and not, on both servers (RFC 6455, 4.2; RFC 9110, 7.2).

What comes after a lawful one is in test_handshakes.py; here a head is refused with 4xx, or dropped
where it is out of all bounds, and nothing is logged for it.
"""

import socket
from collections.abc import Iterator

import pytest

from tests.live.raw import ACCEPT, KEY, TEXT, Socket
from tests.live.servers import AppServer, Site

GET = "GET /ws/echo/ HTTP/1.1"
LAWFUL = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AppServer]:
    site = Site(tmp_path_factory.mktemp("upgrades"), "", variables={"ECHO_ROUTE": "1"})
    site.migrate()
    with site.serving(request.param) as server:
        yield server
        assert "Traceback" not in server.log
        assert "ERROR" not in server.log


def head(*, first: str = GET, without: str = "", more: str = "", **values: str) -> bytes:
    """Return a lawful head but for what is given: its first line, headers left out or added."""
    given = LAWFUL | {name.replace("_", "-"): value for name, value in values.items()}
    lines = [f"{name}: {value}\r\n" for name, value in given.items() if name != without]
    return f"{first}\r\n{''.join(lines)}{more}\r\n".encode("latin-1")


def status(server: AppServer, request: bytes) -> int:
    """Return the status of the answer, 0 where the connection is dropped without one."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(request)
        try:
            return int(Socket(connection).read_head().split()[1])
        except (EOFError, ConnectionResetError):
            return 0


@pytest.mark.parametrize(
    "request_",
    [
        head(),
        head(Upgrade="WebSocket"),
        head(Connection="keep-alive, upgrade"),
        head(without="Connection", more="Connection: keep-alive\r\nConnection: Upgrade\r\n"),
        head(first="GET /ws/echo/?room=lobby HTTP/1.1"),
        head().lower().replace(b"get /ws/echo/ http", b"GET /ws/echo/ HTTP").replace(
            KEY.lower().encode(), KEY.encode()
        ),
        head(Sec_WebSocket_Extensions="permessage-unknown; of=1"),
        head(more="X-Folded: a\r\n  b\r\n"),
        head(more="Cookie: a=\"b\"; c\r\nUser-Agent: ü\r\n"),
    ],
    ids=["plain", "case", "list", "two lines", "query", "names", "extension", "folded", "odd"],
)  # fmt: skip
def test_a_lawful_head_is_accepted(server: AppServer, request_: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request_)
        client = Socket(connection)
        answer = client.read_head()
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert ACCEPT.encode() in answer
        client.send(TEXT, b"in")
        assert client.receive() == (TEXT, b"in")


@pytest.mark.parametrize(
    "offer", ["permessage-deflate", "permessage-deflate; client_max_window_bits"]
)
def test_no_extension_is_agreed_on(server: AppServer, offer: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head(Sec_WebSocket_Extensions=offer))
        answer = Socket(connection).read_head()
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"sec-websocket-extensions" not in answer.lower()


def test_a_head_may_come_octet_by_octet(server: AppServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head():
            connection.sendall(bytes([byte]))
        assert Socket(connection).read_head().startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "OPTIONS", "DELETE", "CONNECT", "FOO"])
def test_only_a_get_is_an_upgrade(server: AppServer, method: str) -> None:
    assert status(server, head(first=f"{method} /ws/echo/ HTTP/1.1")) in (400, 405)


@pytest.mark.parametrize("name", LAWFUL)
def test_a_head_that_lacks_a_header_is_refused(server: AppServer, name: str) -> None:
    # Without the two that ask for it, it is a page that there is not.
    refused = (400, 404) if name in ("Upgrade", "Connection") else (400,)
    assert status(server, head(without=name)) in refused


@pytest.mark.parametrize("name", ["Host", "Sec-WebSocket-Key", "Sec-WebSocket-Version"])
@pytest.mark.parametrize("value", ["", "x"])
def test_a_doubled_header_is_refused(server: AppServer, name: str, value: str) -> None:
    assert status(server, head(more=f"{name}: {value or LAWFUL[name]}\r\n")) == 400


def test_two_origins_are_refused(server: AppServer) -> None:
    assert status(server, head(more="Origin: http://a\r\nOrigin: http://b\r\n")) == 400


@pytest.mark.parametrize("key", ["", "c2hvcnQ=", f"{KEY}AAAA", "!" * 22 + "==", "MDEyMzQ1Njc4OTAx"])
def test_a_key_that_is_not_sixteen_bytes_is_refused(server: AppServer, key: str) -> None:
    assert status(server, head(Sec_WebSocket_Key=key)) == 400


@pytest.mark.parametrize("version", ["", "0", "7", "8", "12", "14", "-13", "13.0", "thirteen"])
def test_a_version_other_than_13_is_refused(server: AppServer, version: str) -> None:
    assert status(server, head(Sec_WebSocket_Version=version)) in (400, 426)


@pytest.mark.parametrize(
    "request_",
    [
        head(Upgrade="h2c"),
        head(Connection="close"),
        head(first="GET HTTP/1.1"),
        head(first="GET /ws/echo/"),
        head(first="GET /ws/ech\xf6/ HTTP/1.1"),
        head(first="GET /ws/echo/?\xf6 HTTP/1.1"),
        head(first="GET /ws/%ff%fe%00/ HTTP/1.1"),
        head(first="GET * HTTP/1.1"),
        head(more="no colon\r\n"),
        head(more="X: a\0b\r\n"),
        head(more="X : space\r\n"),
        head(Sec_WebSocket_Protocol="schön"),
        head(Sec_WebSocket_Protocol=",,"),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10 + b"\r\n\r\n",
    ],
    ids=[
        *("upgrade", "connection", "no path", "no version", "path", "query", "escapes", "star"),
        *("colon", "nul", "space", "protocol", "protocols", "tls"),
    ],
)
def test_a_malformed_head_is_refused_and_never_a_fault(server: AppServer, request_: bytes) -> None:
    assert 400 <= status(server, request_) < 500


@pytest.mark.parametrize(
    "request_",
    [
        head(first=f"GET /ws/echo/?{'x' * 20_000} HTTP/1.1"),
        head(more=f"X: {'y' * 20_000}\r\n"),
        head(more="".join(f"X-{number}: y\r\n" for number in range(600))),
    ],
    ids=["path", "header", "headers"],
)
def test_a_head_out_of_bounds_is_refused_or_dropped_at_once(
    server: AppServer, request_: bytes
) -> None:
    assert status(server, request_) in (0, 400, 414, 431)


@pytest.mark.parametrize(
    "request_",
    [
        head(more="Content-Length: 5\r\n") + b"hello",
        head(more="Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n",
    ],
    ids=["length", "chunks"],
)
def test_a_head_with_a_body_is_answered(server: AppServer, request_: bytes) -> None:
    # The standard gives no meaning to one: it is skipped, or refused.
    assert status(server, request_) in (101, 400)
