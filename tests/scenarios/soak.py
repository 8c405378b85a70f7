"""Posts under faults: does everybody get exactly what is stored, in order?

`python -m tests.scenarios.soak` starts a PostgreSQL, a Redis and two servers (a daphne and a
uvicorn), lets sockets follow and people write, and meanwhile takes things away: Redis, a process,
PostgreSQL. Then it compares what everybody was told with what is stored. The status is 1 when a
promise of docs/protocol.md was not kept.

`--short` is for every change; `--sabotage` runs servers with a broken hub instead, and is content
only when the loss is found.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.scenarios import plans
from tests.scenarios.cluster import Cluster, Servers, Stored, cluster
from tests.scenarios.follower import Follower
from tests.scenarios.listener import Listener, fetch_posts
from tests.scenarios.phases import Phases, percentile_ms
from tests.scenarios.plans import Plan
from tests.scenarios.readers import Poller, Streamer
from tests.scenarios.verdict import Verdict, judge, report
from tests.scenarios.writers import Writers
from tests.services import Unavailable
from tests.services.command import exit_on_sigterm

AUTHORS = [f"author{number}" for number in range(20)]
ROOMS = {
    "lobby": {"owner": AUTHORS[0], "members": AUTHORS[1:]},
    "studio": {"owner": AUTHORS[0], "members": AUTHORS[1:], "visibility": "private"},
    "garden": {"owner": AUTHORS[1], "members": AUTHORS},
}
# Seconds: for the first subscribes, for the last answers, and for everybody to have everything.
START_S, ANSWERS_S, SETTLE_S = 60.0, 60.0, 30.0
# When all is well again, nine of ten events come as fast as before, give or take this much: whoever
# hears no doorbell and lives on from the log takes up to 2 s.
HEALED_MS = 1000.0


@dataclass
class Run:
    """One run of a plan against servers that are up."""

    plan: Plan
    servers: Servers

    def __post_init__(self) -> None:
        self.phases = Phases()
        tokens = self.servers.site.populate(AUTHORS, ROOMS)
        self.tokens = {name: tokens[name] for name in AUTHORS}
        self.rooms = list(ROOMS)
        self.ws_urls = [server.ws_url for server in self.servers.all]
        self.http_urls = [server.http_url for server in self.servers.all]

    async def play(self) -> Verdict:
        """Follow and write through the plan; then judge."""
        followers = self._listeners()
        writers = Writers(
            self.ws_urls,
            self.http_urls,
            self.tokens,
            self.rooms,
            self.phases,
            per_second=self.plan.posts_per_second,
            has_rest=await self._has_rest(),
        )
        following = [asyncio.create_task(follower.run()) for follower in followers]
        watching = asyncio.create_task(_watch(followers))
        try:
            await _until(lambda: all(each.is_live for each in followers), START_S)
            writing = asyncio.create_task(writers.run())
            await self._go_through_the_plan(followers)
            await writers.stop(ANSWERS_S)
            await writing
            self.phases.end()
            verdict = await self._judge(followers, writers)
            self._print_figures(followers, writers)
            return verdict
        finally:
            watching.cancel()
            for follower in followers:
                await follower.stop()
            for task in following:
                task.cancel()
            await asyncio.gather(watching, *following, return_exceptions=True)

    def _listeners(self) -> list[Listener]:
        found: list[Listener] = []
        for number in range(self.plan.sockets):
            token = random.choice(list(self.tokens.values()))
            place = number % len(self.ws_urls)
            found.append(Follower(self.ws_urls, token, self.rooms, self.phases, place))
        for number in range(self.plan.readers):
            token = random.choice(list(self.tokens.values()))
            room = self.rooms[number % len(self.rooms)]
            kind = (Poller, Streamer)[number % 2]
            found.append(kind(self.http_urls, token, room, self.phases, number // 2 % 2))
        return found

    async def _go_through_the_plan(self, followers: list[Listener]) -> None:
        for step in self.plan.steps:
            phase = self.phases.begin(step.name)
            print(f"  {step.name} …", flush=True)
            if step.act is not None:
                await asyncio.to_thread(step.act, self.servers)
            if step.is_homecoming:
                await asyncio.gather(*(follower.go_home() for follower in followers))
            await asyncio.sleep(max(0.0, phase.began_at + step.seconds - time.time()))

    async def _has_rest(self) -> bool:
        async with httpx.AsyncClient(base_url=self.http_urls[0], trust_env=False) as http:
            return (await http.get("/api/rooms/lobby/posts/")).status_code == 200

    # --- afterwards -------------------------------------------------------------------------

    async def _judge(self, followers: list[Listener], writers: Writers) -> Verdict:
        stored = await asyncio.to_thread(self.servers.read_stored)
        heads = {room: len(stored.logs[room][1]) for room in self.rooms}

        def is_settled() -> bool:
            return all(follower.has_everything(heads) for follower in followers)

        settle_s = await _until(is_settled, self.plan.settle_s, is_lenient=True)
        behind = [] if settle_s is not None else [f"not within {self.plan.settle_s} s"]
        told = await asyncio.gather(
            *(follower.settle(SETTLE_S) for follower in followers if follower.is_live),
            return_exceptions=True,
        )
        verdict = judge(stored, followers, writers)
        verdict.note("everybody has everything in time", behind)
        strange = [
            each for each in told if isinstance(each, BaseException) or each.items() - heads.items()
        ]
        verdict.note("heads as stored", map(str, strange))
        verdict.note("views as a fresh fetch", await self._compare_views(followers))
        first_ms, *_, last_ms = (percentile_ms(each.latencies_s, 90) for each in self.phases.all)
        is_slow = last_ms > first_ms + HEALED_MS
        verdict.note("as fast as before", [f"{last_ms:.0f} ms, not {first_ms:.0f}"] * is_slow)
        verdict.note("ends in good order", self.servers.faults)
        unready = [server.program for server in self.servers.all if not server.is_ready()]
        verdict.note("ready again", unready)
        self._print_stored(stored, settle_s)
        return verdict

    async def _compare_views(self, followers: list[Listener]) -> list[str]:
        """Compare each follower's view with a fresh fetch, at each process in turn."""
        found = []
        for room in self.rooms:
            fetched = [
                await fetch_posts(url, self.tokens[AUTHORS[0]], room) for url in self.ws_urls
            ]
            for number, follower in enumerate(followers):
                if (record := follower.records.get(room)) is not None:
                    differences = record.view.differences(fetched[number % len(fetched)])
                    found += [f"follower {number}, {room}: {each}" for each in differences]
        return found

    # --- telling ----------------------------------------------------------------------------

    def _print_stored(self, stored: Stored, settle_s: float | None) -> None:
        events = sum(len(marks) for _, marks in stored.logs.values())
        settled = "not settled" if settle_s is None else f"settled after {settle_s:.1f} s"
        print(f"\n{len(stored.posts)} posts, {events} events in {len(self.rooms)} rooms; {settled}")

    def _print_figures(self, followers: list[Listener], writers: Writers) -> None:
        names = f"{'s':>6}{'deliveries':>12}{'p50 ms':>8}{'p99':>7}{'max':>7}"
        spread = f"{'p50 ms':>8}{'p99':>7}{'max':>7}"
        print(f"\n{'phase':30}{names}{'posts':>8}{spread}{'returns':>9}{spread}")
        for phase, duration in zip(self.phases.all, self.phases.durations_s(), strict=True):
            print(
                f"{phase.name:30}{duration:6.1f}{len(phase.latencies_s):12}"
                f"{_spread(phase.latencies_s)}{phase.posts:8}{_spread(phase.answers_s)}"
                f"{len(phase.returns_s):9}{_spread(phase.returns_s) if phase.returns_s else ''}"
            )
        print()
        for kind in (Follower, Poller, Streamer):
            same = [follower for follower in followers if isinstance(follower, kind)]
            counts = sum((follower.counts for follower in same), Counter[str]())
            print(f"{len(same)} × {kind.__name__.lower()}:", _told(counts))
        codes = sum((follower.codes for follower in followers), Counter[int]())
        print("closed with:", _told(codes))
        print("writers:", _told(writers.counts))


