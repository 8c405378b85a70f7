"""The catalogue as the page for people shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from chat.gateway.description.catalogue import ActionEntry, Catalogue, EventEntry, FrameEntry
from chat.gateway.description.limit_words import Limit, described_limits
from chat.gateway.description.refusals import ALWAYS
from chat.gateway.description.schemas import Schema, Schemas
from chat.gateway.description.tables import Part, Row, rows, type_of

# Groups of actions in the order in which one needs them; others follow.
GROUPS = ("Connection", "Posts", "Search", "Rooms", "People", "Presence", "Topics", "State")


@dataclass(frozen=True, slots=True)
class ActionView:
    """An action with the fields of its request, and of what it answers."""

    entry: ActionEntry
    fields: Sequence[Row]
    # Pairs of a request and its reply, where there is one for each.
    exchanges: Sequence[tuple[dict[str, Any], dict[str, Any] | None]]
    # Empty for what only ever streams.
    result: Sequence[Part]
    # Empty for what never streams.
    item: Sequence[Part]
    # What stands under it that is worth finding.
    words: str


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    actions: Sequence[ActionView]


@dataclass(frozen=True, slots=True)
class EventView:
    """An event, or a frame of the protocol: its example, and what its data or it consists of."""

    name: str
    description: str
    carries: Sequence[Part]
    fields: Sequence[Row]
    example: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TypeView:
    name: str
    description: str
    fields: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Page:
    catalogue: Catalogue
    groups: Sequence[Group]
    events: Sequence[EventView]
    # The fields of every durable event.
    envelope: Sequence[Row]
    volatile: Sequence[EventView]
    control: Sequence[EventView]
    answers: Sequence[EventView]
    types: Sequence[TypeView]
    limits: Sequence[Limit]
    always: dict[str, str]


def page(catalogue: Catalogue) -> Page:
    """Return everything that the page shows and that is not prose."""
    schemas = catalogue.schemas
    return Page(
        catalogue=catalogue,
        groups=_groups(catalogue),
        events=[_event(each) for each in catalogue.events],
        envelope=rows(catalogue.envelope, schemas),
        volatile=[_volatile(each, schemas) for each in catalogue.volatile],
        control=[_frame(each, schemas) for each in catalogue.control],
        answers=[_frame(each, schemas) for each in catalogue.answers],
        types=_types(catalogue),
        limits=described_limits(),
        always=ALWAYS,
    )


def console_start(catalogue: Catalogue) -> dict[str, Any]:
    """Return what the console needs to know of actions and close codes."""
    return {
        "actions": {
            action.name: {
                "group": action.group,
                "description": action.description,
                "examples": [_without(each, "request_id") for each in action.requests],
            }
            for action in catalogue.actions
        },
        "closings": {
            each.code: f"{each.reason}: {each.meaning} → {each.advice}"
            for each in catalogue.closings
        },
    }


def _without(members: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in members.items() if key != name}


def _groups(catalogue: Catalogue) -> list[Group]:
    def place(action: ActionEntry) -> tuple[int, str]:
        known = action.group in GROUPS
        return (GROUPS.index(action.group) if known else len(GROUPS), action.group)

    ordered = sorted(catalogue.actions, key=place)
    return [
        Group(name, [_action(each, catalogue.schemas) for each in actions])
        for name, actions in groupby(ordered, key=lambda each: each.group)
    ]


def _action(action: ActionEntry, schemas: Schemas) -> ActionView:
    fields = rows(action.body, schemas)
    words = [action.name, action.group, action.description, *action.refusals]
    words += [f"{row.name} {row.description}" for row in fields]
    return ActionView(
        entry=action,
        fields=fields,
        exchanges=_exchanges(action),
        result=type_of(action.result) if action.result else [],
        item=type_of(action.item) if action.item else [],
        words=" ".join(words),
    )


def _exchanges(action: ActionEntry) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Put each reply behind its request; one that stands for all, behind the last."""
    if len(action.replies) == len(action.requests):
        return list(zip(action.requests, action.replies, strict=True))
    last = action.replies[0] if action.replies else None
    return [*((each, None) for each in action.requests[:-1]), (action.requests[-1], last)]


def _event(event: EventEntry) -> EventView:
    return EventView(event.name, event.description, type_of(event.shape), [], event.example)


def _volatile(event: EventEntry, schemas: Schemas) -> EventView:
    shape = schemas.resolved(event.shape)
    fields = [row for row in rows(shape, schemas) if row.name != "type"]
    return EventView(event.name, event.description, [], fields, event.example)


def _frame(frame: FrameEntry, schemas: Schemas) -> EventView:
    fields = [row for row in rows(frame.schema, schemas) if row.name != "type"]
    return EventView(frame.name, frame.description, [], fields, frame.example)


def _types(catalogue: Catalogue) -> list[TypeView]:
    """Return the types that tables name, but for those that have a place of their own."""
    shown: list[Schema] = [action.body for action in catalogue.actions]
    shown += [schema for action in catalogue.actions for schema in (action.result, action.item)]
    shown += [event.shape for event in catalogue.events]
    shown += [schema for event in catalogue.volatile for schema in _fields_of(event, catalogue)]
    shown += [frame.schema for frame in (*catalogue.control, *catalogue.answers)]
    shown += [catalogue.envelope]
    found = catalogue.schemas.used_by(shown)
    return [
        TypeView(name, schema.get("description", ""), rows(schema, catalogue.schemas))
        for name, schema in sorted(found.items())
    ]


def _fields_of(event: EventEntry, catalogue: Catalogue) -> list[Schema]:
    return list(catalogue.schemas.resolved(event.shape).get("properties", {}).values())
