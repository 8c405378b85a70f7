"""The action router: every app's `actions.py` registers what can be asked over a socket.

Beside actions there are routes: what an operator has mounted, and `$default`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from chat.errors import Invalid, UnknownAction

if TYPE_CHECKING:
    from chat.realtime.connection import Connection

# How msgspec names a field that is not there.
MISSING = re.compile("missing required field `(.+)`")

B = TypeVar("B", bound=msgspec.Struct)
Handler = Callable[["Request", Any], Awaitable[Any]]
Streamer = Callable[["Request", Any], AsyncIterator[Any]]


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a connection. `request_id` is None when it had none."""

    connection: Connection
    action: str
    request_id: str | int | None


@dataclass(frozen=True, slots=True)
class Reply:
    """A result that a handler answers with, and members of the reply beside `result`."""

    result: object
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Streamed:
    """What a handler returns to answer as a stream, which it may decide by the body."""

    items: AsyncIterator[Any]


@dataclass(frozen=True, slots=True)
class Done:
    """The last item of a stream that has more to say in its end frame."""

    extra: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Action:
    """A registered action. A handler that answers by itself returns ANSWERED."""

    name: str
    body: type[msgspec.Struct]
    # The shape of the result, for a stream of one item; it describes and is not enforced.
    result: Any
    handler: Handler | Streamer
    # What a key must be allowed; empty for what every key may.
    scope: str
    is_stream: bool

    @property
    def description(self) -> str:
        """What it does, for people: the handler's docstring."""
        return inspect.getdoc(self.handler) or ""

    def parse(self, message: dict[str, Any]) -> Any:
        """Read the action's own fields. Raises Invalid that names the field."""
        try:
            return msgspec.convert(message, self.body, strict=True)
        except msgspec.ValidationError as error:
            reason, _, path = str(error).partition(" - at `$.")
            missing = MISSING.search(reason)
            parts = [path.rstrip("`"), missing[1] if missing else ""]
            name = ".".join(part for part in parts if part) or self.name
            raise Invalid(f"{name}: {reason}.", fields={name: reason}) from None


ANSWERED = object()


@dataclass(frozen=True, slots=True)
class Call:
    """A message for a route: its text as it came, and what it asks to hear the answer by."""

    connection: Connection
    route_key: str
    body: str
    request_id: str | int | None


# Answers by itself; runs beside the connection's other requests.
Route = Callable[[Call], Awaitable[None]]

# The route of what nothing else matches.
DEFAULT = "$default"


class Router:
    """Registered actions and routes by name."""

    def __init__(self) -> None:
        self.actions: dict[str, Action] = {}
        self.routes: dict[str, Route] = {}

    def action(
        self,
        name: str,
        *,
        body: type[msgspec.Struct],
        result: Any = None,
        scope: str = "read",
        is_stream: bool = False,
    ) -> Callable[[Any], Any]:
        """Register a handler `async (request, body) -> result`; a stream's yields its items."""

        def register(handler: Any) -> Any:
            if name in self.actions or name in self.routes or name.startswith("$"):
                raise TypeError(f"The action {name} cannot be registered (again).")
            self.actions[name] = Action(name, body, result, handler, scope, is_stream)
            return handler

        return register

    def mount(self, name: str, route: Route) -> None:
        """Let `route` answer messages whose `action` is `name`, or all others as `$default`."""
        if name in self.actions or name in self.routes:
            raise TypeError(f"The route {name} is taken.")
        self.routes[name] = route

    def route_for(self, name: object) -> tuple[str, Route] | None:
        """Return the route of a message that is no action's, and the key it was found by."""
        for key in (name if isinstance(name, str) else "", DEFAULT):
            if key in self.routes:
                return key, self.routes[key]
        return None

    def find(self, name: object, text: str = "") -> Action:
        """Return the action, or raise UnknownAction that names the known ones.

        `text` is the message as it came; an object that was sent as it is shows there.
        """
        action = self.actions.get(name) if isinstance(name, str) else None
        if action is None:
            known = ", ".join(sorted([*self.actions, *self.routes]))
            if isinstance(name, str):
                told = f"There is no action {name!r}."
            elif text.startswith("[object "):
                told = f"{text[:40]} is no JSON: send JSON.stringify(object), not the object."
            elif text and not text.lstrip().startswith("{"):
                told = "This is no JSON object."
            else:
                told = "No action named."
            raise UnknownAction(
                f'{told} Known: {known}. Send JSON such as {{"action": "ping", "request_id": 1}}.'
            )
        return action


router = Router()
