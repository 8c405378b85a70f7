"""The limit on request bodies, counted before anything is spooled."""

import asyncio
import json

from asgiref.typing import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    Scope,
)

# Seconds for which the rest of a refused body is read and thrown away. Closing at once would
# reset the connection, and the sender would see that instead of the answer.
LINGER_S = 5


def too_large(body_bytes_max: int) -> bytes:
    """Return the answer to a body above the limit, in the product's error shape."""
    message = f"A request may carry at most {body_bytes_max // 1024**2} MiB."
    return json.dumps({"error": {"code": "too_large", "message": message}}).encode()


class _TooLarge(Exception):
    """More came than was announced or allowed."""


class BodyLimit:
    """ASGI middleware that answers 413 to a body above the limit and closes the connection.

    For servers that hand a body over as it comes. daphne spools first; there the same limit
    holds one layer deeper and this only looks on.
    """

    def __init__(self, app: ASGI3Application, body_bytes_max: int) -> None:
        self.app = app
        self.body_bytes_max = body_bytes_max

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        received_bytes = 0

        async def counted() -> ASGIReceiveEvent:
            nonlocal received_bytes
            message = await receive()
            if message["type"] == "http.request":
                received_bytes += len(message.get("body", b""))
                if received_bytes > self.body_bytes_max:
                    raise _TooLarge
            return message

        announced = dict(scope["headers"]).get(b"content-length", b"0")
        try:
            if announced.isdigit() and int(announced) > self.body_bytes_max:
                raise _TooLarge
            await self.app(scope, counted, send)
        except _TooLarge:
            await self._refuse(receive, send)

    async def _refuse(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        body = too_large(self.body_bytes_max)
        await send(
            {
                "type": "http.response.start",
                "status": 413,
                "headers": [
                    (b"content-type", b"application/json"),
                    (b"content-length", str(len(body)).encode()),
                    (b"connection", b"close"),
                ],
                "trailers": False,
            }
        )
        await send({"type": "http.response.body", "body": body, "more_body": True})
        try:
            async with asyncio.timeout(LINGER_S):
                while (message := await receive())["type"] == "http.request":
                    if not message.get("more_body"):
                        break
        except TimeoutError:
            pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})
