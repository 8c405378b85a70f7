"""The process that decodes: one short-lived child for each picture.

The server starts this module once, at the first upload, as a program of its own: without the
server's threads, sockets and secrets. It imports the decoders and then only forks. So a
picture costs one fork (a millisecond or two), finds no trace of the picture before it, and
when it breaks its decoder, it breaks that child alone.

    argv     the descriptor of the control socket, then the limits of `Resources`
    control  one byte with the descriptor of a socket for one picture; closed when the server
             ends, however it ends, and then nothing here lives on
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import sys
import time
from contextlib import suppress

from PIL import AvifImagePlugin

from posts.pictures import wire
from posts.pictures.errors import PictureError, PictureTooComplex, UnreadablePicture
from posts.pictures.limits import Resources
from posts.pictures.render import render

try:
    from pi_heif import options as heif_options
except ImportError:
    heif_options = None

_READ_BYTES = 1024 * 1024
_REAP_INTERVAL_S = 0.5


def serve(control: socket.socket, resources: Resources) -> None:
    """Fork a child for every socket that arrives, until the control socket is closed."""
    deadlines: dict[int, float] = {}
    try:
        while True:
            _reap(deadlines)
            # Children are looked after between waits; an idle process sleeps for good.
            wait_s = _REAP_INTERVAL_S if deadlines else None
            if not select.select([control], [], [], wait_s)[0]:
                continue
            message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            if not message:
                return
            # Without memory for a child the server merely sees its job closed.
            with socket.socket(fileno=descriptors[0]) as job, suppress(OSError):
                pid = os.fork()
                if not pid:
                    _run_child(control, job, resources)
                deadlines[pid] = time.monotonic() + resources.wall_s
    finally:
        for pid in deadlines:
            os.kill(pid, signal.SIGKILL)


def _reap(deadlines: dict[int, float]) -> None:
    for pid, deadline in list(deadlines.items()):
        if os.waitpid(pid, os.WNOHANG)[0]:
            del deadlines[pid]
        elif time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)


def _run_child(control: socket.socket, job: socket.socket, resources: Resources) -> None:
    """Answer one picture and exit; never returns into the loop of the parent."""
    try:
        control.close()
        _confine(resources)
        job.sendall(wire.ALIVE)
        for piece in _answer(job):
            job.sendall(piece)
    except OSError:
        pass  # the server hung up
    finally:
        os._exit(0)


def _confine(resources: Resources) -> None:
    """Give up what a decoder does not need: time, memory, writing files, dumping core."""
    signal.alarm(resources.wall_s)
    limits = {
        resource.RLIMIT_AS: resources.memory_bytes,
        resource.RLIMIT_CPU: resources.cpu_s,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in limits.items():
        with suppress(OSError, ValueError):  # macOS does not know every one of them
            resource.setrlimit(kind, (value, value))


def _answer(job: socket.socket) -> list[bytes]:
    request = bytearray()
    while piece := job.recv(_READ_BYTES):
        request += piece
    media_type, limits, upload = wire.read_request(bytes(request))
    del request
    try:
        return wire.success(render(upload, media_type, limits))
    except PictureError as error:
        return [wire.refusal(error.code, repr(error.__cause__))]
    except MemoryError as error:
        return [wire.refusal(PictureTooComplex.code, repr(error))]
    except Exception as error:
        return [wire.refusal(UnreadablePicture.code, f"while encoding: {error!r}")]


def main() -> None:
    descriptor, memory_bytes, cpu_s, wall_s = map(int, sys.argv[1:])
    # A Ctrl-C in the terminal, or a service manager ending the whole group, is the server's
    # to handle: it may finish an upload first. The control socket says when it is over.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Threads cost address space by the processor, and as many pictures as processors are
    # decoded side by side anyway.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    if heif_options is not None:
        heif_options.DECODE_THREADS = 1
    serve(socket.socket(fileno=descriptor), Resources(memory_bytes, cpu_s, wall_s))


if __name__ == "__main__":
    main()
