"""Many filters and fast producers: does every socket get exactly what its filters match?

`python -m tests.scenarios.producers` starts a PostgreSQL, a Redis and two servers (a daphne and a
uvicorn) whose doorbell loses some events on purpose. 1,000 sockets with 50 distinct filters listen
while producers publish 500 events per second over sockets. Then what each socket got is compared
with what it ought to have got. Sockets whose outbox ran over are excused, and counted.

`--short` is for every change, and adds the failing twin, whose servers never read what they have
missed: there, the loss must be found.
"""

import argparse
import asyncio
import itertools
import random
import resource
import sys
import tempfile
import time
from array import array
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psutil
from websockets.asyncio.client import ClientConnection

from tests.live.client import open_socket
from tests.live.servers import AppServer, Site, new_database
from tests.live.topic_client import producer_key
from tests.scenarios.clicks import PRIVATE, TOPICS, Click, Maker, Wanted, filters
from tests.scenarios.cluster import PRODUCTION, cluster
from tests.scenarios.deliveries import Oracle, Place, Receiver, judge
from tests.scenarios.phases import percentile_ms
from tests.services import Unavailable
from tests.services.command import exit_on_sigterm

LOSSY = "tests.scenarios.lossy_asgi:application"
SABOTAGED = "tests.scenarios.sabotaged_topics_asgi:application"
ROOMS = {"studio": {"owner": "alice", "members": ["bob"], "visibility": "private"}}
FIELDS = [None, None, frozenset({"number"}), frozenset({"number", "color"}), frozenset({"value"})]
# Events that a producer publishes per second: half of what a key may.
PER_PRODUCER = 100
# Sockets that are being opened at a time.
OPENING_MAX = 25
# Last events of each topic: one of them at least is rung.
LAST_COUNT = 3
# Seconds: for the answers, and without any news, after which there will be none.
ANSWERS_S, QUIET_S = 60.0, 5.0
# Share of the sockets that may be excused before nothing is shown.
EXCUSED_MAX = 0.2


@dataclass(frozen=True)
class Plan:
    name: str
    seconds: float
    sockets: int
    per_second: int
    application: str = LOSSY
    is_sabotaged: bool = False


@dataclass
class Producer:
    """One socket with a producer's key."""

    url: str
    token: str
    maker: Maker
    published: dict[Place, Click]
    # Events by the request that publishes them, until it is answered.
    asked: dict[int, Click] = field(default_factory=dict)
    answers_s: "array[float]" = field(default_factory=lambda: array("d"))
    refusals: Counter[str] = field(default_factory=Counter)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _sent_at: dict[int, float] = field(default_factory=dict)

    async def run(self, seconds: float, per_second: float) -> None:
        """Publish at a steady pace, and wait for all answers."""
        socket = await open_socket(self.url, token=self.token, deadline_s=60)
        listening = asyncio.create_task(self._listen(socket))
        began = time.monotonic()
        for number in range(int(seconds * per_second)):
            await asyncio.sleep(began + number / per_second - time.monotonic())
            await self.send(socket, self.maker.click())
        await self._answered()
        listening.cancel()
        await socket.close()

    async def finish(self, topics: Sequence[str]) -> None:
        """Publish to every topic what nobody wants, so that nothing before it goes unnoticed."""
        socket = await open_socket(self.url, token=self.token, deadline_s=60)
        listening = asyncio.create_task(self._listen(socket))
        for topic in topics:
            for _ in range(LAST_COUNT):
                await self.send(socket, self.maker.last(topic))
        await self._answered()
        listening.cancel()
        await socket.close()

    async def send(self, socket: ClientConnection, click: Click) -> None:
        number = next(self._numbers)
        self.asked[number] = click
        self._sent_at[number] = time.monotonic()
        request = {
            "action": "publish",
            "request_id": number,
            "topic": click.topic,
            "event_type": click.event_type,
            "payload": click.payload,
        }
        await socket.send(msgspec.json.encode(request).decode())

    async def _answered(self) -> None:
        async with asyncio.timeout(ANSWERS_S):
            while self.asked:
                await asyncio.sleep(0.01)

    async def _listen(self, socket: ClientConnection) -> None:
        async for text in socket:
            frame = msgspec.json.decode(text)
            number = frame.get("request_id")
            if number is None:
                continue
            click = self.asked.pop(number)
            self.answers_s.append(time.monotonic() - self._sent_at.pop(number))
            if frame["ok"]:
                place = (frame["result"]["topic"], frame["result"]["offset"])
                self.published[place] = click
            else:
                self.refusals[frame["error"]["code"]] += 1


