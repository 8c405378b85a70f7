"""What is taken away when, and for how long."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import redis

from tests.live.servers import APPLICATION
from tests.scenarios.cluster import Servers

DAPHNE, UVICORN = 0, 1
SABOTAGED = "tests.scenarios.sabotaged_asgi:application"


@dataclass
class Step:
    """A phase: `act` runs at its beginning; it lasts so long, or as long as `act` does.

    After `act`, followers may go back to the server that they prefer.
    """

    name: str
    seconds: float
    act: Callable[[Servers], object] | None = None
    is_homecoming: bool = False


@dataclass
class Plan:
    name: str
    steps: list[Step]
    sockets: int = 200
    # Who listens over HTTP: every second one by long-polls, the others by streams.
    readers: int = 20
    posts_per_second: float = 20
    application: str = APPLICATION
    # Seconds within which everybody must have everything once the writing is over.
    settle_s: float = 30.0
    is_sabotaged: bool = field(default=False)


def whole() -> Plan:
    """Every fault of the short form and some more, at both processes: some minutes."""
    return Plan(
        "posts under faults",
        [
            Step("calm", 10),
            Step("Redis away for 5 s", 5, redis_away(5)),
            Step("Redis back", 10),
            Step("daphne killed", 10, kill(DAPHNE)),
            Step("daphne back", 10, start(DAPHNE), is_homecoming=True),
            Step("PostgreSQL restarted", 10, restart_postgres(signal.SIGINT)),
            Step("calm", 5),
            Step("Redis killed, back at once", 10, redis_restarted),
            Step("Redis flushed, clients killed", 10, redis_flushed),
            Step("Redis stands still for 12 s", 12, redis_paused(12)),
            Step("Redis goes on", 10),
            Step("uvicorn killed", 10, kill(UVICORN)),
            Step("uvicorn back", 10, start(UVICORN), is_homecoming=True),
            Step("PostgreSQL ends at once", 10, restart_postgres(signal.SIGQUIT)),
            Step("calm", 5),
            Step("PostgreSQL away for 15 s", 15, postgres_away(15)),
            Step("PostgreSQL back", 10),
            Step("daphne terminated", 12, terminate(DAPHNE)),
            Step("daphne back", 8, start(DAPHNE), is_homecoming=True),
            Step("uvicorn terminated", 12, terminate(UVICORN)),
            Step("uvicorn back", 8, start(UVICORN), is_homecoming=True),
            Step("uvicorn stands still for 5 s", 5, paused(UVICORN, 5)),
            Step("Redis away, daphne killed", 8, redis_away_and_killed(DAPHNE, 6)),
            Step("both back", 10, start(DAPHNE), is_homecoming=True),
            Step("calm again", 10),
        ],
    )


def short() -> Plan:
    """The three faults, once each."""
    return Plan(
        "posts under faults, short",
        [
            Step("calm", 4),
            Step("Redis away for 5 s", 5, redis_away(5)),
            Step("Redis back", 5),
            Step("daphne killed", 6, kill(DAPHNE)),
            Step("daphne back", 5, start(DAPHNE), is_homecoming=True),
            Step("PostgreSQL restarted", 6, restart_postgres(signal.SIGINT)),
            Step("calm again", 5),
        ],
    )


def twin() -> Plan:
    """Servers whose hub trusts the doorbell: this must fail."""
    return Plan(
        "the failing twin: a hub that trusts the doorbell",
        [Step("calm", 2), Step("Redis away for 3 s", 3, redis_away(3)), Step("Redis back", 3)],
        sockets=20,
        readers=4,
        application=SABOTAGED,
        settle_s=3,
        is_sabotaged=True,
    )


def redis_away(seconds: float) -> Callable[[Servers], None]:
    def act(servers: Servers) -> None:
        servers.cluster.redis.stop()
        time.sleep(seconds)
        servers.cluster.redis.start()

    return act


def redis_restarted(servers: Servers) -> None:
    servers.cluster.redis.kill()
    servers.cluster.redis.start()


def redis_flushed(servers: Servers) -> None:
    with redis.Redis.from_url(servers.cluster.redis.url) as client:
        client.flushall()
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        client.execute_command("CLIENT", "KILL", "TYPE", "normal")


def redis_paused(seconds: float) -> Callable[[Servers], None]:
    """Links that are open and silent, as behind a broken network."""

    def act(servers: Servers) -> None:
        servers.cluster.redis.pause()
        time.sleep(seconds)
        servers.cluster.redis.resume()

    return act


def redis_away_and_killed(which: int, seconds: float) -> Callable[[Servers], None]:
    def act(servers: Servers) -> None:
        servers.cluster.redis.stop()
        servers.all[which].kill()
        time.sleep(seconds)
        servers.cluster.redis.start()

    return act


def kill(which: int) -> Callable[[Servers], None]:
    return lambda servers: servers.all[which].kill()


def terminate(which: int) -> Callable[[Servers], None]:
    return lambda servers: servers.terminate(which)


def start(which: int) -> Callable[[Servers], None]:
    return lambda servers: servers.all[which].start()


def paused(which: int, seconds: float) -> Callable[[Servers], None]:
    def act(servers: Servers) -> None:
        servers.all[which].pause()
        time.sleep(seconds)
        servers.all[which].resume()

    return act


def restart_postgres(by: signal.Signals) -> Callable[[Servers], None]:
    return lambda servers: servers.restart_postgres(by)


def postgres_away(seconds: float) -> Callable[[Servers], None]:
    def act(servers: Servers) -> None:
        servers.cluster.postgres.stop()
        time.sleep(seconds)
        servers.cluster.postgres.start()

    return act
