"""Who may have the echo route, and whom it answers."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from config.echo import check_echo_is_local, is_local, refuse_in_public


@pytest.mark.parametrize(("debug", "trust_proxy"), [(False, False), (False, True), (True, True)])
def test_where_others_may_reach_it_the_echo_route_is_refused(
    settings: Settings, debug: bool, trust_proxy: bool
) -> None:
    settings.ECHO_ROUTE, settings.DEBUG, settings.TRUST_PROXY = True, debug, trust_proxy
    assert [message.id for message in check_echo_is_local(None)] == ["config.E001"]
    with pytest.raises(ImproperlyConfigured, match="ECHO_ROUTE=1 opens /ws/echo/"):
        refuse_in_public()


@pytest.mark.parametrize(("is_wanted", "debug"), [(True, True), (False, True), (False, False)])
def test_in_a_test_and_where_nobody_wants_it_all_is_well(
    settings: Settings, is_wanted: bool, debug: bool
) -> None:
    settings.ECHO_ROUTE, settings.DEBUG, settings.TRUST_PROXY = is_wanted, debug, False
    assert check_echo_is_local(None) == []
    refuse_in_public()


@pytest.mark.parametrize(
    ("client", "header", "expected"),
    [
        (["127.0.0.1", 5000], b"origin", True),
        (("127.8.9.1", 5000), b"origin", True),
        (["::1", 5000], b"origin", True),
        (["192.168.1.7", 5000], b"origin", False),
        (["2001:db8::1", 5000], b"origin", False),
        (["localhost.example.org", 5000], b"origin", False),
        (["", 0], b"origin", False),
        (None, b"origin", False),  # A unix socket: who is behind it cannot be told.
        (["127.0.0.1", 5000], b"x-forwarded-for", False),
        (["127.0.0.1", 5000], b"forwarded", False),
        (["127.0.0.1", 5000], b"via", False),
    ],
)
def test_only_programs_of_this_machine_are_local(
    client: Any, header: bytes, expected: bool
) -> None:
    scope = {"client": client, "headers": [(b"host", b"127.0.0.1"), (header, b"x")]}
    assert is_local(scope) is expected
