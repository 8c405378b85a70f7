"""The composition root as an app: management commands, and what a request leaves behind."""

from typing import Any

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.core.signals import request_finished
from django.db import connections

from config.echo import check_echo_is_local


class ConfigConfig(AppConfig):
    name = "config"
    label = "composition"

    def ready(self) -> None:
        request_finished.connect(close_connections)
        register(check_echo_is_local, Tags.security)


def close_connections(**kwargs: Any) -> None:
    """Close what a request opened: under ASGI its thread ends with it, and nobody else would.

    SQLite connections would pile up until the garbage collector comes; those of sockets stay
    open in their pool of threads.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
