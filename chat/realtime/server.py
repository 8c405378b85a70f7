"""This process as a server: its hub, its lease, its heartbeats."""

from __future__ import annotations

import asyncio
import base64
import logging
import random
import secrets
import time
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar, cast
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer
from django.conf import settings
from django.utils import timezone

from chat.models.lease import LEASE_SECONDS
from chat.realtime import lease, parts, periodic
from chat.realtime.close_codes import CloseCode
from chat.realtime.database import forget_waiting, in_database, in_hub_database
from chat.realtime.doorbell import set_listener
from chat.realtime.hub import Hub
from chat.realtime.identity import session_end

if TYPE_CHECKING:
    from chat.realtime.connection import Connection

logger = logging.getLogger(__name__)

P = TypeVar("P", bound=parts.Part)

# Seconds between looks at the heartbeats.
HEARTBEAT_TICK_S = 1.0
# Who is silent for two heartbeats is closed, and out of the tables, no later than that.
MARGIN_S = HEARTBEAT_TICK_S + 0.5
# Milliseconds over which the clients of a stopping process come back to another.
RETURN_SPREAD_MS = 5000
# Seconds for telling them so, before what they still wait for is dropped.
FAREWELL_S = 1.0


class Server:
    """One per event loop, made when the first connection or request comes."""

    _by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Server] = WeakKeyDictionary()

    def __init__(self) -> None:
        self.hub = Hub(get_channel_layer(), on_tick=self._on_tick)
        self.connections: set[Connection] = set()
        self.is_draining = False
        self._starting = asyncio.Lock()
        self._beating: asyncio.Task[None] | None = None
        self._periodic = periodic.Schedule()
        self._parts: dict[type[parts.Part], parts.Part] = {}

    @classmethod
    async def running(cls) -> Server:
        """Return the server of this loop, started. Raises what the database raises."""
        loop = asyncio.get_running_loop()
        server = cls._by_loop.get(loop)
        if server is None:
            server = cls._by_loop[loop] = cls()
        async with server._starting:
            if not server.hub.is_running:
                await server._start()
        return server

    async def _start(self) -> None:
        self._parts = {kind: kind(self) for kind in parts.registered()}
        await self.hub.start()
        for part in self._parts.values():
            await part.start()
        set_listener(self.hub)
        self._beating = asyncio.create_task(self._beat_forever())

    async def stop(self) -> None:
        """End everything that was started here; for tests and for an orderly exit."""
        set_listener(None)
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
        for part in self._parts.values():
            await part.stop()
        await self.hub.stop()
        await in_database(lease.release)
        self._by_loop.pop(asyncio.get_running_loop(), None)

    @classmethod
    async def drain_all(cls) -> None:
        """Send everybody of this process elsewhere; returns when they have gone."""
        for server in list(cls._by_loop.values()):
            await server.drain()

    async def drain(self) -> None:
        """Close every connection with a time to come back, spread over RETURN_SPREAD_MS.

        Then give the lease back: some servers end by the signal, without another chance.
        """
        self.is_draining = True
        forgets_at = self.now() + FAREWELL_S
        try:
            while self.hub.sockets.all or self.connections:
                # Also those that were just being opened.
                for connection in list(self.hub.sockets.all):
                    connection.drain(random.randrange(RETURN_SPREAD_MS))
                await asyncio.sleep(0.05)
                if self.now() > forgets_at:
                    forget_waiting()
            for part in self._parts.values():
                await part.drain()
        finally:
            await in_hub_database(lease.release)

    # --- connections and what follows them --------------------------------------------------

    def part(self, kind: type[P]) -> P:
        """Return this server's instance of a registered part."""
        return cast(P, self._parts[kind])

    def opened(self, connection: Connection) -> None:
        """Count a connection in, once it may be delivered to."""
        self.connections.add(connection)
        for part in self._parts.values():
            part.opened(connection)

    def changed(self, connection: Connection) -> None:
        """Note that a connection's rooms have changed."""
        if connection in self.connections:
            for part in self._parts.values():
                part.changed(connection)

    def closed(self, connection: Connection) -> None:
        """Count a connection out; one that was never counted in is no news."""
        if connection in self.connections:
            self.connections.discard(connection)
            for part in self._parts.values():
                try:
                    part.closed(connection, connection.ended[0])
                except Exception:  # The others must hear of it all the same.
                    logger.exception("%s could not let go.", type(part).__name__)

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def new_connection_id(self) -> str:
        """11 bytes as base64 without `/` and `+`: this process's four, and seven at random."""
        while True:
            name = base64.b64encode(lease.NODE + secrets.token_bytes(7)).decode()
            if "/" not in name and "+" not in name:
                return name

    async def _on_tick(self) -> None:
        lease.is_kept_by_hub.set()
        if not self.is_draining:
            await in_hub_database(lease.renew)
        for part in self._parts.values():
            try:
                await part.tick()
            except Exception as error:
                logger.warning("%s could not look after things: %s", type(part).__name__, error)
        await self._periodic.run_due()

    async def _beat_forever(self) -> None:
        looked_at = timezone.now()
        while True:
            await asyncio.sleep(HEARTBEAT_TICK_S)
            # The clock on the wall, as for the lease: a suspended machine's other one stands still.
            was_absent = timezone.now() - looked_at > timedelta(seconds=LEASE_SECONDS)
            looked_at = timezone.now()
            try:
                if was_absent:
                    self.begin_anew()
                self.look_at_heartbeats()
                await self.look_at_sessions()
            except Exception as error:
                logger.warning("The connections could not be looked after: %s", error)

    def begin_anew(self) -> None:
        """Send everybody off to come back: others have said that these connections are gone."""
        logger.warning("This process stood still beyond its lease; its connections are closed.")
        for connection in list(self.connections):
            connection.close(CloseCode.LEASE_OVER)
        for reader in list(self.hub.sockets.all):
            reader.drain(0)

    def look_at_heartbeats(self) -> None:
        """Send what is due, and close who has been silent for two heartbeats."""
        now = self.now()
        interval = settings.HEARTBEAT_MS / 1000
        for connection in list(self.connections):
            if connection.is_quiet or connection.is_closing:
                continue
            if now - connection.heard_at > 2 * interval - MARGIN_S:
                connection.close(CloseCode.HEARTBEAT_MISSED)
            elif now - connection.beat_at >= interval:
                connection.beat_at = now
                connection.beat()

    async def look_at_sessions(self) -> None:
        """Close what rests on a session whose time is over, unless that was put off."""
        now = timezone.now()
        for socket in list(self.hub.sockets.all):
            if socket.session_ends_at is not None and socket.session_ends_at <= now:
                socket.session_ends_at = await in_hub_database(session_end, socket.session_key)
                if socket.session_ends_at is None:
                    socket.revoke()
