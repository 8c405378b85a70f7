"""One session against a server: everything is sent, and what comes back is held to the contract."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.fuzz.contract import PACKED, V1, Due, Key, key_of
from tests.fuzz.sessions import Session
from tests.live.client import open_socket

# Seconds after which a request counts as not answered.
ANSWER_S = 20.0


@dataclass
class Heard:
    """What the server has said, counted."""

    # Final answers by request; None for those that name none.
    answers: Counter[Key | None] = field(default_factory=Counter)
    disconnects: list[dict[str, Any]] = field(default_factory=list)
    frames: int = 0
    faults: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, wire: str | bytes, dialect: str) -> None:
        self.frames += 1
        if isinstance(wire, bytes) is not (dialect == PACKED):
            self.faults.append(f"a frame of the wrong kind: {wire!r:.200}")
            return
        frame = msgspec.msgpack.decode(wire) if isinstance(wire, bytes) else json.loads(wire)
        is_quiet = dialect not in (V1, PACKED)
        if is_quiet:
            json.loads(frame["payload"])
        if frame.get("type") == "disconnect":
            self.disconnects.append(frame)
        elif "ok" in frame or "done" in frame:
            if frame.get("error", {}).get("code") == "internal_error":
                self.faults.append(f"an internal error: {frame}")
            self.answers[key_of(frame.get("request_id"))] += 1
        elif "result" not in frame and "type" not in frame:
            self.faults.append(f"a frame of no kind: {frame}")


async def converse(url: str, token: str, session: Session) -> Heard:
    """Play a session and return what came. Raises AssertionError where the contract is broken."""
    subprotocols = [session.dialect] if session.dialect else []
    socket = await open_socket(
        url + session.address, token=token, subprotocols=subprotocols, deadline_s=ANSWER_S
    )
    heard = Heard()
    reading = asyncio.create_task(_read(socket, session.dialect, heard))
    try:
        closes_with = await _send(socket, session)
        if closes_with is None:
            await _until_answered(heard, session, reading)
            assert not reading.done(), f"closed with {socket.close_code} {socket.close_reason}"
        else:
            await _until_closed(socket, reading, closes_with)
            _check_farewell(heard, session, closes_with)
    finally:
        await socket.close()
        await reading
    assert not heard.faults, heard.faults
    return heard


async def _read(socket: ClientConnection, dialect: str, heard: Heard) -> None:
    try:
        async for wire in socket:
            heard.take(wire, dialect)
            heard.news.set()
    except ConnectionClosed:
        pass
    finally:
        heard.news.set()


async def _send(socket: ClientConnection, session: Session) -> int | None:
    """Send all frames; return the code that the first of them earned which earns one."""
    for sent in session.frames:
        try:
            await socket.send(sent.wire)
        except ConnectionClosed:
            break
        if sent.due.closes_with is not None:
            return sent.due.closes_with
    return None


async def _until_answered(heard: Heard, session: Session, reading: asyncio.Task[None]) -> None:
    dues = [sent.due for sent in session.frames]
    try:
        async with asyncio.timeout(ANSWER_S):
            while _missing(heard, dues, session.dialect) and not reading.done():
                heard.news.clear()
                await heard.news.wait()
    except TimeoutError:
        raise AssertionError(
            f"not answered: {_missing(heard, dues, session.dialect)}; answered: {heard.answers}"
        ) from None
    too_many = {
        key: count
        for key, count in heard.answers.items()
        if key is not None and count > _most(key, dues)
    }
    assert not too_many, f"answers that nobody is owed: {too_many}"
    assert heard.answers.total() <= len(dues), f"more answers than requests: {heard.answers}"


def _missing(heard: Heard, dues: list[Due], dialect: str) -> str:
    """Say which answers are owed still; empty when all have come."""
    asked = Counter(each.key for each in dues if each.key is not None and not each.is_uncertain)
    # A cancel is answered by the end of the stream that it ends.
    cancels = Counter(each.key for each in dues if each.is_cancel and each.key is not None)
    for key, count in asked.items():
        least = max(1, count - cancels[key])
        if heard.answers[key] < least:
            return f"{key}: {heard.answers[key]} of {least}"
    owed = len(dues) - sum(each.is_cancel for each in dues) if dialect in (V1, PACKED) else 0
    if heard.answers.total() < owed:
        return f"{heard.answers.total()} of {owed}"
    return ""


def _most(key: Key, dues: list[Due]) -> int:
    return sum(each.key == key or each.is_uncertain for each in dues)


async def _until_closed(
    socket: ClientConnection, reading: asyncio.Task[None], closes_with: int
) -> None:
    try:
        async with asyncio.timeout(ANSWER_S):
            await asyncio.shield(reading)
    except TimeoutError:
        raise AssertionError(f"not closed with {closes_with}") from None
    assert socket.close_code == closes_with, f"closed with {socket.close_code}, not {closes_with}"


def _check_farewell(heard: Heard, session: Session, closes_with: int) -> None:
    """In v1 a close that the application decides on is announced; 1009 may be the server's own."""
    if session.dialect in (V1, PACKED) and closes_with != 1009:
        assert [each["code"] for each in heard.disconnects] == [closes_with]
    elif session.dialect not in (V1, PACKED):
        assert not heard.disconnects
