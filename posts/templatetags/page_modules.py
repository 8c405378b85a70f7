"""The scripts of a room's page, named to the browser before it finds them one by one."""

from __future__ import annotations

from django import template

register = template.Library()

# Everything that static/js/room-page.js imports, directly or not; a test compares.
ROOM_PAGE = (
    "attachments.js",
    "card-list.js",
    "client/api.js",
    "client/backoff.js",
    "client/client-id.js",
    "client/clock.js",
    "client/close-codes.js",
    "client/connection-state.js",
    "client/connection.js",
    "client/emitter.js",
    "client/errors.js",
    "client/index.js",
    "client/outbox.js",
    "client/poller.js",
    "client/reactions.js",
    "client/replies.js",
    "client/room-store.js",
    "client/room.js",
    "client/socket.js",
    "client/subscriptions.js",
    "client/upload.js",
    "dom.js",
    "edit-form.js",
    "elements/pg-composer.js",
    "elements/pg-connection.js",
    "elements/pg-feed.js",
    "elements/pg-lightbox.js",
    "elements/pg-post.js",
    "elements/pg-room.js",
    "elements/pg-theme.js",
    "elements/pg-toasts.js",
    "files.js",
    "placeholder.js",
    "post-card.js",
    "reaction-picker.js",
    "text.js",
    "thumbhash.js",
    "times.js",
)


@register.simple_tag
def room_page_modules() -> list[str]:
    """Return the modules' names for `{% static %}`."""
    return [f"js/{name}" for name in ROOM_PAGE]
