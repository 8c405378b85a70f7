"""A Chromium for browser tests: named by CHROMIUM, found on the machine, or its system package."""

import os
import shutil
from pathlib import Path

from tests.services import packages
from tests.services.server import Unavailable

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# Programs outside PATH: those of macOS, and what `playwright install chromium` has downloaded.
_PATTERNS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "~/.cache/ms-playwright/chromium-*/chrome-linux*/chrome",
    "~/Library/Caches/ms-playwright/chromium-*/chrome-mac*/*.app/Contents/MacOS/*",
)
# No sandbox: root cannot have one, and the pages are our own. The rest keeps it off the network.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_path() -> str:
    """Return the path of a Chromium or Chrome, installing one where that is permitted."""
    if given := os.environ.get("CHROMIUM"):
        if not os.access(given, os.X_OK):
            raise Unavailable(f"CHROMIUM names {given}, which is not a program.")
        return given
    if found := _system_program():
        return found
    # Reactions are emoji: without a font for them every one is the same empty box.
    if packages.install("chromium", "fonts-noto-color-emoji") and (found := _system_program()):
        return found
    raise Unavailable(
        "Chromium is missing: install Chromium or Chrome (Debian: apt install chromium), or run "
        "`.venv/bin/python -m playwright install chromium`, or set CHROMIUM=/path/to/chrome. "
        "There is no wheel of it."
    )


def _system_program() -> str | None:
    for name in _NAMES:
        if path := shutil.which(name):
            return path
    for pattern in _PATTERNS:
        absolute = str(Path(pattern).expanduser())
        for found in sorted(Path("/").glob(absolute[1:]), reverse=True):
            if os.access(found, os.X_OK):
                return str(found)
    return None
