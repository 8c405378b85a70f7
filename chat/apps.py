"""People, rooms and the live connection."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = "People and rooms"

    def ready(self) -> None:
        """Connect what saves mean as events, and find what every app plugs in."""
        from chat import accounts, checks, events, sessions  # noqa: F401  (need loaded models)

        autodiscover_modules("events", "actions", "unread")
        from chat.gateway import installed  # noqa: F401  (registers beside the actions)
