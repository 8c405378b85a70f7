"""People."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.contrib.auth.models import AbstractUser, UserManager
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Lower

from chat.acting import acting_now
from chat.models.rights_change import RightsChange

if TYPE_CHECKING:
    from chat.models.room import Room

# Roles of those who belong to a room; a ban is a membership too.
PRESENT = ("owner", "moderator", "member")

# Lower case only, so that `@ada` names one person whatever the database's collation.
username_validators = [
    RegexValidator(
        r"\A[a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?\Z",
        "Use lower-case letters and digits; dots, dashes and underscores only in between.",
    )
]


class UserQuerySet(models.QuerySet["User"]):
    def active(self) -> UserQuerySet:
        return self.filter(is_active=True)

    def named(self, usernames: list[str]) -> UserQuerySet:
        return self.filter(username__in=usernames)

    def named_like(self, text: str) -> UserQuerySet:
        """Whose username or display name contains `text`, regardless of case."""
        return self.filter(Q(username__icontains=text) | Q(display_name__icontains=text))

    def in_room(self, room: Room) -> UserQuerySet:
        return self.filter(memberships__room=room, memberships__role__in=PRESENT)

    def sharing_a_room_with(self, user: User) -> UserQuerySet:
        """Members of the rooms that `user` is a member of, and `user`."""
        rooms = user.memberships.filter(role__in=PRESENT).values("room")
        shared = Q(memberships__room__in=rooms, memberships__role__in=PRESENT)
        return self.filter(shared | Q(pk=user.pk)).distinct()


class PeopleManager(UserManager["User"].from_queryset(UserQuerySet)):  # type: ignore[misc]
    """Django's user manager, with our questions."""


class User(AbstractUser):
    """A person or a program's owner. Deactivated, never deleted by row."""

    username = models.CharField(
        max_length=30,
        unique=True,
        validators=username_validators,
        error_messages={"unique": "That name is taken."},
    )
    display_name = models.CharField(max_length=60, blank=True)
    # A media key; the picture itself is made and served by posts.
    avatar = models.CharField(max_length=200, blank=True)
    first_name = None  # type: ignore[assignment]  # Django's way to drop an inherited field
    last_name = None  # type: ignore[assignment]

    objects: ClassVar[PeopleManager] = PeopleManager()

    class Meta(AbstractUser.Meta):
        swappable = "AUTH_USER_MODEL"
        constraints = (
            models.UniqueConstraint(
                Lower("email"), condition=~models.Q(email=""), name="user_email_unique"
            ),
        )

    def __str__(self) -> str:
        return self.username

    def get_full_name(self) -> str:
        return self.display_name or self.username

    def get_short_name(self) -> str:
        return self.get_full_name()

    @classmethod
    def from_db(cls, db: str | None, field_names: Any, values: Any, **kwargs: Any) -> Self:
        user = super().from_db(db, field_names, values, **kwargs)
        user._stored = (user.__dict__.get("password"), user.__dict__.get("is_active"))
        return user

    # Password and is_active as the database has them; None where they are not loaded.
    _stored: tuple[str | None, bool | None] = (None, None)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, and let a new password or a deactivation close sockets everywhere.

        The session that sets its own person's password keeps its sockets. A stronger hash of
        the same password, which signing in may write, is no change.
        """
        # Django sets `_password` for a new password, and not when it hashes the old one anew.
        is_new = getattr(self, "_password", None) is not None
        is_rehash = not is_new and kwargs.get("update_fields") == ["password"]
        with transaction.atomic():
            super().save(*args, **kwargs)
            password, was_active = self._stored
            if password is not None and password != self.password and not is_rehash:
                acting = acting_now()
                own = acting.session_name if acting.user_id == self.pk else ""
                RightsChange.objects.password_changed(self.pk, except_session=own)
            if was_active and not self.is_active:
                RightsChange.objects.user_blocked(self.pk)
        self._stored = (self.password, self.is_active)
