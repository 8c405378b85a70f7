"""Servers that the tests of a module share."""

from collections.abc import Iterator

import pytest

from tests.live.pair import Pair, pair_of
from tests.live.servers import new_database


@pytest.fixture(scope="module")
def shared_pair(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Pair]:
    with new_database(postgres_url) as database_url:
        folder = tmp_path_factory.mktemp("pair")
        with pair_of(["daphne", "uvicorn"], folder, database_url) as pair:
            yield pair


@pytest.fixture
def pair(shared_pair: Pair) -> Pair:
    """The module's pair, whole again after what an earlier test did to it."""
    for server in shared_pair.servers:
        if not server.is_running:
            server.spawn()
    for server in shared_pair.servers:
        server.wait_until_ready()
    return shared_pair