@dataclass
class Run:
    """One run of a plan against servers that are up."""

    plan: Plan
    servers: list[AppServer]
    # Of people who listen, by name; and of programs that publish.
    tokens: dict[str, str]
    keys: list[str]

    def __post_init__(self) -> None:
        self.dice = random.Random(7)
        self.urls = [f"{server.ws_url}/ws/" for server in self.servers]
        self.published: dict[Place, Click] = {}

    async def play(self) -> list[str]:
        """Listen, publish, wait; print the figures and return what was broken."""
        receivers = [self._receiver(number) for number in range(self.plan.sockets)]
        began = time.monotonic()
        await _in_turns([receiver.start for receiver in receivers], OPENING_MAX)
        print(f"  {len(receivers)} sockets, opened in {time.monotonic() - began:.1f} s", flush=True)
        producers = self._producers()
        before, began = self._processor_s(), time.monotonic()
        share = self.plan.per_second / len(producers)
        await asyncio.gather(*(each.run(self.plan.seconds, share) for each in producers))
        took_s = time.monotonic() - began
        await producers[0].finish(TOPICS)
        lasts = {place for place, click in self.published.items() if click.event_type == "Last"}
        await self._settle(receivers)
        used_s = self._processor_s() - before
        for receiver in receivers:
            await receiver.stop()
        self._print_figures(receivers, producers, took_s, used_s)
        return self._judge(receivers, producers, lasts)

    def _receiver(self, number: int) -> Receiver:
        """One of fifty filters each, some two or three, some a topic by name as well."""
        name = ("alice", "bob", "charlie")[number % 3]
        all_filters = _FILTERS
        chosen = [all_filters[number % len(all_filters)]]
        if number % 7 == 0:
            chosen += self.dice.sample(all_filters, 2)
        wanted = {each: self.dice.choice(FIELDS) for each in chosen}
        if name == "charlie":  # A stranger cannot even ask for what names the room.
            wanted = {each: wish for each, wish in wanted.items() if each.topic != PRIVATE}
        topics = [f"rare/{1 + number % 2}"] if number % 10 == 0 or not wanted else []
        return Receiver(
            self.urls[number % len(self.urls)], self.tokens[name], name != "charlie", wanted, topics
        )

    def _producers(self) -> list[Producer]:
        maker = Maker(self.dice)
        return [
            Producer(self.urls[place % len(self.urls)], key, maker, self.published)
            for place, key in enumerate(self.keys)
        ]

    async def _settle(self, receivers: list[Receiver]) -> None:
        """Wait until nothing more comes."""
        count, since = -1, time.monotonic()
        while time.monotonic() - since < QUIET_S:
            now = sum(len(receiver.got) for receiver in receivers)
            if now != count:
                count, since = now, time.monotonic()
            await asyncio.sleep(0.1)

    def _judge(
        self, receivers: list[Receiver], producers: list[Producer], lasts: set[Place]
    ) -> list[str]:
        log = "\n".join(server.log for server in self.servers)
        excused = {each.connection_id for each in receivers if each.connection_id in log}
        judged = [each for each in receivers if each.connection_id not in excused]
        broken, details = judge(Oracle(self.published, PRIVATE), judged, lasts)
        for producer in producers:
            for code, count in producer.refusals.items():
                broken[f"refused: {code}"] += count
        if len(excused) > EXCUSED_MAX * len(receivers):
            broken["too many excused"] += 1
        print(f"  {len(excused)} sockets are excused: their outbox ran over")
        print("\nWhat must be 0:")
        for name, count in broken.items():
            print(f"  {count:8}  {name}")
        for line in details[:10]:
            print(f"    {line}")
        return [name for name, count in broken.items() if count]

    def _print_figures(
        self,
        receivers: list[Receiver],
        producers: list[Producer],
        took_s: float,
        used_s: float,
    ) -> None:
        deliveries = sum(len(receiver.got) for receiver in receivers)
        latencies = array("d", itertools.chain(*(each.latencies_s for each in receivers)))
        answers = array("d", itertools.chain(*(each.answers_s for each in producers)))
        print(
            f"  {len(self.published)} events by {len(producers)} producers in {took_s:.1f} s: "
            f"{len(self.published) / took_s:.0f} per second"
        )
        print(
            f"  {deliveries} deliveries, {deliveries / took_s:.0f} per second; "
            f"{len(_FILTERS)} distinct filters"
        )
        for name, values in (("delivered after", latencies), ("answered after", answers)):
            told = ", ".join(f"p{p} {percentile_ms(values, p):.0f} ms" for p in (50, 99, 100))
            print(f"  {name} {told}")
        print(
            f"  processor time of both servers: {used_s:.1f} s, "
            f"{1e6 * used_s / max(1, deliveries):.0f} µs per delivery"
        )

    def _processor_s(self) -> float:
        """Seconds that the servers have computed so far."""
        total = 0.0
        for server in self.servers:
            assert server.popen is not None
            times = psutil.Process(server.popen.pid).cpu_times()
            total += times.user + times.system
        return total


