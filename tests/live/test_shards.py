"""Several Redis: rooms are spread over them, and what is counted is found again."""

import time
from pathlib import Path

from tests.live.client import Client
from tests.live.servers import Site
from tests.services.redis import redis_server

ROOMS = {f"room-{number}": {"owner": "alice"} for number in range(8)}
COUNT = (
    "from django.core.cache import cache; cache.add('n', 0); cache.incr('n'); print(cache.get('n'))"
)


async def test_rooms_of_every_shard_are_heard_at_the_other_process(tmp_path: Path) -> None:
    with redis_server() as first, redis_server() as second:
        site = Site(tmp_path, f"sqlite:///{tmp_path}/db.sqlite3", f"{first.url}, {second.url}")
        site.migrate()
        assert site.run("-c", f"import django; django.setup(); {COUNT}").strip() == "1"
        token = site.populate(["alice"], ROOMS)["alice"]
        with site.serving("daphne") as left, site.serving("uvicorn") as right:
            async with (
                await Client.connect(f"{left.ws_url}/ws/", token=token) as author,
                await Client.connect(f"{right.ws_url}/ws/", token=token) as listener,
            ):
                await listener.subscribe(*ROOMS)
                began = time.monotonic()
                for room in ROOMS:
                    await author.post(room, "to whichever shard")
                    await listener.event(type="post.created", room=room)
                # The log alone would take up to two seconds for each.
                assert time.monotonic() - began < 4
                assert not listener.faults
