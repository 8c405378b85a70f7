"""The action router: every app's `actions.py` registers what can be asked over a socket."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from chat.errors import Invalid, UnknownAction

if TYPE_CHECKING:
    from chat.realtime.connection import Connection

# Levels of nesting that a request may have.
DEPTH_MAX = 32

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
class Action:
    """A registered action. A handler that answers by itself returns ANSWERED."""

    name: str
    body: type[msgspec.Struct]
    handler: Handler | Streamer
    # What a key must be allowed; empty for what every key may.
    scope: str
    is_stream: bool

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


class Router:
    """Registered actions by name."""

    def __init__(self) -> None:
        self.actions: dict[str, Action] = {}

    def action(
        self, name: str, *, body: type[msgspec.Struct], scope: str = "read", is_stream: bool = False
    ) -> Callable[[Any], Any]:
        """Register a handler `async (request, body) -> result`; a stream's yields its items."""

        def register(handler: Any) -> Any:
            if name in self.actions or name.startswith("$"):
                raise TypeError(f"The action {name} cannot be registered (again).")
            self.actions[name] = Action(name, body, handler, scope, is_stream)
            return handler

        return register

    def find(self, name: object) -> Action:
        """Return the action, or raise UnknownAction that names the known ones."""
        action = self.actions.get(name) if isinstance(name, str) else None
        if action is None:
            known = ", ".join(sorted(self.actions))
            told = f"There is no action {name!r}." if isinstance(name, str) else "No action named."
            raise UnknownAction(
                f'{told} Known: {known}. Send JSON such as {{"action": "ping", "request_id": 1}}.'
            )
        return action


router = Router()


class Unacceptable(Invalid):
    """A JSON object by the letter that is not taken; `request_id` is what it asked to hear."""

    def __init__(self, message: str, members: dict[str, Any]) -> None:
        super().__init__(message)
        self.request_id: str | int | None = None
        with suppress(Invalid, UnicodeEncodeError):
            request_id = request_id_of(members)
            str(request_id).encode()  # a lone surrogate could not be sent back
            self.request_id = request_id


def parse(text: str) -> dict[str, Any] | None:
    """Read a message as a JSON object; None for anything else. Raises Invalid for abuse."""
    try:
        message = msgspec.json.decode(text)
    except msgspec.DecodeError:
        _refuse_lawful(text)
        return None
    except RecursionError:
        raise Invalid("The message is nested too deep.") from None
    if not isinstance(message, dict):
        return None
    if text.count("[") + text.count("{") > DEPTH_MAX and _depth(message) > DEPTH_MAX:
        raise Unacceptable("The message is nested too deep.", message)
    if "\\u0000" in text and _has_nul(message):
        raise Unacceptable("Text must not contain NUL.", message)
    return message


def request_id_of(message: dict[str, Any]) -> str | int | None:
    """Return the message's `request_id`. Raises Invalid for what cannot be one."""
    value = message.get("request_id")
    if value is None:
        return None
    if isinstance(value, str) and len(value) <= 128:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return value
    raise Invalid(fields={"request_id": "Must be text of at most 128 characters or an integer."})


def _refuse_lawful(text: str) -> None:
    """Raise Invalid for JSON by the letter that nothing behind us takes.

    Such as lone surrogates, and numbers beyond what a computer calculates with.
    """
    try:
        message = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise Invalid("The message is nested too deep.") from None
    except ValueError:
        return
    if isinstance(message, dict):
        told = "Text must be valid Unicode, and numbers must be of ordinary size."
        raise Unacceptable(told, message)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON.")


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_has_nul(each) for pair in value.items() for each in pair)
    return isinstance(value, list) and any(_has_nul(each) for each in value)


def _depth(value: object) -> int:
    level, depth = [value], 0
    while level:
        depth += 1
        inner: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inner.extend(each.values())
            elif isinstance(each, list):
                inner.extend(each)
        level = [each for each in inner if isinstance(each, dict | list)]
    return depth
