"""Values that people and programs share, each with a version that only one writer can raise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from chat.errors import TooLarge, VersionConflict
from chat.realtime import stream
from chat.realtime.envelope import byte_count, encode
from chat.realtime.publish import PublishedModel, PublishedQuerySet

if TYPE_CHECKING:
    from chat.models.room import Room
    from chat.models.user import User


class SharedStateQuerySet(PublishedQuerySet["SharedState"]):
    def at(self, scope: str) -> SharedState:
        """The state as it stands; version 0 and null where nobody has set one."""
        return self.filter(scope=scope).first() or SharedState(scope=scope)

    def swap(
        self,
        scope: str,
        data: Any,
        *,
        version: int,
        room: Room | None = None,
        by: User | None = None,
    ) -> SharedState:
        """Set the state if it still stands at `version` (0: nowhere), and return the new one.

        Raises VersionConflict with what is there now, and TooLarge. A room's own state is given
        with the `room`, and its log tells of it.
        """
        text = encode(data)
        if byte_count(text) > settings.STATE_BYTES_MAX:
            raise TooLarge(f"A state has at most {settings.STATE_BYTES_MAX} bytes as JSON.")
        with transaction.atomic():
            if room is not None:
                stream.lock(room.pk)
            state = self.select_for_update().filter(scope=scope).first()
            state = state or SharedState(scope=scope, room=room)
            if state.version != version:
                raise VersionConflict(state.as_data())
            state.version, state.data = version + 1, text
            state.updated_by, state.updated_at = by, timezone.now()
            try:
                with transaction.atomic():
                    state.save()
            except IntegrityError:  # There was none, and somebody else made the first.
                raise VersionConflict(self.get(scope=scope).as_data()) from None
        return state


class SharedState(PublishedModel):
    """A versioned value of a room, or of a topic."""

    # A room's slug, or the id of a topic, which has a slash in it.
    scope = models.CharField(max_length=200, unique=True)
    # Null for a topic's: no log tells of it.
    room = models.ForeignKey(
        "chat.Room", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    # Rises by one with every change; clients see 0 where there is no row.
    version = models.PositiveBigIntegerField(default=0)
    # JSON text, as it came: a database's own JSON may write numbers in another way.
    data = models.TextField(default="null")
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    updated_at = models.DateTimeField()

    objects = SharedStateQuerySet.as_manager()

    class Meta:
        ordering = ("scope",)

    def __str__(self) -> str:
        return f"{self.scope} {self.version}"

    def log_room_id(self) -> int:
        """The room whose log tells of it; 0, which is no room, for a topic's."""
        return self.room_id or 0

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("A state is set to null, never deleted: its version only rises.")

    def as_data(self) -> dict[str, Any]:
        """The state as results and events tell it."""
        data = msgspec.json.decode(self.data)
        return {"scope": self.scope, "version": self.version, "data": data}
