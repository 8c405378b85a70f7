"""`python manage.py invoke_route --event file.json`: call a route's handler from the shell."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.errors import AppError
from chat.gateway.handlers.answers import Answer
from chat.gateway.handlers.invoking import HANDLER_TIMEOUT_S, invoke
from chat.gateway.handlers.routes import Route, load
from chat.realtime.envelope import encode
from chat.realtime.router import DEFAULT

STDIN = "-"


class Command(BaseCommand):
    help = (
        "Calls the handler of a route with an event, prints its answer as JSON, and exits with 0, "
        "with 4 for a status of 4xx, or with 5 for 5xx. What is missing in the event is the "
        "handler's to refuse."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--event", required=True, help="a file of JSON; - reads it from stdin")
        parser.add_argument(
            "--route", default="", help="the route's name; otherwise the event's own routeKey"
        )

    def handle(self, *args: Any, event: str, route: str, **options: Any) -> None:
        given = _read(event)
        try:
            routes = load()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        found = _find(routes, route or _key(given))
        try:
            answer = asyncio.run(invoke(found, given, timeout_s=HANDLER_TIMEOUT_S))
        except AppError as error:
            self.stdout.write(_printed(error.status, {"message": str(error)}))
            sys.exit(5)
        self.stdout.write(_printed(answer.status, _body(answer)))
        if answer.is_refusal:
            sys.exit(answer.status // 100)


def _read(path: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if path == STDIN else Path(path).read_text()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError(f"{path} is no text in UTF-8.") from None
    try:
        event = json.loads(text)
    except ValueError as error:
        raise CommandError(f"{path} is no JSON: {error}.") from None
    if not isinstance(event, dict):
        raise CommandError(f"{path} must be a JSON object.")
    return event


def _key(event: dict[str, Any]) -> str:
    """The route that the event names, if it names one."""
    context = event.get("requestContext")
    key = context.get("routeKey") if isinstance(context, dict) else None
    return key if isinstance(key, str) else ""


def _find(routes: Sequence[Route], key: str) -> Route:
    by_key = {route.key: route for route in routes}
    found = by_key.get(key) or by_key.get(DEFAULT)
    if found is None and len({route.source for route in routes}) == 1:
        found = routes[0]  # All of them are the same function's.
    if found is None:
        known = ", ".join(by_key) or "none: set ROUTES or ROUTES_DIR"
        asked = f"There is no route {key}" if key else "The event names no route; use --route"
        raise CommandError(f"{asked}. Mounted: {known}.")
    return found


def _body(answer: Answer) -> Any:
    return answer.content if isinstance(answer.raw, bytes) else answer.raw


def _printed(status: int, body: Any) -> str:
    return encode({"statusCode": status, "body": body})
