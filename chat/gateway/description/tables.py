"""Schemas in words: what a table of fields says about each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chat.gateway.description.schemas import REF, Schema, Schemas

# That integers are not larger than JSON's readers take goes without saying.
INTEGER_MAX = 2**53


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a type's name; `type_name` is set where it names a type of its own."""

    text: str
    type_name: str = ""
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One field."""

    name: str
    type: Sequence[Part]
    is_required: bool
    # Such as "1 to 50 characters".
    limits: str
    # JSON text; empty where there is none, or nothing to say about it.
    default: str
    description: str


def rows(schema: Schema, schemas: Schemas) -> list[Row]:
    """Return the fields of an object, in the order of its struct, the needed ones first."""
    required = set(schema.get("required", ()))
    found = [
        Row(
            name=name,
            type=type_of(field),
            is_required=name in required,
            limits=limits_of(field),
            default=_default(field),
            description=field.get("description", ""),
        )
        for name, field in schema.get("properties", {}).items()
    ]
    return sorted(found, key=lambda row: not row.is_required)


def type_of(schema: Schema) -> list[Part]:
    """Name a type in words."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REF)
        return [Part(name, type_name=name)]
    if "allOf" in schema:
        return type_of(schema["allOf"][0])
    if "anyOf" in schema:
        choices = sorted(schema["anyOf"], key=lambda each: each.get("type") == "null")
        return _joined([type_of(each) for each in choices])
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return _joined([[Part(json.dumps(each), is_code=True)] for each in values])
    return _of_kind(schema)


def _of_kind(schema: Schema) -> list[Part]:
    kind: str = schema.get("type", "")
    items = schema.get("items")
    if kind == "array" and isinstance(items, dict) and items:
        return [Part("list of "), *type_of(items)]
    values = schema.get("additionalProperties")
    if kind == "object" and isinstance(values, dict) and values:
        return [Part("map of "), *type_of(values)]
    if schema.get("format") == "date-time":
        return [Part("time")]
    told: dict[str, str] = {"array": "list", "": "any JSON"}
    return [Part(told.get(kind, kind))]


def _joined(choices: Sequence[Sequence[Part]]) -> list[Part]:
    found: list[Part] = []
    for choice in choices:
        found += [*([Part(" or ")] if found else []), *choice]
    return found


def limits_of(schema: Schema) -> str:
    """Say what a value may be, beside its type."""
    if "anyOf" in schema:
        told = dict.fromkeys(limits_of(each) for each in schema["anyOf"])
        return ", ".join(each for each in told if each)
    return ", ".join(
        each
        for each in (
            _range(schema.get("minimum"), schema.get("maximum"), ""),
            _range(schema.get("minLength"), schema.get("maxLength"), "characters"),
            _range(schema.get("minItems"), schema.get("maxItems"), "elements"),
        )
        if each
    )


def _range(least: Any, most: Any, unit: str) -> str:
    if most is not None and most >= INTEGER_MAX:
        most = None
    if least is None and most is None:
        return ""
    if most is None:
        told = f"at least {least}"
    elif not least:
        told = f"at most {most}" if least is None or unit else f"{least} to {most}"
    else:
        told = f"{least} to {most}" if least != most else f"{most}"
    return f"{told} {unit}".strip()


def _default(schema: Schema) -> str:
    default = schema.get("default")
    return "" if default in (None, "", [], {}) else json.dumps(default)
