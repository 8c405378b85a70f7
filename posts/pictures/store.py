"""Pictures on disk: all files of a picture, whole and synced, or none.

    <root>/<2 hex>/<picture id>/original.jpg 320.webp 640.webp …
    <root>/incoming/<random>/    being written, or being removed

A picture's folder is written under `incoming`, synced, and renamed into place, which is
atomic. So a row that is committed after `save` never misses a file, and whatever a crash
leaves behind lies under `incoming` or belongs to no row; `sweep` removes both.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from posts.pictures.errors import StorageFull, StorageUnavailable
from posts.pictures.process import Processed
from posts.pictures.wire import Encoded

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_SWEEP_BATCH = 500

KnownIds = Callable[[Collection[uuid.UUID]], Collection[uuid.UUID]]
"""Tells which of the given picture ids have a row."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a picture; `name` is relative to the picture's folder."""

    name: str
    width: int
    height: int
    type: str


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """The files `save` wrote."""

    original: StoredFile
    renditions: tuple[StoredFile, ...]


class PictureStore:
    """The folder of all pictures. `root` is made when first written to."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "incoming"

    def save(self, picture_id: uuid.UUID, processed: Processed) -> StoredPicture:
        """Put all files of a picture in place, synced, or raise and leave nothing.

        Raises `StorageFull` or `StorageUnavailable`. Commit the picture's row afterwards.
        """
        original = _stored("original", processed.original)
        renditions = tuple(_stored(str(each.width), each) for each in processed.renditions)
        files = zip(
            (original, *renditions), (processed.original, *processed.renditions), strict=True
        )
        folder = self.folder(picture_id)
        with _storage_errors():
            incoming = self._incoming / uuid.uuid4().hex
            incoming.mkdir(parents=True)
            try:
                for stored, encoded in files:
                    _write_synced(incoming / stored.name, encoded.data)
                _sync_folder(incoming)
                folder.parent.mkdir(exist_ok=True)
                incoming.rename(folder)
            except BaseException:
                shutil.rmtree(incoming, ignore_errors=True)
                raise
            try:
                _sync_folder(folder.parent)
                _sync_folder(self._root)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        return StoredPicture(original, renditions)

    def folder(self, picture_id: uuid.UUID) -> Path:
        """The folder of a picture, there or not."""
        # The last digits: the first ones of a uuid7 are the clock, the same for years.
        return self._root / picture_id.hex[-2:] / str(picture_id)

    def path(self, picture_id: uuid.UUID, name: str) -> Path | None:
        """The path of a picture's file, or None when there is no such file."""
        path = self.folder(picture_id) / name
        return path if Path(name).name == name and path.is_file() else None

    def remove(self, picture_id: uuid.UUID) -> None:
        """Remove all files of a picture at once; nothing happens when there are none."""
        with _storage_errors():
            self._discard(self.folder(picture_id))

    def sweep(self, known: KnownIds, *, older_than_s: float = 3600) -> int:
        """Remove what crashes left behind, and return how many folders that were.

        Younger ones are spared: their row may be about to be committed.
        """
        before = time.time() - older_than_s
        swept_count = 0
        with _storage_errors():
            for leftover in _folders(self._incoming, before):
                shutil.rmtree(leftover, ignore_errors=True)
                swept_count += 1
            for folders in _batches(self._pictures(before)):
                for picture_id in folders.keys() - set(known(folders.keys())):
                    self._discard(folders[picture_id])
                    swept_count += 1
        return swept_count

    def _pictures(self, before: float) -> Iterator[tuple[uuid.UUID, Path]]:
        for shard in _folders(self._root, float("inf")):
            for folder in _folders(shard, before):
                try:
                    picture_id = uuid.UUID(folder.name)
                except ValueError:
                    continue  # not ours
                if folder == self.folder(picture_id):
                    yield picture_id, folder

    def _discard(self, folder: Path) -> None:
        """Take a folder out of sight in one step, then remove it."""
        self._incoming.mkdir(parents=True, exist_ok=True)
        leftover = self._incoming / uuid.uuid4().hex
        try:
            folder.rename(leftover)
        except FileNotFoundError:
            return
        shutil.rmtree(leftover, ignore_errors=True)


def _stored(stem: str, encoded: Encoded) -> StoredFile:
    name = f"{stem}.{encoded.extension}"
    return StoredFile(name, encoded.width, encoded.height, encoded.type)


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; without it a power cut may take them back."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _folders(parent: Path, before: float) -> Iterator[Path]:
    """Yield the folders in a folder that were last changed before a time."""
    try:
        entries = list(os.scandir(parent))
    except FileNotFoundError:
        return
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False) and entry.stat().st_mtime < before:
                yield Path(entry.path)
        except FileNotFoundError:
            continue  # removed meanwhile


def _batches(
    pictures: Iterator[tuple[uuid.UUID, Path]],
) -> Iterator[dict[uuid.UUID, Path]]:
    batch: dict[uuid.UUID, Path] = {}
    for picture_id, folder in pictures:
        batch[picture_id] = folder
        if len(batch) == _SWEEP_BATCH:
            yield batch
            batch = {}
    if batch:
        yield batch


@contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = StorageFull if error.errno in _FULL else StorageUnavailable
        raise kind from error
