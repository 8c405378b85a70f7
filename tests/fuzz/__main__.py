"""Try frames against a daphne and a uvicorn, and say how many, and what became of them."""

import argparse
import os
import secrets
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import django

from tests.fuzz.target import VARIABLES, Target
from tests.fuzz.trial import Trial
from tests.live.servers import Site, new_database
from tests.services import Unavailable, database_url, redis_url
from tests.services.command import exit_on_sigterm

SECONDS, SHORT_SECONDS = 240.0, 16.0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--short", action="store_true", help=f"{SHORT_SECONDS:.0f} s, for CI")
    parser.add_argument("--seconds", type=float, help="how long, both servers together")
    parser.add_argument("--seed", type=int, help="of an earlier run, to see the same again")
    parser.add_argument("--server", choices=["daphne", "uvicorn"], help="only this one")
    chosen = parser.parse_args(arguments)
    exit_on_sigterm()
    number = secrets.randbits(32) if chosen.seed is None else chosen.seed
    seconds = chosen.seconds or (SHORT_SECONDS if chosen.short else SECONDS)
    programs = [chosen.server] if chosen.server else ["daphne", "uvicorn"]
    print(f"seed {number}", flush=True)
    failed = []
    with tempfile.TemporaryDirectory(prefix="picturegram-fuzz-") as scratch:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "tests.settings", "TEST_DATA_DIR": scratch}
        django.setup()
        for program in programs:
            with ExitStack() as stack:
                site = _site(program, Path(scratch), stack)
                site.migrate()
                server = stack.enter_context(site.serving(program))
                trial = Trial(Target.of(site, server), number, shrinks=not chosen.short)
                if not trial.run(seconds / len(programs)):
                    failed.append(program)
    print(f"FAILED: {', '.join(failed)} (seed {number})" if failed else "Everything held.")
    return 1 if failed else 0


def _site(program: str, folder: Path, stack: ExitStack) -> Site:
    """Return a deployment that people use: by itself, or with PostgreSQL and Redis."""
    folder = folder / program
    folder.mkdir()
    if program == "daphne":
        return Site(folder, "", variables=VARIABLES)
    database = stack.enter_context(new_database(stack.enter_context(database_url())))
    return Site(folder, database, stack.enter_context(redis_url()), VARIABLES)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Unavailable as reason:
        sys.exit(str(reason))
    except KeyboardInterrupt:
        sys.exit(130)
