"""The other end of a connection, as the handshake tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings

# Characters kept of what a client says of itself.
USER_AGENT_MAX = 200


@dataclass(frozen=True, slots=True)
class Peer:
    """Who opened a connection, and where to."""

    # The host that was asked for, with its port.
    domain_name: str
    # Empty where the server knows none, as on Unix sockets.
    source_ip: str
    user_agent: str
    # The path that was asked for.
    path: str

    @classmethod
    def of(cls, scope: dict[str, Any]) -> Peer:
        """Read the scope; behind a trusted proxy, the address is the one that it added last."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        client = scope.get("client")
        address = client[0] if client else ""
        if getattr(settings, "ALLAUTH_TRUSTED_PROXY_COUNT", 0):
            forwarded = headers.get(b"x-forwarded-for", "").rpartition(",")[2].strip()
            address = forwarded or address
        return cls(
            domain_name=headers.get(b"host", ""),
            source_ip=address[:64],
            user_agent=headers.get(b"user-agent", "")[:USER_AGENT_MAX],
            path=scope.get("path", ""),
        )
