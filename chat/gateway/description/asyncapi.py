"""The description as an AsyncAPI document (https://www.asyncapi.com/docs/reference/specification/v3.0.0).

Seen from the server, as AsyncAPI has it: it *receives* requests and *sends* everything else.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings

from chat.gateway.description.catalogue import ActionEntry, Catalogue, EventEntry, FrameEntry
from chat.gateway.description.schemas import Schema, Schemas
from chat.limits import limits
from chat.realtime.envelope import JSON, MSGPACK
from chat.realtime.identity import BEARER_PROTOCOL

VERSION = "3.0.0"
DESCRIPTION = """\
One socket, many rooms: ask by actions, hear events, in JSON or MessagePack.

Every frame is one message that holds one object. A request names its `action`; its `request_id`
comes back in the answer. Ignore fields, event types and close codes that you do not know: the
protocol grows by addition.

Without a credential a socket is anonymous and reads public rooms, where the operator lets it.
"""
REQUEST_ID: Schema = {
    "description": "Comes back verbatim in every answer.",
    "anyOf": [{"type": "string", "maxLength": 128}, {"type": "integer"}],
}
CORRELATION = {"location": "$message.payload#/request_id"}

ROUTE_REQUEST: dict[str, Any] = {
    "name": "route.request",
    "title": "To a route",
    "summary": "Whatever no action matches.",
    "description": "An unknown `action`, an object without one, plain text.",
    "payload": {},
    "examples": [{"payload": {"action": "updatePlayers", "request_id": 7, "players": ["ada"]}}],
}
ROUTE_REPLY: dict[str, Any] = {
    "name": "route.reply",
    "title": "From a route",
    "summary": "What a route's handler has answered.",
    "description": "`action` is the route's key. It comes only where the request has a "
    "`request_id`, or the route answers always.",
    "payload": {
        "type": "object",
        "required": ["action", "ok", "result"],
        "properties": {
            "request_id": REQUEST_ID,
            "action": {"type": "string"},
            "ok": {"const": True},
            "result": {},
        },
    },
    "examples": [
        {"payload": {"request_id": 7, "action": "updatePlayers", "ok": True, "result": {}}}
    ],
}


def asyncapi(catalogue: Catalogue, *, host: str, is_secure: bool) -> dict[str, Any]:
    """Return the document for a site that is reached at `host`."""
    messages = _messages(catalogue)
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "PictureGram",
            "version": settings.RELEASE,
            "description": DESCRIPTION,
            "externalDocs": {
                "description": "The same for people, with a console",
                "url": f"http{'s' if is_secure else ''}://{host}/api/docs/socket/",
            },
        },
        "defaultContentType": "application/json",
        "servers": {"site": _server(host, is_secure)},
        "channels": _channels(catalogue, messages),
        "operations": _operations(catalogue),
        "components": {
            "messages": messages,
            "schemas": catalogue.schemas.used_by(messages),
            "securitySchemes": _security_schemes(),
        },
        "x-close-codes": [
            {
                "code": each.code,
                "reason": each.reason,
                "meaning": each.meaning,
                "advice": each.advice,
            }
            for each in catalogue.closings
        ],
        "x-error-codes": [
            {"code": each.code, "status": each.status, "meaning": each.meaning}
            for each in catalogue.errors
        ],
        "x-limits": limits(),
        "x-routes": [
            {"name": each.name, "answers_always": each.answers_always} for each in catalogue.routes
        ],
    }


def _server(host: str, is_secure: bool) -> dict[str, Any]:
    names = ("session", "bearer", "bearerSubprotocol")
    return {
        "host": host,
        "protocol": "wss" if is_secure else "ws",
        "description": "This site.",
        "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in names],
    }


def _security_schemes() -> dict[str, Any]:
    return {
        "session": {
            "type": "httpApiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The session of a signed-in person. `Origin` must be the site's own.",
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "`Authorization: Bearer pgk_…`: an access key of somebody's.",
        },
        "bearerSubprotocol": {
            "type": "httpApiKey",
            "in": "header",
            "name": "Sec-WebSocket-Protocol",
            "description": f"`{BEARER_PROTOCOL}<token>` beside a dialect: for browsers, which "
            "cannot set other headers. It is never echoed.",
        },
    }


# --- messages -----------------------------------------------------------------------------------


def _messages(catalogue: Catalogue) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for action in catalogue.actions:
        found[f"{action.name}.request"] = _request(action)
        if not action.is_stream:
            found[f"{action.name}.reply"] = _reply(action)
        if action.is_stream or action.may_stream:
            found[f"{action.name}.item"] = _item(action)
    for event in catalogue.events:
        found[event.name] = _event(event, catalogue.envelope)
    for event in catalogue.volatile:
        found[event.name] = _volatile(event, catalogue.schemas)
    found |= {"route.request": ROUTE_REQUEST, "route.reply": ROUTE_REPLY}
    for frame in (*catalogue.control, *catalogue.answers):
        if frame.name not in ("reply", "item"):  # each action has its own
            found[frame.name] = _control(frame)
    return found


def _request(action: ActionEntry) -> dict[str, Any]:
    required = ["action", *(["request_id"] if action.is_stream else [])]
    return _message(
        f"{action.name}.request",
        action.description,
        {
            "type": "object",
            "required": required + action.body.get("required", []),
            "properties": {
                "action": {"const": action.name},
                "request_id": REQUEST_ID,
                **action.body["properties"],
            },
        },
        action.requests,
        correlationId=CORRELATION,
        **{"x-scope": action.scope, "x-errors": action.refusals},
    )


def _reply(action: ActionEntry) -> dict[str, Any]:
    return _message(
        f"{action.name}.reply",
        f"The answer to `{action.name}`.",
        {
            "type": "object",
            "required": ["action", "ok", "result"],
            "properties": {
                "request_id": REQUEST_ID,
                "action": {"const": action.name},
                "ok": {"const": True},
                "result": action.result,
            },
        },
        action.replies,
        correlationId=CORRELATION,
    )


def _item(action: ActionEntry) -> dict[str, Any]:
    return _message(
        f"{action.name}.item",
        f"One item of the streamed answer to `{action.name}`.",
        {
            "type": "object",
            "required": ["request_id", "result"],
            "properties": {"request_id": REQUEST_ID, "result": action.item},
        },
        [action.item_example],
        correlationId=CORRELATION,
    )


def _event(event: EventEntry, envelope: Schema) -> dict[str, Any]:
    properties = {
        **envelope["properties"],
        "type": {"const": event.name},
        "data": event.shape,
    }
    payload = {"type": "object", "required": envelope["required"], "properties": properties}
    return _message(event.name, event.description, payload, [event.example])


def _volatile(event: EventEntry, schemas: Schemas) -> dict[str, Any]:
    shape = schemas.resolved(event.shape)
    payload = {
        "type": "object",
        "required": ["type", *shape.get("required", ())],
        "properties": {"type": {"const": event.name}, **shape.get("properties", {})},
    }
    more = {"x-volatile": True}
    return _message(event.name, event.description, payload, [event.example], **more)


def _control(frame: FrameEntry) -> dict[str, Any]:
    return _message(frame.name, frame.description, frame.schema, [frame.example])


def _message(
    name: str, description: str, payload: Schema, examples: Any, **more: Any
) -> dict[str, Any]:
    summary, _, _ = description.partition("\n")
    return {
        "name": name,
        "title": name,
        "summary": summary,
        "description": description,
        "payload": payload,
        "examples": [{"payload": each} for each in examples],
        **more,
    }


# --- channels and operations --------------------------------------------------------------------


def _channels(catalogue: Catalogue, messages: dict[str, Any]) -> dict[str, Any]:
    named = {name: {"$ref": f"#/components/messages/{_escaped(name)}"} for name in messages}
    position: Schema = {
        "type": "object",
        "properties": {
            "epoch": {"type": "string", "description": "The epoch that `seq` belongs to."},
            "seq": {
                "type": "integer",
                "minimum": 0,
                "description": "The last event that was handled: what follows is replayed.",
            },
        },
    }
    room = "Subscribes to the room on connect; `hello` carries its head."
    return {
        "gateway": {
            "address": "/ws/",
            "title": "The gateway",
            "description": "One socket, many rooms; nothing is subscribed at first.",
            "messages": named,
            "bindings": _bindings(catalogue, {}),
        },
        "room": {
            "address": "/ws/rooms/{room}/",
            "title": "A room",
            "description": f"The same. {room}",
            "parameters": {"room": {"description": "The room's slug.", "examples": ["lobby"]}},
            "messages": named,
            "bindings": _bindings(catalogue, position),
        },
        **{
            name: {
                "address": f"/{name}",
                "title": "The lobby",
                "description": f"The same as `/ws/rooms/{settings.LOBBY_SLUG}/`, for the plainest "
                "clients.",
                "messages": named,
                "bindings": _bindings(catalogue, position),
            }
            for name in ("chat", "chats")
        },
    }


def _bindings(catalogue: Catalogue, query: Schema) -> dict[str, Any]:
    protocol = {
        "description": f"The dialect: `{JSON}`, `{MSGPACK}` in binary frames, or `chat`, which is "
        "quiet, as is none at all.",
        "enum": list(catalogue.subprotocols),
    }
    headers = {"type": "object", "properties": {"Sec-WebSocket-Protocol": protocol}}
    found: dict[str, Any] = {"method": "GET", "headers": headers, "bindingVersion": "0.1.0"}
    return {"ws": {**found, **({"query": query} if query else {})}}


def _operations(catalogue: Catalogue) -> dict[str, Any]:
    operations = {action.name: _asked(action) for action in catalogue.actions}
    sent = {
        "events": ("What happened in a subscribed room.", [each.name for each in catalogue.events]),
        "volatile": ("What passes; may be lost.", [each.name for each in catalogue.volatile]),
        "control": ("The protocol's own.", [each.name for each in catalogue.control]),
    }
    operations["routes"] = {
        "action": "receive",
        "channel": {"$ref": "#/channels/gateway"},
        "summary": "What no action matches: the routes in `x-routes`, else `$default`.",
        "messages": [_in_channel("route.request")],
        "reply": {
            "channel": {"$ref": "#/channels/gateway"},
            "messages": [_in_channel("route.reply"), _in_channel("error")],
        },
    }
    for name, (summary, names) in sent.items():
        operations[f"send.{name}"] = {
            "action": "send",
            "channel": {"$ref": "#/channels/gateway"},
            "summary": summary,
            "messages": [_in_channel(each) for each in names],
        }
    return operations


def _asked(action: ActionEntry) -> dict[str, Any]:
    is_streaming = action.is_stream or action.may_stream
    answers = [
        *([] if action.is_stream else [f"{action.name}.reply"]),
        *([f"{action.name}.item", "done"] if is_streaming else []),
        "error",
    ]
    return {
        "action": "receive",
        "channel": {"$ref": "#/channels/gateway"},
        "title": action.name,
        "summary": action.description.partition("\n")[0],
        "tags": [{"name": action.group}],
        "messages": [_in_channel(f"{action.name}.request")],
        "reply": {
            "channel": {"$ref": "#/channels/gateway"},
            "messages": [_in_channel(each) for each in answers],
        },
    }


def _in_channel(name: str) -> dict[str, str]:
    return {"$ref": f"#/channels/gateway/messages/{_escaped(name)}"}


def _escaped(name: str) -> str:
    """Return a name as a part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
