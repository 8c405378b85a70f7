"""Sessions to try: who connects where, and the frames that they send."""

import json
from dataclasses import dataclass
from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from chat.realtime.router import Action
from tests.fuzz.contract import MESSAGE_BYTES_MAX, PACKED, V1, Due, due
from tests.fuzz.values import Known, Values, anything, bodies

# The producer is alice with a key that may publish.
PEOPLE = ["alice", "bob", "charlie", "producer", "producer", ""]
ADDRESSES = ["/ws/", "/ws/", "/ws/rooms/lobby/", "/ws/rooms/lobby/?seq=0", "/chat", "/chats"]
# No sub-protocol is the quiet dialect, and so is `chat`.
DIALECTS = [V1, V1, PACKED, PACKED, "", "chat"]
DEPTHS = [31, 32, 33, 100, 990, 1000, 5000, 60_000]
FRAMES_MAX = 12
# What is put into the middle of a frame.
SPLINTERS = ["", *'{}[],"', "\\u0000", "\\ud800", "1e999", "NaN", "é", "1" * 19, "1" * 5000]


@dataclass(frozen=True)
class Sent:
    """One frame, and what is owed for it."""

    wire: str | bytes
    due: Due

    def __repr__(self) -> str:
        return f"{self.wire!r:.300}"


@dataclass(frozen=True)
class Session:
    """One socket: its person ("" is nobody), address and dialect, and its frames in order."""

    person: str
    address: str
    dialect: str
    frames: tuple[Sent, ...]


def sessions(actions: list[Action], known: Known) -> SearchStrategy[Session]:
    """Return sessions of a few frames each, about these actions."""
    messages = _messages(actions, known)

    @st.composite
    def session(draw: DrawFn) -> Session:
        dialect = draw(st.sampled_from(DIALECTS))
        frames = draw(st.lists(_frames(messages, dialect), min_size=1, max_size=FRAMES_MAX))
        # What mostly ends a session comes last, and in a few of them.
        frames += draw(st.one_of(*[st.just([])] * 7, st.lists(_rare(dialect), max_size=1)))
        return Session(
            draw(st.sampled_from(PEOPLE)),
            draw(st.sampled_from(ADDRESSES)),
            dialect,
            tuple(frames),
        )

    return session()


# --- what is meant ----------------------------------------------------------------------------


def _messages(actions: list[Action], known: Known) -> Values:
    """Return JSON objects: lawful requests, requests that are wrong somewhere, other objects."""
    ids = st.one_of(
        st.integers(0, 5), st.integers(), st.text(max_size=10), st.sampled_from(["", "x" * 128, 0])
    )
    strange_ids = st.one_of(ids, anything)
    lawful = st.one_of(*(_requests(action, known) for action in actions))
    older = st.fixed_dictionaries(
        {"type": st.just("newchat")},
        optional=dict.fromkeys(("message", "room", "user", "client_id"), anything),
    )
    aimless = st.dictionaries(
        st.sampled_from(["action", "type", "room", "x"]), anything, max_size=4
    )
    wrong = st.builds(_spoil, lawful, st.sampled_from(range(20)), anything)
    return st.one_of(
        st.builds(_name, lawful, ids),
        st.builds(_name, wrong, ids),
        st.builds(_name, wrong, strange_ids),
        st.builds(_name, older, ids),
        st.one_of(lawful, wrong, older, aimless),
    )


def _requests(action: Action, known: Known) -> Values:
    return st.builds(lambda body: {"action": action.name, **body}, bodies(action.body, known))


def _name(message: dict[str, Any], request_id: object) -> dict[str, Any]:
    return {**message, "request_id": request_id}


