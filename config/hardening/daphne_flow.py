"""Output back-pressure on Twisted's transports: a sender waits until what it wrote has gone."""

import asyncio
from typing import Any


class Flow:
    """A push producer: its transport says when more than 64 KiB are unsent and when none are.

    The names are those of Twisted's `IPushProducer`.
    """

    transport: Any

    # Exists while congested, and is set when that ends.
    drained: asyncio.Event | None = None

    def pauseProducing(self) -> None:
        if self.drained is None:
            self.drained = asyncio.Event()

    def resumeProducing(self) -> None:
        if self.drained is not None:
            self.drained.set()
            self.drained = None

    def stopProducing(self) -> None:
        """Let go of the waiting senders: the connection is lost, nothing will drain any more."""
        self.resumeProducing()
