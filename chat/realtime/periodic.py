"""Small jobs that a server does by the way, such as sweeping files of deleted posts.

A job is synchronous, short and idempotent: every process runs it, and may do so at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from chat.realtime.database import DatabaseFailure, in_database

logger = logging.getLogger(__name__)

Job = Callable[[], object]
_jobs: dict[str, tuple[float, Job]] = {}


def every(seconds: float) -> Callable[[Job], Job]:
    """Register a job to run about every `seconds`."""

    def register(job: Job) -> Job:
        _jobs[f"{job.__module__}.{job.__qualname__}"] = (seconds, job)
        return job

    return register


class Schedule:
    """When each job ran last in this process."""

    def __init__(self) -> None:
        self._ran_at: dict[str, float] = {}

    async def run_due(self) -> None:
        """Run the jobs whose time has come; one that fails waits for its next time."""
        now = time.monotonic()
        for name, (seconds, job) in _jobs.items():
            if now - self._ran_at.setdefault(name, now - seconds) < seconds:
                continue
            self._ran_at[name] = now
            try:
                await in_database(job)
            except DatabaseFailure as error:
                logger.warning("The periodic job %s found no database: %s", name, error)
            except Exception:
                logger.exception("The periodic job %s failed.", name)
