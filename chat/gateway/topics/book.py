"""The filters of a process: each distinct one once, whoever has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from chat.gateway.topics.events import TopicEvent
from chat.gateway.topics.filters import ABSENT, ANY, Condition, Fields, Filter, united
from chat.gateway.topics.topic_state import Listener


@dataclass(eq=False, slots=True)
class Entry:
    """One distinct filter, and which members each of its holders wants."""

    filter: Filter
    condition: Condition
    holders: dict[Listener, Fields] = field(default_factory=dict)

    def matches(self, event: TopicEvent) -> bool:
        if self.condition.is_any:
            return True
        return self.condition.holds(event.members().get(self.filter.field, ABSENT))


class FilterBook:
    """Finds who wants an event: every distinct filter is held against it once."""

    def __init__(self) -> None:
        # By topic (None: any), then by type of event.
        self._places: dict[str | None, dict[str, dict[Filter, Entry]]] = {}

    def __contains__(self, topic: str | None) -> bool:
        """Whether a filter names the topic; with None, whether one names none."""
        return topic in self._places

    def put(self, listener: Listener, filter: Filter, condition: Condition, fields: Fields) -> None:
        place = self._places.setdefault(filter.topic, {}).setdefault(filter.event_type, {})
        entry = place.get(filter)
        if entry is None:
            entry = place[filter] = Entry(filter, condition)
        entry.holders[listener] = fields

    def discard(self, listener: Listener, filter: Filter) -> None:
        types = self._places.get(filter.topic, {})
        entry = types.get(filter.event_type, {}).get(filter)
        if entry is None:
            return
        entry.holders.pop(listener, None)
        if not entry.holders:
            del types[filter.event_type][filter]
            if not types[filter.event_type]:
                del types[filter.event_type]
            if not types:
                del self._places[filter.topic]

    def receivers(self, event: TopicEvent) -> dict[Listener, Fields]:
        """Who has a filter that matches, and what they want of the event."""
        found: dict[Listener, Fields] = {}
        for entry in self._candidates(event):
            if not entry.matches(event):
                continue
            if not found:
                found = dict(entry.holders)
                continue
            for listener, fields in entry.holders.items():
                found[listener] = united(fields, found[listener]) if listener in found else fields
        return found

    def holders(self, topic: str) -> set[Listener]:
        """Who has a filter that names the topic."""
        entries = (
            entry for place in self._places.get(topic, {}).values() for entry in place.values()
        )
        return {listener for entry in entries for listener in entry.holders}

    def _candidates(self, event: TopicEvent) -> Iterator[Entry]:
        for topic in (None, event.topic):
            types = self._places.get(topic)
            if types is not None:
                for event_type in (event.event_type, ANY):
                    if event_type in types:
                        yield from types[event_type].values()
