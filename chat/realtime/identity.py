"""Who is this? A token, or the session cookie from our own pages, or nobody.

The Origin rule guards the cookie alone: a browser sends it along for any page that asks, so the
page must be ours exactly (scheme, host and port). Anything else is refused, never downgraded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.http import HttpRequest, parse_cookie
from django.http.request import split_domain_port, validate_host
from django.utils import timezone

from chat.access import Viewer
from chat.acting import SESSION_NAME
from chat.errors import Forbidden, Invalid, NotAuthenticated
from chat.models import AccessKey, RightsChange, User

BEARER_PROTOCOL = "picturegram.bearer."


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a connection speaks for, and what that rests on."""

    viewer: Viewer
    session_name: str = ""
    session_key: str = ""
    session_ends_at: datetime | None = None
    key: AccessKey | None = None
    # The rights log's number just before this was read: later rows may end it, earlier not.
    rights_number: int = 0

    @property
    def user_id(self) -> int | None:
        return self.viewer.pk if isinstance(self.viewer, User) else None

    def allows(self, scope: str) -> bool:
        return self.key is None or self.key.allows(scope)


def header(scope: dict[str, Any], name: bytes) -> str | None:
    """The header's value as text; None where it is missing, an error where it is doubled."""
    values = [value for key, value in scope["headers"] if key == name]
    if len(values) > 1 and name != b"cookie":
        raise Invalid(f"The header {name.decode()} comes twice.")
    return b"; ".join(values).decode("latin-1") if values else None


def own_origin(scope: dict[str, Any]) -> str:
    """`scheme://host[:port]` of the site as the client sees it. Raises Invalid for other hosts."""
    host = header(scope, b"host") or ""
    domain, _ = split_domain_port(host)
    if not domain or not validate_host(domain, settings.ALLOWED_HOSTS):
        raise Invalid("This host is not served here.")
    is_secure = scope.get("scheme") in ("https", "wss")
    if settings.SECURE_PROXY_SSL_HEADER:
        name, value = settings.SECURE_PROXY_SSL_HEADER
        wire_name = name.removeprefix("HTTP_").replace("_", "-").lower().encode()
        is_secure = is_secure or header(scope, wire_name) == value
    return f"{'https' if is_secure else 'http'}://{host.lower()}"


def identify(scope: dict[str, Any]) -> Identity:
    """Read the database for who opened this connection. Blocks; raises an AppError to refuse."""
    origin = own_origin(scope)
    token = _token(scope)
    if token is not None:
        number = RightsChange.objects.head()
        key = AccessKey.objects.for_token(token)
        if key is None:
            raise NotAuthenticated("This token is not valid.")
        return Identity(key.user, key=key, rights_number=number)
    cookies = parse_cookie(header(scope, b"cookie") or "")
    session_key = cookies.get(settings.SESSION_COOKIE_NAME)
    if session_key is None:
        return Identity(AnonymousUser())
    if scope["type"] == "websocket":
        sent = header(scope, b"origin")
        if sent is None or sent.lower() not in (origin, *settings.CSRF_TRUSTED_ORIGINS):
            raise Forbidden("This page may not use the session: its origin is not ours.")
    return _session_identity(session_key)


def _session_identity(session_key: str) -> Identity:
    number = RightsChange.objects.head()
    store = SessionStore(session_key)
    request = cast(HttpRequest, SimpleNamespace(session=store))
    viewer = get_user(request)
    if not isinstance(viewer, User):
        return Identity(AnonymousUser())
    return Identity(
        viewer,
        session_name=store.get(SESSION_NAME, ""),
        session_key=session_key,
        session_ends_at=session_end(session_key),
        rights_number=number,
    )


def session_end(session_key: str) -> datetime | None:
    """When a session ends, as the database has it now; None when it is over."""
    standing = Session.objects.filter(session_key=session_key, expire_date__gt=timezone.now())
    return standing.values_list("expire_date", flat=True).first()


def _token(scope: dict[str, Any]) -> str | None:
    authorization = header(scope, b"authorization")
    if authorization is not None:
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise NotAuthenticated("The Authorization header must be `Bearer <token>`.")
        return token.strip()
    for name in scope.get("subprotocols", ()):
        if name.startswith(BEARER_PROTOCOL):
            return str(name.removeprefix(BEARER_PROTOCOL))
    return None
