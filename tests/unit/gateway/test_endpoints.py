"""Routes that are HTTP addresses: what is sent there, and what is not taken from there."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from chat.gateway.handlers.answers import Answer
from chat.gateway.handlers.endpoint import Endpoint
from chat.gateway.handlers.invoking import Failed, TimedOut, invoke
from chat.gateway.handlers.routes import Route

EVENT = {"requestContext": {"routeKey": "score"}, "body": "Grüße"}


class Backend(BaseHTTPRequestHandler):
    """Answers as the path says, and notes what was asked."""

    asked: ClassVar[list[tuple[str, dict[str, str], Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.asked.append((self.path, dict(self.headers), json.loads(body or b"null")))
        status, headers, parts = ANSWERS[self.path.partition("?")[0]]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        for part in parts:
            self.wfile.write(part)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: Any) -> None:
        pass


ANSWERS: dict[str, tuple[int, dict[str, str], list[bytes]]] = {
    "/score": (200, {"Content-Type": "application/json"}, [b'{"score"', b": 3}"]),
    "/no": (409, {}, [b'{"message": "No.", "current": 2}']),
    "/empty": (204, {}, []),
    "/elsewhere": (302, {"Location": "/score"}, []),
    "/large": (200, {}, [b"x" * 65536] * 3),
    "/binary": (200, {}, [b"\xff\xfe"]),
}


@pytest.fixture
def backend() -> Iterator[str]:
    """A host on this machine that answers."""
    Backend.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


async def call(host: str, path: str, timeout_s: float = 10) -> Answer:
    handler = Endpoint(f"http://{host}{path}", allowed=[host])
    return await invoke(Route("score", handler, False, "a test"), EVENT, timeout_s=timeout_s)


async def test_the_event_goes_there_and_the_answer_comes_back(backend: str) -> None:
    answer = await call(backend, "/score?of=home")
    assert (answer.status, answer.content) == (200, {"score": 3})
    ((path, headers, event),) = Backend.asked
    assert path == "/score?of=home"
    assert headers["Content-Type"] == "application/json"
    assert headers["Host"] == backend
    assert event == EVENT


async def test_its_refusals_are_the_routes(backend: str) -> None:
    answer = await call(backend, "/no")
    assert answer.is_refusal
    assert answer.error() == {"code": "conflict", "message": "No.", "current": 2}
    assert (await call(backend, "/empty")).status == 204


@pytest.mark.parametrize("path", ["/large", "/binary"])
async def test_what_no_message_could_carry_is_a_failure(backend: str, path: str) -> None:
    with pytest.raises(Failed):
        await call(backend, path)


async def test_no_redirect_is_followed(backend: str) -> None:
    with pytest.raises(Failed):
        await call(backend, "/elsewhere")
    assert [path for path, *_ in Backend.asked] == ["/elsewhere"]


async def test_no_proxy_is_asked(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await call(backend, "/score")).status == 200


async def test_a_host_that_is_not_there_is_a_failure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        with pytest.raises(Failed):
            await call(f"127.0.0.1:{taken.getsockname()[1]}", "/")


async def test_a_host_that_does_not_answer_times_out() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises((TimedOut, Failed)):
            await call(f"127.0.0.1:{silent.getsockname()[1]}", "/", timeout_s=0.1)


async def test_an_answer_that_drips_in_times_out() -> None:
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not over.wait(0.02):
            try:
                connection.sendall(b"x")
            except OSError:
                return

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        thread = threading.Thread(target=lambda: drip(server.accept()[0]))
        thread.start()
        try:
            with pytest.raises((TimedOut, Failed)):
                await call(f"127.0.0.1:{server.getsockname()[1]}", "/", timeout_s=0.3)
        finally:
            thread.join(10)
            ended_by_us = not thread.is_alive()
            over.set()
            thread.join()
    assert ended_by_us, "the thread that reads is given back"