def _spread(values_s: "array[float]") -> str:
    return "".join(
        f"{percentile_ms(values_s, percent):{width}.0f}"
        for percent, width in ((50, 8), (99, 7), (100, 7))
    )


def _told(counts: Counter[Any]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=str)) or "none"


async def _watch(followers: list[Listener]) -> None:
    while True:
        await asyncio.sleep(1)
        for follower in followers:
            follower.look_at_silence()


async def _until(
    holds: Callable[[], bool], deadline_s: float, *, is_lenient: bool = False
) -> float | None:
    """Return the seconds until `holds()`; None, or TimeoutError, when the deadline is over."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > deadline_s:
            if is_lenient:
                return None
            raise TimeoutError(f"not within {deadline_s} s")
        await asyncio.sleep(0.05)
    return time.monotonic() - began


def play(plan: Plan, on: Cluster, logs: Path | None = None) -> Verdict:
    """Start servers for the plan, play it and print its figures; keep their logs if wanted."""
    print(f"\n── {plan.name} ──", flush=True)
    with on.serving(plan.application) as servers:
        try:
            verdict = asyncio.run(Run(plan, servers).play())
        finally:
            for server in servers.all:
                print(f"{server.program}: {_told(_log_levels(server.log))}")
                if logs is not None:
                    shutil.copy(server.log_path, logs / f"{server.program}.log")
    print("\nWhat must be 0:")
    print(report(verdict))
    return verdict


def _log_levels(log: str) -> Counter[str]:
    words = Counter(word for line in log.splitlines() for word in line.split()[2:3])
    return Counter({name: words[name] for name in ("WARNING", "ERROR") if words[name]}) + Counter(
        {"tracebacks": log.count("Traceback (most recent call last)")}
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.scenarios.soak", description=__doc__)
    parser.add_argument("--short", action="store_true", help="the short form and its failing twin")
    parser.add_argument("--sabotage", action="store_true", help="the failing twin alone")
    parser.add_argument("--sockets", type=int, help="how many sockets listen")
    parser.add_argument("--logs", type=Path, help="a folder for what the servers say")
    chosen = parser.parse_args(arguments)
    exit_on_sigterm()
    todo = [plans.short(), plans.twin()] if chosen.short else [plans.whole()]
    todo = [plans.twin()] if chosen.sabotage else todo
    began = time.monotonic()
    failed = []
    with (
        tempfile.TemporaryDirectory(prefix="picturegram-soak-") as folder,
        cluster(Path(folder)) as on,
    ):
        for plan in todo:
            plan.sockets = chosen.sockets or plan.sockets
            verdict = play(plan, on, chosen.logs)
            if verdict.is_kept == plan.is_sabotaged:
                failed.append(plan.name)
            if plan.is_sabotaged:
                print("The checker has found it." if not verdict.is_kept else "NOTHING WAS FOUND.")
    took_s = time.monotonic() - began
    outcome = f"FAILED: {', '.join(failed)}" if failed else "Every promise was kept"
    print(f"\n{outcome}, in {took_s:.0f} s.")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Unavailable as reason:
        sys.exit(str(reason))
    except KeyboardInterrupt:
        sys.exit(130)
