"""Which key a program's request is made with, and what is kept of keys."""

from __future__ import annotations

import secrets
from functools import cache

from django.conf import settings
from django.utils import timezone

from chat import sealing
from chat.errors import Forbidden
from chat.gateway.signatures import Request, verify
from chat.models import AccessKey
from chat.realtime.periodic import every
from chat.retry import asks_again

# What a key's id begins with where it must be told from others, as in AWS's own.
PREFIX = "pgk_"


@asks_again
def authorize(request: Request, scope: str) -> AccessKey:
    """Return the key that signed the request or that is its bearer token. Blocks.

    Raises Forbidden, and its kinds of `chat.gateway.signatures`, unless that key has the scope.
    """
    kind, _, token = ",".join(request.values("authorization")).partition(" ")
    is_bearer = kind.lower() == "bearer"
    key = AccessKey.objects.for_token(token) if is_bearer else _signer(request)
    if key is None:
        raise Forbidden("This key is not valid.")
    if not key.allows(scope):
        raise Forbidden(f"This key lacks the scope {scope}, or its user is not staff.")
    return key


def _signer(request: Request) -> AccessKey | None:
    key_id = verify(request, now=timezone.now(), find_secret=_find_secret)
    return AccessKey.objects.usable().select_related("user").filter(pk=_bare(key_id)).first()


def _find_secret(key_id: str) -> str | None:
    """Find revoked keys too: their holders are told that they are refused, nobody else is."""
    key = AccessKey.objects.filter(pk=_bare(key_id)).first()
    if key is None:
        # Unsealing takes time, which would tell who is known.
        sealing.unseal(_nobodys())
        return None
    return key.unsealed_token()


def _bare(key_id: str) -> str:
    return key_id.removeprefix(PREFIX)


@cache
def _nobodys() -> bytes:
    return sealing.seal(secrets.token_urlsafe(48))


@every(3600)
def reseal() -> None:
    """Make the fallbacks of SECRET_KEY unnecessary, for keys."""
    if settings.SECRET_KEY_FALLBACKS:
        AccessKey.objects.reseal()
