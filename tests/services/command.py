"""Runs a command to its end, or ends it in good order when we are told to stop."""

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    timeout_s: float | None = None,
    output: IO[bytes] | None = None,
) -> int:
    """Return the exit status of a command; `subprocess.TimeoutExpired` when it takes too long.

    Whatever ends the wait, the command gets half a minute to end its own servers before it is
    killed. Ctrl-C has reached it already, and a second one would cut its cleaning up short.
    Without `output` it writes where we do.
    """
    process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        return process.wait(timeout_s)
    except BaseException as reason:
        if not isinstance(reason, KeyboardInterrupt):
            process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
        raise


def exit_on_sigterm() -> None:
    """Make SIGTERM unwind the stack, so that what was started is ended.

    Shells let what they start behind a `&` ignore SIGINT, and so would all that we start.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
