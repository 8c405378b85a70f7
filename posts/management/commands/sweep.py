"""`python manage.py sweep`: remove files that nobody can see any more."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from posts.sweeping import sweep, sweep_leftovers, sweep_orphans


class Command(BaseCommand):
    help = "Removes the files of deleted posts and of cut-short uploads. Servers do it, too."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--orphans",
            action="store_true",
            help="also remove files that no picture of this database knows; "
            "never where several databases share MEDIA_ROOT",
        )

    def handle(self, *args: Any, orphans: bool, **options: Any) -> None:
        pictures, folders = 0, sweep_orphans() if orphans else sweep_leftovers()
        while count := sweep():
            pictures += count
        self.stdout.write(f"Removed the files of {pictures} pictures and {folders} leftovers.")
