"""`/readyz`: can this process serve? The database, and hearing through the layer."""

from __future__ import annotations

from typing import Any

from django.db import connection

from chat.realtime.connection import Receive, Send
from chat.realtime.database import DatabaseFailure, in_database
from chat.realtime.http import send_json
from chat.realtime.server import Server


class Readiness:
    """Answers 200 when everything works and 503 with what does not.

    A process that no longer hears the layer still serves from the log, a second late; it says
    so here and lets the operator's proxy prefer another.
    """

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        checks = {"database": False, "layer": False, "accepting": False}
        try:
            await in_database(_ask_database)
            checks["database"] = True
            server = await Server.running()
            checks["layer"] = server.hub.link.is_hearing
            checks["accepting"] = not server.is_draining
        except DatabaseFailure:
            pass
        is_ready = all(checks.values())
        await send_json(send, 200 if is_ready else 503, {"ready": is_ready, "checks": checks})


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
