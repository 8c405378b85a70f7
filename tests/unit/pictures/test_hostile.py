"""Files made to hurt: each is refused or comes out as nothing but pixels, soon."""

import random
import time
from collections.abc import Iterator

import psutil
import pytest

from posts.pictures.errors import PictureError
from posts.pictures.limits import Limits
from posts.pictures.pool import Pool
from posts.pictures.process import Processed, process
from tests.pictures import containers, hostile
from tests.pictures.drawn import SECRET, encoded, quarters, upload

LIMIT_S = 12.0
"""More than any file here needs, less than the wall limit of a worker."""

GROWTH_BYTES = 64 * 1024**2


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """Every test here must be over soon and leave the server process as small as it was."""
    process_itself = psutil.Process()
    before = process_itself.memory_info().rss
    yield
    assert process_itself.memory_info().rss - before < GROWTH_BYTES


def attempt(data: bytes, pool: Pool) -> Processed | PictureError:
    started_at = time.monotonic()
    try:
        result: Processed | PictureError = process(upload(data), limits=Limits(), pool=pool)
    except PictureError as error:
        result = error
    assert time.monotonic() - started_at < LIMIT_S
    return result


def assert_refused(result: Processed | PictureError) -> None:
    assert isinstance(result, PictureError)
    assert result.status in (413, 415, 422)
    assert "JPEG" in str(result)
    assert "10 MiB" in str(result)


def assert_clean(result: Processed | PictureError) -> None:
    if isinstance(result, PictureError):
        assert_refused(result)
        return
    for file in (result.original, *result.renditions):
        containers.assert_only_pixels(file.data, file.type)
        for trace in (SECRET, hostile.SCRIPT, b"<?php", b"PK\x03\x04"):
            assert trace not in file.data


@pytest.mark.parametrize("name", hostile.REFUSED)
def test_it_is_refused(name: str, pool: Pool) -> None:
    assert_refused(attempt(hostile.REFUSED[name](), pool))


@pytest.mark.parametrize("name", hostile.HARMLESS)
def test_nothing_but_pixels_is_left_of_it(name: str, pool: Pool) -> None:
    result = attempt(hostile.HARMLESS[name](), pool)
    assert isinstance(result, Processed)
    assert_clean(result)


@pytest.mark.parametrize("name", hostile.SOUND)
def test_a_file_cut_off_anywhere_is_refused_or_clean(name: str, pool: Pool) -> None:
    whole = hostile.SOUND[name]()
    for part in (0.01, 0.1, 0.3, 0.5, 0.7, 0.9):
        assert_clean(attempt(whole[: int(len(whole) * part)], pool))
    assert_refused(attempt(whole[: len(whole) // 2], pool))


@pytest.mark.parametrize("name", hostile.SOUND)
def test_a_damaged_file_is_refused_or_clean(name: str, pool: Pool) -> None:
    chance = random.Random(name)
    whole = hostile.SOUND[name]()
    for _ in range(20):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 4, 16))):
            # The first bytes tell the format; the interesting ones follow them.
            damaged[chance.randrange(12, len(damaged))] = chance.randrange(256)
        assert_clean(attempt(bytes(damaged), pool))


def test_a_name_or_type_that_lies_changes_nothing(pool: Pool) -> None:
    """Uploads carry no name here at all: the bytes of a PNG called photo.jpg are a PNG."""
    result = attempt(encoded(quarters(), "PNG"), pool)
    assert isinstance(result, Processed)
    assert result.original.type == "image/png"
