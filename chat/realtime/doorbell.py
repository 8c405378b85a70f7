"""The doorbell: tells hubs that something was committed. It may be lost; the log is the truth.

Ringing never blocks or fails the writer. In a server the local hub gets the frame at once, and
a bounded queue drains into the channel layer beside it. A process without a hub (the shell, a
command) rings from a thread of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import queue
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from channels.layers import get_channel_layer
from django.conf import settings

if TYPE_CHECKING:
    from chat.realtime.envelope import Frame

logger = logging.getLogger(__name__)

RIGHTS_GROUP = "rights"
# Seconds for one message to reach the layer.
SEND_TIMEOUT_S = 3.0
# Seconds that a command waits at its end for its last doorbells.
FLUSH_TIMEOUT_S = 2.0


def room_group(room_id: int) -> str:
    return f"room.{room_id}"


class Listener(Protocol):
    """What rings are handed to in this process: its hub. All are safe from any thread."""

    def hear_frame(self, frame: Frame) -> None: ...

    def hear_rights(self) -> None: ...

    def tell_group(self, group: str, message: dict[str, Any]) -> None: ...


_listener: Listener | None = None


def set_listener(listener: Listener | None) -> None:
    """Make `listener` the one of this process."""
    global _listener
    _listener = listener


def ring(frame: Frame) -> None:
    """Tell everybody of a committed event. Never blocks, never raises for the layer's sake."""
    if _listener is not None:
        _listener.hear_frame(frame)
    else:
        _ringer.put(room_group(frame.room_id), frame.as_message())


def ring_rights() -> None:
    """Tell everybody that the rights log has grown."""
    if _listener is not None:
        _listener.hear_rights()
    else:
        _ringer.put(RIGHTS_GROUP, {"type": "rights.changed"})


def ring_group(group: str, message: dict[str, Any]) -> None:
    """Tell who has joined a group of the layer of something that passes; from any thread.

    The message's `type` says which listener takes it, in this process at once.
    """
    if _listener is not None:
        _listener.tell_group(group, message)
    else:
        _ringer.put(group, message)


class Doorbell:
    """A hub's outgoing queue: bounded, drained in order, dropping the oldest when full."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque(maxlen=settings.DOORBELL_QUEUE_MAX)
        self._wake = asyncio.Event()
        self.lost_count = 0

    def put(self, group: str, message: dict[str, Any]) -> None:
        """Queue a message; call on the hub's loop."""
        if len(self._waiting) == self._waiting.maxlen:
            self.lost_count += 1
        self._waiting.append((group, message))
        self._wake.set()

    async def run(self) -> None:
        """Drain until cancelled. A message that the layer refuses is lost, and counted."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                group, message = self._waiting.popleft()
                try:
                    async with asyncio.timeout(SEND_TIMEOUT_S):
                        await self.layer.group_send(group, message)
                except Exception as error:  # The layer's errors are its backend's own.
                    self.lost_count += 1
                    logger.debug("A doorbell was lost: %r", error)


class _Ringer:
    """Rings for a process without a hub, from one thread with one event loop."""

    def __init__(self) -> None:
        self._queue: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue(
            settings.DOORBELL_QUEUE_MAX
        )
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def put(self, group: str, message: dict[str, Any]) -> None:
        if not settings.REDIS_URLS:
            return  # Nobody else could hear it; hubs find the event in the log.
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="doorbell", daemon=True)
                self._thread.start()
                atexit.register(self.flush)
        try:
            self._queue.put_nowait((group, message))
        except queue.Full:
            logger.debug("A doorbell was lost: the queue is full.")

    def flush(self) -> None:
        """Wait until what was rung has gone out, at most FLUSH_TIMEOUT_S."""
        with self._queue.all_tasks_done:
            self._queue.all_tasks_done.wait_for(
                lambda: not self._queue.unfinished_tasks, FLUSH_TIMEOUT_S
            )

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            while True:
                group, message = self._queue.get()
                try:
                    runner.run(self._send(group, message))
                except Exception as error:  # The layer's errors are its backend's own.
                    logger.debug("A doorbell was lost: %r", error)
                finally:
                    self._queue.task_done()

    async def _send(self, group: str, message: dict[str, Any]) -> None:
        layer = get_channel_layer()
        if layer is not None:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await layer.group_send(group, message)


_ringer = _Ringer()
