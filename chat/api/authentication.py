"""Who asks over REST: an access key, or the session of our own pages."""

from __future__ import annotations

from drf_spectacular.authentication import SessionScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from chat.acting import SESSION_NAME, act_as
from chat.errors import Forbidden, NotAuthenticated
from chat.models import AccessKey, User
from chat.retry import asks_again


class BearerAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer pgk_…`: a program with a key.

    A key that is no good is refused everywhere and never downgraded to the cookie. Within its
    scopes it may do what its user may: `read` for safe methods, `post` for all others, or what the
    view names as its `writing_scope`.
    """

    def authenticate(self, request: Request) -> tuple[User, AccessKey] | None:
        authorization = request.headers.get("Authorization")
        if authorization is None:
            return None
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise NotAuthenticated("The Authorization header must be `Bearer <token>`.")
        key = _find_key(token.strip())
        if key is None:
            raise NotAuthenticated("This token is not valid.")
        view = (request.parser_context or {}).get("view")
        writing_scope = getattr(view, "writing_scope", "post")
        scope = "read" if request.method in SAFE_METHODS else writing_scope
        if not key.allows(scope):
            raise Forbidden(f"This key lacks the scope {scope}.")
        act_as(key.user.pk)
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        """What 401 names; without it Django REST framework would answer 403."""
        return "Bearer"


class SessionAuthentication(authentication.SessionAuthentication):
    """The session cookie; whatever writes needs the CSRF token beside it."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        found = super().authenticate(request)
        if found is not None:
            act_as(found[0].pk, request._request.session.get(SESSION_NAME, ""))
        return found


@asks_again
def _find_key(token: str) -> AccessKey | None:
    return AccessKey.objects.for_token(token)


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI description tells of keys."""

    target_class = BearerAuthentication
    name = "accessKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "pgk_<id>_<random>"}


class OwnSessionScheme(SessionScheme):  # type: ignore[no-untyped-call]
    """How the OpenAPI description tells of sessions."""

    target_class = "chat.api.authentication.SessionAuthentication"
    name = "session"
