"""The events that handlers get: API Gateway's, with nothing in them that opens a door."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.contrib.auth.models import AnonymousUser

from chat.gateway.handlers.proxy_event import connect_event, disconnect_event, message_event
from chat.models import AccessKey, User
from chat.realtime.connection import Connection
from chat.realtime.identity import Identity
from chat.realtime.peer import Peer
from chat.realtime.router import Call

CONNECTED_AT = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
CONNECTION_ID = "Ecrmfdd1oAMAdhQ="
TOKEN = "pgk_0123456789abcdef_secret"
ADA = User(pk=7, username="ada")


def connection(identity: Identity | None = None) -> Connection:
    """What a handler's event is made of, without a server around it."""
    return cast(
        Connection,
        SimpleNamespace(
            id=CONNECTION_ID,
            identity=identity or Identity(ADA),
            connected_at=CONNECTED_AT,
            peer=Peer("example.org:8000", "192.0.2.1", "Mozilla/5.0", "/ws/"),
            ended=(1006, ""),
        ),
    )


def scope(*headers: tuple[str, str], query: str = "") -> dict[str, Any]:
    return {
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "query_string": query.encode(),
    }


def test_a_message_event_has_all_that_api_gateway_tells() -> None:
    event = message_event(Call(connection(), "sendState", '{"action": "sendState"}', 1))
    context = event.pop("requestContext")
    assert event == {"body": '{"action": "sendState"}', "isBase64Encoded": False}
    epoch_ms = context.pop("requestTimeEpoch")
    assert abs(epoch_ms - time.time() * 1000) < 60_000
    request_time = context.pop("requestTime")
    assert re.fullmatch(r"\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2} \+0000", request_time)
    request_id = context.pop("requestId")
    assert re.fullmatch(r"[A-Za-z0-9]{15}=", request_id)
    assert context.pop("extendedRequestId") == context.pop("messageId") == request_id
    assert context == {
        "routeKey": "sendState",
        "eventType": "MESSAGE",
        "messageDirection": "IN",
        "stage": "prod",
        "connectedAt": 1772366400250,
        "identity": {"sourceIp": "192.0.2.1", "userAgent": "Mozilla/5.0"},
        "domainName": "example.org:8000",
        "connectionId": CONNECTION_ID,
        "apiId": "picturegram",
        "authorizer": {"principalId": "7", "username": "ada"},
    }


def test_every_call_has_an_id_of_its_own() -> None:
    call = Call(connection(), "hello", "", None)
    assert len({message_event(call)["requestContext"]["requestId"] for _ in range(50)}) == 50


def test_a_handshake_tells_its_headers_and_its_query() -> None:
    event = connect_event(
        connection(),
        scope(
            ("host", "example.org"),
            ("sec-websocket-version", "13"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-for", "192.0.2.2"),
            query="room=lobby&format=binary&format=text&empty=",
        ),
    )
    assert event["headers"] == {
        "Host": "example.org",
        "Sec-WebSocket-Version": "13",
        "X-Forwarded-For": "192.0.2.2",
    }
    assert event["multiValueHeaders"]["X-Forwarded-For"] == ["192.0.2.1", "192.0.2.2"]
    assert event["queryStringParameters"] == {"room": "lobby", "format": "text", "empty": ""}
    assert event["multiValueQueryStringParameters"]["format"] == ["binary", "text"]
    context = event["requestContext"]
    assert (context["routeKey"], context["eventType"]) == ("$connect", "CONNECT")
    assert "body" not in event
    assert "messageId" not in context


@pytest.mark.parametrize(
    "header",
    [
        ("cookie", "sessionid=secret"),
        ("authorization", f"Bearer {TOKEN}"),
        ("proxy-authorization", "Basic secret"),
        ("sec-websocket-protocol", f"picturegram.bearer.{TOKEN}"),
        ("sec-websocket-protocol", f"picturegram.v1.json, picturegram.bearer.{TOKEN}"),
        ("sec-websocket-protocol", f"picturegram.bearer.{TOKEN},picturegram.v1.json"),
    ],
)
def test_nothing_that_signs_somebody_in_is_passed_on(header: tuple[str, str]) -> None:
    event = connect_event(connection(), scope(("host", "example.org"), header))
    assert "secret" not in json.dumps(event)
    offered = event["headers"].get("Sec-WebSocket-Protocol")
    assert offered == ("picturegram.v1.json" if "v1" in header[1] else None)


def test_an_end_tells_its_code_and_reason() -> None:
    ended = connection()
    ended.ended = (1000, "Connection Closed Normally")
    event = disconnect_event(ended)
    context = event["requestContext"]
    assert (context["routeKey"], context["eventType"]) == ("$disconnect", "DISCONNECT")
    assert context["disconnectStatusCode"] == 1000
    assert context["disconnectReason"] == "Connection Closed Normally"
    assert "body" not in event


def test_nobody_is_a_principal_without_a_name() -> None:
    call = Call(connection(Identity(AnonymousUser())), "hello", "", None)
    assert message_event(call)["requestContext"]["authorizer"] == {"principalId": ""}


def test_a_program_is_its_user_and_its_key_and_what_the_key_may() -> None:
    key = AccessKey(pk="0123456789abcdef", user=ADA, scopes=["post", "read", "connections"])
    call = Call(connection(Identity(ADA, key=key)), "hello", "", None)
    assert message_event(call)["requestContext"]["authorizer"] == {
        "principalId": "7",
        "username": "ada",
        "keyId": "0123456789abcdef",
        "scopes": "read post",
    }


def test_events_are_json() -> None:
    call = Call(connection(), "hello", "Grüße", None)
    for event in (message_event(call), disconnect_event(connection())):
        assert json.loads(json.dumps(event)) == event
