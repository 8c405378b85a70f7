"""Which routes an operator has named, and the functions behind them.

`ROUTES` names them one by one, `ROUTES_DIR` is a folder with a file for each. Everything that is
wrong with them is said at start, in a sentence that names the route.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from chat.gateway.handlers.endpoint import Endpoint
from chat.realtime.router import DEFAULT, router

# Called with the event and the context; may be a coroutine function.
Handler = Callable[[dict[str, Any], Any], Any]

CONNECT = "$connect"
DISCONNECT = "$disconnect"
# What files of ROUTES_DIR are called that stand for the server's own routes.
FILES = {"connect": CONNECT, "disconnect": DISCONNECT, "default": DEFAULT}
# The package that the files of ROUTES_DIR are modules of.
PACKAGE = "picturegram_routes"
# At the end of a name in ROUTES: the answer goes to the caller in any case.
TWO_WAY = "!"
KEY = re.compile(r"\$(connect|disconnect|default)|[^\s$,=!][^\s,=!]{0,127}")


@dataclass(frozen=True, slots=True)
class Route:
    """One route and the function that answers it."""

    # The `action` of the messages that it answers, or one of the server's own.
    key: str
    handler: Handler
    is_two_way: bool
    # Where the handler comes from, for people.
    source: str

    @property
    def is_async(self) -> bool:
        handler = self.handler
        return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
            type(handler).__call__
        )


def load() -> list[Route]:
    """Return the routes that the settings name. Raises ImproperlyConfigured."""
    found: dict[str, Route] = {}
    for route in (*_named(settings.ROUTES), *_filed(settings.ROUTES_DIR)):
        if not KEY.fullmatch(route.key):
            raise _refusal(
                route.key,
                "a name has up to 128 characters without spaces; with $ there are only "
                "$connect, $disconnect and $default",
            )
        if route.key in router.actions:
            raise _refusal(route.key, "the server has an action of that name")
        if route.key in found:
            raise _refusal(route.key, f"both {found[route.key].source} and {route.source} want it")
        if route.is_two_way and route.key in (CONNECT, DISCONNECT):
            raise _refusal(route.key, "it cannot be two-way: nobody waits for its answer")
        found[route.key] = route
    return list(found.values())


def _refusal(key: str, reason: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"The route {key} cannot be mounted: {reason}.")


def _named(items: Iterable[str]) -> Iterator[Route]:
    """Read `name=package.module.function`, or an address, with `!` behind a two-way one."""
    for item in items:
        key, equals, target = (part.strip() for part in item.partition("="))
        if not (key and equals and target):
            raise ImproperlyConfigured(
                f"ROUTES must be name=package.module.handler, separated by commas, not {item!r}."
            )
        is_two_way = target.endswith(TWO_WAY)
        target = target.removesuffix(TWO_WAY)
        if "://" in target:
            handler: Handler = _endpoint(key, target)
        else:
            handler = _function(key, target)
        yield Route(key, handler, is_two_way, target)


def _endpoint(key: str, url: str) -> Endpoint:
    try:
        return Endpoint(url, allowed=settings.ROUTE_HOSTS)
    except ValueError as error:
        raise _refusal(key, str(error)) from None


def _function(key: str, path: str) -> Handler:
    module_name, _, name = path.rpartition(".")
    if not module_name:
        raise _refusal(key, f"{path} is no dotted path such as package.module.handler")
    try:
        module = import_module(module_name)
    except (Exception, SystemExit) as error:
        raise _refusal(key, f"{module_name} cannot be imported ({_told(error)})") from error
    return _checked(key, getattr(module, name, None), path)


def _checked(key: str, handler: Any, path: str) -> Handler:
    if not callable(handler):
        raise _refusal(key, f"there is no function {path}")
    try:
        inspect.signature(handler).bind({}, None)
    except (TypeError, ValueError):
        raise _refusal(key, f"{path} does not take (event, context)") from None
    found: Handler = handler
    return found


def _filed(folder: str) -> Iterator[Route]:
    """Read the files of ROUTES_DIR; names that begin with `_` are for what they share."""
    if not folder:
        return
    path = Path(folder).expanduser().resolve()
    if not path.is_dir():
        raise ImproperlyConfigured(f"ROUTES_DIR must be a folder, and {path} is none.")
    for file in sorted(path.glob("*.py")):
        if file.name.startswith("_"):
            continue
        key = FILES.get(file.stem, file.stem)
        module = _module(key, file)
        if not hasattr(module, "handler"):
            raise _refusal(key, f"{file} has no handler; if it is no route, begin its name with _")
        handler = _checked(key, module.handler, f"handler in {file}")
        yield Route(key, handler, bool(getattr(module, "two_way", False)), str(file))


def _module(key: str, file: Path) -> ModuleType:
    """Import a file of ROUTES_DIR, once; it may import its neighbours with `from . import …`."""
    package = sys.modules.get(PACKAGE)
    if package is None or package.__path__ != [str(file.parent)]:
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]
        package = sys.modules[PACKAGE] = ModuleType(PACKAGE)
        package.__path__ = [str(file.parent)]
    name = f"{PACKAGE}.{file.stem.replace('.', '_')}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise _refusal(key, f"{file} cannot be read")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _refusal(key, f"{file} cannot be imported ({_told(error)})") from error
    return module


def _told(error: BaseException) -> str:
    """Say what went wrong while importing, and where."""
    if isinstance(error, ModuleNotFoundError):
        return str(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error}, in {last.filename}, line {last.lineno}"
