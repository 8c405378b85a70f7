"""The server under test: what it is asked to bear, and what it says and holds meanwhile."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil

from tests.fuzz.values import Known
from tests.live.client import Client
from tests.live.servers import AppServer, Site
from tests.scenarios.cluster import PRODUCTION

PEOPLE = ["alice", "bob", "charlie"]
ROOMS = {
    "lobby": {"owner": "alice", "members": ["bob"]},
    "studio": {"owner": "alice", "members": ["bob"], "visibility": "private"},
}
TOPICS = ["race/7", "room/lobby/x", "room/studio/x"]
# By names of fields: values that mean something, or nearly.
KNOWN = {
    "after author email query username": ["alice", "b", ""],
    "emoji": ["👍", "🎉", "x", "👩‍👩‍👧‍👦"],
    "event_type MessageType": ["NESClick", "x"],
    "filter_field": ["color", "a.b", ""],
    "filter_expr": ["*", "blue", "b*,r?d", ">5", "<0", "[", "(?=x)"],
    "replace": ["rooms", "topics", "subscriptions"],
}
# So that the frames are looked at and not their number. As operators run it, but for HTTPS: with
# DEBUG Django keeps the last 9000 statements of each thread, which looks like a leak for an hour.
RATES = ("REQUESTS_PER_SECOND", "REQUESTS_BURST")
VARIABLES = {
    **PRODUCTION,
    **{f"{kind}{name}": "1000000" for kind in ("", "PRODUCER_") for name in RATES},
}
# What a log must not hold: a traceback, or a line of that level.
FAULTS = ("Traceback (most recent call last)", " ERROR ", "ERROR: ", " CRITICAL ")
SETTLE_S = 15.0


@dataclass
class Target:
    """A server that is ready, the tokens of its people, and what names mean something on it."""

    server: AppServer
    tokens: dict[str, str]
    known: Known = field(default_factory=dict)
    _read: int = 0

    @classmethod
    def of(cls, site: Site, server: AppServer) -> "Target":
        tokens = site.populate(PEOPLE, ROOMS)
        scopes = [f"--scope={scope}" for scope in ("read", "post", "publish")]
        tokens["producer"] = site.run("manage.py", "access_key", "alice", *scopes).split()[-1]
        target = cls(server, tokens)
        posts = asyncio.run(target._post())
        target.known = {
            name: found
            for names, found in (
                ("room scope", [*ROOMS, "nowhere", "dm-alice-bob", "race/7"]),
                ("id post_id reply_to", [*posts, *TOPICS]),
                ("topic topics", TOPICS),
                *KNOWN.items(),
            )
            for name in names.split()
        }
        return target

    async def _post(self) -> list[str]:
        async with await self.connect("alice") as alice:
            return [(await alice.post("lobby", f"post {number}"))["id"] for number in range(8)]

    async def connect(self, name: str) -> Client:
        return await Client.connect(f"{self.server.ws_url}/ws/", token=self.tokens[name])

    # --- what it says -----------------------------------------------------------------------

    def check_log(self) -> None:
        """Raise AssertionError when a fault was logged since the last look."""
        with self.server.log_path.open("rb") as log:
            log.seek(self._read)
            news = log.read()
        self._read += len(news)
        text = news.decode(errors="replace")
        assert not any(fault in text for fault in FAULTS), f"the log says:\n{text[-3000:]}"

    # --- what it holds ----------------------------------------------------------------------

    @property
    def memory_bytes(self) -> int:
        rss: int = self._process.memory_info().rss
        return rss

    @property
    def descriptor_count(self) -> int:
        return self._process.num_fds()

    @property
    def socket_count(self) -> int:
        """Connections of clients that the process still holds."""
        found = self._process.net_connections("tcp")
        return sum(
            each.laddr.port == self.server.port and each.status != psutil.CONN_LISTEN
            for each in found
        )

    def settle(self) -> None:
        """Wait until nobody is connected any more. Raises AssertionError when somebody stays."""
        _wait_until(lambda: self.socket_count == 0, "connections are kept open")

    async def serves(self) -> None:
        """Raise what a session of two people raises when the server no longer serves."""
        async with await self.connect("alice") as alice, await self.connect("bob") as bob:
            await bob.request("room.join", room="lobby")
            await bob.subscribe("lobby")
            post = await alice.post("lobby", "still here")
            event = await bob.event(type="post.created", seq=post["seq"])
            assert event["data"] == post
            assert alice.faults == bob.faults == []

    @property
    def _process(self) -> psutil.Process:
        assert self.server.popen is not None
        return psutil.Process(self.server.popen.pid)


def _wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SETTLE_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
