"""Run the project's checks one after another and say how each ended and how long it took.

`python -m tests.check` runs all of them; names of checks or of groups choose some.
"""

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import IO

from tests import node
from tests.services import Unavailable, environment
from tests.services.command import exit_on_sigterm, run

ROOT = Path(__file__).parent.parent
PYTHON = [sys.executable, "-m"]
PYTEST = [*PYTHON, "pytest"]
MANAGE = [sys.executable, "manage.py"]
CODE = ["config", "chat", "posts", "tests", "clients/python", "examples", "manage.py"]
PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": secrets.token_urlsafe(64),
    "ALLOWED_HOSTS": "example.org",
}
# What an operator's shell may hold and no check should hear of.
FOREIGN = ("ALLOWED_HOSTS", "DATABASE_URL", "MEDIA_ROOT", "REDIS_URL", "SECRET_KEY", "STATIC_ROOT")


@dataclass(frozen=True)
class Check:
    """One command. `{NAME}` in a variable's value stands for a variable of the services."""

    name: str
    command: list[str] | Callable[[], list[str]]
    variables: dict[str, str] = field(default_factory=dict)
    # What it is about, from the repository's root; appended to a pytest.
    paths: tuple[str, ...] = ()
    # Seconds after which it is taken to hang.
    timeout_s: float = 900
    # Runs at the same time as the one before it, which it shares nothing with.
    is_beside: bool = False


# Two deployments that people use: one process by itself, and several with Redis and PostgreSQL.
EMBEDDED = {"DATABASE_URL": "", "REDIS_URL": ""}
SERVERS = {"DATABASE_URL": "{TEST_DATABASE_URL}", "REDIS_URL": "{TEST_REDIS_URL}"}
SHARED = ("tests/storage", "tests/socket")
# Real servers in both: wire and faults in the one, what programs do in the other.
PROGRAMS = "tests/live/gateway"
GROUPS = {
    "static": [
        Check("format", [*PYTHON, "ruff", "format", "--check", "--quiet", "."]),
        Check("lint", [*PYTHON, "ruff", "check", "--quiet", "."]),
        Check("types", [*PYTHON, "mypy", *CODE]),
        Check("imports", [str(Path(sys.executable).with_name("lint-imports"))]),
        Check("migrations", [*MANAGE, "makemigrations", "--check", "--dry-run"]),
        Check("deploy", [*MANAGE, "check", "--deploy", "--fail-level", "WARNING"], PRODUCTION),
        Check(
            "schema",
            [*MANAGE, "spectacular", "--validate", "--fail-on-warn", "--file", os.devnull],
        ),
        # AsyncAPI, and what may only grow.
        Check("contract", [*PYTHON, "tests.contract"]),
        Check("javascript-types", node.types_command, paths=("static/js",)),
    ],
    "tests": [
        Check("unit", PYTEST, paths=("tests/unit",)),
        Check("sqlite", PYTEST, EMBEDDED, paths=SHARED),
        Check("postgresql", PYTEST, SERVERS, paths=SHARED, is_beside=True),
        Check("live", [*PYTEST, "tests/live", f"--ignore={PROGRAMS}"], paths=("tests/live",)),
        Check("gateway", PYTEST, paths=(PROGRAMS,), is_beside=True),
        Check("browser", PYTEST, paths=("tests/browser",)),
        Check("javascript", node.test_command, paths=("tests/js",), is_beside=True),
    ],
    "scenario": [
        Check(
            "soak", [*PYTHON, "tests.scenarios.soak", "--short"], paths=("tests/scenarios/soak.py",)
        ),
        Check(
            "producers",
            [*PYTHON, "tests.scenarios.producers", "--short"],
            paths=("tests/scenarios/producers.py",),
        ),
    ],
    "fuzz": [
        Check("frames", [*PYTHON, "tests.fuzz", "--short"], paths=("tests/fuzz/__main__.py",)),
    ],
}


