"""Model saves publish: row, number and event commit together or not at all.

A bare `post_save` receiver would come too late and too weak: outside a transaction, before a
post's pictures, and with two parallel reactions both counting 1. So a published model locks its
room first, re-reads itself, writes only what changed, and its save signals build one event.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn, Self, TypeVar

from django.db import models, transaction
from django.db.models.signals import post_delete, post_save

from chat.realtime import stream
from chat.realtime.doorbell import ring
from chat.realtime.events import Event


@dataclass(slots=True)
class Change:
    """What a save does: field values before it (None for a new row), and which fields differ."""

    before: dict[str, Any] | None
    fields: frozenset[str]
    # The number taken ahead, where the row itself carries it.
    place: stream.Place | None = None

    @property
    def is_creation(self) -> bool:
        return self.before is None

    def was(self, field: str) -> Any:
        return None if self.before is None else self.before[field]


M = TypeVar("M", bound="PublishedModel")


class PublishedQuerySet(models.QuerySet[M]):
    """Writes that would go around the log are refused.

    `update_unpublished` is the named exception: for fields that no event tells of.
    """

    def _refuse(self) -> NoReturn:
        raise TypeError(
            f"{self.model.__name__} is published: save each one, so that the log knows."
        )

    def update(self, **kwargs: Any) -> int:
        self._refuse()

    def bulk_create(self, objs: Iterable[M], *args: Any, **kwargs: Any) -> list[M]:
        self._refuse()

    def bulk_update(self, objs: Iterable[M], *args: Any, **kwargs: Any) -> int:
        self._refuse()

    @transaction.atomic
    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete one by one, each with its event."""
        counts: dict[str, int] = {}
        for instance in self:
            for label, count in instance.delete()[1].items():
                counts[label] = counts.get(label, 0) + count
        return sum(counts.values()), counts

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def update_unpublished(self, **kwargs: Any) -> int:
        return super().update(**kwargs)


class PublishedModel(models.Model):
    """A model whose saves are events of a room's log."""

    class Meta:
        abstract = True

    # Field values as the database had them when this instance was loaded or last saved.
    _stored: dict[str, Any] | None = None
    _change: Change | None = None

    def log_room_id(self) -> int:
        """The room in whose log this row's changes stand."""
        room_id: int = self.room_id  # type: ignore[attr-defined]
        return room_id

    def take_place(self) -> stream.Place | None:
        """Take a number before the row is inserted; for rows that carry their number."""
        return None

    @classmethod
    def from_db(
        cls, db: str | None, field_names: Collection[str], values: Collection[Any], **kwargs: Any
    ) -> Self:
        instance = super().from_db(db, field_names, values, **kwargs)
        instance._remember()
        return instance

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        super().refresh_from_db(*args, **kwargs)
        self._remember()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Lock the room, write what this instance changed, append one event, ring on commit.

        A stale instance writes only the fields that it changed itself, so it never undoes what
        others did meanwhile. Raises DoesNotExist when the row is gone.
        """
        if args:
            raise TypeError("save() takes its options by name.")
        try:
            with transaction.atomic():
                if self._state.adding:
                    self._change = Change(None, frozenset(), self.take_place())
                    super().save(force_insert=True)
                else:
                    stream.lock(self.log_room_id())
                    self._change = change = self._merge(kwargs.get("update_fields"))
                    if change.fields:
                        super().save(update_fields=change.fields, force_update=True)
        finally:
            self._change = None
        self._remember()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        with transaction.atomic():
            stream.lock(self.log_room_id())
            return super().delete(*args, **kwargs)

    def _merge(self, update_fields: Iterable[str] | None) -> Change:
        """Find what this instance changed since it was loaded; take the rest from the row now."""
        attnames = [field.attname for field in self._meta.concrete_fields]
        before = type(self)._base_manager.values(*attnames).get(pk=self.pk)
        stored = self._stored or {}
        changed = set()
        for field in self._meta.concrete_fields:
            name = field.attname
            if name not in self.__dict__:
                continue  # deferred, so untouched
            is_mine = name not in stored or self.__dict__[name] != stored[name]
            if update_fields is not None and not {field.name, name} & set(update_fields):
                is_mine = False
            if is_mine and self.__dict__[name] != before[name]:
                changed.add(field.name)
            elif not is_mine:
                setattr(self, name, before[name])
        return Change(before, frozenset(changed))

    def _remember(self) -> None:
        attnames = (field.attname for field in self._meta.concrete_fields)
        self._stored = {name: self.__dict__[name] for name in attnames if name in self.__dict__}


def publishes(
    model: type[M],
) -> Callable[[Callable[[M, Change], Event | None]], Callable[[M, Change], Event | None]]:
    """Say what a save of `model` means as an event: at most one, None for nothing to tell.

    The function runs inside the save's transaction, after the row is written, with the room
    locked. `change.before` of a deletion is the row and `instance.pk` is still set; deletion is
    told apart by `publishes_deletion`.
    """

    def decorate(
        build: Callable[[M, Change], Event | None],
    ) -> Callable[[M, Change], Event | None]:
        def saved(sender: type[M], instance: M, raw: bool = False, **kwargs: Any) -> None:
            if raw or instance._change is None:
                return
            _log(instance, build(instance, instance._change), instance._change.place)

        post_save.connect(saved, sender=model, weak=False, dispatch_uid=f"publish {model}")
        return build

    return decorate


def publishes_deletion(
    model: type[M],
) -> Callable[[Callable[[M], Event | None]], Callable[[M], Event | None]]:
    """Say what the deletion of a row of `model` means as an event; also for cascades."""

    def decorate(build: Callable[[M], Event | None]) -> Callable[[M], Event | None]:
        def deleted(sender: type[M], instance: M, **kwargs: Any) -> None:
            stream.lock(instance.log_room_id())
            _log(instance, build(instance), None)

        post_delete.connect(deleted, sender=model, weak=False, dispatch_uid=f"unpublish {model}")
        return build

    return decorate


def _log(instance: PublishedModel, event: Event | None, place: stream.Place | None) -> None:
    if event is None:
        if place is not None:
            raise RuntimeError(f"{instance!r} took a number in its room and told nothing.")
        return
    frame = stream.append(place or stream.take(instance.log_room_id()), event)
    # No partial: Django names a robust hook that fails by its __qualname__, which those lack.
    transaction.on_commit(lambda: ring(frame), robust=True)
