"""`python manage.py createsuperuser`, and a lobby for the first one to stand in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import createsuperuser

from chat.models import User
from chat.services import join_lobby


class Command(createsuperuser.Command):
    """Django's command; who is made joins the lobby, which is made if there is none."""

    def handle(self, *args: Any, **options: Any) -> None:
        known = set(User.objects.values_list("pk", flat=True))
        super().handle(*args, **options)
        for person in User.objects.exclude(pk__in=known):
            join_lobby(person=person)
