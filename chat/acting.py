"""Who is acting, for the `actor` of events and for sparing the acting session.

Saves happen in the admin, in REST, on sockets and in the shell; none of them hands the model
an actor, so it travels in a context variable that Django's thread hand-overs carry along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse

# The session's own name, kept inside it; unlike the cookie's key it survives a key change.
SESSION_NAME = "session_name"


@dataclass(frozen=True, slots=True)
class Acting:
    user_id: int | None = None
    session_name: str = ""


NOBODY = Acting()
_acting: ContextVar[Acting] = ContextVar("acting", default=NOBODY)


def acting_now() -> Acting:
    return _acting.get()


@contextmanager
def acting(user_id: int | None, session_name: str = "") -> Iterator[None]:
    """Let saves inside the block be this user's."""
    token = _acting.set(Acting(user_id, session_name))
    try:
        yield
    finally:
        _acting.reset(token)


def act_as(user_id: int, session_name: str = "") -> None:
    """Let the rest of the request be this user's; ActingMiddleware ends it with the request."""
    _acting.set(Acting(user_id, session_name))


class ActingMiddleware:
    """Marks everything a request does as done by its user."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        session_name = request.session.get(SESSION_NAME, "")
        user_id = request.user.pk if session_name else None
        with acting(user_id, session_name):
            return self.get_response(request)
