"""Signing up: names are lower-case, and whoever is new starts in the lobby."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.signals import user_signed_up
from django.dispatch import receiver

from chat.models import User
from chat.services import join_lobby


# allauth has no types.
class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def clean_username(self, username: str, shallow: bool = False) -> str:
        """Take `Ada`, as a phone's keyboard writes it, for `ada`; then check as ever."""
        name: str = super().clean_username(username.lower(), shallow)
        return name


@receiver(user_signed_up)
def welcome(user: User, **kwargs: Any) -> None:
    join_lobby(person=user)
