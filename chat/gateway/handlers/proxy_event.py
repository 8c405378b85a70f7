"""What a handler is called with: the event that API Gateway makes of a socket's life.

The format is that of AWS's "Lambda proxy integration" for WebSocket APIs, version 1.0. Nothing that
could be used to sign in elsewhere is in it.
"""

from __future__ import annotations

import base64
import secrets
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from chat.models import User
from chat.models.access_key import SCOPES
from chat.realtime.connection import Connection
from chat.realtime.identity import BEARER_PROTOCOL
from chat.realtime.router import Call

# There is one stage; the connections API takes any.
STAGE = "prod"
API_ID = "picturegram"
# Headers that are somebody's key to this site.
SECRET_HEADERS = frozenset({b"authorization", b"cookie", b"proxy-authorization"})
# The common log format's, whatever the process's locale is.
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

Event = dict[str, Any]


def connect_event(connection: Connection, scope: dict[str, Any]) -> Event:
    """The event of a handshake that waits for its answer."""
    headers = _headers(scope)
    text = scope.get("query_string", b"").decode("latin-1")
    query = parse_qs(text, keep_blank_values=True)
    return {
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()},
        "multiValueQueryStringParameters": query,
        "requestContext": _context(connection, "$connect", "CONNECT"),
        "isBase64Encoded": False,
    }


def message_event(call: Call) -> Event:
    """The event of a message, with its text as it came."""
    context = _context(call.connection, call.route_key, "MESSAGE")
    context["messageId"] = context["requestId"]
    return {"requestContext": context, "body": call.body, "isBase64Encoded": False}


def disconnect_event(connection: Connection) -> Event:
    """The event of a connection that is over, with the code and the reason that it ended by."""
    context = _context(connection, "$disconnect", "DISCONNECT")
    code, reason = connection.ended
    context["disconnectStatusCode"] = int(code)
    context["disconnectReason"] = reason
    return {"requestContext": context, "isBase64Encoded": False}


def new_request_id() -> str:
    """11 bytes in base64, as connection ids are, without the letters that paths encode."""
    while True:
        name = base64.b64encode(secrets.token_bytes(11)).decode()
        if "/" not in name and "+" not in name:
            return name


def _context(connection: Connection, key: str, type: str) -> Event:
    now_ms = time.time_ns() // 1_000_000
    request_id = new_request_id()
    return {
        "routeKey": key,
        "eventType": type,
        "extendedRequestId": request_id,
        "requestTime": _log_time(now_ms),
        "messageDirection": "IN",
        "stage": STAGE,
        "connectedAt": int(connection.connected_at.timestamp() * 1000),
        "requestTimeEpoch": now_ms,
        "identity": {
            "sourceIp": connection.peer.source_ip,
            "userAgent": connection.peer.user_agent,
        },
        "requestId": request_id,
        "domainName": connection.peer.domain_name,
        "connectionId": connection.id,
        "apiId": API_ID,
        "authorizer": _authorizer(connection),
    }


def _authorizer(connection: Connection) -> Event:
    """Who is connected: values are text, as an authorizer's are. `principalId` "" is nobody."""
    viewer, key = connection.identity.viewer, connection.identity.key
    if not isinstance(viewer, User):
        return {"principalId": ""}
    found = {"principalId": str(viewer.pk), "username": viewer.username}
    if key is not None:
        found["keyId"] = key.pk
        found["scopes"] = " ".join(scope for scope in SCOPES if key.allows(scope))
    return found


def _headers(scope: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        text = value.decode("latin-1")
        if name == b"sec-websocket-protocol":
            offered = (each.strip() for each in text.split(","))
            text = ", ".join(each for each in offered if not each.startswith(BEARER_PROTOCOL))
        if name not in SECRET_HEADERS and (text or not value):
            wire_name = name.decode("latin-1").title().replace("Websocket", "WebSocket")
            found.setdefault(wire_name, []).append(text)
    return found


def _log_time(now_ms: int) -> str:
    """`21/Nov/2026:12:47:02 +0000`."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    return f"{now:%d}/{MONTHS[now.month - 1]}/{now:%Y:%H:%M:%S} +0000"
