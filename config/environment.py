"""Typed settings from the environment, refused at start when bad."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"", "0", "false", "no", "off"})


class Environment:
    """Reads variables; every refusal names the variable and says what it wants."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self.variables = os.environ if variables is None else variables

    def text(self, name: str, default: str = "") -> str:
        return self.variables.get(name, default).strip()

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.variables.get(name)
        if value is None:
            return default
        if value.strip().lower() in TRUE:
            return True
        if value.strip().lower() in FALSE:
            return False
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")

    def integer(self, name: str, default: int, *, least: int = 0) -> int:
        value = self.text(name)
        if not value:
            return default
        if not value.isdecimal() or int(value) < least:
            raise ImproperlyConfigured(f"{name} must be a whole number ≥ {least}, not {value!r}.")
        return int(value)

    def items(self, name: str, default: str = "") -> list[str]:
        return [item.strip() for item in self.text(name, default).split(",") if item.strip()]

    def urls(self, name: str, *schemes: str) -> list[str]:
        """Read addresses separated by commas, each with one of `schemes`."""
        urls = self.items(name)
        for url in urls:
            if urlsplit(url).scheme not in schemes:
                raise ImproperlyConfigured(f"{name} must start with {schemes[0]}://, not {url!r}.")
        return urls

    def path(self, name: str, default: Path) -> Path:
        return Path(self.text(name) or default).expanduser().resolve()

    def secret_key(self, *, debug: bool, data_dir: Path) -> str:
        """Return SECRET_KEY; with DEBUG a random one is made once and kept in `data_dir`."""
        value = self.text("SECRET_KEY")
        if value:
            return value
        if not debug:
            raise ImproperlyConfigured(
                "SECRET_KEY must be set when DEBUG is off. For the data of `make run`, set DEBUG=1."
            )
        file = data_dir / "secret_key"
        if not file.exists():
            data_dir.mkdir(parents=True, exist_ok=True)
            temporary = data_dir / f"secret_key.{os.getpid()}"
            temporary.write_text(secrets.token_urlsafe(64))
            temporary.chmod(0o600)
            try:
                os.link(temporary, file)  # The first of several starting processes wins.
            except FileExistsError:
                pass
            finally:
                temporary.unlink()
        return file.read_text()

    def database(self, name: str, default: Path, *, pool_size: int) -> dict[str, Any]:
        """Return Django's settings for `sqlite:///path` or `postgres://user:pass@host:port/name`.

        A PostgreSQL URL may carry `?host=/directory` for a unix socket.
        """
        url = urlsplit(self.text(name))
        if url.scheme == "sqlite" or not self.text(name):
            return sqlite(Path(unquote(url.path[1:])) if url.path else default)
        if url.scheme in ("postgres", "postgresql"):
            options = dict(parse_qsl(url.query))
            return postgresql(
                name=unquote(url.path[1:]),
                user=unquote(url.username or ""),
                password=unquote(url.password or ""),
                host=options.get("host") or url.hostname or "",
                port=url.port or options.get("port") or "",
                pool_size=pool_size,
            )
        raise ImproperlyConfigured(f"{name} must start with sqlite:// or postgres://.")


def sqlite(path: Path) -> dict[str, Any]:
    """SQLite that is safe under concurrent writers.

    IMMEDIATE takes the write lock at BEGIN, where the busy timeout counts; a deferred
    transaction that turns into a writer fails at once instead. FULL, not NORMAL: what was
    acknowledged is on disk.
    """
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                "PRAGMA foreign_keys=ON; PRAGMA cache_size=-20000"
            ),
        },
    }


def postgresql(*, pool_size: int, **where: Any) -> dict[str, Any]:
    """PostgreSQL behind a pool that checks a connection before it lends it.

    The timeouts (milliseconds) end what would hold a room's lock: a statement, a wait for a
    lock, a transaction that its process forgot.
    """
    options = {
        # What was acknowledged is on disk, whatever the server's default is.
        "synchronous_commit": "on",
        "statement_timeout": 10_000,
        "lock_timeout": 5_000,
        "idle_in_transaction_session_timeout": 10_000,
    }
    return {
        "ENGINE": "django.db.backends.postgresql",
        **{key.upper(): value for key, value in where.items()},
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            # Waiting longer than `timeout` seconds for a connection is an error. Lost connections
            # are sought at growing intervals for `reconnect_timeout`, then anew when somebody
            # asks; psycopg's five minutes would leave a database that is back unnoticed for as
            # long as it was away.
            "pool": {"min_size": 0, "max_size": pool_size, "timeout": 5, "reconnect_timeout": 5},
            "options": " ".join(f"-c {key}={value}" for key, value in options.items()),
            "connect_timeout": 3,
        },
    }
