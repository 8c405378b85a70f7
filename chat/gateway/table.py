"""The connections table of this process: its sockets as rows, for the admin and for presence.

Sockets open by the hundred in a moment, so nothing is written per socket: what has changed is
gathered and written in batches, on a thread of its own, so that neither requests nor the hub
wait. A row lives as long as its process's lease; see docs/adr/0008-connections-table.md.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from chat.gateway.attendance import Attendance, Place
from chat.gateway.mirror import Batch, Mirror
from chat.models import Connection as Row
from chat.models import Presence
from chat.models.lease import LEASE_SECONDS
from chat.realtime import lease
from chat.realtime.close_codes import CloseCode
from chat.realtime.connection import Connection
from chat.realtime.database import DatabaseFailure, in_background_database
from chat.realtime.parts import Part, part
from chat.realtime.server import Server

logger = logging.getLogger(__name__)

# Seconds that changes are gathered before they are written.
GATHER_S = 0.3
# Seconds before a database that failed is asked again.
RETRY_S = 1.0
# Rows of one transaction: on SQLite nobody else writes meanwhile.
BATCH_ROWS = 500
# Seconds between notes of who was heard.
HEARD_EVERY_S = 20.0
# Seconds that a row counts without being renewed, and between renewals.
TTL_S, RENEW_EVERY_S = 600, 200.0
# Seconds between sweeps of what dead processes left.
SWEEP_EVERY_S = 5.0
# Seconds without a tick after which others may have taken this process for dead.
LAPSE_S = LEASE_SECONDS / 2

# What a connection listens to beside its rooms: each returns members of `subscriptions`.
describers: list[Callable[[Connection], dict[str, Any]]] = []

# The layer's group of those who want to know where somebody came or went.
PRESENCE_GROUP = "presence"


@part
class ConnectionsTable(Part):
    """Writes this process's connections down."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.attendance = Attendance()
        self._node = lease.NODE.hex()
        self._connections: Mirror[Connection] = Mirror()
        self._presences: Mirror[Place] = Mirror()
        # Whether the table may differ from what was written, and has to be compared.
        self._is_doubtful = False
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._flushing: asyncio.Task[None] | None = None
        now = server.now()
        self._ticked_at = self._noted_at = self._renewed_at = now
        self._swept_at = -math.inf

    # --- following --------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        self._follow(connection)

    def changed(self, connection: Connection) -> None:
        self._follow(connection)

    def closed(self, connection: Connection, code: int | CloseCode) -> None:
        self._forget(connection)

    def _follow(self, connection: Connection) -> None:
        """Note it as it is now; one that is closing is delivered to no more, and is gone."""
        if connection.is_closing:
            self._forget(connection)
            return
        self._connections.put(connection.id, connection)
        self._attend(self.attendance.follow(connection, connection.rooms.values()))
        self._wake.set()

    def _forget(self, connection: Connection) -> None:
        self._connections.remove(connection.id)
        self._attend(self.attendance.follow(connection, ()))
        self._wake.set()

    def _attend(self, places: set[Place]) -> None:
        for place in places:
            if self.attendance.since(place) is None:
                self._presences.remove(self._key(place))
            else:
                self._presences.put(self._key(place), place)

    def _key(self, place: Place) -> str:
        return f"{self._node}.{place[0]}.{place[1]}"

    # --- life -------------------------------------------------------------------------------

    async def start(self) -> None:
        self._wake.set()  # Sweep at once: a crash may be why this process starts.
        self._flushing = asyncio.create_task(self._flush_forever())

    async def tick(self) -> None:
        now = self.server.now()
        if now - self._ticked_at > LAPSE_S:
            self._is_doubtful = True
        self._ticked_at = now
        if self._is_doubtful or now - self._swept_at > SWEEP_EVERY_S:
            self._wake.set()

    async def drain(self) -> None:
        await self._end_flushing()
        try:
            await self.flush()
            await in_background_database(_delete_node, self._node)
        except DatabaseFailure as error:
            logger.warning("The connections' rows are left to be swept: %s", error)

    async def stop(self) -> None:
        await self._end_flushing()
        await in_background_database(_nothing)  # What was being written is written.

    async def _end_flushing(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.gather(self._flushing, return_exceptions=True)

    # --- writing ----------------------------------------------------------------------------

    async def _flush_forever(self) -> None:
        is_failing = False
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_S)
            self._wake.clear()
            try:
                await self.flush()
                await self._look_after()
                is_failing = False
            except Exception as error:
                if not is_failing:
                    logger.warning("The connections' rows have to wait: %s", error)
                is_failing = True
                self._wake.set()
                await asyncio.sleep(RETRY_S)

    async def flush(self) -> None:
        """Write what has changed. Raises what the database raises; all is kept for the next."""
        async with self._writing:
            if self._is_doubtful:
                found = await in_background_database(_present, self._node)
                self._is_doubtful = False
                self._connections.compare(found[0])
                self._presences.compare(found[1])
            while await self._flush_batch():
                pass

    async def _flush_batch(self) -> bool:
        connections = self._connections.take(BATCH_ROWS)
        presences = self._presences.take(BATCH_ROWS)
        try:
            rows = [_row(each, self._node) for each in connections.saved.values()]
            present = [self._presence(*each) for each in presences.saved.items()]
            changes = rows, connections.deleted, present, presences.deleted
            if not any(changes):
                return False
            await in_background_database(_write, *changes)
        except BaseException:
            self._is_doubtful = True
            self._connections.fail(connections)
            self._presences.fail(presences)
            raise
        self._connections.settle(connections)
        self._presences.settle(presences)
        self._tell_presence(presences)
        return True

    def _presence(self, key: str, place: Place) -> Presence:
        since = self.attendance.since(place)
        assert since is not None, "Who is not there has no row."
        return Presence(key=key, node=self._node, room_id=place[0], user_id=place[1], since=since)

    def _tell_presence(self, batch: Batch[Place]) -> None:
        """Let every process look where somebody came or went."""
        room_ids = {room_id for room_id, _ in batch.saved.values()}
        room_ids |= {int(key.split(".")[1]) for key in batch.deleted}
        if room_ids:
            message = {"type": "presence.changed", "room_ids": sorted(room_ids)}
            self.server.hub.tell_group(PRESENCE_GROUP, message)

    async def _look_after(self) -> None:
        """Sweep, write down who was heard, and renew the rows, each when its time has come."""
        now = self.server.now()
        if now - self._swept_at > SWEEP_EVERY_S:
            self._swept_at = now
            await in_background_database(sweep)
        if now - self._noted_at > HEARD_EVERY_S:
            since, self._noted_at = self._noted_at, now
            connections = self._connections.wanted.items()
            heard = [key for key, each in connections if each.heard_at > since]
            # One time for all of them.
            await self._update(heard, last_active_at=timezone.now(), ttl=_ttl())
        if now - self._renewed_at > RENEW_EVERY_S:
            self._renewed_at = now
            self._is_doubtful = True
            await self._update(list(self._connections.wanted), ttl=_ttl())

    async def _update(self, keys: Sequence[str], **fields: Any) -> None:
        for chunk in _chunks(keys):
            await in_background_database(_update, chunk, fields)


