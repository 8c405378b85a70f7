"""One private server process on 127.0.0.1 that tests may stop, kill and start again."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO


class Unavailable(Exception):
    """A service is not to be had on this machine; the message says what to do about it."""


@dataclass
class Server:
    """A server program, its directory and its address. `start` and `stop` may alternate freely."""

    name: str
    url: str
    command: list[str]
    directory: Path
    is_ready: Callable[[], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    user: str | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self, deadline_s: float = 20) -> None:
        """Start the program and return when it answers."""
        deadline = time.monotonic() + deadline_s
        self._spawn()
        while not self.is_ready():
            if time.monotonic() > deadline:
                self.kill()
                log = self._log.read_text(errors="replace")[-2000:]
                raise Unavailable(f"{self.name} did not start within {deadline_s} s:\n{log}")
            if self._process is None or self._process.poll() is not None:
                # After a kill -9, PostgreSQL refuses to start until its orphans have noticed.
                time.sleep(0.3)
                self._spawn()
            time.sleep(0.02)

    def stop(self, deadline_s: float = 20, *, by: signal.Signals | None = None) -> None:
        """End the program in good order, or `by` another signal; by force if it takes long."""
        if self._process is None:
            return
        self._process.send_signal(by or self.stop_signal)
        try:
            self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End the program as a crash would: kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Let the program stand still, so that it neither answers nor closes connections."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    @property
    def _log(self) -> Path:
        return self.directory / "log"

    def _spawn(self) -> None:
        with self._log.open("ab") as log:
            self._process = spawn(self.command, self.directory, log, self.user)


def spawn(
    command: list[str], directory: Path, output: IO[bytes], user: str | None
) -> subprocess.Popen[bytes]:
    """Start a program in a directory, as that user; None is whoever we are."""
    return subprocess.Popen(
        command,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        # A session of its own: Ctrl-C is for the tests, which then end their servers.
        start_new_session=True,
        user=user,
        group=None if user is None else pwd.getpwnam(user).pw_gid,
        extra_groups=None if user is None else [],
    )


def unprivileged_user() -> str | None:
    """Return whom to run as a server that refuses to be root; None when we are not root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in names:
            return name
    raise Unavailable("PostgreSQL does not run as root, and there is no user postgres or nobody.")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def private_directory(owner: str | None = None) -> Iterator[Path]:
    """Yield a directory that only its owner can read; it is gone with the block."""
    path = Path(tempfile.mkdtemp(prefix="picturegram-"))
    try:
        if owner is not None:
            shutil.chown(path, owner, pwd.getpwnam(owner).pw_gid)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
