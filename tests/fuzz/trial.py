"""One server's trial: rounds of sessions and of noise, for so long, and what it grew by."""

import asyncio
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from chat.realtime.router import router
from tests.fuzz.conversation import converse
from tests.fuzz.noise import make_noise, noises
from tests.fuzz.sessions import Session, sessions
from tests.fuzz.target import Target

T = TypeVar("T")
MIB = 1024 * 1024
# Part of the time that fills caches and pools, before growth is measured.
WARM_UP = 0.35
# What a process may grow by after that: pieces of memory that Python does not give back.
GROWTH_BYTES_MAX = 24 * MIB
# The same for descriptors: pools open their database connections when they come to it.
DESCRIPTORS_MAX = 16
# Examples between two looks at the clock.
ROUND = 40
# Sessions that are under way at once.
PEERS_MAX = 3


@dataclass(frozen=True)
class Holding:
    """What a process holds while nobody is connected."""

    memory_bytes: int
    descriptors: int

    @classmethod
    def of(cls, target: Target) -> "Holding":
        target.settle()
        return cls(target.memory_bytes, target.descriptor_count)

    def __str__(self) -> str:
        return f"{self.memory_bytes / MIB:.0f} MiB, {self.descriptors} descriptors"


class Trial:
    """Rounds of examples against one target."""

    def __init__(self, target: Target, number: int, *, shrinks: bool) -> None:
        self.target = target
        self.number = number
        # What fails is made smaller before it is shown, which takes minutes.
        self.phases = (Phase.generate, Phase.shrink) if shrinks else (Phase.generate,)
        self.counts: Counter[str] = Counter()
        self.sessions = sessions(list(router.actions.values()), target.known)

    def run(self, seconds: float) -> bool:
        """Try for so long; say what was tried, and return whether everything held."""
        program = self.target.server.program
        print(f"\n{program}: {len(router.actions)} actions, {seconds:.0f} s", flush=True)
        began = time.monotonic()
        try:
            self._try_until(began + WARM_UP * seconds)
            warm = Holding.of(self.target)
            self._try_until(began + seconds)
            self._look_back(warm)
        except Exception as error:
            # Hypothesis adds the example to it. Where several differ, it makes a group of them.
            traceback.print_exception(error)
            return False
        finally:
            told = ", ".join(f"{count} {what}" for what, count in self.counts.items())
            print(f"{program}: {told} in {time.monotonic() - began:.0f} s", flush=True)
        return True

    def _try_until(self, deadline: float) -> None:
        peers = st.lists(self.sessions, min_size=1, max_size=PEERS_MAX)
        with asyncio.Runner() as runner:
            while time.monotonic() < deadline:
                self._round(peers, lambda example: runner.run(self._play(example)))
                self._round(noises, self._make_noise)

    def _round(self, examples: SearchStrategy[T], act: Callable[[T], None]) -> None:
        """Try ROUND examples. Raises what the first fault raises, with its example."""

        @seed(self.number + self.counts["rounds"])
        @settings(
            max_examples=ROUND,
            deadline=None,
            database=None,
            phases=self.phases,
            suppress_health_check=list(HealthCheck),
        )
        @given(examples)
        def hold(example: T) -> None:
            act(example)
            self.target.check_log()

        self.counts["rounds"] += 1
        hold()

    async def _play(self, peers: list[Session]) -> None:
        """Hold several sessions at once."""
        url, tokens = self.target.server.ws_url, self.target.tokens
        async with asyncio.TaskGroup() as group:
            playing = [
                group.create_task(converse(url, tokens.get(each.person, ""), each))
                for each in peers
            ]
        for session, task in zip(peers, playing, strict=True):
            dues = [sent.due for sent in session.frames]
            self.counts["sessions"] += 1
            self.counts["frames"] += len(dues)
            self.counts["answers"] += task.result().answers.total()
            self.counts["frames heard"] += task.result().frames
            closed = next((each.closes_with for each in dues if each.closes_with), None)
            if closed is not None:
                self.counts[f"closed with {closed}"] += 1

    def _make_noise(self, noise: tuple[bytes, list[bytes]]) -> None:
        make_noise(self.target.server.port, noise)
        self.counts["noises"] += 1

    def _look_back(self, warm: Holding) -> None:
        now = Holding.of(self.target)
        print(f"{self.target.server.program}: {warm} when warm, {now} at the end")
        assert now.memory_bytes - warm.memory_bytes < GROWTH_BYTES_MAX, "its memory grows"
        assert now.descriptors - warm.descriptors <= DESCRIPTORS_MAX, "its descriptors grow"
        asyncio.run(self.target.serves())
        assert self.target.server.terminate() in (0, -signal.SIGTERM)
        self.target.check_log()
