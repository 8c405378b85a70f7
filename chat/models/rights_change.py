"""The rights log: who lost the right to an open socket, site-wide."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import connection, models, transaction

from chat.realtime.doorbell import ring_rights

if TYPE_CHECKING:
    from collections.abc import Iterable


class RightsHead(models.Model):
    """The rights log's last number; one row, whose lock makes commit order number order."""

    id = models.SmallAutoField(primary_key=True)
    last_number = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.last_number)


class RightsChangeQuerySet(models.QuerySet["RightsChange"]):
    def after(self, number: int) -> RightsChangeQuerySet:
        return self.filter(number__gt=number).order_by("number")

    def head(self) -> int:
        """The last number given, 0 for none."""
        return RightsHead.objects.values_list("last_number", flat=True).first() or 0

    def signed_out(self, session_name: str) -> RightsChange:
        return self._append(kind=RightsChange.Kind.SIGNED_OUT, session_name=session_name)

    def password_changed(self, user_id: int, *, except_session: str = "") -> RightsChange:
        return self._append(
            kind=RightsChange.Kind.PASSWORD_CHANGED, user_id=user_id, session_name=except_session
        )

    def user_blocked(self, user_id: int) -> RightsChange:
        return self._append(kind=RightsChange.Kind.USER_BLOCKED, user_id=user_id)

    def key_revoked(self, key_id: str) -> RightsChange:
        return self._append(kind=RightsChange.Kind.KEY_REVOKED, key_id=key_id)

    @transaction.atomic
    def _append(self, **what: object) -> RightsChange:
        """Take the next number under the head's lock and ring on commit."""
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO chat_rightshead (id, last_number) VALUES (1, 1) ON CONFLICT (id) "
                "DO UPDATE SET last_number = chat_rightshead.last_number + 1 "
                "RETURNING last_number"
            )
            (number,) = cursor.fetchone()
        change = self.create(number=number, **what)
        transaction.on_commit(ring_rights, robust=True)
        return change

    def update(self, **kwargs: object) -> int:
        raise TypeError("The rights log is append-only.")

    def bulk_create(
        self, objs: Iterable[RightsChange], *args: object, **kwargs: object
    ) -> list[RightsChange]:
        raise TypeError("The rights log is numbered under a lock; append to it.")


class RightsChange(models.Model):
    """One row of the append-only rights log, tailed by every process."""

    class Kind(models.TextChoices):
        SIGNED_OUT = "signed_out"  # closes the session's sockets
        PASSWORD_CHANGED = "password_changed"  # closes the person's, but for session_name's
        USER_BLOCKED = "user_blocked"  # closes the person's
        KEY_REVOKED = "key_revoked"  # closes the key's

    number = models.PositiveBigIntegerField(unique=True)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    # Plain values: the log outlives what it names.
    user_id = models.BigIntegerField(null=True, blank=True)
    session_name = models.CharField(max_length=32, blank=True)
    key_id = models.CharField(max_length=32, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[RightsChangeQuerySet] = RightsChangeQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ("number",)

    def __str__(self) -> str:
        return f"{self.number} {self.kind}"
