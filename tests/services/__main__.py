"""Run a command with the services that tests need: `python -m tests.services -- command …`."""

import os
import sys

from tests.services import Unavailable, environment
from tests.services.command import exit_on_sigterm, run


def main(arguments: list[str]) -> int:
    """Run the command while the services are up; the result is its exit status."""
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    exit_on_sigterm()
    try:
        with environment() as variables:
            return run(command, os.environ | variables)
    except Unavailable as reason:
        print(reason, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
