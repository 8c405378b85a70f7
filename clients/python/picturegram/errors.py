"""What can go wrong, told apart by what the caller may conclude from it."""

from typing import Any


class PicturegramError(Exception):
    """Every error of this package is one."""


class Refused(PicturegramError):
    """The server answered, and refused. `code` is stable, the message is for people."""

    def __init__(self, error: dict[str, Any]) -> None:
        self.code: str = error.get("code", "")
        self.message: str = error.get("message", "")
        self.fields: dict[str, str] = error.get("fields") or {}
        self.retry_after_ms: int | None = error.get("retry_after_ms")
        named = [f"{name}: {problem}" for name, problem in self.fields.items()]
        super().__init__(" ".join([self.message or self.code, *named]))

    @property
    def is_passing(self) -> bool:
        """Whether the same request may succeed a little later, unchanged."""
        return self.is_unknown or self.code in ("rate_limited", "busy", "storage_unavailable")

    @property
    def is_unknown(self) -> bool:
        """Whether the server may have done it all the same."""
        return self.code in ("unavailable", "internal_error")


class Unknown(PicturegramError):
    """No answer came. Whether the server did what was asked is unknown."""


class Unreachable(PicturegramError):
    """The server could not be reached in time; nothing was sent to it."""


class Stopped(PicturegramError):
    """The connection is over for good: the server said not to come back, or we closed it.

    `code` is the close code, or the HTTP status of a refused handshake.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{reason} ({code})" if reason else f"The server closed with {code}.")
        self.code = code
        self.reason = reason
