"""The smallest handler: `ROUTES="hello=examples.hello.handler"`, then `{"action": "hello"}`."""

from __future__ import annotations

from typing import Any


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Greet whoever asks."""
    name = event["requestContext"]["authorizer"].get("username", "stranger")
    return {"statusCode": 200, "body": f"Hello, {name}!"}
