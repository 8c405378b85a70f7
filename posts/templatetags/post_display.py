"""How a post's JSON form is shown in a page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone

register = template.Library()

# The widest picture that a feed of one column shows, on a screen of double density.
DISPLAY_WIDTH = 1280
# Texts up to this long are set larger when they stand alone.
SHORT_TEXT = 140
# In seconds.
MINUTE, HOUR, DAY = 60, 3600, 86_400
# As many as static/css/post.css knows.
HUES = 8


@register.filter
def moment(value: str) -> datetime | None:
    """Return a wire time in the site's own zone; a script shows the visitor's."""
    return timezone.localtime(datetime.fromisoformat(value)) if value else None


@register.filter
def age(value: str) -> str:
    """Return how long ago, in a word, for the first week; as static/js/times.js says it."""
    seconds = (timezone.now() - datetime.fromisoformat(value)).total_seconds()
    if seconds < MINUTE:
        return "now"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min"
    if seconds < DAY:
        return f"{int(seconds // HOUR)} h"
    return f"{int(seconds // DAY)} d" if seconds < 7 * DAY else ""


@register.filter
def srcset(image: dict[str, Any]) -> str:
    """Return the renditions as the value of `srcset`, the full picture last if it is wider."""
    sources = [(each["url"], each["width"]) for each in image["renditions"]]
    if not sources or sources[-1][1] < image["width"]:
        sources.append((image["url"], image["width"]))
    return ", ".join(f"{url} {width}w" for url, width in sources)


@register.filter
def display_url(image: dict[str, Any]) -> str:
    """Return the picture for browsers that do not choose from `srcset`."""
    fitting = [each["url"] for each in image["renditions"] if each["width"] <= DISPLAY_WIDTH]
    return str(fitting[-1] if fitting else image["url"])


@register.filter
def hue(author: dict[str, Any] | None) -> str:
    """Return which of the avatar colours an author has."""
    return str(author["id"] % HUES) if author else ""


@register.filter
def length_class(text: str | None) -> str:
    return "short" if len(text or "") <= SHORT_TEXT else "long"


@register.filter
def is_single(images: list[Any]) -> bool:
    return len(images) == 1
