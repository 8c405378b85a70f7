"""Times that clients send."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

from chat.errors import Invalid

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


def moment(value: str, *, field: str) -> datetime:
    """Read an RFC 3339 time; one without an offset is UTC."""
    try:
        time = datetime.fromisoformat(value)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Invalid(fields={field: "Must be a time such as 2025-03-01T12:00:00Z."}) from None
