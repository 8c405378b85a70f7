"""Settings that fail later are refused or warned of at start."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from chat.checks import check_debug_is_local, check_layer_timeout


def layers(backend: str, **host: Any) -> dict[str, Any]:
    hosts: list[Any] = [{"address": "redis://localhost", **host}]
    return {"default": {"BACKEND": backend, "CONFIG": {"hosts": hosts}}}


CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"


@pytest.mark.parametrize("host", [{}, {"socket_timeout": 5}, {"socket_timeout": 0.5}])
def test_the_core_layer_with_a_short_timeout_is_refused(
    settings: Settings, host: dict[str, Any]
) -> None:
    settings.CHANNEL_LAYERS = layers(CORE, **host)
    assert [message.id for message in check_layer_timeout(None)] == ["chat.E001"]


def test_the_core_layer_with_an_address_alone_is_refused(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": CORE, "CONFIG": {"hosts": ["redis://r"]}}}
    assert [message.id for message in check_layer_timeout(None)] == ["chat.E001"]


@pytest.mark.parametrize(
    ("backend", "host"),
    [
        (CORE, {"socket_timeout": 8}),
        (CORE, {"socket_timeout": None}),
        (PUBSUB, {"socket_timeout": 2}),
        ("channels.layers.InMemoryChannelLayer", {}),
    ],
)
def test_other_layers_and_long_timeouts_pass(
    settings: Settings, backend: str, host: dict[str, Any]
) -> None:
    settings.CHANNEL_LAYERS = layers(backend, **host)
    assert check_layer_timeout(None) == []


def test_debug_with_hosts_that_are_not_local_is_warned_of(settings: Settings) -> None:
    settings.DEBUG = True
    settings.ALLOWED_HOSTS = ["localhost", "pictures.example.org"]
    (message,) = check_debug_is_local(None)
    assert "pictures.example.org" in message.msg


@pytest.mark.parametrize(("debug", "host"), [(True, "127.0.0.1"), (False, "example.org")])
def test_local_debug_and_production_pass(settings: Settings, debug: bool, host: str) -> None:
    settings.DEBUG = debug
    settings.ALLOWED_HOSTS = [host]
    assert check_debug_is_local(None) == []
