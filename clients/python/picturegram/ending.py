"""How a socket ended, and what that asks of a client (docs/protocol.md, section 12)."""

import random
from dataclasses import dataclass

# What stands for a socket without a close frame (RFC 6455, section 7.1.5).
ABNORMAL = 1006
TOO_BIG = 1009
TRY_AGAIN_LATER = 1013
# Binary, not UTF-8, policy: the same would be refused again.
FINAL = (1003, 1007, 1008)
# HTTP statuses of a handshake that pass; other 4xx do not.
PASSING_STATUSES = (408, 425, 429)
# Seconds of full jitter: the longest first wait, and the longest of all.
JITTER_S, JITTER_MAX_S = 1.0, 20.0
# The least that "come back later" means when the server names no time.
LATER_S = 1.0


@dataclass(frozen=True, slots=True)
class Ending:
    """A close code, or the HTTP status of a refused handshake, and what was said with it."""

    code: int
    reason: str = ""
    retry_after_ms: int | None = None

    @property
    def is_final(self) -> bool:
        """Whether coming back would be refused again. Ranges decide, so unknown codes do too."""
        if 400 <= self.code < 500:
            return self.code not in PASSING_STATUSES
        return 4000 <= self.code < 4100 or self.code in FINAL

    def pause_s(self, failures: int) -> float:
        """Return the seconds to wait before coming back after this many failures in a row."""
        if self.retry_after_ms is not None:
            # The server spreads the times that it names over its clients: no jitter on top.
            return self.retry_after_ms / 1000
        jitter_s = random.uniform(0, min(JITTER_MAX_S, JITTER_S * 2.0 ** min(failures, 30)))
        is_later = 4100 <= self.code < 4200 or self.code == TRY_AGAIN_LATER
        return max(LATER_S, jitter_s) if is_later else jitter_s

    def __str__(self) -> str:
        return f"{self.reason} ({self.code})" if self.reason else str(self.code)


class Ended(Exception):
    """The socket is over. What was under way on it has an unknown outcome."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(str(ending))
        self.ending = ending
