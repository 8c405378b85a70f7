"""A server process of its own, and clients that misbehave at the level of bytes."""

import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
APPLICATION = "tests.live.apps.hardened:application"
# RFC 6455, 1.3.
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def wait_until(holds: Callable[[], object], deadline_s: float = 10) -> float:
    """Return the seconds it took until `holds()` was true; fail when the deadline is over."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < deadline_s, f"not within {deadline_s} s"
        time.sleep(0.02)
    return time.monotonic() - began


@dataclass
class Process:
    """A running server, and what its application wrote into its diary."""

    port: int
    popen: subprocess.Popen[bytes]
    diary_path: Path
    log_path: Path

    @property
    def memory_bytes(self) -> int:
        rss: int = psutil.Process(self.popen.pid).memory_info().rss
        return rss

    @property
    def diary(self) -> list[str]:
        return self.diary_path.read_text().splitlines() if self.diary_path.exists() else []

    def get(self, path: str) -> Any:
        with self.connect() as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
            head, _, body = read_all(connection).partition(b"\r\n\r\n")
        assert b" 200 " in head, head
        return json.loads(body)

    def connect(self, *, receive_bytes: int = 0, deadline_s: float = 10) -> socket.socket:
        connection = socket.socket()
        if receive_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.settimeout(deadline_s)
        connection.connect(("127.0.0.1", self.port))
        return connection

    def open(self, path: str, *, receive_bytes: int = 0, **headers: str) -> "Socket":
        """Return an accepted socket. What was not read counts as not received by the server."""
        connection = self.connect(receive_bytes=receive_bytes)
        connection.sendall(handshake(path, **headers))
        client = Socket(connection)
        head = client.read_head()
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert f"Sec-WebSocket-Accept: {ACCEPT}".encode() in head
        return client


class Socket:
    """The client's end of a WebSocket."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.buffer = b""

    def send(self, opcode: int, payload: bytes, *, fin: bool = True) -> None:
        self.connection.sendall(frame(opcode, payload, fin=fin))

    def receive(self) -> tuple[int, bytes]:
        """Return opcode and payload of the next frame, which is whole and not masked."""
        first, length = self._take(2)
        assert first & 0xF0 == 0x80, f"fragmented, or with reserved bits: {first:08b}"
        assert length < 128, "masked"
        if length == 126:
            (length,) = struct.unpack("!H", self._take(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._take(8))
        return first & 15, self._take(length)

    def receive_close(self) -> tuple[int, str]:
        """Return code and reason of the close frame, skipping what comes before it."""
        while True:
            opcode, payload = self.receive()
            if opcode == CLOSE:
                return struct.unpack("!H", payload[:2])[0], payload[2:].decode()

    def read_head(self) -> bytes:
        while b"\r\n\r\n" not in self.buffer:
            self._read()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return head

    def is_gone(self) -> bool:
        """Tell whether the server has closed or reset the connection, reading all there is."""
        self.connection.settimeout(0.02)
        try:
            while self.connection.recv(1 << 20):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def _take(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self._read()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def _read(self) -> None:
        data = self.connection.recv(1 << 16)
        if not data:
            raise EOFError(self.buffer[:200])
        self.buffer += data


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    mask: bool = True,
    key: bytes = bytes(4),
) -> bytes:
    """Return a frame as a client sends it. Its masking key is zero, which is as good as any."""
    bit = 128 if mask else 0
    if len(payload) < 126:
        length = struct.pack("!B", bit | len(payload))
    elif len(payload) < 65536:
        length = struct.pack("!BH", bit | 126, len(payload))
    else:
        length = struct.pack("!BQ", bit | 127, len(payload))
    if any(key):
        payload = bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))
    return bytes([fin << 7 | reserved << 4 | opcode]) + length + (key if mask else b"") + payload


def handshake(path: str, **headers: str) -> bytes:
    given = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def read_all(connection: socket.socket) -> bytes:
    """Return everything until the other side closes or resets."""
    data = b""
    try:
        while piece := connection.recv(1 << 20):
            data += piece
    except ConnectionResetError:
        pass
    return data


def fill(connection: socket.socket, data: bytes, limit_bytes: int) -> int:
    """Send `data` again and again, and return the bytes taken before a second without progress."""
    connection.settimeout(1)
    taken = 0
    try:
        while taken < limit_bytes:
            taken += connection.send(data[taken % len(data) :])
    except OSError:
        pass
    return taken


@contextmanager
def daphne(directory: Path, *arguments: str, **environment: str) -> Iterator[Process]:
    command = ["daphne", "--bind", "127.0.0.1", "--verbosity", "0", *arguments]
    with _serve(directory, command, environment) as process:
        yield process


@contextmanager
def uvicorn(directory: Path, *arguments: str, **environment: str) -> Iterator[Process]:
    command = ["uvicorn", "--host", "127.0.0.1", "--log-level", "warning", *arguments]
    with _serve(directory, command, environment) as process:
        yield process


@contextmanager
def _serve(directory: Path, command: list[str], environment: dict[str, str]) -> Iterator[Process]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    diary, log = directory / f"diary-{port}", directory / f"log-{port}"
    module, *arguments = command
    with log.open("wb") as output:
        popen = subprocess.Popen(
            [sys.executable, "-m", module, *arguments, "--port", str(port), APPLICATION],
            cwd=ROOT,
            env={**os.environ, "DIARY": str(diary), **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    process = Process(port, popen, diary, log)

    def answers() -> bool:
        assert popen.poll() is None, log.read_text()
        try:
            process.connect().close()
        except OSError:
            return False
        return True

    try:
        wait_until(answers, 20)
        yield process
    finally:
        popen.kill()
        popen.wait()
