"""A server that has no Redis is alone on its database, and says so to the next."""

import json
import re
from pathlib import Path

import pytest

from tests.live.raw import wait_until
from tests.live.servers import Site


@pytest.fixture
def lonely_site(tmp_path: Path) -> Site:
    site = Site(tmp_path, f"sqlite:///{tmp_path}/db.sqlite3")
    site.migrate()
    return site


@pytest.mark.parametrize("program", ["daphne", "uvicorn"])
def test_a_second_server_without_redis_is_refused_in_a_sentence(
    lonely_site: Site, program: str
) -> None:
    with lonely_site.serving("daphne") as first:
        second = lonely_site.server(program)
        second.spawn()
        assert second.wait_until_over() == 1
        said = second.log.strip()
        assert re.fullmatch(r"PictureGram cannot start\. Another server .* Redis.*", said), said

        first.kill()
        with lonely_site.serving(program):
            pass


@pytest.mark.parametrize("program", ["daphne", "uvicorn"])
def test_a_server_that_ends_in_good_order_makes_room_for_the_next(
    lonely_site: Site, program: str
) -> None:
    with lonely_site.serving(program) as first:
        first.terminate()
        assert leases(lonely_site) == []
    with lonely_site.serving("daphne"):
        assert len(leases(lonely_site)) == 1


def test_a_server_that_nobody_has_asked_for_anything_keeps_its_lease(lonely_site: Site) -> None:
    server = lonely_site.server("daphne")
    try:
        server.spawn()
        wait_until(lambda: leases(lonely_site), 20)
        (first,) = leases(lonely_site)
        wait_until(lambda: leases(lonely_site) != [first], 20)
    finally:
        server.kill()


def leases(site: Site) -> list[str]:
    """When each lease was renewed."""
    code = (
        "import django, json; django.setup(); from chat.models import Lease; "
        "print(json.dumps([str(each.renewed_at) for each in Lease.objects.all()]))"
    )
    found: list[str] = json.loads(site.run("-c", code))
    return found
