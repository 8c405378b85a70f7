"""Which errors an action may be refused with: those of its fields and its scope, and its own."""

from __future__ import annotations

from typing import Any

from chat.gateway.description.schemas import Schema
from chat.realtime.router import Action

NAMING = {
    "room": "The room is unknown, or you may not see it.",
    "rooms": "One of the rooms is unknown, or you may not see it.",
    "id": "There is no such thing, or you may not see it.",
    "post_id": "The post is unknown, gone, or you may not see it.",
}
# Scopes of what only signed-in people do.
WRITING = ("post", "publish")
# What any request may be answered.
ALWAYS = {
    "rate_limited": "More requests than allowed.",
    "unavailable": "Not available right now; whether it was done is unknown.",
    "internal_error": "A fault of the server.",
}


def refusals_of(action: Action, body: Schema) -> dict[str, str]:
    """Return when an action answers which code, without those of ALWAYS.

    What it adds itself stands in the class variable `refusals` of its body: texts by code.
    """
    found: dict[str, str] = {}
    properties = body["properties"]
    if properties or action.is_stream:
        found["invalid"] = "A field is missing, malformed or out of its limits."
    if action.scope in WRITING:
        found["not_authenticated"] = "Nobody is signed in."
    if action.scope:
        found["forbidden"] = f"An access key lacks the scope {action.scope}."
    for name, meaning in NAMING.items():
        if name in properties:
            found.setdefault("not_found", meaning)
    own: Any = getattr(action.body, "refusals", {})
    return {**found, **(own if isinstance(own, dict) else {})}
