"""A PostgreSQL, a Redis and two servers of our own, and what can be done to them."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.live.servers import APPLICATION, AppServer, Site, new_database
from tests.scenarios.wire import Mark, mark
from tests.services.postgres import postgres_server
from tests.services.redis import redis_server
from tests.services.server import Server

# Seconds after SIGTERM within which a supervisor wants to see the end.
END_S = 15.0
# As operators run it, but for HTTPS.
PRODUCTION = {"DEBUG": "0", "ALLOWED_HOSTS": "127.0.0.1", "HTTPS": "0"}


@dataclass
class Cluster:
    """Everything runs on 127.0.0.1, on free ports, with data that goes with the run."""

    postgres: Server
    redis: Server
    folder: Path

    @contextmanager
    def serving(self, application: str = APPLICATION) -> Iterator["Servers"]:
        """Yield a daphne and a uvicorn, ready, on a new database."""
        with new_database(self.postgres.url) as database_url:
            site = Site(self.folder, database_url, self.redis.url, PRODUCTION)
            site.migrate()
            with (
                site.serving("daphne", application) as daphne,
                site.serving("uvicorn", application) as uvicorn,
            ):
                yield Servers(self, site, [daphne, uvicorn])


@dataclass
class Servers:
    cluster: Cluster
    site: Site
    all: list[AppServer]
    # What a process promised and did not keep.
    faults: list[str] = field(default_factory=list)

    def restart_postgres(self, by: signal.Signals) -> None:
        """Restart PostgreSQL: SIGINT is its fast shutdown, SIGQUIT the immediate one."""
        self.cluster.postgres.stop(by=by)
        self.cluster.postgres.start()

    def terminate(self, which: int) -> None:
        """Have a process end in good order. uvicorn does so by the signal that it was sent."""
        server, began = self.all[which], time.monotonic()
        try:
            status: int | None = server.terminate(2 * END_S)
        except subprocess.TimeoutExpired:
            server.kill()
            status = None
        took_s = time.monotonic() - began
        if took_s > END_S or status not in (0, -signal.SIGTERM):
            self.faults.append(f"{server.program} ended with {status} after {took_s:.1f} s")

    def read_stored(self) -> "Stored":
        with psycopg.connect(self.site.database_url) as connection:
            return Stored.read(connection)


@dataclass
class Stored:
    """What the database holds when all is over."""

    # Per room: epoch, and the marks of its events in order.
    logs: dict[str, tuple[str, list[Mark]]]
    # Where a log is not 1, 2, 3 …
    faults: list[str]
    # (author's name, client_id) → id, seq, text, whether it is deleted.
    posts: dict[tuple[str, str], tuple[str, int, str, bool]]
    # (post's id, emoji) → names.
    reactions: dict[tuple[str, str], set[str]]

    @classmethod
    def read(cls, connection: psycopg.Connection) -> "Stored":
        stored = cls({}, [], {}, {})
        stored._read_logs(connection)
        for name, client_id, id, seq, text, is_deleted in connection.execute(
            "SELECT u.username, p.client_id, p.id::text, p.seq, p.text, p.deleted_at IS NOT NULL "
            "FROM posts_post p JOIN chat_user u ON u.id = p.author_id"
        ):
            if (name, client_id) in stored.posts:
                stored.faults.append(f"{client_id} of {name} is stored twice")
            stored.posts[name, client_id] = id, seq, text, is_deleted
        for id, emoji, name in connection.execute(
            "SELECT r.post_id::text, r.emoji, u.username "
            "FROM posts_reaction r JOIN chat_user u ON u.id = r.user_id"
        ):
            stored.reactions.setdefault((id, emoji), set()).add(name)
        return stored

    def _read_logs(self, connection: psycopg.Connection) -> None:
        rooms = connection.execute("SELECT id, slug, epoch, last_seq FROM chat_room").fetchall()
        for room_id, slug, epoch, last_seq in rooms:
            rows = connection.execute(
                "SELECT seq, type, data::jsonb FROM chat_roomevent WHERE room_id = %s ORDER BY seq",
                [room_id],
            ).fetchall()
            if [seq for seq, _, _ in rows] != list(range(1, last_seq + 1)):
                self.faults.append(f"the log of {slug} is not 1 to {last_seq}")
            self.logs[slug] = epoch, [mark(type, data) for _, type, data in rows]


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Yield a durable PostgreSQL and a Redis; they end with the block."""
    with postgres_server(is_durable=True) as postgres, redis_server() as redis:
        yield Cluster(postgres, redis, folder)
