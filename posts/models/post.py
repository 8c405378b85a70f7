"""Posts: a line of text, up to four pictures."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.text import Truncator
from uuid_utils.compat import uuid7

from chat.models import Room, RoomEvent, User
from chat.realtime import stream
from chat.realtime.publish import PublishedModel, PublishedQuerySet

if TYPE_CHECKING:
    from datetime import datetime

    from chat.access import Viewer


class PostQuerySet(PublishedQuerySet["Post"]):
    def in_room(self, room: Room) -> PostQuerySet:
        return self.filter(room=room)

    def visible_to(self, viewer: Viewer) -> PostQuerySet:
        """Posts of the rooms that `viewer` may see."""
        return self.filter(room__in=Room.objects.visible_to(viewer))

    def standing(self) -> PostQuerySet:
        """Neither deleted nor hidden."""
        return self.filter(deleted_at=None, hidden_at=None)

    def with_pictures(self) -> PostQuerySet:
        return self.filter(pictures__isnull=False).distinct()

    def without_pictures(self) -> PostQuerySet:
        return self.filter(pictures__isnull=True)

    def before(self, seq: int) -> PostQuerySet:
        return self.filter(seq__lt=seq)

    def after(self, seq: int) -> PostQuerySet:
        return self.filter(seq__gt=seq)

    def created_before(self, moment: datetime) -> PostQuerySet:
        return self.filter(created_at__lt=moment)

    def created_after(self, moment: datetime) -> PostQuerySet:
        return self.filter(created_at__gt=moment)

    def newest_first(self) -> PostQuerySet:
        return self.order_by("-seq")

    def oldest_first(self) -> PostQuerySet:
        return self.order_by("seq")

    def for_display(self) -> PostQuerySet:
        """With all that a post's JSON needs but the reactions."""
        return self.select_related("room", "author").prefetch_related("pictures")

    def beyond_undo(self) -> PostQuerySet:
        """Deleted so long ago that it cannot be undone."""
        limit = timezone.now() - timedelta(minutes=settings.UNDO_MINUTES)
        return self.filter(deleted_at__lt=limit)


class Post(PublishedModel):
    """What somebody said or showed in a room. Deletion leaves a tombstone."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    room = models.ForeignKey("chat.Room", on_delete=models.PROTECT, related_name="posts")
    # The number of its `post.created` in the room's log, for ever.
    seq = models.PositiveBigIntegerField(editable=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="posts"
    )
    text = models.TextField(blank=True, max_length=4000)
    reply_to = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="replies"
    )
    # The sender's idempotency key, unique among everything the author made.
    client_id = models.CharField(max_length=64)
    # SHA-256 of what was asked for, so that a repeat with another body is told apart.
    fingerprint = models.CharField(max_length=64, editable=False, blank=True)
    # Set under the room's lock; strictly rising within the room.
    created_at = models.DateTimeField(editable=False)
    edited_at = models.DateTimeField(null=True, blank=True)
    hidden_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = PostQuerySet.as_manager()

    class Meta:
        ordering = ("room", "-seq")
        constraints = (
            # Also serves every page of a room.
            models.UniqueConstraint(fields=("room", "seq"), name="post_room_seq_unique"),
            models.UniqueConstraint(fields=("author", "client_id"), name="post_client_id_unique"),
        )
        indexes = (
            # Paging by time.
            models.Index(fields=("room", "created_at"), name="post_room_created"),
            # Sweeping the files of deleted posts.
            models.Index(
                fields=("deleted_at",),
                condition=models.Q(deleted_at__isnull=False),
                name="post_deleted",
            ),
        )

    def __str__(self) -> str:
        return Truncator(self.text).chars(60) or f"post {self.seq}"

    @property
    def is_standing(self) -> bool:
        return self.deleted_at is None and self.hidden_at is None

    @property
    def can_undo(self) -> bool:
        """Whether a deletion is so fresh that its pictures still exist."""
        return self.deleted_at is not None and self.deleted_at > timezone.now() - timedelta(
            minutes=settings.UNDO_MINUTES
        )

    def is_by(self, user: User) -> bool:
        return self.author_id == user.pk

    def deleted_by_id(self) -> int | None:
        """Who deleted it last, as the log knows it."""
        deletions = RoomEvent.objects.in_room(self.room_id).about(str(self.pk))
        last = deletions.filter(type="post.deleted").order_by("-seq").first()
        return last.actor_id if last else None

    def take_place(self) -> stream.Place:
        place = stream.take(self.room_id)
        self.seq = place.seq
        self.created_at = place.created_at
        if not self.client_id:
            self.client_id = self.pk.hex
        return place

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Leave a tombstone; rows of posts go only with their room's retention."""
        if self.deleted_at is None:
            self.deleted_at = timezone.now()
            self.save(update_fields=["deleted_at"])
        return 1, {self._meta.label: 1}

    def get_absolute_url(self) -> str:
        return f"/rooms/{self.room.slug}/posts/{self.pk}/"
