"""The hub's link to the channel layer: one channel, its groups, and proof of hearing.

A layer can go deaf without an error (a black-holed link, a lost subscription). So the hub sends
itself a beat through the layer and expects it back; after DEAF_AFTER_S without it the link is
rebuilt, and until it hears again the log alone carries the events.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import secrets
from collections.abc import Callable
from typing import Any

from chat.realtime.tasks import end_tasks

logger = logging.getLogger(__name__)

# Seconds between ticks of a hub that hears, and of one that lives on from the log.
TICK_S = 2.0
DEAF_TICK_S = 1.0
# Seconds that a beat may be on its way before the link is rebuilt.
DEAF_AFTER_S = 10.0
# Messages taken before the sockets' writers get their turn.
RECEIVE_BATCH = 32
# Seconds for one operation on the layer.
TIMEOUT_S = 3.0


class LayerLink:
    """Receives what is sent to the groups that it has joined."""

    def __init__(self, layer: Any, on_message: Callable[[dict[str, Any]], None]) -> None:
        self.layer = layer
        self._on_message = on_message
        self._channel = ""
        self._own_group = f"beat.{secrets.token_hex(8)}"
        self._wanted: set[str] = {self._own_group}
        self._joined: set[str] = set()
        # When the first of the beats was sent that have not come back; None when all have.
        self._asked_at: float | None = None
        self._receiving: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._is_rebuilding = False
        # Whether an operation failed since the last beat came back; nobody waits for the next.
        self._is_failing = False
        # Whether the last beat came back in time; the first one decides.
        self.is_hearing = False
        self._first_beat = asyncio.Event()

    @property
    def tick_s(self) -> float:
        return TICK_S if self.is_hearing else DEAF_TICK_S

    async def hears(self, seconds: float) -> bool:
        """Whether beats come back; waits that long for the very first one."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._first_beat.wait()
        return self.is_hearing

    async def run(self) -> None:
        """Receive until cancelled; after an error, begin anew."""
        loop = asyncio.get_running_loop()
        while True:
            self._asked_at = None
            self._receiving = loop.create_task(self._receive())
            await asyncio.wait({self._receiving})
            if self._is_rebuilding:
                await self._flush()  # before the new channel, which it would forget
            else:
                await asyncio.sleep(DEAF_TICK_S)
            self._is_rebuilding = False

    async def _receive(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                self._channel = await self.layer.new_channel()
                await self._join_missing()
            for number in itertools.count(1):
                message = await self.layer.receive(self._channel)
                if number % RECEIVE_BATCH == 0:
                    # What has come already is received without a pause, and the sockets'
                    # writers need one before their outboxes run over.
                    await asyncio.sleep(0)
                if message["type"] != "hub.beat":
                    self._hand_over(message)
                    continue
                self._asked_at = None
                self.is_hearing = True
                self._first_beat.set()
                self._is_failing = False
        except Exception as error:  # The layer's errors are its backend's own.
            self._fail()
            logger.warning("The channel layer cannot be heard: %r", error)
        finally:
            self._channel = ""
            self._joined.clear()

    def _hand_over(self, message: dict[str, Any]) -> None:
        try:
            self._on_message(message)
        except Exception:
            logger.exception("A doorbell made no sense; the log has what it told.")

    def join(self, group: str) -> None:
        """Want the group; the next beat joins it."""
        self._wanted.add(group)

    async def join_now(self, group: str) -> None:
        """Join the group, or leave it to the next beats when the layer is away."""
        self._wanted.add(group)
        if self._is_failing:
            return
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._join_missing()
        except Exception as error:  # The layer's errors are its backend's own.
            self._fail()
            logger.debug("Group %s has to wait: %r", group, error)

    async def leave(self, group: str) -> None:
        self._wanted.discard(group)
        if group not in self._joined:
            return
        self._joined.discard(group)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self.layer.group_discard(group, self._channel)
        except Exception as error:  # The layer's errors are its backend's own.
            logger.debug("Group %s could not be left: %r", group, error)

    async def _join_missing(self) -> None:
        channel = self._channel
        for group in self._wanted - self._joined:
            if not channel:
                return
            await self.layer.group_add(group, channel)
            if channel != self._channel:
                return  # made anew meanwhile, and joins by itself
            self._joined.add(group)
            if group not in self._wanted:
                await self.leave(group)

    def _fail(self) -> None:
        self.is_hearing = False
        self._is_failing = True

    def beat(self) -> None:
        """Send a beat and notice one that did not come back; called at every tick."""
        loop = asyncio.get_running_loop()
        if self._asked_at is None:
            self._asked_at = loop.time()
        if loop.time() - self._asked_at > DEAF_AFTER_S:
            self._rebuild()
        elif self._beating is None or self._beating.done():
            self._beating = loop.create_task(self._beat())

    async def _beat(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._join_missing()
                await self.layer.group_send(self._own_group, {"type": "hub.beat"})
        except Exception as error:  # The layer's errors are its backend's own.
            self._fail()
            logger.debug("A beat was lost: %r", error)

    def _rebuild(self) -> None:
        """Cut the link; `run` makes a new one."""
        self._fail()
        self._asked_at = None
        if self._receiving is not None and not self._receiving.done():
            logger.warning("The channel layer is silent; its link is made anew.")
            self._is_rebuilding = True
            self._receiving.cancel()

    async def _flush(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self.layer.flush()
        except Exception as error:  # The layer's errors are its backend's own.
            logger.debug("The layer could not be flushed: %r", error)

    async def close(self) -> None:
        """Stop receiving."""
        await end_tasks(task for task in (self._receiving, self._beating) if task is not None)
