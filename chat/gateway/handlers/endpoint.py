"""A route's handler that is an HTTP address: the event goes there, what comes back is the answer.

Only hosts on the operator's list are ever connected to: no redirect is followed, no proxy asked.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Collection
from typing import Any, Protocol
from urllib.parse import urlsplit

from django.conf import settings

from chat.realtime.envelope import encode

PORTS = {"http": 80, "https": 443}
# Bytes read at a time, so that a slow answer is noticed between two of them.
CHUNK_BYTES = 16 * 1024


class Remaining(Protocol):
    """What the context of a call tells."""

    def get_remaining_time_in_millis(self) -> int: ...


class EndpointFailed(Exception):
    """The address gave no answer that can be passed on."""


class Endpoint:
    """Sends the event as JSON in a POST. A handler that is called on a thread."""

    def __init__(self, url: str, *, allowed: Collection[str]) -> None:
        """Take an address. Raises ValueError for one that may not be called."""
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
        if parts.scheme not in PORTS or not parts.hostname or "@" in parts.netloc:
            raise ValueError(f"{url} must be https://host/path or http://host/path")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        names = {f"{host}:{port}"} | ({host} if port == PORTS[parts.scheme] else set())
        if names.isdisjoint(allowed):
            raise ValueError(f"{parts.netloc} is not among ROUTE_HOSTS")
        self.url = url
        self._is_secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, port
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def __call__(self, event: dict[str, Any], context: Remaining) -> dict[str, Any]:
        """Return the status and the body as an answer. Raises OSError and EndpointFailed."""
        connection = self._connection(context.get_remaining_time_in_millis() / 1000)
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/plain"}
        try:
            connection.request("POST", self._target, encode(event).encode(), headers)
            response = connection.getresponse()
            if 300 <= response.status < 400:
                raise EndpointFailed(f"{self.url} sends us elsewhere ({response.status}).")
            body = _read(response, connection, context)
        finally:
            connection.close()
        return {"statusCode": response.status, "body": body}

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        if self._is_secure:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=timeout_s, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)


def _read(
    response: http.client.HTTPResponse, connection: http.client.HTTPConnection, context: Remaining
) -> str:
    """Read the body, within the time that is left and the size that a message may have."""
    body = bytearray()
    while chunk := response.read1(CHUNK_BYTES):
        body += chunk
        if len(body) > settings.MESSAGE_BYTES_MAX:
            raise EndpointFailed(f"The answer has more than {settings.MESSAGE_BYTES_MAX} bytes.")
        left_s = context.get_remaining_time_in_millis() / 1000
        if left_s <= 0:
            raise TimeoutError("The answer took too long.")
        if connection.sock is not None:
            connection.sock.settimeout(left_s)
    return body.decode()
