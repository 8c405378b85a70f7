"""Server processes, as their leases tell of them."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import admin
from django.utils import timezone

from chat.admin.pages import ReadOnlyAdmin
from chat.models import Lease
from chat.models.lease import LEASE_SECONDS


@admin.register(Lease)
class LeaseAdmin(ReadOnlyAdmin[Lease]):
    list_display = ("node", "host", "pid", "is_alive", "is_shared", "started_at", "renewed_at")
    ordering = ("-renewed_at",)
    fields = list_display

    @admin.display(description="alive", boolean=True)
    def is_alive(self, lease: Lease) -> bool:
        return lease.renewed_at > timezone.now() - timedelta(seconds=LEASE_SECONDS)
