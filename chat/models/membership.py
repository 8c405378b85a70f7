"""Who belongs to a room, and as what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

from chat.acting import acting_now
from chat.realtime.publish import PublishedModel, PublishedQuerySet

if TYPE_CHECKING:
    from chat.models.room import Room
    from chat.models.user import User


class MembershipQuerySet(PublishedQuerySet["Membership"]):
    def present(self) -> MembershipQuerySet:
        """Those who belong; a ban is remembered as a membership too, and is none."""
        return self.exclude(role=Membership.Role.BANNED)

    def of(self, user: User) -> MembershipQuerySet:
        return self.filter(user=user)

    def in_room(self, room: Room | int) -> MembershipQuerySet:
        return self.filter(room=room)

    def with_people(self) -> MembershipQuerySet:
        """With all that a member's JSON needs."""
        return self.select_related("user")

    def moderating(self) -> MembershipQuerySet:
        return self.filter(role__in=[Membership.Role.OWNER, Membership.Role.MODERATOR])


class Membership(PublishedModel):
    """A person in a room."""

    class Role(models.TextChoices):
        OWNER = "owner"
        MODERATOR = "moderator"
        MEMBER = "member"
        BANNED = "banned"

    class Notifications(models.TextChoices):
        ALL = "all"
        MENTIONS = "mentions"
        NONE = "none"

    room = models.ForeignKey("chat.Room", on_delete=models.PROTECT, related_name="memberships")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="memberships"
    )
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    # The highest position that the person has read to; private.
    last_read_seq = models.PositiveBigIntegerField(default=0)
    # Until then the person may read and not post.
    muted_until = models.DateTimeField(null=True, blank=True)
    notifications = models.CharField(
        max_length=10, choices=Notifications.choices, default=Notifications.MENTIONS
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        ordering = ("room", "user")
        constraints = (
            models.UniqueConstraint(fields=("room", "user"), name="membership_room_user_unique"),
            models.CheckConstraint(
                condition=models.Q(role__in=["owner", "moderator", "member", "banned"]),
                name="membership_role_known",
            ),
        )
        indexes = (
            # A person's rooms.
            models.Index(fields=("user", "role"), name="membership_user_role"),
        )

    def __str__(self) -> str:
        return f"{self.user} in {self.room}: {self.role}"

    @property
    def is_own_act(self) -> bool:
        """Whether it is the person themself who acts now."""
        return acting_now().user_id == self.user_id

    @property
    def is_moderating(self) -> bool:
        return self.role in (self.Role.OWNER, self.Role.MODERATOR)
