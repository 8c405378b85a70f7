"""A process that writes into a room from several threads: see test_log.py.

`python -m tests.storage.writers <room> <author> <number> <threads> <posts each>` says "ready",
waits for a line, writes, and prints the numbers its posts were given as a JSON array.
WRITERS_DATABASE names the test's own database.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import django
from django.conf import settings


def main(room: str, author_name: str, number: str, threads: str, posts_each: str) -> None:
    settings.DATABASES["default"]["NAME"] = os.environ["WRITERS_DATABASE"]
    django.setup()
    from django.db import connection  # noqa: PLC0415

    from chat.models import User  # noqa: PLC0415
    from posts.services import create_post  # noqa: PLC0415

    author = User.objects.get(username=author_name)

    def write(thread: int) -> list[int]:
        try:
            return [
                create_post(
                    viewer=author,
                    room_slug=room,
                    text=f"{number}.{thread}.{count}",
                    client_id=f"{number}.{thread}.{count}",
                ).seq
                for count in range(int(posts_each))
            ]
        finally:
            connection.close()

    print("ready", flush=True)
    sys.stdin.readline()
    with ThreadPoolExecutor(int(threads)) as pool:
        found = [seq for seqs in pool.map(write, range(int(threads))) for seq in seqs]
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
