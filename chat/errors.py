"""What can go wrong, once: every refusal has a stable code and an HTTP status.

REST and the socket show the same shape, `{"error": {"code", "message", "fields"?,
"retry_after_ms"?}}`. Clients decide by `code`; `message` is for people and may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class AppError(Exception):
    """A refusal that the asker is told about."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    message: ClassVar[str] = "Something went wrong on the server."

    def __init__(
        self,
        message: str = "",
        *,
        fields: Mapping[str, str] | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message or self.message)
        self.fields = dict(fields) if fields else None
        self.retry_after_ms = retry_after_ms

    def as_dict(self) -> dict[str, object]:
        """The body of the `error` member, as REST and the socket send it."""
        body: dict[str, object] = {"code": self.code, "message": str(self)}
        if self.fields:
            body["fields"] = self.fields
        if self.retry_after_ms is not None:
            body["retry_after_ms"] = self.retry_after_ms
        return body


class Invalid(AppError):
    code, status, message = "invalid", 400, "The request is not valid."


class UnknownAction(AppError):
    code, status, message = "unknown_action", 400, "There is no such action."


class NotAuthenticated(AppError):
    code, status, message = "not_authenticated", 401, "Sign in first."


class Forbidden(AppError):
    code, status, message = "forbidden", 403, "You may not do that here."


class NotFound(AppError):
    """Unknown and invisible alike, so that nobody learns what exists."""

    code, status, message = "not_found", 404, "There is no such thing, or it is not for you."


class MethodNotAllowed(AppError):
    code, status, message = "method_not_allowed", 405, "That method is not allowed here."


class NotAcceptable(AppError):
    code, status, message = "not_acceptable", 406, "None of the accepted types can be had."


class Conflict(AppError):
    code, status, message = "conflict", 409, "That contradicts what is there."


class VersionConflict(Conflict):
    """Somebody was faster; `current` is what stands there now, for trying again."""

    message = "That was changed meanwhile: see current, and try again."

    def __init__(self, current: Mapping[str, object]) -> None:
        super().__init__()
        self.current = dict(current)

    def as_dict(self) -> dict[str, object]:
        return {**super().as_dict(), "current": self.current}


class IdempotencyConflict(AppError):
    """A `client_id` was sent again with another body."""

    code, status = "idempotency_conflict", 409
    message = "This client_id was used before, for something else."


class TooLarge(AppError):
    code, status, message = "too_large", 413, "That is too large."


class UnsupportedMediaType(AppError):
    code, status, message = "unsupported_media_type", 415, "That type is not accepted."


class RateLimited(AppError):
    code, status, message = "rate_limited", 429, "Too many requests; wait a moment."


class Unavailable(AppError):
    """The outcome is unknown: ask again with the same `client_id`."""

    code, status = "unavailable", 503
    message = "Not available right now. Whether it was done is unknown: ask again."
