"""What the limits mean that clients are told."""

from __future__ import annotations

from dataclasses import dataclass

from chat.limits import limits

MEANINGS = {
    "message_bytes_max": "One message from the client, in bytes.",
    "requests_per_second": "Per connection, lasting.",
    "requests_burst": "Per connection, after a pause.",
    "producer_requests_per_second": "The same for access keys with the scope `publish`.",
    "producer_requests_burst": "And for those after a pause.",
    "subscriptions_max": "Rooms and topics per connection.",
    "outbox_messages_max": "Frames that wait for a client before it counts as a slow reader.",
    "outbox_bytes_max": "The same in bytes.",
    "replay_events_max": "Events in one replay.",
    "replay_bytes_max": "Bytes of one replay.",
    "event_payload_bytes_max": "The payload of one producer event, as JSON text, in bytes.",
    "topic_events_max": "Events of a topic that are kept for who comes back.",
    "topic_bytes_max": "The same in bytes.",
    "publish_records_max": "Events in one batch over HTTP.",
    "state_bytes_max": "A shared state as JSON text, in bytes.",
    "post_text_max": "Characters of a post.",
    "alt_text_max": "Characters of a picture's description.",
    "pictures_per_post_max": "Pictures of one post.",
    "picture_bytes_max": "One picture file.",
    "picture_pixels_max": "Width × height of a picture.",
    "request_body_max": "One HTTP request.",
    "undo_minutes": "How long a deletion can be undone.",
}


@dataclass(frozen=True, slots=True)
class Limit:
    name: str
    value: int
    meaning: str


def described_limits() -> list[Limit]:
    """Return the limits as they are now."""
    return [Limit(name, value, MEANINGS.get(name, "")) for name, value in limits().items()]
