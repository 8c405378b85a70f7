"""Everything that the gateway plugs into the wire; imported once, when the apps are ready."""

from __future__ import annotations

from chat.gateway import (
    remote,
)

__all__ = [
    "remote",
]
