"""Everything that the gateway plugs into the wire; imported once, when the apps are ready."""

from __future__ import annotations

from chat.gateway import (
    remote,
    table,
)
from chat.gateway.handlers import mounting

__all__ = [
    "mounting",
    "remote",
    "table",
]
