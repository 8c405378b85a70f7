"""Handshakes at the level of bytes, with daphne and with uvicorn (RFC 6455, sections 1.3 and 4)."""

import socket
from collections.abc import Iterator

import pytest

from tests.live.pair import PEOPLE, ROOMS
from tests.live.raw import ACCEPT, KEY, Socket, handshake
from tests.live.servers import AppServer, Site, new_database

V1 = "picturegram.v1.json"
COOKIE = "sessionid=0123456789abcdefghijklmnopqrstuv"


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_url: str
) -> Iterator[AppServer]:
    with new_database(postgres_url) as database_url:
        site = Site(tmp_path_factory.mktemp("site"), database_url)
        site.migrate()
        site.populate(PEOPLE, ROOMS)
        with site.serving(request.param) as server:
            yield server


def shake(server: AppServer, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    """Return status and headers of the answer to an upgrade."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        own = {"Host": f"127.0.0.1:{server.port}"}
        connection.sendall(handshake(path, **{**own, **headers}))
        first, *lines = Socket(connection).read_head().decode().split("\r\n")
    found = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), {name.lower(): value for name, value in found.items()}


@pytest.mark.parametrize("path", ["/ws/", "/ws/rooms/lobby/", "/chat", "/chats"])
def test_the_key_of_the_standard_is_accepted_as_in_the_standard(
    server: AppServer, path: str
) -> None:
    assert KEY == "dGhlIHNhbXBsZSBub25jZQ=="
    status, headers = shake(server, path)
    assert status == 101
    assert headers["upgrade"].lower() == "websocket"
    assert headers["connection"].lower() == "upgrade"
    assert headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" == ACCEPT
    assert "sec-websocket-protocol" not in headers
    assert "sec-websocket-extensions" not in headers


@pytest.mark.parametrize("version", ["8", "12", "14"])
def test_another_version_is_refused_and_told_the_right_one(server: AppServer, version: str) -> None:
    status, headers = shake(server, "/ws/", Sec_WebSocket_Version=version)
    assert status in (400, 426)
    assert headers["sec-websocket-version"] == "13"


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.org",
        "null",
        "http://127.0.0.1",
        "https://127.0.0.1:{port}",
        "http://localhost:{port}",
        "http://evil@127.0.0.1:{port}",
        "http://127.0.0.1:{port}.evil.example",
        "",
    ],
)
def test_the_session_cookie_of_a_foreign_page_is_refused(server: AppServer, origin: str) -> None:
    headers = {"Origin": origin.format(port=server.port)} if origin else {}
    # daphne finds what is no origin at all malformed.
    refused = (400, 403) if origin.endswith(".example") else (403,)
    assert shake(server, "/ws/", Cookie=COOKIE, **headers)[0] in refused
    assert shake(server, "/chat", Cookie=COOKIE, **headers)[0] in refused


def test_the_cookie_of_our_own_page_is_taken(server: AppServer) -> None:
    origin = f"http://127.0.0.1:{server.port}"
    assert shake(server, "/ws/", Cookie=COOKIE, Origin=origin)[0] == 101


def test_without_a_cookie_every_page_may_read_in_public(server: AppServer) -> None:
    assert shake(server, "/chat", Origin="http://elsewhere.example")[0] == 101


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (V1, V1),
        ("chat", "chat"),
        (f"mqtt, {V1}, chat", V1),
        (f"chat, {V1}", "chat"),
        ("mqtt, soap", None),
        ("picturegram.v1.msgpack", "picturegram.v1.msgpack"),
        ("picturegram.bearer.pgk_1_2", None),
    ],
)
def test_a_dialect_is_chosen_and_nothing_else_is_echoed(
    server: AppServer, offered: str, chosen: str | None
) -> None:
    status, headers = shake(server, "/ws/", Sec_WebSocket_Protocol=offered)
    assert status == (101 if chosen else 403)
    assert headers.get("sec-websocket-protocol") == chosen


def test_a_token_that_opens_nothing_is_refused(server: AppServer) -> None:
    assert shake(server, "/ws/", Authorization="Bearer pgk_1_2")[0] == 403
    offered = f"{V1}, picturegram.bearer.pgk_1_2"
    assert shake(server, "/ws/", Sec_WebSocket_Protocol=offered)[0] == 403


def test_where_there_is_no_socket_none_is_opened(server: AppServer) -> None:
    assert shake(server, "/ws/nowhere/")[0] in (403, 404)
    assert shake(server, "/ws")[0] in (403, 404)