_FILTERS: list[Wanted] = filters()


async def _in_turns(starts: list[Callable[[], Awaitable[None]]], most: int) -> None:
    """Await all, so many at a time."""
    turns = asyncio.Semaphore(most)

    async def one(start: Callable[[], Awaitable[None]]) -> None:
        async with turns:
            await start()

    await asyncio.gather(*map(one, starts))


@contextmanager
def serving(site: Site, application: str) -> Iterator[list[AppServer]]:
    """Yield a daphne and a uvicorn that are ready."""
    servers = [site.server(program, application) for program in ("daphne", "uvicorn")]
    try:
        for server in servers:
            server.spawn()
        for server in servers:
            server.wait_until_ready(60)
        yield servers
    finally:
        for server in servers:
            server.kill()


def play(plan: Plan, site: Site, tokens: dict[str, str], keys: list[str]) -> list[str]:
    """Start servers for the plan, play it, and return what was broken."""
    print(f"\n── {plan.name} ──", flush=True)
    with serving(site, plan.application) as servers:
        broken = asyncio.run(Run(plan, servers, tokens, keys).play())
        for server in servers:
            if "Traceback" in server.log:
                print(f"{server.program} has logged a traceback:\n{server.log[-2000:]}")
                broken.append("tracebacks")
    return broken


def play_all(plans: list[Plan], site: Site) -> list[str]:
    """Play plans one after the other on one site; return those that did not go as they should."""
    site.migrate()
    tokens = site.populate(["alice", "bob", "charlie"], ROOMS)
    count = max(2, max(plan.per_second for plan in plans) // PER_PRODUCER)
    keys = [producer_key(site, ("alice", "bob")[number % 2]) for number in range(count)]
    failed = []
    for plan in plans:
        broken = play(plan, site, tokens, keys)
        # The twin must lose something, and do nothing worse.
        if (broken != ["lost"]) if plan.is_sabotaged else broken:
            failed.append(f"{plan.name} ({', '.join(broken) or 'nothing was found'})")
        elif plan.is_sabotaged:
            print("The checker has found it.")
    return failed


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.scenarios.producers", description=__doc__
    )
    parser.add_argument("--short", action="store_true", help="the short form and its failing twin")
    parser.add_argument("--sabotage", action="store_true", help="the failing twin alone")
    parser.add_argument("--sockets", type=int, help="how many sockets listen")
    parser.add_argument("--seconds", type=float, help="how long the producers publish")
    parser.add_argument("--rate", type=int, help="events per second")
    chosen = parser.parse_args(arguments)
    exit_on_sigterm()
    # Each socket is an open file here, and one in a server; servers inherit the limit.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    seconds, sockets, rate = chosen.seconds, chosen.sockets, chosen.rate
    twin = Plan("the failing twin", seconds or 3, sockets or 100, rate or 200, SABOTAGED, True)
    plans = [Plan("many filters, fast producers", seconds or 60, sockets or 1000, rate or 500)]
    if chosen.short:
        plans = [
            Plan("some filters and producers", seconds or 6, sockets or 200, rate or 300),
            twin,
        ]
    if chosen.sabotage:
        plans = [twin]
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="picturegram-producers-") as folder,
        cluster(Path(folder)) as on,
        new_database(on.postgres.url) as database_url,
    ):
        failed = play_all(plans, Site(Path(folder), database_url, on.redis.url, PRODUCTION))
    outcome = f"FAILED: {', '.join(failed)}" if failed else "Every promise was kept"
    print(f"\n{outcome}, in {time.monotonic() - began:.0f} s.")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Unavailable as reason:
        sys.exit(str(reason))
    except KeyboardInterrupt:
        sys.exit(130)
