"""Clients of the REST API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from chat.models import User
from tests.people import World

Clients = Callable[[User | None], APIClient]


class Client(APIClient):
    """A signed-in or anonymous program that reads JSON."""

    def ask(self, method: str, path: str, body: Any = None, *, status: int, **extra: Any) -> Any:
        """Send a request, check its status, and return the JSON of its answer."""
        response = self.generic_json(method, path, body, **extra)
        assert response.status_code == status, response.content
        return response.json() if response.content else None

    def generic_json(self, method: str, path: str, body: Any = None, **extra: Any) -> Any:
        send = getattr(self, method.lower())
        return send(path, body, **extra) if body is not None else send(path, **extra)


def client_of(user: User | None) -> Client:
    """Return a client with a session of `user`, or an anonymous one."""
    client = Client()
    if user is not None:
        client.force_login(user)
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
