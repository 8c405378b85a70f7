"""What this server speaks: everything that is registered, in the words of the wire.

Read once, after start, when all that registers has done so. AsyncAPI, the page for people and the
contract's tests are made from this.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, reduce
from operator import or_
from typing import Any

import msgspec

from chat.gateway.description.codes import Closing, ErrorCode, closings, error_codes
from chat.gateway.description.examples import example_of
from chat.gateway.description.refusals import refusals_of
from chat.gateway.description.schemas import Schema, Schemas, alternatives
from chat.gateway.handlers.mounting import mounted
from chat.gateway.topics.shapes import TopicGap, TopicLost
from chat.realtime import frames
from chat.realtime.consumer import DIALECTS
from chat.realtime.events import REGISTRY, VOLATILE
from chat.realtime.router import Action, Streamed, router

CONTROL = (
    frames.Hello,
    frames.Heartbeat,
    frames.Gap,
    TopicGap,
    frames.RoomLost,
    TopicLost,
    frames.Disconnect,
)
# Answers have no type: what is in them tells them apart.
ANSWERS: dict[str, type[msgspec.Struct]] = {
    "reply": frames.Reply,
    "item": frames.StreamItem,
    "done": frames.StreamEnd,
    "error": frames.Refusal,
}
# What groups of actions are called, by the module that registers them; others by its name.
GROUPS = {
    "chat.actions": "Connection",
    "chat.gateway.typists": "Presence",
    "chat.room_actions": "Rooms",
    "posts.actions": "Posts",
}
REQUEST_ID = 7


@dataclass(frozen=True, slots=True)
class ActionEntry:
    """One action. Examples are whole frames."""

    name: str
    group: str
    description: str
    scope: str
    is_stream: bool
    # Whether it answers as a stream only when it is asked to.
    may_stream: bool
    # Of its own fields, without `action` and `request_id`.
    body: Schema
    # Empty for what only ever streams.
    result: Schema
    # Of one item of a stream; empty for what never streams.
    item: Schema
    requests: Sequence[dict[str, Any]]
    # One for each request, or one for all of them.
    replies: Sequence[dict[str, Any]]
    # Empty for what never streams.
    item_example: dict[str, Any]
    # Error codes that it may be refused with, and when.
    refusals: dict[str, str]


@dataclass(frozen=True, slots=True)
class EventEntry:
    """One kind of event; `shape` is of `data`, or of a volatile frame without its `type`."""

    name: str
    description: str
    shape: Schema
    example: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FrameEntry:
    """One kind of frame of the protocol itself."""

    name: str
    description: str
    schema: Schema
    example: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RouteEntry:
    """A route that this installation has mounted."""

    name: str
    # Whether its answer goes to the caller in any case, not only to a `request_id`.
    answers_always: bool


@dataclass(frozen=True, slots=True)
class Catalogue:
    actions: Sequence[ActionEntry]
    events: Sequence[EventEntry]
    volatile: Sequence[EventEntry]
    control: Sequence[FrameEntry]
    answers: Sequence[FrameEntry]
    # The envelope of every durable event.
    envelope: Schema
    routes: Sequence[RouteEntry]
    closings: Sequence[Closing]
    errors: Sequence[ErrorCode]
    # Sub-protocols that may be offered.
    subprotocols: Sequence[str]
    schemas: Schemas

    def action(self, name: str) -> ActionEntry:
        return next(each for each in self.actions if each.name == name)


@cache
def catalogue() -> Catalogue:
    """Describe what is registered."""
    actions = list(router.actions.values())
    shapes = [event.data_shape for event in REGISTRY.values()]
    shapes += [event.shape for event in VOLATILE.values()]
    results = [_result(action) for action in actions]
    structs = [
        *CONTROL,
        *ANSWERS.values(),
        frames.RoomEventFrame,
        *(action.body for action in actions),
    ]
    schemas = Schemas([*structs, *(each for each in (*results, *shapes) if each is not None)])
    return Catalogue(
        actions=[_action(action, schemas) for action in actions],
        events=[_event(name, event, event.data_shape, schemas) for name, event in REGISTRY.items()],
        volatile=[_volatile(name, event, event.shape, schemas) for name, event in VOLATILE.items()],
        control=[_frame(_type_name(struct, schemas), struct, schemas) for struct in CONTROL],
        answers=[_frame(name, struct, schemas) for name, struct in ANSWERS.items()],
        envelope=schemas.resolved(schemas.of(frames.RoomEventFrame)),
        routes=[RouteEntry(key, mounted[key].is_two_way) for key in sorted(mounted)],
        closings=closings(),
        errors=error_codes(),
        subprotocols=list(DIALECTS),
        schemas=schemas,
    )


def _action(action: Action, schemas: Schemas) -> ActionEntry:
    body = schemas.resolved(schemas.of(action.body))
    may_stream = Streamed.__name__ in _returned(action)
    whole, item = _results(action, may_stream=may_stream)
    named = {"request_id": REQUEST_ID, "action": action.name}
    replies = [] if action.is_stream else _all_examples(whole, schemas)
    items = _all_examples(item, schemas)[:1] if action.is_stream or may_stream else []
    return ActionEntry(
        name=action.name,
        group=_group(inspect.getmodule(action.handler)),
        description=action.description,
        scope=action.scope,
        is_stream=action.is_stream,
        may_stream=may_stream,
        body=body,
        result={} if whole is None else schemas.of(whole),
        item={} if item is None else schemas.of(item),
        requests=[
            {"action": action.name, "request_id": REQUEST_ID, **fields}
            for fields in _examples(action.body) or [example_of(body, schemas)]
        ],
        replies=[{**named, "ok": True, "result": each} for each in replies],
        item_example={"request_id": REQUEST_ID, "result": items[0]} if items else {},
        refusals=refusals_of(action, body),
    )


def _result(action: Action) -> Any:
    """Return the type of the result; what returns nothing says so in its annotation."""
    if action.result is None and _returned(action) == "None":
        return type(None)
    return action.result


def _returned(action: Action) -> str:
    return str(inspect.signature(action.handler).return_annotation)


def _results(action: Action, *, may_stream: bool) -> tuple[Any, Any]:
    """Return the types of a whole result and of one item; the last of a union is the item's."""
    if action.is_stream:
        return None, action.result
    if may_stream:
        *wholes, item = alternatives(action.result)
        return reduce(or_, wholes) if wholes else item, item
    return _result(action), None


