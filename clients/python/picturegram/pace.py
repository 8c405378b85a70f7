"""How fast a client asks: as it likes until the server objects, then at the server's rate."""

import asyncio
import time

# The longest that requests are spaced for good: 20 per second, what every connection may ask.
SPACING_MAX_S = 0.05
# What a late sleeper may make up for.
CREDIT_S = 0.1


class Pace:
    """Lets requests go in the order in which they ask for their turn."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._next_at = 0.0
        self._spacing_s = 0.0

    async def turn(self) -> None:
        """Wait until the next request may go. Cancelling is safe."""
        async with self._lock:
            while (wait_s := self._next_at - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            self._next_at = max(self._next_at, time.monotonic() - CREDIT_S) + self._spacing_s

    def slow_down(self, retry_after_ms: int) -> None:
        """Hear of a refusal: nothing goes before then, and from then on one at a time.

        The server's bucket is empty when it refuses; one more request fits in every
        `retry_after_ms`, which is its rate.
        """
        wait_s = retry_after_ms / 1000
        self._next_at = max(self._next_at, time.monotonic() + wait_s)
        self._spacing_s = max(self._spacing_s, min(wait_s, SPACING_MAX_S))

    def reset(self) -> None:
        """Begin anew: a new connection has a full bucket."""
        self._next_at = self._spacing_s = 0.0
