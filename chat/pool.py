"""Nobody keeps a connection of the database's pool while doing something else.

The pool is small, and a process whose pool is empty can neither post nor catch up. Django keeps a
request's connection until the answer has been read, however slowly that goes.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection
from django.http import HttpRequest, HttpResponse


def give_back() -> None:
    """Give this thread's connection back; the next query takes another. No-op in a transaction."""
    if not connection.in_atomic_block:
        connection.close()


class GiveBackMiddleware:
    """Gives the connection back when the answer is made, not when it has been read."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not connection.in_atomic_block:  # as in tests, whose transaction spans requests
            connection.close_if_unusable_or_obsolete()
        return response
