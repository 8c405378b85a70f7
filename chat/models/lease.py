"""Which server processes are alive."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.utils import timezone

# A process renews its lease every 2 s; without renewal for this long it counts as gone.
LEASE_SECONDS = 15


class LeaseQuerySet(models.QuerySet["Lease"]):
    def alive(self) -> LeaseQuerySet:
        return self.filter(renewed_at__gt=timezone.now() - timedelta(seconds=LEASE_SECONDS))

    def over(self) -> LeaseQuerySet:
        return self.filter(renewed_at__lte=timezone.now() - timedelta(seconds=LEASE_SECONDS))


class Lease(models.Model):
    """A server process, renewed by its hub."""

    # Random, new at each start.
    node = models.CharField(max_length=16, primary_key=True)
    # For telling a dead process from a running one on the same machine.
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    # False means that the process hears no other one.
    is_shared = models.BooleanField()
    started_at = models.DateTimeField(auto_now_add=True)
    renewed_at = models.DateTimeField()

    objects = LeaseQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.node} ({self.host}:{self.pid})"
