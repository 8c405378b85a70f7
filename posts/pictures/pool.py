"""The server's side of decoding: at most so many pictures at once, the others wait in line.

A thread that asks for a picture blocks until it is done; the event loop is never involved.
Call it from a synchronous view, or from async code through a thread.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from posts.pictures import wire
from posts.pictures.errors import (
    PictureError,
    PicturesBusy,
    PictureTooComplex,
    TooManyPixels,
    UnreadablePicture,
)
from posts.pictures.examine import CHUNK_BYTES, Upload
from posts.pictures.limits import Limits, Resources

logger = logging.getLogger(__name__)

# What the worker inherits of the environment. Above all not SECRET_KEY or DATABASE_URL.
_KEPT_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "LANG")

# The folder of the packages; the server may have found it as its working directory.
_SOURCE = str(Path(__file__).resolve().parents[2])

# The worker keeps its time itself; this much later the server stops waiting for it.
_GRACE_S = 2.0
_CLOSE_S = 5.0
_RETRY_AFTER_MS = 2000

_REFUSALS: dict[str, type[PictureError]] = {
    error.code: error for error in (TooManyPixels, UnreadablePicture, PictureTooComplex)
}


class Pool:
    """Renders uploads in worker processes. Thread-safe; starts with its first picture.

    `workers` pictures are decoded at once (by default one for each processor), `max_waiting`
    more wait for up to `max_wait_s` seconds; further ones are refused with `PicturesBusy`.
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        max_waiting: int = 20,
        max_wait_s: float = 30.0,
        resources: Resources | None = None,
    ) -> None:
        self._slots = threading.Semaphore(workers or os.cpu_count() or 1)
        self._max_waiting = max_waiting
        self._max_wait_s = max_wait_s
        self._resources = resources or Resources()
        self._lock = threading.Lock()
        self._waiting_count = 0
        self._worker: _Worker | None = None

    def render(self, upload: Upload, media_type: str, limits: Limits) -> wire.Rendered:
        """Decode and encode one upload, or raise the `PictureError` that says why not."""
        with self._slot():
            try:
                reply = self._ask(upload, media_type, limits)
            except _WorkerLost:
                logger.warning("The picture worker was gone; starting another.")
                try:
                    reply = self._ask(upload, media_type, limits)
                except _WorkerLost as error:
                    logger.error("The picture worker does not stay alive.")
                    raise _busy() from error
        if isinstance(reply, wire.Rendered):
            return reply
        logger.info("Refused a picture (%s): %.200s", reply.code, reply.detail)
        refusal = _REFUSALS.get(reply.code, UnreadablePicture)
        raise refusal(f"{refusal.message} Accepted are {limits}.")

    def close(self) -> None:
        """End the worker process and what it is decoding. A later picture starts a new one."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker:
            worker.close()

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(blocking=False):
            with self._lock:
                if self._waiting_count >= self._max_waiting:
                    raise _busy()
                self._waiting_count += 1
            try:
                if not self._slots.acquire(timeout=self._max_wait_s):
                    raise _busy()
            finally:
                with self._lock:
                    self._waiting_count -= 1
        try:
            yield
        finally:
            self._slots.release()

    def _ask(self, upload: Upload, media_type: str, limits: Limits) -> wire.Rendered | wire.Refused:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                worker = self._hand_over(theirs)
            read = _reader(ours, self._resources.wall_s + _GRACE_S)
            upload.seek(0)
            try:
                ours.sendall(wire.request_line(media_type, limits))
                while chunk := upload.read(CHUNK_BYTES):
                    ours.sendall(chunk)
                ours.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it ended early; the answer tells how
            try:
                is_alive = read(1) == wire.ALIVE
            except (wire.BadReply, OSError):
                is_alive = False
            if not is_alive:
                self._discard(worker)
                raise _WorkerLost
            try:
                reply = wire.read_reply(read)
                # Its end, so that its memory is free before the next one starts.
                ours.recv(1)
                return reply
            except (wire.BadReply, OSError) as error:
                # Killed by a limit, crashed, or silent for too long.
                return wire.Refused(PictureTooComplex.code, repr(error))

    def _hand_over(self, job: socket.socket) -> _Worker:
        """Give a job to the worker process, which is started if there is none."""
        with self._lock:
            if self._worker is None or not self._worker.is_ours():
                try:
                    self._worker = _Worker(self._resources)
                except OSError as error:
                    raise _WorkerLost from error
            worker = self._worker
        try:
            worker.hand_over(job)
        except OSError as error:
            self._discard(worker)
            raise _WorkerLost from error
        return worker

    def _discard(self, worker: _Worker) -> None:
        """Forget a worker that has ended. One that merely could not fork works for others."""
        if not worker.has_ended():
            return
        with self._lock:
            if self._worker is worker:
                self._worker = None
        worker.close()


class _WorkerLost(Exception):
    """The worker process ended before it took the picture: no fault of the picture."""


class _Worker:
    """The process that forks for every picture, and the socket that keeps it alive."""

    def __init__(self, resources: Resources) -> None:
        self._owner = os.getpid()
        environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (_SOURCE, *sys.path)))
        # Every further arena of malloc reserves 64 MB of the address space that is limited.
        environment["MALLOC_ARENA_MAX"] = "2"
        self._control, theirs = socket.socketpair()
        with theirs:
            numbers = (
                theirs.fileno(),
                resources.memory_bytes,
                resources.cpu_s,
                resources.wall_s,
            )
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "posts.pictures.worker", *map(str, numbers)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environment,
            )

    def is_ours(self) -> bool:
        """False in a fork of the process that started the worker."""
        return self._owner == os.getpid()

    def hand_over(self, job: socket.socket) -> None:
        """Send the worker one end of a job's socket; raises `OSError` when it is gone."""
        socket.send_fds(self._control, [b"+"], [job.fileno()])

    def has_ended(self) -> bool:
        try:
            self._process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            return False
        return True

    def close(self) -> None:
        self._control.close()
        try:
            self._process.wait(timeout=_CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _reader(job: socket.socket, timeout_s: float) -> Callable[[int], bytes]:
    """Return a function that reads exactly so many bytes, all of it before one deadline."""
    deadline = time.monotonic() + timeout_s
    job.settimeout(timeout_s)

    def read_exactly(count: int) -> bytes:
        received = bytearray()
        while len(received) < count:
            job.settimeout(max(0.001, deadline - time.monotonic()))
            piece = job.recv(min(count - len(received), 1024 * 1024))
            if not piece:
                raise wire.BadReply("cut off")
            received += piece
        return bytes(received)

    return read_exactly


def _busy() -> PicturesBusy:
    # Spread, so that those who were refused together do not come back together.
    return PicturesBusy(retry_after_ms=random.randint(_RETRY_AFTER_MS, 2 * _RETRY_AFTER_MS))
