"""`python manage.py start`: everything from an empty folder to a server that listens."""

from __future__ import annotations

import errno
import socket
from functools import partial
from pathlib import Path
from typing import Any

from daphne.endpoints import build_endpoint_description_strings
from daphne.server import Server
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils.module_loading import import_string

from chat.models import User
from posts.demo.make import is_wanted
from posts.demo.story import PASSWORD, PEOPLE

PORT_MAX = 65535
# Addresses that mean every interface; a browser is shown this machine's own.
EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104


class Command(BaseCommand):
    help = (
        "Prepares the database, makes the demo on a first start with DEBUG, and serves with "
        "daphne in this process until Ctrl-C or SIGTERM."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on")

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        _refuse_taken_port(host, port)
        try:
            self._prepare()
        except KeyboardInterrupt:
            raise CommandError("Stopped. The next start goes on from here.") from None
        except OperationalError as error:
            raise CommandError(f"The database cannot be used: {error}") from None
        self._serve(host, port)

    def _prepare(self) -> None:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self.stdout.write("Preparing the database.")
            self.stdout.flush()
            call_command("migrate", verbosity=0, interactive=False)
        if settings.DEBUG and is_wanted():
            call_command("demo", stdout=self.stdout)
        # The server's threads open their own.
        connections.close_all()

    def _serve(self, host: str, port: int) -> None:
        try:
            application = import_string(settings.ASGI_APPLICATION)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        server = Server(
            application=application,
            endpoints=build_endpoint_description_strings(host=host, port=port),
            # daphne would end each socket after a day, with a code that says it is final.
            websocket_timeout=-1,
        )
        server.ready_callable = partial(self._announce, host, server.listening_addresses)
        server.run()
        if server.abort_start:
            raise CommandError(f"Nothing can listen on {host} port {port}.")
        self.stdout.write("Stopped.")

    def _announce(self, host: str, listening: list[tuple[str, int]]) -> None:
        """Say where to go; called when the port is open."""
        name = EVERYWHERE.get(host, f"[{host}]" if ":" in host else host)
        address = f"http://{name}:{listening[0][1]}/"
        lines = [("PictureGram", address), ("Admin", f"{address}admin/")]
        if settings.DEBUG and User.objects.filter(username=PEOPLE[0].username).exists():
            names = ", ".join(person.username for person in PEOPLE)
            lines.append(("Sign in as", f"{names}; the password is {PASSWORD}"))
        connections.close_all()
        lines += [("Data", _whereabouts()), ("Stop", "Ctrl-C")]
        self.stdout.write("")
        for title, content in lines:
            self.stdout.write(f"  {title:<13}{content}")
        self.stdout.write("")
        self.stdout.flush()


def _refuse_taken_port(host: str, port: int) -> None:
    """Say so now, not after the demo has been made."""
    if not 0 <= port <= PORT_MAX:
        raise CommandError(f"There is no port {port}; they end at {PORT_MAX}.")
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise CommandError(_refusal(error, host, port)) from None


def _refusal(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use by another program. Choose one: make run PORT={port + 1}"
    if error.errno == errno.EACCES:
        return f"Port {port} is not for everybody. Choose one above 1023: make run PORT=8000"
    return f"Nothing can listen on {host} port {port}: {error}"


def _whereabouts() -> str:
    database = settings.DATABASES["default"]
    media = _short(settings.MEDIA_ROOT)
    if connection.vendor == "sqlite":
        return f"{_short(database['NAME'])}, pictures in {media}"
    where = database["HOST"] or "this machine"
    return f"{connection.display_name} database {database['NAME']} on {where}, pictures in {media}"


def _short(path: str | Path) -> str:
    """Relative to where the command was started, if it lies there."""
    absolute = Path(path).resolve()
    here = Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)
