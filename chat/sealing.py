"""Short secrets that the database holds and cannot read.

They are sealed with a key of their own, derived from SECRET_KEY. What SECRET_KEY_FALLBACKS sealed
can still be read; so a new SECRET_KEY loses nothing as long as the former one stands there.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes

# Keeps the derived key apart from everything else that SECRET_KEY is used for.
PURPOSE = b"picturegram sealed secrets"


def seal(secret: str) -> bytes:
    """Encrypt a secret, as ASCII (Fernet)."""
    return _fernet(settings.SECRET_KEY).encrypt(secret.encode())


def unseal(sealed: bytes) -> str | None:
    """Return the secret, or None when none of today's keys has sealed it."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    try:
        return MultiFernet([_fernet(key) for key in keys]).decrypt(sealed).decode()
    except InvalidToken:
        return None


def is_current(sealed: bytes) -> bool:
    """Whether SECRET_KEY itself has sealed this, so that it outlives the fallbacks."""
    try:
        _fernet(settings.SECRET_KEY).decrypt(sealed)
    except InvalidToken:
        return False
    return True


def _fernet(secret_key: str | bytes) -> Fernet:
    derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE)
    return Fernet(base64.urlsafe_b64encode(derivation.derive(force_bytes(secret_key))))
