"""Parts of a server process: what follows its connections, such as the connections table.

The wire knows none of them; each registers itself, and every server has one instance of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from chat.realtime.close_codes import CloseCode
    from chat.realtime.connection import Connection
    from chat.realtime.server import Server

_parts: list[type[Part]] = []

P = TypeVar("P", bound="type[Part]")


class Part:
    """Something of one server process. Everything runs on the server's event loop.

    Only `start`, `drain`, `stop` and `tick` may wait; what they raise is logged, and for `start`
    refuses the server's first connection, so that what does not work is noticed.
    """

    def __init__(self, server: Server) -> None:
        self.server = server

    async def start(self) -> None:
        """Begin; the hub runs already."""

    async def drain(self) -> None:
        """Write down what must outlive the process; all connections are closed."""

    async def stop(self) -> None:
        """End every task."""

    def opened(self, connection: Connection) -> None:
        """A connection was accepted and may be delivered to."""

    def changed(self, connection: Connection) -> None:
        """The rooms that a connection is subscribed to have changed."""

    def closed(self, connection: Connection, code: int | CloseCode) -> None:
        """A connection that was opened is gone; called once."""

    async def tick(self) -> None:
        """Look after things, about every two seconds."""


def part(cls: P) -> P:
    """Register a kind of part."""
    _parts.append(cls)
    return cls


def registered() -> list[type[Part]]:
    return list(_parts)
