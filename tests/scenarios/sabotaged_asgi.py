"""The product with a broken hub: it passes on what the doorbell brings, and never reads the log.

The scenario's failing twin. A checker that calls this sound would find nothing in the product
either. Used by tests only.
"""

from config.asgi import application as application  # noqa: I001 (it sets Django up)

from chat.realtime.envelope import Frame
from chat.realtime.hub import Hub


def accept(self: Hub, frame: Frame) -> None:
    """Hand out what is heard, as it is heard: no order, no doubles dropped, no hole noticed."""
    state = self.rooms.get(frame.room_id)
    if state is not None and state.seq is not None:
        self._fan_out(state, frame)


async def tick(self: Hub) -> None:
    """Look after the link to Redis, and compare nothing with the log."""
    self.link.beat()
    if self._on_tick is not None:
        await self._on_tick()


Hub.accept = accept  # type: ignore[method-assign]
Hub.tick = tick  # type: ignore[method-assign]