def _nothing() -> None:
    pass


def _chunks(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(keys), BATCH_ROWS):
        yield keys[begin : begin + BATCH_ROWS]


def _ttl() -> int:
    return int(time.time()) + TTL_S


def _row(connection: Connection, node: str) -> Row:
    """The row as it should be now. A header may hold what a database does not take."""
    peer = connection.peer
    subscriptions: dict[str, Any] = {"rooms": sorted(connection.rooms)}
    for describe in describers:
        subscriptions |= describe(connection)
    return Row(
        connection_id=connection.id,
        user_id=connection.user_id,
        domain_name=peer.domain_name.replace("\0", "")[:255],
        source_ip=peer.source_ip.replace("\0", ""),
        user_agent=peer.user_agent.replace("\0", ""),
        connected_at=connection.connected_at,
        last_active_at=connection.last_active_at,
        subscriptions=subscriptions,
        ttl=_ttl(),
        node=node,
    )


def _present(node: str) -> tuple[list[str], list[str]]:
    """The keys of a process's rows as they are."""
    connections = Row.objects.on_node(node).values_list("pk", flat=True)
    presences = Presence.objects.on_node(node).values_list("pk", flat=True)
    return list(connections.order_by()), list(presences)


def _write(rows: list[Row], ended: list[str], present: list[Presence], absent: list[str]) -> None:
    """Write a batch, all of it or nothing."""
    with transaction.atomic():
        if ended:
            Row.objects.filter(pk__in=ended).delete()
        if absent:
            Presence.objects.filter(pk__in=absent).delete()
        Row.objects.bulk_create(
            rows,
            update_conflicts=True,
            update_fields=["last_active_at", "subscriptions", "ttl"],
            unique_fields=["connection_id"],
        )
        Presence.objects.bulk_create(
            present, update_conflicts=True, update_fields=["since"], unique_fields=["key"]
        )


def _update(keys: Sequence[str], fields: dict[str, Any]) -> None:
    Row.objects.filter(pk__in=keys).update(**fields)


def _delete_node(node: str) -> None:
    with transaction.atomic():
        Row.objects.on_node(node).delete()
        Presence.objects.on_node(node).delete()


def sweep() -> int:
    """Delete the rows of processes that are gone; return how many connections those were.

    Idempotent: every process does it. None sweeps its own rows, whatever became of its lease.
    """
    own = lease.NODE.hex()
    Presence.objects.lost().exclude(node=own).delete()
    count, _ = Row.objects.lost().exclude(node=own).delete()
    return count