def chosen(names: list[str]) -> list[Check]:
    """Return the checks that the names of checks and groups stand for, in our order."""
    known = {*GROUPS, *(check.name for checks in GROUPS.values() for check in checks)}
    if unknown := set(names) - known:
        raise SystemExit(
            f"There is no check {', '.join(sorted(unknown))}. There are: "
            f"{', '.join(sorted(known))}."
        )
    return [
        check
        for group, checks in GROUPS.items()
        for check in checks
        if not names or group in names or check.name in names
    ]


def outcome(check: Check, variables: dict[str, str], output: IO[bytes] | None = None) -> str:
    """Run one check and return "ok", or what was wrong in a few words."""
    if absent := [path for path in check.paths if not (ROOT / path).exists()]:
        return f"FAILED: there is no {', '.join(absent)}"
    values = {name: value.format_map(variables) for name, value in check.variables.items()}
    try:
        command = check.command() if callable(check.command) else check.command
        if command is PYTEST:
            command = [*command, *check.paths]
        status = run(command, variables | values, timeout_s=check.timeout_s, output=output)
    except subprocess.TimeoutExpired:
        return f"FAILED: not done after {check.timeout_s:.0f} s"
    except (OSError, subprocess.CalledProcessError) as error:
        return f"FAILED: {error}"
    return "ok" if status == 0 else "FAILED"


def batches(checks: list[Check]) -> list[list[Check]]:
    """Return the checks in order; those of one batch run at the same time."""
    found: list[list[Check]] = []
    for check in checks:
        if check.is_beside and found:
            found[-1].append(check)
        else:
            found.append([check])
    return found


def run_batch(batch: list[Check], variables: dict[str, str]) -> list[tuple[str, str, float]]:
    """Run checks at the same time; return each one's name, outcome and seconds."""
    if len(batch) == 1:
        return [timed(batch[0], variables)]
    print(f"\n{', '.join(check.name for check in batch)} at the same time …", flush=True)
    with ExitStack() as stack:
        outputs = [stack.enter_context(tempfile.TemporaryFile()) for _ in batch]
        with ThreadPoolExecutor(len(batch)) as pool:
            found = list(pool.map(timed, batch, repeat(variables), outputs))
        for check, output in zip(batch, outputs, strict=True):
            print(f"\n── {check.name} ──", flush=True)
            output.seek(0)
            sys.stdout.buffer.write(output.read())
            sys.stdout.flush()
    return found


def timed(
    check: Check, variables: dict[str, str], output: IO[bytes] | None = None
) -> tuple[str, str, float]:
    if output is None:
        print(f"\n── {check.name} ──", flush=True)
    began = time.monotonic()
    result = outcome(check, variables, output)
    return check.name, result, time.monotonic() - began


def main(names: list[str]) -> int:
    """Run the chosen checks, all of them whatever the first ones say; 1 when any has failed."""
    checks = chosen(names)
    exit_on_sigterm()
    started = time.monotonic()
    results: list[tuple[str, str, float]] = []
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="picturegram-check-"))
        variables = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        variables |= {"DEBUG": "1", "DATA_DIR": scratch}
        if any(check not in GROUPS["static"] for check in checks):
            variables |= stack.enter_context(environment())
        for batch in batches(checks):
            results += run_batch(batch, variables)
    print()
    for name, result, took_s in results:
        print(f"{took_s:7.1f} s  {name:18}{result}")
    failed = [name for name, result, _ in results if result.startswith("FAILED")]
    verdict = f"FAILED: {', '.join(failed)}" if failed else "Everything passed"
    print(f"\n{verdict}, in {time.monotonic() - started:.0f} s.")
    return 1 if failed else 0


if __name__ == "__main__":
    os.chdir(ROOT)
    try:
        sys.exit(main(sys.argv[1:]))
    except Unavailable as reason:
        sys.exit(str(reason))
    except KeyboardInterrupt:
        sys.exit(130)
