"""What the connections table tells of a connection's topics and filters."""

from __future__ import annotations

from typing import Any

from chat.gateway.table import describers
from chat.gateway.topics.hub import TopicHub
from chat.realtime.connection import Connection

# Of each kind; a row is for people to look at.
DESCRIBED_MAX = 50


def describe(connection: Connection) -> dict[str, Any]:
    """Name the topics and the filters that it has, if it has any."""
    topics = connection.server.part(TopicHub)
    told: dict[str, list[Any]] = {
        "topics": topics.topics_of(connection),
        "filters": topics.filters_of(connection),
    }
    return {name: what[:DESCRIBED_MAX] for name, what in told.items() if what}


describers.append(describe)
