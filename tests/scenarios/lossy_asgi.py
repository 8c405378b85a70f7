"""The product over a doorbell that loses some of the topics' events, and that says what it drops.

Used by tests only: the rings must make up for what is lost, and a socket that reads too slowly must
be known to be excused.
"""

import logging  # noqa: I001 (config.asgi sets Django up)
from typing import Any

from config.asgi import application as application

from chat.realtime.doorbell import Doorbell
from chat.realtime.outbox import Outbox

logger = logging.getLogger(__name__)

# One of so many is lost.
LOSS = 50
_put = Doorbell.put
_drop_volatile = Outbox._drop_volatile


def put(self: Doorbell, group: str, message: dict[str, Any]) -> None:
    """Lose some of the topics' doorbells."""
    if message["type"] != "topic.event" or message["offset"] % LOSS:
        _put(self, group, message)


def drop_volatile(self: Outbox) -> None:
    """Say whose outbox ran over."""
    connection = self._on_overflow.__self__  # type: ignore[attr-defined]
    logger.warning("Volatile events are dropped on connection %s.", connection.id)
    _drop_volatile(self)


Doorbell.put = put  # type: ignore[method-assign]
Outbox._drop_volatile = drop_volatile  # type: ignore[method-assign]
