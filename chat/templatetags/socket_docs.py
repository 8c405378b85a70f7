"""How the gateway's description is shown in its page."""

from __future__ import annotations

import re

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from chat.gateway.description.pretty import coloured, pretty

register = template.Library()

CODE = re.compile(r"`([^`]+)`")


@register.filter
def prose(text: str) -> SafeString:
    """Return a docstring as HTML: what stands between backticks is code; a blank line parts."""
    paragraphs = (" ".join(each.split()) for each in re.split(r"\n\s*\n", text.strip()))
    return format_html_join("", "<p>{}</p>", ((inline(each),) for each in paragraphs if each))


@register.filter
def inline(text: str) -> SafeString:
    """Return a sentence as HTML: what stands between backticks is code."""
    pieces = CODE.split(text)
    return format_html_join(
        "",
        "{}",
        (
            (format_html("<code>{}</code>", piece) if place % 2 else piece,)
            for place, piece in enumerate(pieces)
        ),
    )


@register.filter
def breakable(name: str) -> SafeString:
    """Return a name that may be broken behind its dots and underscores."""
    pieces = re.findall(r"[^._]*[._]|[^._]+", name)
    return format_html_join(mark_safe("<wbr>"), "{}", ((piece,) for piece in pieces))


@register.filter
def json_html(value: object) -> SafeString:
    """Return a value as coloured JSON."""
    return coloured(pretty(value))
