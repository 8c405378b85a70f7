"""The files that hold what has been promised."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.contract.compatibility import Schema, rest_breaks, socket_breaks
from tests.contract.promises import rest_promises, socket_promises

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Snapshot:
    """One file, what stands for it now, and how the two are compared."""

    path: Path
    promises: Callable[[], Schema]
    breaks: Callable[[Schema, Schema], list[str]]

    def read(self) -> Schema:
        """Return what has been promised; nothing where there is no file yet."""
        found: Schema = json.loads(self.path.read_text()) if self.path.exists() else {}
        return found

    def broken(self) -> list[str]:
        """Return what was promised and does not hold any more."""
        old = self.read()
        return self.breaks(old, self.promises()) if old else []

    def is_current(self) -> bool:
        return self.read() == self.promises()

    def write(self) -> None:
        text = json.dumps(self.promises(), indent=1, sort_keys=True, ensure_ascii=False)
        self.path.write_text(f"{text}\n")


SNAPSHOTS = [
    Snapshot(FOLDER / "socket.json", socket_promises, socket_breaks),
    Snapshot(FOLDER / "rest.json", rest_promises, rest_breaks),
]
