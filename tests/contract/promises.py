"""What is promised now, without the words: from the gateway's catalogue, and from OpenAPI."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from drf_spectacular.generators import SchemaGenerator

from chat.gateway.description.asyncapi import asyncapi
from chat.gateway.description.catalogue import ActionEntry, catalogue
from chat.limits import limits

# What describes and promises nothing.
WORDS = frozenset({"title", "description", "examples", "example", "discriminator", "readOnly"})
METHODS = ("get", "post", "patch", "put", "delete")
Promise = dict[str, Any]


def socket_promises() -> Promise:
    """Return what the socket promises."""
    found = catalogue()
    channels = asyncapi(found, host="localhost", is_secure=False)["channels"]
    promised = {
        "actions": {action.name: _action(action) for action in found.actions},
        "addresses": [channel["address"] for channel in channels.values()],
        "close_codes": {str(each.code): each.reason for each in found.closings},
        "envelope": found.envelope,
        "error_codes": {each.code: str(each.status) for each in found.errors},
        "events": {event.name: event.shape for event in found.events},
        "frames": {frame.name: frame.schema for frame in (*found.control, *found.answers)},
        "limits": sorted(limits()),
        "subprotocols": sorted(found.subprotocols),
        "volatile": {event.name: event.shape for event in found.volatile},
    }
    return _plain({**promised, "types": found.schemas.used_by(promised)})


def _action(action: ActionEntry) -> Promise:
    return {
        "scope": action.scope,
        "streams": "always" if action.is_stream else "on demand" if action.may_stream else "never",
        "request": action.body,
        "result": action.result,
        "item": action.item,
    }


def rest_promises() -> Promise:
    """Return what REST promises."""
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    operations = {
        f"{method.upper()} {path}": _operation(operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    }
    return _plain({"operations": operations, "types": document["components"]["schemas"]})


def _operation(operation: Promise) -> Promise:
    content = operation.get("requestBody", {}).get("content", {})
    answers = operation["responses"].items()
    return {
        "parameters": {
            "type": "object",
            "properties": {
                each["name"]: each["schema"] for each in operation.get("parameters", ())
            },
            "required": [
                each["name"] for each in operation.get("parameters", ()) if each.get("required")
            ],
        },
        "requests": {kind: each.get("schema", {}) for kind, each in content.items()},
        # Errors have one shape everywhere.
        "answers": {
            f"{status} {kind}": each.get("schema", {})
            for status, answer in answers
            if status.startswith("2")
            for kind, each in answer.get("content", {"nothing": {}}).items()
        },
    }


def _plain(promise: Promise) -> Promise:
    """Return a promise as JSON has it, without words."""
    found: Promise = _without_words(json.loads(msgspec.json.encode(promise)))
    return found


def _without_words(schema: Any, is_named: bool = False) -> Any:
    """`is_named`: the members are named by us, and a name may be one of the words."""
    if isinstance(schema, list):
        return [_without_words(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _without_words(each, name == "properties")
        for name, each in schema.items()
        if is_named or name not in WORDS
    }
