"""What `manage.py check` says about settings that work at first and fail later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured

from chat.gateway.handlers import routes

# Seconds that channels_redis.core waits inside one BZPOPMIN.
BLOCKING_READ_S = 5
# What redis-py takes when it is told nothing.
DEFAULT_SOCKET_TIMEOUT_S = 5
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]", "::1", ".localhost"})


@register(Tags.compatibility)
def check_layer_timeout(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Refuse the core Redis layer with a socket timeout that its own waiting reaches.

    Each idle socket would be closed with 1011 after five seconds.
    """
    messages: list[CheckMessage] = []
    layers: dict[str, dict[str, Any]] = settings.CHANNEL_LAYERS
    for alias, layer in layers.items():
        if not layer["BACKEND"].startswith("channels_redis.core."):
            continue
        for host in layer.get("CONFIG", {}).get("hosts", ["redis://localhost:6379"]):
            options = host if isinstance(host, dict) else {}
            timeout = options.get("socket_timeout", DEFAULT_SOCKET_TIMEOUT_S)
            if timeout is not None and timeout <= BLOCKING_READ_S:
                messages.append(
                    Error(
                        f"The channel layer {alias!r} waits {BLOCKING_READ_S} s for a message, and "
                        f"its socket_timeout is {timeout} s: every idle socket would be closed.",
                        hint="Use channels_redis.pubsub, or set a socket_timeout of 8 or more.",
                        id="chat.E001",
                    )
                )
    return messages


@register(Tags.security)
def check_debug_is_local(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Warn when the world may reach a server that shows its tracebacks and settings."""
    foreign = sorted(set(settings.ALLOWED_HOSTS) - LOCAL_HOSTS)
    if not settings.DEBUG or not foreign:
        return []
    return [
        Warning(
            f"DEBUG is on and ALLOWED_HOSTS names {', '.join(foreign)}: whoever reaches the "
            "server can read its settings from an error page, and the demo's passwords are known.",
            hint="Turn DEBUG off where others can reach the server.",
            id="chat.W001",
        )
    ]


@register(Tags.compatibility)
def check_routes(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of routes with which no server starts; commands must work all the same."""
    try:
        routes.load()
    except ImproperlyConfigured as error:
        return [Warning(str(error), hint="See ROUTES in docs/handlers.md.", id="chat.W002")]
    return []
