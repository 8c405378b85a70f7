"""Playwright with the machine's own Chromium."""

import os

import pytest

from tests.services.chromium import ARGUMENTS

# Playwright runs an event loop in the main thread; Django would take the database set-up of a
# synchronous test there for blocking code in a coroutine.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


@pytest.fixture(scope="session")
def browser_type_launch_args(chromium: str) -> dict[str, object]:
    """Launch the Chromium of `tests.services` instead of one that Playwright downloads."""
    return {"executable_path": chromium, "args": ARGUMENTS}
