"""The limits that clients are told, in `hello` and at /api/limits/."""

from __future__ import annotations

from django.conf import settings

NAMES = (
    "MESSAGE_BYTES_MAX",
    "REQUESTS_PER_SECOND",
    "REQUESTS_BURST",
    "PRODUCER_REQUESTS_PER_SECOND",
    "PRODUCER_REQUESTS_BURST",
    "SUBSCRIPTIONS_MAX",
    "OUTBOX_MESSAGES_MAX",
    "OUTBOX_BYTES_MAX",
    "REPLAY_EVENTS_MAX",
    "REPLAY_BYTES_MAX",
    "EVENT_PAYLOAD_BYTES_MAX",
    "TOPIC_EVENTS_MAX",
    "TOPIC_BYTES_MAX",
    "PUBLISH_RECORDS_MAX",
    "STATE_BYTES_MAX",
    "POST_TEXT_MAX",
    "ALT_TEXT_MAX",
    "PICTURES_PER_POST_MAX",
    "PICTURE_BYTES_MAX",
    "PICTURE_PIXELS_MAX",
    "REQUEST_BODY_MAX",
    "UNDO_MINUTES",
)


def limits() -> dict[str, int]:
    """Every public limit under its setting's name in lower case."""
    return {name.lower(): getattr(settings, name) for name in NAMES}
