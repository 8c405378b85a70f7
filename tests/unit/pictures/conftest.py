"""One pool of real worker processes for the whole session."""

from collections.abc import Callable, Iterator

import pytest

from posts.pictures.limits import Limits
from posts.pictures.pool import Pool
from posts.pictures.process import Processed, process
from tests.pictures.drawn import upload

Process = Callable[[bytes], Processed]


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    pool = Pool(workers=2)
    yield pool
    pool.close()


@pytest.fixture
def processed(pool: Pool) -> Process:
    """Process bytes as an upload, with the product's own limits."""
    return lambda data: process(upload(data), limits=Limits(), pool=pool)
