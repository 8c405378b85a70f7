"""What the Python client does with closes and frames that a real server gives only now and then."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

import picturegram
from picturegram import Refused, Stopped, Unknown

DEADLINE_S = 30
LIMITS = {"message_bytes_max": 1000}
Play = Callable[["Gateway", ServerConnection], Awaitable[None]]


class Gateway:
    """Greets, then plays a part: the first on the first socket, the last on all the rest."""

    def __init__(self, *parts: Play) -> None:
        self.parts = parts
        self.opened_at: list[float] = []
        self.requests: list[dict[str, Any]] = []

    async def serve(self, socket: ServerConnection) -> None:
        self.opened_at.append(time.monotonic())
        part = self.parts[min(len(self.opened_at), len(self.parts)) - 1]
        await tell(socket, type="hello", heartbeat_ms=25_000, limits=LIMITS, user=None)
        await part(self, socket)

    async def heard(self, socket: ServerConnection) -> dict[str, Any]:
        request: dict[str, Any] = json.loads(await socket.recv())
        self.requests.append(request)
        return request


async def tell(socket: ServerConnection, **frame: Any) -> None:
    await socket.send(json.dumps(frame))


async def answer_all(gateway: Gateway, socket: ServerConnection) -> None:
    while True:
        request = await gateway.heard(socket)
        await tell(socket, request_id=request.get("request_id"), ok=True, result={"fine": True})


@asynccontextmanager
async def served(gateway: Gateway) -> AsyncIterator[str]:
    """Yield the address at which the gateway plays."""
    subprotocols = [Subprotocol("picturegram.v1.json")]
    async with (
        asyncio.timeout(DEADLINE_S),
        serve(gateway.serve, "127.0.0.1", 0, subprotocols=subprotocols) as server,
    ):
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_heartbeat_is_answered_at_once() -> None:
    async def beat(gateway: Gateway, socket: ServerConnection) -> None:
        await tell(socket, type="heartbeat", heads={})
        assert await gateway.heard(socket) == {"action": "ping"}
        await answer_all(gateway, socket)

    gateway = Gateway(beat)
    async with served(gateway) as url, picturegram.connect(url) as client:
        assert await client.request("ping") == {"fine": True}
    assert gateway.requests[0] == {"action": "ping"}


async def test_frames_that_nobody_knows_are_handed_on_or_ignored() -> None:
    async def chatter(gateway: Gateway, socket: ServerConnection) -> None:
        for text in ("no JSON", "[]", "{}", '{"request_id": 99, "ok": true}'):
            await socket.send(text)
        await tell(socket, type="news.of.2031", x=1)
        await answer_all(gateway, socket)

    async with served(Gateway(chatter)) as url, picturegram.connect(url) as client:
        assert await client.request("ping") == {"fine": True}
        assert await anext(client.events()) == {"type": "news.of.2031", "x": 1}


async def test_an_unknown_code_of_the_40xx_stops_the_client() -> None:
    async def stop(gateway: Gateway, socket: ServerConnection) -> None:
        await gateway.heard(socket)
        await tell(socket, type="disconnect", code=4077, reason="enough", reconnect=False)
        await socket.close(4077)

    gateway = Gateway(stop)
    async with served(gateway) as url, picturegram.connect(url) as client:
        with pytest.raises(Stopped, match="enough") as stopped:
            await client.request("ping")
        assert stopped.value.code == 4077
        with pytest.raises(Stopped):
            await anext(client.events())
    assert len(gateway.opened_at) == 1


async def test_a_client_comes_back_when_it_was_told_to() -> None:
    async def drain(gateway: Gateway, socket: ServerConnection) -> None:
        await gateway.heard(socket)
        farewell = {"code": 4113, "reason": "draining", "reconnect": True, "retry_after_ms": 1200}
        await tell(socket, type="disconnect", **farewell)
        await socket.close(1012)  # A server in front may make it so.

    async def drop(gateway: Gateway, socket: ServerConnection) -> None:
        await gateway.heard(socket)
        farewell = {"code": 4113, "reason": "draining", "reconnect": True, "retry_after_ms": 600}
        await tell(socket, type="disconnect", **farewell)
        await socket.close(4113)

    gateway = Gateway(drain, drop, answer_all)
    async with served(gateway) as url, picturegram.connect(url) as client:
        assert await client.request("ping") == {"fine": True}
    first, second, third = gateway.opened_at
    assert second - first >= 1.2
    assert third - second >= 0.6


async def test_what_was_too_big_is_not_sent_again() -> None:
    async def refuse(gateway: Gateway, socket: ServerConnection) -> None:
        await gateway.heard(socket)
        await socket.close(1009)

    gateway = Gateway(refuse, answer_all)
    async with served(gateway) as url, picturegram.connect(url) as client:
        with pytest.raises(Unknown):
            await client.post("lobby", "too big for somebody on the way")
        with pytest.raises(Refused) as refused:
            await client.post("lobby", "x" * 1000)
        assert refused.value.code == "too_large"
        assert await client.request("ping") == {"fine": True}
    assert [request["action"] for request in gateway.requests] == ["post.create", "ping"]


async def test_a_refusal_for_the_moment_is_waited_out() -> None:
    async def waver(gateway: Gateway, socket: ServerConnection) -> None:
        for code in ("rate_limited", "unavailable"):
            request = await gateway.heard(socket)
            error = {"code": code, "message": "Wait.", "retry_after_ms": 300}
            await tell(socket, request_id=request["request_id"], ok=False, error=error)
        await answer_all(gateway, socket)

    gateway = Gateway(waver)
    began_at = time.monotonic()
    async with served(gateway) as url, picturegram.connect(url) as client:
        assert await client.post("lobby", "patience") == {"fine": True}
    assert time.monotonic() - began_at >= 0.6
    assert len({request["client_id"] for request in gateway.requests}) == 1


async def test_a_server_that_never_greets_is_no_gateway() -> None:
    async def silent(socket: ServerConnection) -> None:
        await socket.send("welcome")
        await socket.wait_closed()

    gateway = Gateway()
    gateway.serve = silent  # type: ignore[method-assign] # this one speaks something else
    async with served(gateway) as url:
        with pytest.raises(picturegram.Unreachable, match="no gateway"):
            async with picturegram.connect(url, connect_timeout_s=0.5):
                pytest.fail("it should not have connected")
