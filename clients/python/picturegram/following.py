"""Taking up on each new socket what a client follows, and again whatever falls behind."""

import asyncio
from typing import Any

from picturegram.errors import Refused
from picturegram.inbox import Inbox
from picturegram.pace import Pace
from picturegram.subscriptions import Key, Subscriptions
from picturegram.wire import Frame, Socket

# The server takes at most 200 in one request.
SUBSCRIBE_MAX = 100


class Following:
    """The rooms, topics and filters of a client, whatever socket there is."""

    def __init__(self, inbox: Inbox, pace: Pace) -> None:
        self.subscriptions = Subscriptions(inbox)
        self.filters: list[dict[str, Any]] = []
        self._inbox = inbox
        self._pace = pace
        # Set when something is behind, and when there is room for it again.
        self._news = asyncio.Event()
        inbox.drained = self._news.set

    def receive(self, frame: Frame) -> None:
        """Take a frame that answers no request."""
        self.subscriptions.receive(frame)
        if self.subscriptions.behind:
            self._news.set()

    async def take_up(self, socket: Socket) -> None:
        """Subscribe to everything on a new socket. Raises Ended, and Refused for the moment."""
        await self._resume(socket, list(self.subscriptions.positions))
        if self.filters:
            try:
                await socket.request("subscribe", {"subscriptions": self.filters})
            except Refused as refusal:
                if refusal.is_passing:
                    raise
                lost: Frame = {"type": "unsubscribed", "subscriptions": list(self.filters)}
                self._inbox.insist(lost | {"reason": refusal.code})
                self.filters.clear()

    async def keep_up(self, socket: Socket) -> None:
        """Fetch what falls behind, until cancelled. Raises as `take_up`."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._inbox.has_room:
                await self._resume(socket, list(self.subscriptions.behind))

    async def _resume(self, socket: Socket, keys: list[Key]) -> None:
        """Subscribe from our positions; what cannot be had any more is told and forgotten."""
        for start in range(0, len(keys), SUBSCRIBE_MAX):
            await self._pace.turn()
            batch = [
                key for key in keys[start : start + SUBSCRIBE_MAX] if self.subscriptions.has(key)
            ]
            if not batch:
                continue
            asked = self.subscriptions.asking(batch)
            try:
                await socket.request("subscribe", asked, self.subscriptions.take)
            except Refused as refusal:
                if refusal.is_passing:
                    raise
                if len(batch) == 1:
                    self.subscriptions.lose(batch[0], refusal.code)
                    continue
                for key in batch:
                    await self._resume(socket, [key])
