"""How fast one connection may ask."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

# Tokens that sums of floating-point numbers may lack.
ROUNDING = 1e-6


class TokenBucket:
    """Lets `per_second` requests through in the long run and `burst` of them at once."""

    __slots__ = ("_clock", "_filled_at", "_tokens", "burst", "per_second")

    def __init__(
        self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.per_second = per_second
        self.burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._filled_at = clock()

    def take(self) -> int:
        """Take one token. Returns 0, or the milliseconds until there is one again."""
        now = self._clock()
        self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.per_second)
        self._filled_at = now
        if self._tokens > 1 - ROUNDING:
            self._tokens -= 1
            return 0
        return max(1, math.ceil((1 - self._tokens) / self.per_second * 1000))
