"""What this server speaks: everything that is registered, in the words of the wire.

Read once, after start, when all that registers has done so. AsyncAPI, the page for people and the
contract's tests are made from this.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from chat.gateway.description.codes import Closing, ErrorCode, closings, error_codes
from chat.gateway.description.examples import example_of
from chat.gateway.description.refusals import refusals_of
from chat.gateway.description.schemas import Schema, Schemas, alternatives
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
    frames.Unsubscribed,
    TopicLost,
    frames.Disconnect,
)
ANSWERS = (frames.Reply, frames.StreamItem, frames.StreamEnd, frames.Refusal)
# What groups of actions are called, by the module that registers them; others by its name.
GROUPS = {
    "chat.actions": "Connection",
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
    # Whether it answers as a stream when it is asked to.
    may_stream: bool
    # Of its own fields, without `action` and `request_id`.
    body: Schema
    # Of one item, where it is a stream.
    result: Schema
    requests: Sequence[dict[str, Any]]
    reply: dict[str, Any]
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
    description: str


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
    results = [action.result for action in actions]
    structs = [*CONTROL, *ANSWERS, frames.RoomEventFrame, *(action.body for action in actions)]
    schemas = Schemas([*structs, *(each for each in (*results, *shapes) if each is not None)])
    return Catalogue(
        actions=[_action(action, schemas) for action in actions],
        events=[_event(name, event, event.data_shape, schemas) for name, event in REGISTRY.items()],
        volatile=[_volatile(name, event, event.shape, schemas) for name, event in VOLATILE.items()],
        control=[_frame(struct, schemas) for struct in CONTROL],
        answers=[_frame(struct, schemas) for struct in ANSWERS],
        envelope=schemas.resolved(schemas.of(frames.RoomEventFrame)),
        routes=[RouteEntry(name, inspect.getdoc(route) or "") for name, route in _routes()],
        closings=closings(),
        errors=error_codes(),
        subprotocols=list(DIALECTS),
        schemas=schemas,
    )


def _action(action: Action, schemas: Schemas) -> ActionEntry:
    body = schemas.resolved(schemas.of(action.body))
    result = {} if action.result is None else schemas.of(action.result)
    told = _examples(action.body) or [example_of(body, schemas)]
    envelope = {"action": action.name, "request_id": REQUEST_ID}
    answered: dict[str, Any] = {"request_id": REQUEST_ID}
    if not action.is_stream:
        answered |= {"action": action.name, "ok": True}
    return ActionEntry(
        name=action.name,
        group=_group(inspect.getmodule(action.handler)),
        description=action.description,
        scope=action.scope,
        is_stream=action.is_stream,
        may_stream=Streamed.__name__ in str(inspect.signature(action.handler).return_annotation),
        body=body,
        result=result,
        requests=[{**envelope, **fields} for fields in told],
        reply={**answered, "result": _example(action.result, result, schemas)},
        refusals=refusals_of(action, body),
    )


def _event(name: str, event: type[Any], shape: Any, schemas: Schemas) -> EventEntry:
    schema = {} if shape is None else schemas.of(shape)
    frame = example_of(schemas.of(frames.RoomEventFrame), schemas)
    frame |= {"type": name, "data": _example(shape, schema, schemas)}
    return EventEntry(name, inspect.getdoc(event) or "", schema, frame)


def _volatile(name: str, event: type[Any], shape: Any, schemas: Schemas) -> EventEntry:
    schema = {} if shape is None else schemas.of(shape)
    members = {} if shape is None else _example(shape, schema, schemas)
    return EventEntry(name, inspect.getdoc(event) or "", schema, {"type": name, **members})


def _frame(struct: type[msgspec.Struct], schemas: Schemas) -> FrameEntry:
    schema = schemas.resolved(schemas.of(struct))
    name = schema["properties"].get("type", {}).get("enum", [struct.__name__])[0]
    if "topic" in schema["properties"]:
        name += ".topic"  # frames of rooms and topics share their types
    example = _example(struct, schema, schemas)
    return FrameEntry(name, inspect.getdoc(struct) or "", schema, example)


def _examples(struct: Any) -> Sequence[dict[str, Any]]:
    """Return what a struct gives as examples of itself, in its class variable `examples`."""
    found: Sequence[dict[str, Any]] = getattr(struct, "examples", ())
    return found if isinstance(found, tuple | list) else ()


def _example(type_: Any, schema: Schema, schemas: Schemas) -> Any:
    """Return a type's own example; of a union, that of its first member."""
    told = _examples(alternatives(type_)[0])
    return told[0] if told else example_of(schema, schemas)


def _group(module: Any) -> str:
    name = getattr(module, "__name__", "")
    return GROUPS.get(name) or name.rpartition(".")[2].removesuffix("_actions").capitalize()


def _routes() -> Iterable[tuple[str, Any]]:
    return sorted(router.routes.items())
