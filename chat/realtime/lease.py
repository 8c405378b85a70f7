"""The process's lease: who else serves this database, and may they?"""

from __future__ import annotations

import base64
import os
import secrets
import socket
import threading

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils import timezone

from chat.models import Lease


def new_node() -> bytes:
    """Four bytes that name a process; their base64 has no `/` and no `+`."""
    while True:
        node = secrets.token_bytes(4)
        if not set("/+") & set(base64.b64encode(node).decode()):
            return node


# This process. New at each start.
NODE = new_node()
# Set by the hub's first tick; until then the start-up's own thread renews the lease.
is_kept_by_hub = threading.Event()


def claim() -> None:
    """Take a lease for this process, or refuse to start beside one that could not be heard.

    Several servers hear each other through Redis; without it each would show only half of what
    happens. A lease whose process is dead counts for nothing.
    """
    with transaction.atomic():
        others = [lease for lease in Lease.objects.alive() if not _is_dead(lease)]
        if others and not (settings.REDIS_URLS and all(lease.is_shared for lease in others)):
            other = others[0]
            raise ImproperlyConfigured(
                f"Another server (process {other.pid} on {other.host}) uses this database. "
                "Several servers need Redis: set REDIS_URL for all of them, or stop the other."
            )
        Lease.objects.over().delete()
        renew()


def renew() -> None:
    """Say that this process lives."""
    Lease.objects.update_or_create(
        node=NODE.hex(),
        defaults={
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "is_shared": bool(settings.REDIS_URLS),
            "renewed_at": timezone.now(),
        },
    )


def release() -> None:
    Lease.objects.filter(node=NODE.hex()).delete()


def _is_dead(lease: Lease) -> bool:
    """Whether a process of this machine is gone; of others nothing is known here."""
    if lease.host != socket.gethostname():
        return False
    if lease.pid == os.getpid():
        return True  # an earlier process that had our number
    try:
        os.kill(lease.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
