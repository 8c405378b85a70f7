"""Holds frames against the gateway's own description: nothing missing, nothing undeclared."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import msgspec
from jsonschema import Draft7Validator

from chat.gateway.description.asyncapi import asyncapi
from chat.gateway.description.catalogue import catalogue
from chat.gateway.description.schemas import alternatives
from chat.realtime.router import router
from tests.socket.client import Frame

# Frames that may hold more than is described: replies and ends have members of their own.
OPEN = (".reply", "done")


@cache
def messages() -> dict[str, Any]:
    """Return the described messages, with schemas that let no undeclared member pass."""
    described = asyncapi(catalogue(), host="localhost", is_secure=False)
    document = json.loads(msgspec.json.encode(described))
    components = {"schemas": closed(document["components"]["schemas"])}
    found = {}
    for name, message in document["components"]["messages"].items():
        payload = closed(message["payload"])
        if name.endswith(OPEN):
            payload.pop("additionalProperties", None)
        found[name] = {**payload, "components": components}
    return found


def closed(schema: Any) -> Any:
    """Return a schema whose objects have no members but those that it names."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: closed(each) for name, each in copy.copy(schema).items()}
    if schema.get("type") == "object" and "properties" in schema:
        schema.setdefault("additionalProperties", False)
    return schema


def name_of(frame: Frame, asked: str = "") -> str:
    """Return which message a frame is; items of a stream do not say what was asked."""
    if "error" in frame:
        return "error"
    if "ok" in frame:
        return f"{frame['action']}.reply"
    if "done" in frame:
        return "done"
    if "result" in frame:
        return f"{asked}.item"
    if frame["type"] in ("gap", "unsubscribed") and "topic" in frame:
        return f"{frame['type']}.topic"
    name: str = frame["type"]
    return name


def check(frame: Frame, asked: str = "") -> str:
    """Assert that a frame is as described; return which message it is."""
    name = name_of(frame, asked)
    assert name in messages(), f"{name} is not described: {frame}"
    problems = [
        f"{name}: {error.json_path}: {error.message[:300]}"
        for error in Draft7Validator(messages()[name]).iter_errors(frame)
    ]
    assert problems == [], frame
    if "result" in frame:
        converts(frame["result"], router.actions[asked or frame["action"]].result)
    return name


def converts(value: Any, type_: Any) -> None:
    """Assert that a value is strictly of a type, or of one of a union's."""
    problems = []
    for each in alternatives(type_):
        try:
            msgspec.convert(value, each, strict=True)
        except msgspec.ValidationError as error:
            problems.append(f"{each}: {error}")
        else:
            return
    raise AssertionError(f"{value} is none of {type_}: {problems}")
