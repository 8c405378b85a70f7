"""`python manage.py demo`: people, rooms, posts and pictures to look at."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from posts.demo.make import is_wanted, make


class Command(BaseCommand):
    help = (
        "Makes the demo: ada, grace and linus, an admin, rooms, and a week of posts with pictures "
        "that are drawn now. Does nothing where people are already. Only ever with DEBUG."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seed", type=int, default=1, help="another number, other pictures")

    def handle(self, *args: Any, seed: int, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo's passwords are known to everybody; it needs DEBUG=1.")
        if not is_wanted():
            self.stdout.write("There are people here already; the demo was left out.")
            return
        self.stdout.write("Making the demo: people, rooms, posts, and pictures drawn just now.")
        self.stdout.flush()
        make(seed=seed, progress=self._progress)
        self.stdout.write("The demo is made.")

    def _progress(self, done: int, count: int) -> None:
        """One line that counts on a terminal; every tenth post elsewhere."""
        if self.stdout.isatty():
            end = "\n" if done == count else "\r"
            self.stdout.write(f"  {done} of {count} posts", ending=end)
        elif done == count or done % 10 == 0:
            self.stdout.write(f"  {done} of {count} posts")
        self.stdout.flush()
