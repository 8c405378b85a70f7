"""Keys for programs."""

from __future__ import annotations

import hashlib
import secrets

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone

from chat import sealing
from chat.models.rights_change import RightsChange
from chat.models.user import User

SCOPES = ("read", "post", "publish", "moderate", "connections")
# Only staff may hold these.
STAFF_SCOPES = frozenset({"moderate", "connections"})


def digest(token: str) -> str:
    """Tokens are random, so one round of SHA-256 keeps them safe at rest."""
    return hashlib.sha256(token.encode()).hexdigest()


class AccessKeyQuerySet(models.QuerySet["AccessKey"]):
    def usable(self) -> AccessKeyQuerySet:
        return self.filter(revoked_at=None, user__is_active=True)

    def for_token(self, token: str) -> AccessKey | None:
        """The usable key that this bearer token opens, if any."""
        return self.usable().select_related("user").filter(digest=digest(token)).first()

    def issue(self, user: User, *, name: str = "", scopes: list[str]) -> tuple[AccessKey, str]:
        """Make a key; the token is told this once and never again."""
        key_id = secrets.token_hex(8)
        token = f"pgk_{key_id}_{secrets.token_urlsafe(32)}"
        key = self.create(
            id=key_id,
            user=user,
            name=name,
            scopes=scopes,
            digest=digest(token),
            sealed_token=sealing.seal(token),
        )
        return key, token

    def reseal(self) -> int:
        """Seal with SECRET_KEY what its fallbacks had sealed; return how many keys that were.

        Idempotent; after it the fallbacks can be forgotten.
        """
        count = 0
        for key in self.exclude(sealed_token=None):
            sealed, token = key.sealed_token, key.unsealed_token()
            if sealed is None or token is None or sealing.is_current(bytes(sealed)):
                continue
            count += self.filter(pk=key.pk).update(sealed_token=sealing.seal(token))
        return count


class AccessKey(models.Model):
    """What a program signs in with; it may what its user may and its scopes allow."""

    id = models.CharField(max_length=16, primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="access_keys"
    )
    name = models.CharField(max_length=60, blank=True)
    # A list of names out of SCOPES.
    scopes = models.JSONField(default=list)
    # SHA-256 of the token, hexadecimal.
    digest = models.CharField(max_length=64, unique=True)
    # The token itself, for checking signatures. Keys from before signed requests have none.
    sealed_token = models.BinaryField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = AccessKeyQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"pgk_{self.id}"

    def allows(self, scope: str) -> bool:
        return scope in self.scopes and (scope not in STAFF_SCOPES or self.user.is_staff)

    def unsealed_token(self) -> str | None:
        """The token, which is the secret of signed requests; None where it cannot be had."""
        return None if self.sealed_token is None else sealing.unseal(bytes(self.sealed_token))

    @transaction.atomic
    def revoke(self) -> None:
        """End the key for ever and close its sockets."""
        if self.revoked_at is None:
            self.revoked_at = timezone.now()
            self.save(update_fields=["revoked_at"])
            RightsChange.objects.key_revoked(self.pk)
