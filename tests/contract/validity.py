"""Whether the gateway's description is what AsyncAPI says that one is."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from jsonschema import Draft7Validator

from chat.gateway.description.asyncapi import VERSION, asyncapi
from chat.gateway.description.catalogue import catalogue
from tests import node


def document() -> dict[str, Any]:
    """Return the description as it is sent."""
    described = asyncapi(catalogue(), host="chat.example.org", is_secure=True)
    found: dict[str, Any] = json.loads(msgspec.json.encode(described))
    return found


def problems() -> list[str]:
    """Return where the description is not lawful, by AsyncAPI's own JSON schema."""
    schemas = node.packages() / "@asyncapi" / "specs" / "schemas"
    schema = json.loads((schemas / f"{VERSION}-without-$id.json").read_text())
    found = Draft7Validator(schema).iter_errors(document())
    return [f"{error.json_path}: {error.message[:300]}" for error in found]
