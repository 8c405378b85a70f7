"""Validate the AsyncAPI description; compare what socket and REST promise with what they promised.

`python -m tests.contract` checks; `python -m tests.contract write` also notes what was added, and
refuses to take anything back.
"""

from __future__ import annotations

import os
import sys

import django


def main(arguments: list[str]) -> int:
    """Return 1 for an unlawful description, a broken promise, or what was added and not noted."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from tests.contract.snapshots import SNAPSHOTS  # noqa: PLC0415  (needs the apps)
    from tests.contract.validity import problems  # noqa: PLC0415

    is_writing = arguments == ["write"]
    unlawful = problems()
    for problem in unlawful:
        print(f"The description is not AsyncAPI: {problem}")
    status = 1 if unlawful else 0
    for snapshot in SNAPSHOTS:
        broken = snapshot.broken()
        for sentence in broken:
            print(f"{snapshot.path.name}: {sentence}")
        if broken:
            print(f"{snapshot.path.name}: the contract changes by addition only.")
            status = 1
        elif is_writing:
            snapshot.write()
        elif not snapshot.is_current():
            print(f"{snapshot.path.name}: the contract has grown. Note it with `make contract`.")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
