"""The channel layer's groups that a process hears topics through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from chat.gateway.topics.names import bucket_group
from chat.realtime.layer import LayerLink


class Buckets:
    """Joins and leaves the groups of buckets, one after the other, so that neither overtakes."""

    def __init__(self, link: LayerLink) -> None:
        self._link = link
        self._joined: set[int] = set()
        self._lock = asyncio.Lock()

    async def join(self, buckets: Iterable[int]) -> None:
        """Return when these are joined, or left to the link's next beats: the layer is away."""
        wanted = set(buckets)
        if wanted <= self._joined:
            return
        async with self._lock:
            missing = [bucket_group(bucket) for bucket in wanted - self._joined]
            for group in missing:
                self._link.join(group)
            try:
                if missing:
                    await self._link.join_now(missing[-1])
            finally:
                self._joined |= wanted

    async def leave(self, is_needed: Callable[[int], bool]) -> None:
        """Leave those that are not needed; each is asked about just before."""
        async with self._lock:
            for bucket in list(self._joined):
                if not is_needed(bucket):
                    self._joined.discard(bucket)
                    await self._link.leave(bucket_group(bucket))