def _spoil(message: dict[str, Any], place: int, value: object) -> dict[str, Any]:
    """Put a value where it is not expected, or take a field away."""
    names = list(message)
    name = names[place % len(names)]
    if place >= len(names) * 2:
        return {each: message[each] for each in names if each != name}
    inner = message[name]
    if isinstance(inner, dict) and inner and place % 2:
        return {**message, name: _spoil(inner, place // 2, value)}
    if isinstance(inner, list) and inner and place % 2:
        return {**message, name: [*inner[1:], value]}
    return {**message, name: value}


# --- how it is written ------------------------------------------------------------------------


def _frames(messages: Values, dialect: str) -> SearchStrategy[Sent]:
    plain = st.builds(lambda message: _written(message, dialect), messages)
    mangled = st.builds(
        lambda sent, at, width, junk: _mangled(sent.wire, at, width, junk, dialect),
        plain,
        st.integers(0, 400),
        st.integers(0, 3),
        st.sampled_from(
            ["", "{", "}", "[", '"', ",", "\\u0000", "\\ud800", "1e999", "NaN", "é", "1" * 5000]
        ),
    )
    noise = st.binary(max_size=60) if dialect == PACKED else st.text(max_size=60)
    return st.one_of(
        *[plain] * 8,
        *[mangled] * 2,
        st.builds(lambda wire: Sent(wire, due(wire, dialect)), noise),
        st.builds(lambda depth: _nested(depth, dialect), st.sampled_from(DEPTHS)),
    )


def _rare(dialect: str) -> SearchStrategy[Sent]:
    """Return frames of which most close the socket: the other kind, and the largest."""
    other: SearchStrategy[Any] = (
        st.text(max_size=20) if dialect == PACKED else st.binary(max_size=20)
    )
    sizes = st.sampled_from([-1, 0, 1, 2, 1000])
    return st.one_of(
        st.builds(lambda wire: Sent(wire, due(wire, dialect)), other),
        st.builds(lambda above: _large(MESSAGE_BYTES_MAX + above, dialect), sizes),
    )


def _written(message: dict[str, Any], dialect: str) -> Sent:
    if dialect == PACKED:
        try:
            wire = msgspec.msgpack.encode(message)
        except (OverflowError, ValueError, UnicodeEncodeError):
            # It cannot be written so; what remains is a map that asks for nothing.
            message = {"action": None}
            wire = msgspec.msgpack.encode(message)
        return Sent(wire, due(wire, dialect, message))
    text = _json(message)
    return Sent(text, due(text, dialect))


def _json(message: dict[str, Any]) -> str:
    try:
        text = json.dumps(message, ensure_ascii=len(message) % 2 == 0)
        text.encode()
    except ValueError:  # a surrogate, or a number of more digits than Python writes
        text = json.dumps(message, default=str, ensure_ascii=True) if _is_short(message) else "{}"
    return text


def _is_short(message: object) -> bool:
    try:
        repr(message)
    except ValueError:
        return False
    return True


def _mangled(wire: str | bytes, at: int, width: int, junk: str, dialect: str) -> Sent:
    cut: str | bytes
    at %= len(wire) + 1
    if isinstance(wire, bytes):
        cut = wire[:at] + junk.encode() + wire[at + width :]
    else:
        cut = wire[:at] + junk + wire[at + width :]
    return Sent(cut, due(cut, dialect))


def _nested(depth: int, dialect: str) -> Sent:
    if dialect == PACKED:
        # {"request_id": 3, "deep": [[[…]]]}
        wire: str | bytes = b"\x82\xaarequest_id\x03\xa4deep" + b"\x91" * (depth - 2) + b"\x90"
    else:
        wire = '{"request_id": 3, "deep": ' + "[" * (depth - 1) + "]" * (depth - 1) + "}"
    return Sent(wire, due(wire, dialect))


def _large(size: int, dialect: str) -> Sent:
    message: dict[str, Any] = {"action": "ping", "request_id": 4, "pad": ""}
    if dialect == PACKED:
        # A text of more than 65535 bytes takes five for its head, where the empty one takes one.
        pad = size - len(msgspec.msgpack.encode(message)) - 4
    else:
        pad = size - len(json.dumps(message))
    return _written({**message, "pad": "x" * pad}, dialect)
