"""The refusal to start on an untested server, and the time for goodbyes."""

import asyncio
import logging

import pytest

from config.hardening import draining, on_shutdown
from config.hardening.tested import UnsupportedServer, require


def test_a_tested_server_is_accepted() -> None:
    require({"daphne": "4.", "twisted": "26."}, [(asyncio.Queue, "get")])


def test_an_untested_version_is_refused_with_a_sentence() -> None:
    with pytest.raises(UnsupportedServer, match=r"tested with daphne 3\.1\.\*; this is daphne 4\."):
        require({"daphne": "3.1."}, [])


def test_a_missing_name_is_refused_with_a_sentence() -> None:
    with pytest.raises(UnsupportedServer, match=r"relies on Queue\.gone, which is not there"):
        require({"daphne": "4."}, [(asyncio.Queue, "get"), (asyncio.Queue, "gone")])


async def test_a_goodbye_that_fails_or_hangs_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(draining, "_callbacks", [])
    monkeypatch.setattr(draining, "DRAIN_S", 0.05)
    said: list[str] = []

    async def polite() -> None:
        said.append("goodbye")

    async def broken() -> None:
        raise ValueError("no voice")

    async def hanging() -> None:
        await asyncio.Event().wait()

    for callback in (hanging, broken, polite):
        on_shutdown(callback)
    with caplog.at_level(logging.WARNING):
        await draining.drain()
    assert said == ["goodbye"]
    assert "A callback of the shutdown failed" in caplog.text
    assert "cut short" in caplog.text
