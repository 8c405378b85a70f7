"""Bodies of requests. Their size in memory is bounded by DATA_UPLOAD_MAX_MEMORY_SIZE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rest_framework import parsers

from chat.errors import Invalid
from chat.realtime.messages import parse


class JSONParser(parsers.JSONParser):
    """JSON with the socket's rules: an object, valid Unicode, not too deep, no NaN."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        try:
            body = parse(stream.read().decode())
        except UnicodeDecodeError:
            raise Invalid("The body is not UTF-8.") from None
        if body is None:
            raise Invalid("The body is not a JSON object.")
        return body
