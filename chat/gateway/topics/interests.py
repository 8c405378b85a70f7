"""What one connection wants of topics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from chat.gateway.topics.filters import Condition, Fields, Filter, as_told
from chat.gateway.topics.topic_state import TopicState


@dataclass(slots=True)
class Interests:
    """The topics that it follows by name, and its filters."""

    topics: dict[str, TopicState] = field(default_factory=dict)
    filters: dict[Filter, tuple[Condition, Fields]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.topics) + len(self.filters)

    def filters_on(self, topic: str) -> list[Filter]:
        return [filter for filter in self.filters if filter.topic == topic]

    def told_filters(self) -> list[dict[str, Any]]:
        """The filters as subscribe takes them."""
        return as_told((filter, fields) for filter, (_, fields) in self.filters.items())
