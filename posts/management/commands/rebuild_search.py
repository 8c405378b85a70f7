"""`python manage.py rebuild_search`: index all posts anew."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from chat.models import Room
from posts.indexing import index_room


class Command(BaseCommand):
    help = "Lets search find what was written past the models, such as by a bulk load."

    def handle(self, *args: Any, **options: Any) -> None:
        count = sum(index_room(room) for room in Room.objects.order_by("pk"))
        self.stdout.write(f"Indexed {count} posts.")
