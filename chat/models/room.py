"""Rooms, and where their logs stand."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from chat.realtime.publish import PublishedModel, PublishedQuerySet

if TYPE_CHECKING:
    from chat.models.user import User

SLUG_PATTERN = r"[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?"


def new_epoch() -> str:
    """Name a log anew; positions of another epoch mean nothing to it."""
    return secrets.token_hex(4)


class RoomQuerySet(PublishedQuerySet["Room"]):
    def visible_to(self, user: User | AnonymousUser) -> RoomQuerySet:
        """Public rooms, and those that `user` is a member of; never where they are banned."""
        if not user.is_authenticated:
            if not settings.ANONYMOUS_MAY_READ:
                return self.none()
            return self.filter(visibility=Room.Visibility.PUBLIC)
        banned = Q(memberships__user=user, memberships__role="banned")
        member = Q(memberships__user=user) & ~Q(memberships__role="banned")
        mine = Room._base_manager.filter(member).values("pk")
        closed = Room._base_manager.filter(banned).values("pk")
        return self.filter(Q(visibility=Room.Visibility.PUBLIC) | Q(pk__in=mine)).exclude(
            pk__in=closed
        )

    def open(self) -> RoomQuerySet:
        return self.filter(is_archived=False)


class Room(PublishedModel):
    """A place to post. Archived, never deleted by row."""

    class Visibility(models.TextChoices):
        PUBLIC = "public"
        PRIVATE = "private"
        DIRECT = "direct"

    # Never changes: it is the room's name in positions, groups and links.
    slug = models.CharField(
        max_length=50,
        unique=True,
        validators=[
            RegexValidator(rf"\A{SLUG_PATTERN}\Z", "Use lower-case letters, digits and dashes.")
        ],
    )
    title = models.CharField(max_length=80)
    description = models.CharField(max_length=500, blank=True)
    visibility = models.CharField(
        max_length=10, choices=Visibility.choices, default=Visibility.PUBLIC
    )
    # Only its owners and moderators post.
    is_announcement_only = models.BooleanField(default=False)
    # Nothing can be posted any more; everything can still be read.
    is_archived = models.BooleanField(default=False)
    # The log's name; another one after a reset or a restored backup.
    epoch = models.CharField(max_length=16, default=new_epoch, editable=False)
    # The number of the newest event, 0 for none.
    last_seq = models.PositiveBigIntegerField(default=0, editable=False)
    # The oldest event that is still in the log.
    first_seq = models.PositiveBigIntegerField(default=1, editable=False)
    # Time of the newest event, microseconds since 1970, so that times rise strictly.
    last_event_us = models.BigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = RoomQuerySet.as_manager()

    class Meta:
        ordering = ("slug",)
        constraints = (
            models.CheckConstraint(
                condition=Q(visibility__in=["public", "private", "direct"]),
                name="room_visibility_known",
            ),
            # A direct room's slug starts with `dm-`, and no other's does.
            models.CheckConstraint(
                condition=Q(visibility="direct", slug__startswith="dm-")
                | (~Q(visibility="direct") & ~Q(slug__startswith="dm-")),
                name="room_direct_slug",
            ),
        )

    def __str__(self) -> str:
        return self.slug

    def log_room_id(self) -> int:
        return self.pk

    def get_absolute_url(self) -> str:
        return f"/rooms/{self.slug}/"

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("Rooms are archived, never deleted.")
