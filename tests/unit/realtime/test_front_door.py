import pytest

from chat.errors import Forbidden, Invalid, NotAuthenticated
from chat.realtime.consumer import choose_subprotocol, position_of
from chat.realtime.identity import header, identify, own_origin
from tests.socket.client import scope_of

FOREIGN = [
    "https://localhost",
    "http://localhost:8000",
    "http://localhost:80",
    "http://evil.example",
    "http://localhost.evil.example",
    "http://evil.example@localhost",
    "http://localhost@evil.example",
    "http://localhost/",
    "null",
    None,
    "",
    "chrome-extension://localhost",
    "javascript://localhost",
    "http://127.0.0.1",
]


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_session_cookie_is_refused_from_any_origin_but_ours(origin: str | None) -> None:
    with pytest.raises(Forbidden):
        identify(scope_of("websocket", "/ws/", cookie="whatever", origin=origin))


def test_a_header_that_comes_twice_is_refused() -> None:
    scope = scope_of("websocket", "/ws/", headers=[("origin", "http://localhost")])
    with pytest.raises(Invalid):
        header(scope, b"origin")


@pytest.mark.parametrize(
    ("scheme", "host", "origin"),
    [
        ("ws", "localhost", "http://localhost"),
        ("wss", "localhost", "https://localhost"),
        ("http", "LocalHost:8000", "http://localhost:8000"),
        ("https", "127.0.0.1:8443", "https://127.0.0.1:8443"),
        ("ws", "[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_our_origin_is_scheme_host_and_port_as_the_client_sees_them(
    scheme: str, host: str, origin: str
) -> None:
    assert own_origin({"scheme": scheme, "headers": [(b"host", host.encode())]}) == origin


@pytest.mark.parametrize("host", ["evil.example", "", "localhost:x", "localhost evil.example"])
def test_a_host_that_is_not_served_has_no_origin(host: str) -> None:
    with pytest.raises(Invalid):
        own_origin({"scheme": "ws", "headers": [(b"host", host.encode())]})


def test_the_proxys_word_on_the_scheme_counts_only_where_it_is_trusted(settings: object) -> None:
    forwarded = [(b"host", b"localhost"), (b"x-forwarded-proto", b"https")]
    settings.SECURE_PROXY_SSL_HEADER = None  # type: ignore[attr-defined]
    assert own_origin({"scheme": "ws", "headers": forwarded}) == "http://localhost"
    settings.SECURE_PROXY_SSL_HEADER = (  # type: ignore[attr-defined]
        "HTTP_X_FORWARDED_PROTO",
        "https",
    )
    assert own_origin({"scheme": "ws", "headers": forwarded}) == "https://localhost"


@pytest.mark.parametrize("value", ["Basic YTpi", "Bearer", "Bearer ", "pgk_1_2"])
def test_an_authorization_that_is_no_bearer_token_is_refused(value: str) -> None:
    scope = scope_of("websocket", "/ws/", headers=[("authorization", value)])
    with pytest.raises(NotAuthenticated):
        identify(scope)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], None),
        (["picturegram.v1.json"], "picturegram.v1.json"),
        (["chat"], "chat"),
        (["chat", "picturegram.v1.json"], "chat"),
        (["picturegram.v1.json", "chat"], "picturegram.v1.json"),
        (["soap", "picturegram.v1.json"], "picturegram.v1.json"),
        (["picturegram.bearer.pgk_1_2", "picturegram.v1.json"], "picturegram.v1.json"),
    ],
)
def test_the_first_offer_that_is_ours_is_taken(offered: list[str], chosen: str | None) -> None:
    assert choose_subprotocol(offered) == chosen


@pytest.mark.parametrize(
    "offered",
    [
        ["soap"],
        ["picturegram.bearer.pgk_1_2"],
        ["picturegram.v2.msgpack"],
        ["picturegram.v2.json"],
        ["CHAT"],
        [""],
    ],
)
def test_offers_without_one_of_ours_are_refused(offered: list[str]) -> None:
    with pytest.raises(Invalid):
        choose_subprotocol(offered)


@pytest.mark.parametrize(
    ("query", "position"),
    [
        ("", (None, None)),
        ("seq=0", (None, 0)),
        ("epoch=k3&seq=42", ("k3", 42)),
        ("seq=42&epoch=k3&more=1", ("k3", 42)),
        (f"seq={2**63 - 1}", (None, 2**63 - 1)),
    ],
)
def test_a_position_is_read_from_the_address(
    query: str, position: tuple[str | None, int | None]
) -> None:
    assert position_of({"query_string": query.encode()}) == position


@pytest.mark.parametrize(
    "query",
    [
        "epoch=k3",
        "epoch=k3&seq=",
        "seq=",
        "seq=-1",
        "seq=1.5",
        "seq=x",
        "seq=%C2%B2",
        "seq=%D9%A3",
        f"seq={2**63}",
        "seq=" + "9" * 5000,
    ],
)
def test_a_malformed_position_is_refused(query: str) -> None:
    with pytest.raises(Invalid):
        position_of({"query_string": query.encode()})
