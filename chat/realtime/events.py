"""The event registry: every durable event has a class, and its name is taken once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

REGISTRY: dict[str, type[Event]] = {}
VOLATILE: dict[str, type[VolatileEvent]] = {}


class Event:
    """Something durable that happened in a room. Subclass with `name=` to register one.

    `overwrites`: its data replaces the data of every earlier event of its subject that may be
    overwritten (`is_overwritten`), so that what is gone is gone from replays.
    `may_withdraw`: somebody may have lost the right to the room; hubs check before they go on.
    """

    name: ClassVar[str]
    # The shape of `data`; it describes and is not enforced.
    data_shape: ClassVar[Any] = None
    overwrites: ClassVar[bool] = False
    is_overwritten: ClassVar[bool] = False
    may_withdraw: ClassVar[bool] = False

    def __init_subclass__(cls, *, name: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not name:
            return  # what several events have in common
        if name in REGISTRY:
            raise TypeError(f"The event {name} is registered twice: {REGISTRY[name]}, {cls}.")
        cls.name = name
        REGISTRY[name] = cls

    def __init__(
        self,
        data: Mapping[str, Any],
        *,
        subject_id: str = "",
        client_id: str = "",
        actor_id: int | None = None,
    ) -> None:
        """Take the JSON-ready data; `actor_id` is whoever acts now unless it is given."""
        self.data = data
        self.subject_id = subject_id
        self.client_id = client_id
        self.actor_id = actor_id


class VolatileEvent:
    """Something that passes and is never stored: subclass with `name=` to register one.

    It carries no `seq`, may be lost, and goes first when a socket's outbox runs over.
    """

    name: ClassVar[str]
    # The shape of the whole frame but its `type`; it describes and is not enforced.
    shape: ClassVar[Any] = None

    def __init_subclass__(cls, *, name: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if name in REGISTRY or name in VOLATILE:
            raise TypeError(f"The event {name} is registered twice.")
        cls.name = name
        VOLATILE[name] = cls


def is_overwriting(name: str) -> bool:
    """False for the unknown names of a newer release."""
    event = REGISTRY.get(name)
    return event is not None and event.overwrites


def may_be_overwritten(name: str) -> bool:
    event = REGISTRY.get(name)
    return event is not None and event.is_overwritten


def may_withdraw(name: str) -> bool:
    event = REGISTRY.get(name)
    return event is not None and event.may_withdraw


def overwritten_names() -> list[str]:
    return [name for name, event in REGISTRY.items() if event.is_overwritten]