def _event(name: str, event: type[Any], shape: Any, schemas: Schemas) -> EventEntry:
    schema = {} if shape is None else schemas.of(shape)
    frame = example_of(schemas.of(frames.RoomEventFrame), schemas)
    frame |= {"type": name, "data": _example(shape, schema, schemas)}
    return EventEntry(name, inspect.getdoc(event) or "", schema, frame)


def _volatile(name: str, event: type[Any], shape: Any, schemas: Schemas) -> EventEntry:
    schema = {} if shape is None else schemas.of(shape)
    members = {} if shape is None else _example(shape, schema, schemas)
    return EventEntry(name, inspect.getdoc(event) or "", schema, {"type": name, **members})


def _frame(name: str, struct: type[msgspec.Struct], schemas: Schemas) -> FrameEntry:
    schema = schemas.resolved(schemas.of(struct))
    example = _example(struct, schema, schemas)
    return FrameEntry(name, inspect.getdoc(struct) or "", schema, example)


def _type_name(struct: type[msgspec.Struct], schemas: Schemas) -> str:
    """Return what a frame's `type` is; frames of rooms and of topics share theirs."""
    properties = schemas.resolved(schemas.of(struct))["properties"]
    name: str = properties["type"]["enum"][0]
    return f"{name}.topic" if "topic" in properties else name


def _examples(struct: Any) -> Sequence[dict[str, Any]]:
    """Return what a struct gives as examples of itself, in its class variable `examples`."""
    found: Sequence[dict[str, Any]] = getattr(struct, "examples", ())
    return found if isinstance(found, tuple | list) else ()


def _all_examples(type_: Any, schemas: Schemas) -> Sequence[Any]:
    if type_ is None:
        return [None]
    return _examples(alternatives(type_)[0]) or [example_of(schemas.of(type_), schemas)]


def _example(type_: Any, schema: Schema, schemas: Schemas) -> Any:
    """Return a type's own example; of a union, that of its first member."""
    told = _examples(alternatives(type_)[0])
    return told[0] if told else example_of(schema, schemas)


def _group(module: Any) -> str:
    name = getattr(module, "__name__", "")
    last = name.removesuffix(".actions").rpartition(".")[2]
    return GROUPS.get(name) or last.removesuffix("_actions").capitalize()
