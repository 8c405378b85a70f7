"""The lossy product with a broken hub of topics: what was not heard is never read from the ring.

The failing twin of the producers' scenario. A checker that calls this sound would find nothing in
the product either. Used by tests only.
"""

from tests.scenarios.lossy_asgi import application as application  # noqa: I001 (Django first)

from chat.gateway.topics.hub import TopicHub
from chat.gateway.topics.topic_state import TopicState


def expect(self: TopicHub, state: TopicState, offset: int) -> None:
    """Wait for nothing."""


def fill(self: TopicHub, state: TopicState) -> None:
    """Read nothing."""


TopicHub.expect = expect  # type: ignore[method-assign]
TopicHub.fill = fill  # type: ignore[method-assign]
