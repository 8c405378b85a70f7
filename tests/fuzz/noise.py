"""Bytes that are no session: damaged heads of upgrades, and frames at random behind whole ones."""

import socket
from contextlib import suppress

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.live.raw import CLOSE, Socket, frame, handshake

ADDRESSES = ["/ws/", "/ws/rooms/lobby/", "/chat", "/ws/rooms/a b/", "/ws/rooms/%00/", "/nowhere"]
HEADERS = {
    "Host": ["", "x", "127.0.0.1", "a b", "127.0.0.1, 127.0.0.1"],
    "Origin": ["null", "http://", "http://[::1", "x" * 9000],
    "Sec_WebSocket_Protocol": ["picturegram.v1.json", ",", "picturegram.bearer.x", "é"],
    "Sec_WebSocket_Version": ["13", "8", "", "x"],
    "Sec_WebSocket_Key": ["dGhlIHNhbXBsZSBub25jZQ==", "", "AAAA"],
    "Sec_WebSocket_Extensions": ["permessage-deflate", ";;;", "permessage-deflate; x=1"],
    "Authorization": ["Bearer ", "Bearer x", "Basic YTpi", "Bearer pgk_1_2", "é"],
    "Cookie": ["sessionid=x", "=;;=", "sessionid=" + "x" * 4000, '"'],
    "Content_Length": ["5", "-1", "x"],
}  # fmt: skip
# Seconds for an answer, where there is one.
ANSWER_S = 0.05

heads: SearchStrategy[bytes] = st.builds(
    lambda address, given, cut, junk: _damaged(handshake(address, **given), cut, junk),
    st.sampled_from(ADDRESSES),
    st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(values) for name, values in HEADERS.items()}
    ),
    st.integers(0, 2000),
    st.one_of(st.just(b""), st.just(b""), st.binary(max_size=20)),
)

frames: SearchStrategy[bytes] = st.one_of(
    st.builds(
        lambda opcode, payload, fin, reserved, mask, key: frame(
            opcode, payload, fin=fin, reserved=reserved, mask=mask, key=key
        ),
        st.integers(0, 15),
        st.one_of(st.binary(max_size=140), st.just(b"{}"), st.just(b'{"action": "ping"}')),
        st.booleans(),
        st.sampled_from([0, 0, 0, 0, 1, 4, 7]),
        st.sampled_from([True, True, True, False]),
        st.binary(min_size=4, max_size=4),
    ),
    st.builds(lambda payload: frame(CLOSE, payload), st.binary(max_size=126)),
    st.binary(max_size=30),
)

# A head, and what is sent behind it whatever the answer was.
noises: SearchStrategy[tuple[bytes, list[bytes]]] = st.tuples(
    st.one_of(heads, st.just(handshake("/ws/")), st.just(handshake("/chat"))),
    st.lists(frames, max_size=8),
)


def make_noise(port: int, noise: tuple[bytes, list[bytes]]) -> None:
    """Send it and go without a word. What is answered is not looked at: the log tells."""
    head, pieces = noise
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S) as connection:
        with suppress(OSError, EOFError):
            connection.sendall(head)
            Socket(connection).read_head()
        with suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
            connection.recv(1 << 16)


def _damaged(head: bytes, cut: int, junk: bytes) -> bytes:
    at = cut % (len(head) + 1)
    return head[:at] + junk + head[at + len(junk) :] if junk else head
