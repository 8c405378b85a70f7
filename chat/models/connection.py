"""The connections table: who is connected now, to which process, and present in which rooms.

Rows belong to the process that holds the sockets: it alone writes them, in batches
(`chat.gateway.table`). What a dead process leaves behind is swept by the others.
"""

from __future__ import annotations

import time

from django.conf import settings
from django.db import models
from django.db.models import Q

from chat.models.lease import Lease


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def on_node(self, node: str) -> ConnectionQuerySet:
        return self.filter(node=node)

    def lost(self) -> ConnectionQuerySet:
        """Rows that nobody looks after: their process is gone, or has forgotten them."""
        living = Lease.objects.alive().values("node")
        return self.filter(~Q(node__in=living) | Q(ttl__lte=int(time.time())))


class Connection(models.Model):
    """A socket that is open, as its process wrote it down last."""

    # As in `hello` and in the connections API; its first four bytes are the node.
    connection_id = models.CharField(max_length=16, primary_key=True)
    # Without a constraint: one account that is deleted must not fail everybody's batch.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        db_constraint=False,
        related_name="connections",
    )
    # The host that was asked for, with its port.
    domain_name = models.CharField(max_length=255)
    source_ip = models.CharField("address", max_length=64)
    user_agent = models.CharField(max_length=200)
    connected_at = models.DateTimeField()
    # When the peer was last heard, to some 20 seconds; the process itself knows it exactly.
    last_active_at = models.DateTimeField()
    # What it listens to: `{"rooms": [slugs], …}`.
    subscriptions = models.JSONField(default=dict)
    # Seconds since 1970: a row that is not renewed until then may be swept.
    ttl = models.BigIntegerField()
    # The process that holds it, as in its lease.
    node = models.CharField(max_length=16)

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        ordering = ("-connected_at", "connection_id")
        indexes = (
            # The rows of one process, when it compares them with its sockets, and when it ends.
            models.Index(fields=("node",), name="connection_node"),
            # The list in the admin, newest first.
            models.Index(fields=("connected_at",), name="connection_connected_at"),
        )

    def __str__(self) -> str:
        return self.connection_id


class PresenceQuerySet(models.QuerySet["Presence"]):
    def on_node(self, node: str) -> PresenceQuerySet:
        return self.filter(node=node)

    def alive(self) -> PresenceQuerySet:
        return self.filter(node__in=Lease.objects.alive().values("node"))

    def lost(self) -> PresenceQuerySet:
        return self.exclude(node__in=Lease.objects.alive().values("node"))


class Presence(models.Model):
    """A person who listens to a room through one process, with however many sockets."""

    # `node.room.user`, so that a batch names its rows in one list.
    key = models.CharField(max_length=64, primary_key=True)
    node = models.CharField(max_length=16)
    # Plain numbers, as in the log's rows: what they name may be deleted at any moment.
    room_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    # When the first of the sockets came that are there now.
    since = models.DateTimeField()

    objects = PresenceQuerySet.as_manager()

    class Meta:
        indexes = (
            # Who is in these rooms?
            models.Index(fields=("room_id",), name="presence_room"),
            # The rows of one process, as above.
            models.Index(fields=("node",), name="presence_node"),
        )

    def __str__(self) -> str:
        return f"user {self.user_id} in room {self.room_id} at {self.node}"
