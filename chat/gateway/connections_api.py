"""`[/<stage>]/@connections/<id>`: one connection, reached, inspected or dropped from outside.

It speaks the HTTP dialect of API Gateway's management API, so that stock AWS clients work: they
know an error by the header `x-amzn-ErrorType`. A plain ASGI application, because a Django view
would hold a thread while it waits for another process.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote
from uuid import uuid4

from django.conf import settings

from chat.errors import (
    AppError,
    Forbidden,
    Invalid,
    MethodNotAllowed,
    RateLimited,
    TooLarge,
    Unavailable,
)
from chat.gateway import remote, signatures
from chat.gateway.keys import authorize
from chat.gateway.signatures import Request
from chat.realtime.connection import Receive, Send
from chat.realtime.database import DatabaseFailure, in_database
from chat.realtime.http import Headers, send_json
from chat.realtime.identity import own_origin
from chat.realtime.server import Server

logger = logging.getLogger(__name__)

SCOPE = "connections"
# The same on every try of one call of an AWS client.
INVOCATION = "amz-sdk-invocation-id"
# 11 bytes in base64, without the two letters that a path would have to encode.
CONNECTION_ID = re.compile(r"[A-Za-z0-9]{15}=")
# Bytes of a close reason (RFC 6455, section 5.5).
REASON_BYTES_MAX = 123
# What is thrown away of a body that is too large, and for how many seconds: a connection that is
# closed at once is reset, and its sender sees that instead of the answer.
DISCARDED_BYTES_MAX = 16 * 1024**2
DISCARDING_S = 5


class Gone(AppError):
    code, status, message = "not_found", 410, "Gone"


# What AWS calls our errors.
TYPES: dict[type[AppError], str] = {
    Gone: "GoneException",
    Invalid: "BadRequestException",
    Forbidden: "ForbiddenException",
    **{kind: kind.__name__ for kind in signatures.REFUSALS},
    MethodNotAllowed: "MethodNotAllowedException",
    TooLarge: "PayloadTooLargeException",
    RateLimited: "LimitExceededException",
    Unavailable: "ServiceUnavailableException",
}
INTERNAL = "InternalServerErrorException"


@dataclass
class Answer:
    """What is sent back; no body at all is 204's."""

    status: int = 200
    body: dict[str, Any] | None = field(default_factory=dict)
    headers: Headers = field(default_factory=list)


class _Left(Exception):
    """The client went away before it had sent its request."""


class ConnectionsApi:
    """Answers one request: who asks, what for, then one of three verbs."""

    methods: ClassVar[tuple[str, ...]] = ("POST", "GET", "DELETE")

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        headers: Headers = [(b"x-amzn-requestid", str(uuid4()).encode())]
        try:
            answer = await self._answer(scope, receive)
        except _Left:
            return
        except AppError as error:
            answer = refusal(error)
        except DatabaseFailure:
            answer = refusal(Unavailable("The database is away; try again."))
        except Exception:
            logger.exception("A request to the connections API failed.")
            answer = refusal(AppError("Internal server error"))
        headers += answer.headers
        if answer.body is None:
            start = {"type": "http.response.start", "status": answer.status}
            await send({**start, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
        else:
            await send_json(send, answer.status, answer.body, headers)

    async def _answer(self, scope: dict[str, Any], receive: Receive) -> Answer:
        if scope["method"] not in self.methods:
            raise MethodNotAllowed
        own_origin(scope)
        request = await read(scope, receive)
        key = await in_database(authorize, request, SCOPE)
        connection_id = scope["url_route"]["kwargs"]["connection_id"]
        if not is_connection_id(connection_id):
            raise Invalid(f"Invalid connectionId: {connection_id[:64]}")
        server = await Server.running()
        try:
            if request.method == "POST":
                return await _post(server, connection_id, request, key.pk)
            if request.method == "GET":
                return await _get(server, connection_id)
            return await _delete(server, connection_id, request)
        except remote.Gone:
            raise Gone from None
        except remote.Congested:
            raise RateLimited("Too Many Requests") from None
        except remote.Unreachable:
            raise Unavailable("The connection's server does not answer; try again.") from None


async def _post(server: Server, connection_id: str, request: Request, key_id: str) -> Answer:
    called = "".join(request.values(INVOCATION))
    # Of one key, so that nobody can use up another one's; hashed, so that it is never long.
    invocation = hashlib.sha256(f"{key_id} {called}".encode()).hexdigest() if called else ""
    await remote.post(server, connection_id, request.body, invocation=invocation)
    return Answer()


async def _get(server: Server, connection_id: str) -> Answer:
    info = await remote.inspect(server, connection_id)
    identity = {"sourceIp": info.source_ip, "userAgent": info.user_agent}
    return Answer(
        body={
            "connectedAt": _time(info.connected_at),
            "identity": identity,
            "lastActiveAt": _time(info.last_active_at),
        }
    )


async def _delete(server: Server, connection_id: str, request: Request) -> Answer:
    code, reason = read_farewell(request.query)
    await remote.drop(server, connection_id, code=code, reason=reason)
    return Answer(204, None)


def refusal(error: AppError) -> Answer:
    """Say in AWS's words what went wrong."""
    name = TYPES.get(type(error), INTERNAL)
    message = str(error)
    if settings.DEBUG and isinstance(error, signatures.InvalidSignatureException):
        message += " A proxy in between must leave Host and path as they were sent."
    headers = [(b"x-amzn-errortype", name.encode())]
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", ", ".join(ConnectionsApi.methods).encode()))
    return Answer(error.status, {"message": message}, headers)


async def read(scope: dict[str, Any], receive: Receive) -> Request:
    """Read the whole request. Raises TooLarge, having kept no more than the limit, and _Left."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Left
        body += message.get("body", b"")
        if len(body) > settings.MESSAGE_BYTES_MAX:
            await _discard_rest(message, receive)
            raise TooLarge(f"A message may have at most {settings.MESSAGE_BYTES_MAX} bytes.")
        if not message.get("more_body"):
            break
    return Request(
        method=scope["method"],
        raw_path=scope.get("raw_path") or quote(scope["path"]).encode(),
        query=scope["query_string"],
        headers=scope["headers"],
        body=bytes(body),
    )


async def _discard_rest(message: dict[str, Any], receive: Receive) -> None:
    discarded_bytes = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARDING_S):
            while message.get("more_body") and discarded_bytes < DISCARDED_BYTES_MAX:
                message = await receive()
                discarded_bytes += len(message.get("body", b""))


def is_connection_id(text: str) -> bool:
    """Tell whether this could be the id of a connection: there is one spelling of each."""
    if not CONNECTION_ID.fullmatch(text):
        return False
    return base64.b64encode(base64.b64decode(text)).decode() == text


def read_farewell(query: bytes) -> tuple[int, str]:
    """Read the close code and reason for the other side. Raises Invalid."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    given = dict(pairs)
    if len(given) < len(pairs):
        raise Invalid("A parameter comes twice.")
    code, reason = given.get("code", "1000"), given.get("reason", "")
    if not re.fullmatch(r"1000|[34]\d{3}", code, re.ASCII):
        raise Invalid("code must be 1000 or 3000 to 4999.")
    if len(reason.encode()) > REASON_BYTES_MAX:
        raise Invalid(f"reason must have at most {REASON_BYTES_MAX} bytes.")
    return int(code), reason


def _time(moment: datetime) -> str:
    """ISO 8601 with milliseconds, as AWS writes it here."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
