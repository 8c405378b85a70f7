"""Close codes. The range says what a client does, so that an unknown code does too."""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """40xx stop, 41xx come back after `retry_after_ms`, 42xx reconnect now and resume."""

    # RFC 6455, section 7.4.1.
    NORMAL = 1000
    UNSUPPORTED_DATA = 1003
    INVALID_TEXT = 1007
    TOO_BIG = 1009
    INTERNAL_ERROR = 1011

    SIGNED_OUT = 4001
    FORBIDDEN = 4003
    PROTOCOL_ERROR = 4004
    DROPPED = 4012

    OVER_CAPACITY = 4100
    RATE_LIMITED = 4108
    DRAINING = 4113

    HEARTBEAT_MISSED = 4209
    SLOW_READER = 4210
    LEASE_OVER = 4211

    @property
    def reason(self) -> str:
        """The stable word of the `disconnect` frame."""
        return self.name.lower()


def is_resumable(code: int) -> bool:
    """Whether a client comes back by itself after this code."""
    return 4100 <= code < 4300 or code in (
        CloseCode.NORMAL,
        CloseCode.INTERNAL_ERROR,
        CloseCode.TOO_BIG,
    )
