"""The phases of a run, and how fast events were delivered in each."""

import time
from array import array
from bisect import bisect_right
from dataclasses import dataclass, field


@dataclass
class Phase:
    name: str
    # Seconds since 1970: latencies are told from the server's wall clock, which is ours.
    began_at: float
    posts: int = 0
    # From the writing of an event to its arrival at a live socket.
    latencies_s: "array[float]" = field(default_factory=lambda: array("d"))
    # From the first request to the first answer, for posts begun in this phase.
    answers_s: "array[float]" = field(default_factory=lambda: array("d"))
    # From the loss of a socket to the reply to the subscribe of the next one.
    returns_s: "array[float]" = field(default_factory=lambda: array("d"))


def percentile_ms(values_s: "array[float]", percent: float) -> float:
    """Milliseconds that so many percent of the values do not exceed; 0 without any."""
    if not values_s:
        return 0.0
    ordered = sorted(values_s)
    return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class Phases:
    """Grows with the run; an event belongs to the phase in which it was written."""

    def __init__(self) -> None:
        self.all: list[Phase] = []
        self._starts: list[float] = []
        self.ended_at = 0.0

    def begin(self, name: str) -> Phase:
        phase = Phase(name, time.time())
        self.all.append(phase)
        self._starts.append(phase.began_at)
        return phase

    def end(self) -> None:
        self.ended_at = time.time()

    @property
    def now(self) -> Phase:
        return self.all[-1]

    def note_delivery(self, written_at: float) -> None:
        """Note a live delivery of this moment."""
        phase = self.all[max(0, bisect_right(self._starts, written_at) - 1)]
        phase.latencies_s.append(time.time() - written_at)

    def durations_s(self) -> list[float]:
        ends = [*self._starts[1:], self.ended_at]
        return [end - start for start, end in zip(self._starts, ends, strict=True)]
