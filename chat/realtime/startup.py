"""What a server process does before it takes connections."""

from __future__ import annotations

import atexit
import contextlib
import threading

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from chat.realtime import lease


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


def _release() -> None:
    """Give the lease back at an orderly end; after a kill it runs out by itself."""
    with contextlib.suppress(DatabaseError):
        lease.release()
