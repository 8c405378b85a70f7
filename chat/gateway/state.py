"""Shared state: one versioned value per room or topic, set by compare and swap.

A room's is durable news: `state.updated` stands in its log. A topic's passes: its subscribers hear
of it, and who comes later asks.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

import msgspec
from django.db import transaction
from msgspec import Struct

from chat.access import Viewer, access_person, access_room, access_room_to_post
from chat.acting import acting
from chat.gateway.topics.events import Draft
from chat.gateway.topics.names import TOPIC_LENGTH_MAX, TOPIC_PATTERN, room_of
from chat.gateway.topics.publishing import publish
from chat.gateway.topics.redis_rings import rings
from chat.models import SharedState
from chat.realtime import stream
from chat.realtime.database import in_database
from chat.realtime.envelope import encode, wire_time
from chat.realtime.events import Event
from chat.realtime.publish import Change, publishes
from chat.realtime.router import Request, router
from chat.shapes import Examples, Refusals

# The slug of a room, or the id of a topic, which has a slash in it.
Scope = Annotated[
    str,
    msgspec.Meta(
        min_length=1, max_length=TOPIC_LENGTH_MAX, pattern=TOPIC_PATTERN, examples=["lobby"]
    ),
]
Version = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 2, examples=[3])]
Value = Annotated[Any, msgspec.Meta(examples=[{"turn": "ada"}])]


class GetState(Struct):
    scope: Scope

    refusals: ClassVar[Refusals] = {
        "not_authenticated": "The scope is a topic's, and nobody is signed in.",
        "not_found": "The room is unknown, or you may not see it.",
    }


class SetState(Struct):
    scope: Scope
    # Any JSON; it replaces what was there.
    data: Value
    # The one that you have seen; 0 where there is none.
    version: Version

    examples: ClassVar[Examples] = ({"scope": "lobby", "data": {"turn": "ada"}, "version": 0},)
    refusals: ClassVar[Refusals] = {
        "conflict": "It has another version by now; `current` is the state as it is.",
        "not_found": "The room is unknown, or you may not see it.",
    }


class State(Struct):
    """A shared state, whole."""

    scope: Scope
    # Rises by one with every change.
    version: Version
    # Null where nobody has set one.
    data: Value

    examples: ClassVar[Examples] = ({"scope": "lobby", "version": 1, "data": {"turn": "ada"}},)


class StateUpdated(Event, name="state.updated"):
    """The room's shared state was set."""

    data_shape = State


@publishes(SharedState)
def state_saved(state: SharedState, change: Change) -> Event | None:
    return None if state.room_id is None else StateUpdated(state.as_data())


@router.action("state.get", body=GetState, result=State)
async def get_state(request: Request, body: GetState) -> dict[str, Any]:
    """Tell a shared state and its version."""
    return await in_database(
        read_state, viewer=request.connection.identity.viewer, scope=body.scope
    )


@router.action("state.set", body=SetState, result=State, scope="post")
async def set_state(request: Request, body: SetState) -> dict[str, Any]:
    """Replace a shared state, if it still has the version that you have seen."""
    viewer = request.connection.identity.viewer
    state = await in_database(
        write_state, viewer=viewer, scope=body.scope, data=body.data, version=body.version
    )
    if not is_of_room(body.scope):
        await rings().ask(announce, state)
    return state


def read_state(*, viewer: Viewer, scope: str) -> dict[str, Any]:
    """Return a state for whoever may see its room; a topic's own for anybody signed in."""
    slug = room_slug(scope)
    if slug is None:
        access_person(viewer)
    else:
        access_room(viewer, slug)
    return SharedState.objects.at(scope).as_data()


def write_state(*, viewer: Viewer, scope: str, data: Any, version: int) -> dict[str, Any]:
    """Set a state, for whoever may post in its room. Raises VersionConflict.

    A topic's subscribers are told by `announce`, once this is done.
    """
    person = access_person(viewer)
    slug, room = room_slug(scope), None
    with transaction.atomic(), acting(person.pk):
        if slug is not None:
            stream.lock(access_room(person, slug).pk)  # nobody loses the right to it now
            room, _ = access_room_to_post(person, slug)
        own = room if is_of_room(scope) else None
        state = SharedState.objects.swap(scope, data, version=version, room=own, by=person)
    return state.as_data()


def announce(state: dict[str, Any]) -> None:
    """Tell the topic's subscribers of its new state; blocks. It may be lost, or come late."""
    now = wire_time(datetime.now(UTC))
    publish([Draft(state["scope"], StateUpdated.name, encode(state), now)])


def is_of_room(scope: str) -> bool:
    return "/" not in scope


def room_slug(scope: str) -> str | None:
    """The room whose rights a scope has; None for topics of their own."""
    return scope if is_of_room(scope) else room_of(scope)
