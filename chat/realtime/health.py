"""Health: does this process live (`/healthz`), and can it serve (`/readyz`)?

Beside Django, so that probes need no host that is served here and no redirect to HTTPS.
"""

from __future__ import annotations

from typing import Any

from django.db import connection

from chat.realtime.connection import Receive, Send
from chat.realtime.database import DatabaseFailure, in_hub_database
from chat.realtime.http import send_json
from chat.realtime.server import Server

# Seconds that the very first beat of a process may take.
FIRST_BEAT_S = 2.0


class Liveness:
    """Asks nobody, not even the database: a process that waits for it is alive."""

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await send_json(send, 200, {"status": "ok"})


class Readiness:
    """Answers 200 when everything works and 503 with what does not.

    A process that no longer hears the layer still serves from the log, a second late; it says
    so here and lets the operator's proxy prefer another.
    """

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        checks = {"database": "away", "layer": "not heard", "process": "starting"}
        try:
            await in_hub_database(_ask_database)
            checks["database"] = "ok"
            server = await Server.running()
            checks["process"] = "stopping" if server.is_draining else "ok"
            if await server.hub.link.hears(FIRST_BEAT_S):
                checks["layer"] = "ok"
        except DatabaseFailure:
            pass
        is_ready = set(checks.values()) == {"ok"}
        await send_json(send, 200 if is_ready else 503, {"ready": is_ready, "checks": checks})


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
