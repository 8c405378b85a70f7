"""Real server processes of the product: started, stopped and killed by tests.

A `Site` is a database, perhaps a Redis, and the environment that leads a process to them. It makes
the people and rooms of a test, and any number of servers.
"""

import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.services.server import free_port

ROOT = Path(__file__).parents[2]
APPLICATION = "config.asgi:application"
COMMANDS = {
    "daphne": ["daphne", "--bind", "127.0.0.1", "--verbosity", "0"],
    "uvicorn": ["uvicorn", "--host", "127.0.0.1", "--lifespan", "off", "--log-level", "warning"],
}
# What the shell of whoever runs the tests may hold and no server should hear of.
FOREIGN = ("ALLOWED_HOSTS", "MEDIA_ROOT", "STATIC_ROOT", "TEST_DATA_DIR", "TRUSTED_ORIGINS")


class StartFailed(AssertionError):
    """A server did not come up; the message ends with what it said."""


@dataclass
class AppServer:
    """One server process on a port of its own; `start`, `terminate` and `kill` may alternate."""

    program: str
    folder: Path
    environment: dict[str, str]
    application: str = APPLICATION
    port: int = field(default_factory=free_port)
    popen: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def log_path(self) -> Path:
        return self.folder / f"{self.program}-{self.port}.log"

    @property
    def log(self) -> str:
        """What the process has said, all its lives included."""
        return self.log_path.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def start(self, deadline_s: float = 30) -> None:
        """Start the process and return when it can serve."""
        self.spawn()
        self.wait_until_ready(deadline_s)

    def spawn(self) -> None:
        """Start the process and return at once."""
        command = [sys.executable, "-m", *COMMANDS[self.program], "--port", str(self.port)]
        with self.log_path.open("ab") as log:
            self.popen = subprocess.Popen(
                [*command, self.application],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A session of its own: Ctrl-C is for the tests, which then end their servers.
                start_new_session=True,
            )

    def wait_until_ready(self, deadline_s: float = 30) -> None:
        deadline = time.monotonic() + deadline_s
        while not self.is_ready():
            if not self.is_running:
                raise StartFailed(f"{self.program} ended at its start:\n{self.log[-3000:]}")
            if time.monotonic() > deadline:
                raise StartFailed(f"{self.program} is not ready:\n{self.log[-3000:]}")
            time.sleep(0.05)

    def is_ready(self) -> bool:
        """Tell whether `/readyz` answers 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def wait_until_over(self, deadline_s: float = 20) -> int:
        """Return the exit status of a process that ends by itself."""
        assert self.popen is not None
        return self.popen.wait(deadline_s)

    def terminate(self, deadline_s: float = 20) -> int:
        """End the process in good order (SIGTERM) and return its exit status."""
        assert self.popen is not None
        self.popen.terminate()
        return self.wait_until_over(deadline_s)

    def kill(self) -> None:
        """End the process as a crash would: kill -9."""
        if self.popen is not None:
            self.popen.kill()
            self.popen.wait()

    def pause(self) -> None:
        """Let the process stand still, with its connections open."""
        assert self.popen is not None
        self.popen.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.popen is not None
        self.popen.send_signal(signal.SIGCONT)


@dataclass
class Site:
    """A database, perhaps a Redis, and a folder: what the servers of one site share."""

    folder: Path
    database_url: str
    redis_url: str = ""
    # Other variables of the servers' environment.
    variables: dict[str, str] = field(default_factory=dict)
    # Keeps sites that share a Redis apart.
    redis_prefix: str = field(default_factory=lambda: f"test-{secrets.token_hex(4)}")

    @property
    def environment(self) -> dict[str, str]:
        given = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        return given | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DEBUG": "1",
            "SECRET_KEY": "for-tests-only-" * 5,
            "DATA_DIR": str(self.folder),
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "REDIS_PREFIX": self.redis_prefix,
            **self.variables,
        }

    def migrate(self) -> None:
        self.run("manage.py", "migrate", "--verbosity", "0")

    def populate(self, people: list[str], rooms: dict[str, dict[str, Any]]) -> dict[str, str]:
        """Make people and rooms; return each person's bearer token. See `tests.live.people`."""
        wanted = json.dumps({"people": people, "rooms": rooms})
        tokens: dict[str, str] = json.loads(self.run("-m", "tests.live.people", wanted))
        return tokens

    def run(self, *arguments: str) -> str:
        """Run Python with the site's environment and return what it printed."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def server(self, program: str, application: str = APPLICATION) -> AppServer:
        """Return a server that is not started yet."""
        return AppServer(program, self.folder, self.environment, application)

    @contextmanager
    def serving(self, program: str, application: str = APPLICATION) -> Iterator[AppServer]:
        """Yield a server that is ready; whatever is left of it ends with the block."""
        server = self.server(program, application)
        try:
            server.start()
            yield server
        finally:
            server.kill()


@contextmanager
def new_database(postgres_url: str) -> Iterator[str]:
    """Yield the address of an empty database of its own; it is gone with the block."""
    name = f"live_{secrets.token_hex(6)}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            connection.execute(drop)
