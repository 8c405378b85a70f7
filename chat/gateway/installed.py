"""Everything that the gateway plugs into the wire; imported once, when the apps are ready."""

from __future__ import annotations

from chat.gateway import (
    people,
    presence,
    remote,
    state,
    table,
    typists,
)
from chat.gateway.handlers import mounting
from chat.gateway.topics import actions as topic_actions
from chat.gateway.topics import describing

__all__ = [
    "describing",
    "mounting",
    "people",
    "presence",
    "remote",
    "state",
    "table",
    "topic_actions",
    "typists",
]
