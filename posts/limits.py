"""What clients are told about limits."""

from __future__ import annotations

from typing import Any

from chat.limits import limits
from posts.pictures.formats import accepted_formats


def public_limits() -> dict[str, Any]:
    """Every public limit, and the picture types that this installation takes."""
    types = [accepted.media_type for accepted in accepted_formats()]
    return {**limits(), "picture_types": types}
