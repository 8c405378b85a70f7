"""`/healthz` answers whatever is away; unit tests have no database at all."""

from __future__ import annotations

from typing import Any

from chat.realtime.health import Liveness


async def test_healthz_asks_nobody() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    await Liveness()({"type": "http", "method": "GET"}, receive, send)
    assert sent[0]["status"] == 200
    assert sent[1]["body"] == b'{"status":"ok"}'
