"""Example values from schemas: what a type's own examples say, else the plainest that fits.

They are sent to a server and compared with its answers in the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chat.gateway.description.schemas import Schema, Schemas

# What fields of these names hold, where their types say nothing more.
BY_NAME: Mapping[str, Any] = {
    "after": "ada",
    "client_id": "c-1",
    "data": {"color": "blue"},
    "emoji": "🎉",
    "event_type": "NESClick",
    "id": "01956f3c-8a51-7c3e-9b1f-2f6f0c9d1e11",
    "offset": 7,
    "payload": {"color": "blue", "button": "A"},
    "post_id": "01956f3c-8a51-7c3e-9b1f-2f6f0c9d1e11",
    "query": "sunset",
    "room": "lobby",
    "scope": "room/lobby",
    "text": "Hello",
    "title": "Lobby",
    "topic": "race/7",
    "user_id": 2,
    "username": "ada",
}
KINDS = {"string": str, "integer": int, "number": float, "object": dict, "array": list}


def example_of(schema: Schema, schemas: Schemas, *, name: str = "") -> Any:
    """Return a value that the schema allows; objects have the members that they must have."""
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return example_of(schemas.resolved(schema), schemas, name=name)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "allOf" in schema:
        return example_of(schema["allOf"][0], schemas, name=name)
    if "anyOf" in schema:
        return _of_any(schema["anyOf"], schemas, name)
    kind = schema.get("type")
    named = BY_NAME.get(name)
    if named is not None and (kind is None or isinstance(named, KINDS.get(kind, ()))):
        return named
    return _of_kind(kind, schema, schemas, name)


def _of_any(choices: list[Schema], schemas: Schemas, name: str) -> Any:
    """Prefer what says more than its type; of the others null, where it may be that."""
    telling = [each for each in choices if each.keys() & {"examples", "$ref", "enum", "const"}]
    if not telling and {"type": "null"} in choices:
        return None
    return example_of((telling or choices)[0], schemas, name=name)


def _of_kind(kind: str | None, schema: Schema, schemas: Schemas, name: str) -> Any:
    if kind == "object":
        properties = schema.get("properties", {})
        return {
            each: example_of(properties[each], schemas, name=each)
            for each in schema.get("required", ())
        }
    if kind == "array":
        if schema.get("maxItems") == 0:
            return []
        items = schema.get("items", {})
        if isinstance(items, list):
            return [example_of(each, schemas) for each in items]
        return [example_of(items, schemas, name=name.removesuffix("s"))]
    if kind == "integer":
        return schema.get("minimum", 1)
    return {"string": "…", "number": 1.5, "boolean": False}.get(kind or "")
