"""What a server process does before it takes connections."""

from __future__ import annotations

import atexit
import contextlib
import logging
import threading

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection

from chat.models.lease import LEASE_SECONDS
from chat.realtime import lease

logger = logging.getLogger(__name__)


def prepare() -> None:
    """Take the lease; refuse to start beside a server that could not be heard.

    Runs in a thread of its own, since some servers import the application on their event loop,
    where Django lets nobody touch the database.
    """
    failure: list[Exception] = []

    def claim() -> None:
        try:
            lease.claim()
        except DatabaseError as error:
            failure.append(
                ImproperlyConfigured(
                    f"The database cannot be used: {error}. "
                    "Is it running, and has `python manage.py migrate` been run?"
                )
            )
        except ImproperlyConfigured as error:
            failure.append(error)

    thread = threading.Thread(target=claim, name="claim")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    atexit.register(_release)
    threading.Thread(target=_keep, name="lease", daemon=True).start()


def _keep() -> None:
    """Renew the lease until there is a hub that does; it comes with the first connection."""
    while not lease.is_kept_by_hub.wait(LEASE_SECONDS / 3):
        try:
            lease.renew()
        except DatabaseError as error:
            logger.warning("The lease could not be renewed: %s", error)
        finally:
            connection.close()


def _release() -> None:
    """Give the lease back at an orderly end; after a kill it runs out by itself."""
    lease.is_kept_by_hub.set()
    with contextlib.suppress(DatabaseError):
        lease.release()
