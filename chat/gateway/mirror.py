"""Rows that follow what a process knows, written in batches, each as it is by then."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(frozen=True)
class Batch(Generic[V]):
    """What is to be written next: rows to insert or update, and the keys of rows to delete."""

    saved: dict[str, V]
    deleted: list[str]


class Mirror(Generic[V]):
    """Which rows a table should have, and which of them it lacks. Pure: somebody else writes.

    What comes and goes between two batches costs nothing. What is kept is bounded by the rows
    that there should be: after a failure the table is compared, instead of remembering what may
    have become of it.
    """

    def __init__(self) -> None:
        self.wanted: dict[str, V] = {}
        # Keys whose rows are there, or may be.
        self._written: set[str] = set()
        # Keys whose rows are not as they should be, the oldest first.
        self._stale: dict[str, None] = {}

    def put(self, key: str, value: V) -> None:
        """There should be this row, or it has changed."""
        self.wanted[key] = value
        self._stale[key] = None

    def remove(self, key: str) -> None:
        """There should be no such row."""
        if self.wanted.pop(key, None) is None:
            return
        if key in self._written:
            self._stale[key] = None
        else:
            self._stale.pop(key, None)

    def take(self, limit: int) -> Batch[V]:
        """Return what is to be written next, at most `limit` rows; then `settle` or `fail`."""
        keys = list(self._stale)[:limit]
        for key in keys:
            del self._stale[key]
        saved = {key: self.wanted[key] for key in keys if key in self.wanted}
        self._written.update(saved)
        return Batch(saved, [key for key in keys if key not in saved])

    def settle(self, batch: Batch[V]) -> None:
        """The batch was written."""
        self._written.difference_update(batch.deleted)

    def fail(self, batch: Batch[V]) -> None:
        """It is unknown whether the batch was written: `compare` before the next."""
        for key in batch.saved:
            if key in self.wanted:
                self._stale[key] = None
        self._written.intersection_update(self.wanted)

    def compare(self, present: Collection[str]) -> None:
        """Learn which rows are there, and count what is missing or too many as stale."""
        self._written = set(present)
        for key in self._written ^ self.wanted.keys():
            self._stale[key] = None
