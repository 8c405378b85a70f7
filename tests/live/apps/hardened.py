"""A small ASGI application that does to a server what careless and unlucky applications do.

`HARDENING=0` leaves the server as it comes; `FIGURES` is JSON of figures to shorten, by module;
`DIARY` names a file to which the application appends what happens to it.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs

from asgiref.typing import ASGI3Application

from config import hardening

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

KIBIBYTE = "x" * 1024
diary = Path(os.environ["DIARY"])
counts = {"received": 0, "sent": 0}
polite: list[Send] = []

if os.environ.get("HARDENING") != "0":
    hardening.install()
    for module, shortened in json.loads(os.environ.get("FIGURES", "{}")).items():
        vars(import_module(f"config.hardening.{module}")).update(shortened)


def note(line: str) -> None:
    with diary.open("a") as file:
        file.write(line + "\n")


async def goodbye() -> None:
    note("drain")
    for send in polite:
        await send({"type": "websocket.send", "text": "goodbye"})


hardening.on_shutdown(goodbye)


async def serve(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    query = {key: values[0] for key, values in parse_qs(scope["query_string"].decode()).items()}
    if scope["type"] == "websocket":
        await receive()
        if scope["path"] != "/unanswered":
            await send({"type": "websocket.accept"})
        try:
            await SOCKETS[scope["path"]](scope, receive, send, query)
        finally:
            note(f"end {scope['path']}")
    else:
        answer = await PAGES[scope["path"]](scope, receive, send, query)
        if answer is None:
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


async def listen(scope: dict[str, Any], receive: Receive, on_message: Send | None = None) -> None:
    while (message := await receive())["type"] != "websocket.disconnect":
        counts["received"] += 1
        if on_message is not None:
            await on_message(message)
    note(f"disconnect {scope['path']} {message.get('code')}")


async def echo(scope: dict[str, Any], receive: Receive, send: Send, query: Any) -> None:
    async def answer(message: dict[str, Any]) -> None:
        await send({**message, "type": "websocket.send"})

    await listen(scope, receive, answer)


async def slow(scope: dict[str, Any], receive: Receive, send: Send, query: Any) -> None:
    async def think(message: dict[str, Any]) -> None:
        await asyncio.sleep(0.01)

    await listen(scope, receive, think)


async def push(scope: dict[str, Any], receive: Receive, send: Send, query: Any) -> None:
    """Send numbered messages for as long as the other side takes them, but two a turn."""

    async def write() -> None:
        for number in range(int(query["count"])):
            await send({"type": "websocket.send", "text": f"{number} {KIBIBYTE * 64}"})
            counts["sent"] += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        writing = group.create_task(write())
        await listen(scope, receive)
        writing.cancel()


async def blind(scope: dict[str, Any], receive: Receive, send: Send, query: Any) -> None:
    """Send without ever waiting for a send to return."""
    message = {"type": "websocket.send", "text": KIBIBYTE * 64}
    sends = []
    for _ in range(1024):
        sends.append(asyncio.ensure_future(send(message)))
        await asyncio.sleep(0)
    await listen(scope, receive)
    await asyncio.wait_for(asyncio.gather(*sends, return_exceptions=True), 5)


async def close(scope: dict[str, Any], receive: Receive, send: Send, query: Any) -> None:
    reason = query.get("reason")
    await send({"type": "websocket.close", "code": int(query["code"]), "reason": reason})
    await listen(scope, receive)


async def stall(scope: dict[str, Any], receive: Receive, send: Send, query: Any) -> None:
    """Be an outbox: when a send does not return, end the connection as the query says."""
    with contextlib.suppress(TimeoutError):
        while True:
            message = {"type": "websocket.send", "text": KIBIBYTE * 64}
            await asyncio.wait_for(send(message), 0.5)
    note("stalled")
    if query["then"] == "abort":
        assert "picturegram.abort" in scope["extensions"]
        await send({"type": "picturegram.abort"})
    else:
        # Where the frame itself has to wait, it is the abort that ends the waiting.
        with contextlib.suppress(OSError):
            await send({"type": "websocket.close", "code": 4210})
    await listen(scope, receive)


async def big(scope: dict[str, Any], receive: Receive, send: Send, query: Any) -> None:
    await send({"type": "websocket.send", "text": KIBIBYTE * int(query["kib"])})
    await listen(scope, receive)


async def polite_socket(scope: dict[str, Any], receive: Receive, send: Send, query: Any) -> None:
    polite.append(send)
    await listen(scope, receive)
    # Leaving the room takes a moment, and nobody cuts it short.
    await asyncio.sleep(0.3)
    note("left")


async def unanswered(scope: dict[str, Any], receive: Receive, send: Send, query: Any) -> None:
    await listen(scope, receive)


SOCKETS = {
    "/echo": echo,
    "/slow": slow,
    "/push": push,
    "/blind": blind,
    "/close": close,
    "/stall": stall,
    "/big": big,
    "/polite": polite_socket,
    "/unanswered": unanswered,
}


async def read_counts(*_: Any) -> object:
    return counts


async def read_figures(*_: Any) -> object:
    modules = ["daphne_requests", "daphne_sockets", "daphne_server", "draining", "limits"]
    return {
        name: value
        for module in modules
        for name, value in vars(import_module(f"config.hardening.{module}")).items()
        if isinstance(value, int | float)
    }


async def read_mount_point(scope: dict[str, Any], *_: Any) -> object:
    names = [name.decode() for name, _ in scope["headers"]]
    return {"root_path": scope["root_path"], "headers": names}


async def take_body(scope: dict[str, Any], receive: Receive, send: Send, query: Any) -> object:
    total = 0
    while (message := await receive())["type"] == "http.request":
        total += len(message["body"])
        if not message["more_body"]:
            break
    note(f"body {total} {message['type']}")
    return {"bytes": total}


async def download(scope: dict[str, Any], receive: Receive, send: Send, query: Any) -> object:
    """Announce `mib` and send them as fast as they are taken."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(4 * int(query["mib"])):
        piece = b"x" * 1024 * 256
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        counts["sent"] += 1
        await asyncio.sleep(0)
    note("download over")
    raise ConnectionAbortedError("in the middle of a response")


async def answer_in_two(scope: dict[str, Any], receive: Receive, send: Send, query: Any) -> object:
    """Fill the transport with the last piece, when there is no more to wait for."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * 60_000, "more_body": True})
    await send({"type": "http.response.body", "body": b"x" * 60_000})
    note("answered in two")
    return None


async def wait(scope: dict[str, Any], receive: Receive, send: Send, query: Any) -> object:
    note("waiting")
    await asyncio.sleep(float(query["seconds"]))
    note("waited")
    return {"waited": True}


PAGES = {
    "/counts": read_counts,
    "/figures": read_figures,
    "/mount": read_mount_point,
    "/body": take_body,
    "/download": download,
    "/two": answer_in_two,
    "/wait": wait,
}

application = hardening.BodyLimit(cast(ASGI3Application, serve), hardening.BODY_BYTES_MAX)
