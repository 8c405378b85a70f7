"""What the servers under PictureGram lack, put right in one place.

`config/asgi.py` calls `install()` before it builds the application: the daphne and uvicorn
commands import the application first and build their server afterwards. Each server's module
holds the table of the names it relies on and why; ADR 0006 holds the figures.

The application sees one addition to ASGI: where `"picturegram.abort"` is in the extensions of a
socket's scope, `send({"type": "picturegram.abort"})` drops the connection at once, whatever is
still unsent.
"""

import sys
from importlib import import_module

from config.hardening.bodies import BodyLimit
from config.hardening.draining import on_shutdown
from config.hardening.limits import BODY_BYTES_MAX, MESSAGE_BYTES_MAX, Limits
from config.hardening.tested import UnsupportedServer

__all__ = [
    "BODY_BYTES_MAX",
    "MESSAGE_BYTES_MAX",
    "BodyLimit",
    "UnsupportedServer",
    "install",
    "on_shutdown",
]

SERVERS = ("daphne", "uvicorn")


def install(
    *, message_bytes_max: int = MESSAGE_BYTES_MAX, body_bytes_max: int = BODY_BYTES_MAX
) -> tuple[str, ...]:
    """Harden the server that this process has loaded, and return its name.

    Only a server that is already imported is touched: importing daphne would give a uvicorn
    process a second event loop. Doing it twice is harmless.

    Raises:
        UnsupportedServer: The server is not one this was tested with.

    """
    limits = Limits(message_bytes_max=message_bytes_max, body_bytes_max=body_bytes_max)
    loaded = tuple(name for name in SERVERS if f"{name}.server" in sys.modules)
    for name in loaded:
        import_module(f"config.hardening.{name}_server").install(limits)
    return loaded
