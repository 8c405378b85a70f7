"""All files of a picture, whole and in place, or none."""

import errno
import os
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Collection
from pathlib import Path

import pytest

from posts.pictures.errors import StorageFull, StorageUnavailable
from posts.pictures.process import Processed
from posts.pictures.store import PictureStore
from posts.pictures.wire import Encoded

PICTURE = Processed(
    sha256="0" * 64,
    width=1000,
    height=500,
    placeholder="",
    is_animated=False,
    original=Encoded(1000, 500, "image/jpeg", b"the whole picture"),
    renditions=(
        Encoded(320, 160, "image/webp", b"a small one"),
        Encoded(640, 320, "image/webp", b"a larger one" * 1000),
    ),
)
HOUR_S = 3600


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "media" / "pictures"


@pytest.fixture
def store(root: Path) -> PictureStore:
    return PictureStore(root)


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_saved_picture_is_found_by_its_id(store: PictureStore, root: Path) -> None:
    picture_id = uuid.UUID("01234567-89ab-7def-8123-456789abcdef")
    saved = store.save(picture_id, PICTURE)
    assert saved.original.name == "original.jpg"
    assert [each.name for each in saved.renditions] == ["320.webp", "640.webp"]
    assert saved.renditions[0].width == 320
    folder = "ef/01234567-89ab-7def-8123-456789abcdef"
    assert files(root) == {f"{folder}/{n}" for n in ("original.jpg", "320.webp", "640.webp")}
    path = store.path(picture_id, "320.webp")
    assert path
    assert path.read_bytes() == b"a small one"
    assert store.path(picture_id, "1280.webp") is None
    assert store.path(uuid.uuid4(), "320.webp") is None


@pytest.mark.parametrize("name", ["..", ".", "", "../x", "/etc/passwd", "a/320.webp", "320.webp/"])
def test_no_name_leads_out_of_a_pictures_folder(name: str, store: PictureStore) -> None:
    picture_id = uuid.uuid4()
    store.save(picture_id, PICTURE)
    assert store.path(picture_id, name) is None


def test_removing_takes_all_files_and_may_be_repeated(store: PictureStore, root: Path) -> None:
    kept, removed = uuid.uuid4(), uuid.uuid4()
    store.save(kept, PICTURE)
    store.save(removed, PICTURE)
    store.remove(removed)
    store.remove(removed)
    store.remove(uuid.uuid4())
    assert {Path(each).parent.name for each in files(root)} == {str(kept)}


def test_a_picture_is_never_written_over(store: PictureStore, root: Path) -> None:
    picture_id = uuid.uuid4()
    store.save(picture_id, PICTURE)
    before = files(root)
    with pytest.raises(StorageUnavailable):
        store.save(picture_id, PICTURE)
    assert files(root) == before


@pytest.mark.parametrize("after", [0, 1, 2, 3, 4])
def test_a_full_disk_leaves_nothing_behind(
    after: int, store: PictureStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    real = os.fsync

    def fsync(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    picture_id = uuid.uuid4()
    with pytest.raises(StorageFull) as refusal:
        store.save(picture_id, PICTURE)
    assert refusal.value.status == 507
    assert refusal.value.code == "storage_full"
    assert files(root) == set()
    assert not list((root / "incoming").iterdir())
    monkeypatch.undo()
    store.save(picture_id, PICTURE)


def test_a_write_the_system_refuses_leaves_nothing_behind(root: Path) -> None:
    """A real limit on file sizes, in a process of its own: the second rendition is too large."""
    script = textwrap.dedent("""
        import resource, sys, uuid
        from pathlib import Path
        from posts.pictures.errors import StorageFull
        from posts.pictures.store import PictureStore
        from tests.unit.pictures.test_store import PICTURE
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        try:
            PictureStore(Path(sys.argv[1])).save(uuid.uuid4(), PICTURE)
        except StorageFull:
            print("full")
    """)
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", script, root],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "full\n"
    assert files(root) == set()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("a file where the folder should be")
    with pytest.raises(StorageUnavailable) as refusal:
        PictureStore(tmp_path / "pictures").save(uuid.uuid4(), PICTURE)
    assert refusal.value.status == 503


def test_an_interrupted_save_leaves_nothing_behind(
    store: PictureStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        store.save(uuid.uuid4(), PICTURE)
    assert files(root) == set()


def test_sweeping_removes_what_no_row_knows_and_only_when_it_is_old(
    store: PictureStore, root: Path
) -> None:
    known, orphan, young = (uuid.uuid4() for _ in range(3))
    for picture_id in (known, orphan, young):
        store.save(picture_id, PICTURE)
    for picture_id in (known, orphan):
        age(store.folder(picture_id), HOUR_S + 60)
    crashed, writing = root / "incoming" / "crashed", root / "incoming" / "writing"
    for folder in (crashed, writing):
        folder.mkdir()
        (folder / "original.jpg").write_bytes(b"half")
    age(crashed, HOUR_S + 60)
    foreign = root / "ab" / "notes"
    foreign.mkdir(parents=True)
    age(foreign, HOUR_S + 60)

    asked: list[set[uuid.UUID]] = []

    def known_ids(ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
        asked.append(set(ids))
        return {known} & set(ids)

    assert store.sweep(known_ids, older_than_s=HOUR_S) == 2
    assert asked == [{known, orphan}]
    assert store.path(known, "original.jpg")
    assert store.path(young, "original.jpg")
    assert not store.folder(orphan).exists()
    assert not crashed.exists()
    assert writing.exists()
    assert foreign.exists()


def test_sweeping_where_nothing_was_ever_stored_does_nothing(store: PictureStore) -> None:
    assert store.sweep(lambda ids: ids) == 0


def test_sweeping_asks_in_batches(store: PictureStore, root: Path) -> None:
    for _ in range(1100):
        folder = store.folder(uuid.uuid4())
        folder.mkdir(parents=True)
        age(folder, HOUR_S + 60)
    sizes: list[int] = []

    def known_ids(ids: Collection[uuid.UUID]) -> Collection[uuid.UUID]:
        sizes.append(len(ids))
        return ids

    assert store.sweep(known_ids) == 0
    assert sizes == [500, 500, 100]
