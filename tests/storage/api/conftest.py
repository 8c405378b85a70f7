"""Clients of the REST API."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from chat.models import User
from tests.people import World


class Client(APIClient):
    """A program that speaks JSON."""

    def ask(self, method: str, path: str, body: Any = None, *, status: int, **extra: Any) -> Any:
        """Send a request, check the status of its answer, and return the answer's JSON."""
        response = self.send(method, path, body, **extra)
        assert response.status_code == status, response.content
        return response.json() if response.content else None

    def send(self, method: str, path: str, body: Any = None, **extra: Any) -> Any:
        """Send a request and return the whole answer."""
        return getattr(self, method.lower())(path, body, **extra)

    def refused(self, method: str, path: str, body: Any = None, **extra: Any) -> tuple[int, str]:
        """Send a request that is refused; return its status and code."""
        response = self.send(method, path, body, **extra)
        error = response.json()["error"]
        assert error["message"]
        assert error.keys() <= {"code", "message", "fields", "retry_after_ms"}
        return response.status_code, error["code"]


def client_of(user: User | None, **kwargs: Any) -> Client:
    """Return a client with a session of `user`, or an anonymous one."""
    client = Client(**kwargs)
    if user is not None:
        client.force_login(user)
    return client


def client_with(token: str) -> Client:
    """Return a client with an access key."""
    client = Client()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


@pytest.fixture
def as_alice(world: World) -> Client:
    return client_of(world.alice)


@pytest.fixture
def as_bob(world: World) -> Client:
    return client_of(world.bob)


@pytest.fixture
def as_charlie(world: World) -> Client:
    return client_of(world.charlie)


@pytest.fixture
def as_nobody(world: World) -> Client:
    return client_of(None)
