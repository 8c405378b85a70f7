"""The log: one row for everything durable that happened in a room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

if TYPE_CHECKING:
    from chat.models.room import Room


class RoomEventQuerySet(models.QuerySet["RoomEvent"]):
    def in_room(self, room: Room | int) -> RoomEventQuerySet:
        return self.filter(room=room)

    def after(self, seq: int) -> RoomEventQuerySet:
        """What came behind the position `seq`, in order."""
        return self.filter(seq__gt=seq).order_by("seq")

    def about(self, subject_id: str) -> RoomEventQuerySet:
        return self.filter(subject_id=subject_id)


class RoomEvent(models.Model):
    """An event as it goes over the wire; `data` is overwritten when its subject changes."""

    room = models.ForeignKey("chat.Room", on_delete=models.PROTECT, related_name="events")
    # Numbers the room's events from 1 without a hole.
    seq = models.PositiveBigIntegerField()
    type = models.CharField(max_length=40)
    # JSON text, encoded once; a replay sends it as it stands.
    data = models.TextField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    client_id = models.CharField(max_length=64, blank=True)
    # The post that the event tells of, for overwriting; empty for events of the room itself.
    subject_id = models.CharField(max_length=36, blank=True)
    created_at = models.DateTimeField()

    objects = RoomEventQuerySet.as_manager()

    class Meta:
        ordering = ("room", "seq")
        constraints = (
            # Also serves every replay: a range scan by (room, seq).
            models.UniqueConstraint(fields=("room", "seq"), name="room_event_room_seq_unique"),
            models.CheckConstraint(condition=models.Q(seq__gte=1), name="room_event_seq_from_1"),
        )
        indexes = (
            # Overwriting a post's earlier events.
            models.Index(
                fields=("subject_id", "seq"),
                condition=~models.Q(subject_id=""),
                name="room_event_subject",
            ),
        )

    def __str__(self) -> str:
        return f"{self.room} {self.seq}: {self.type}"
