"""JSON as people read it: what fits stands in one line, and tokens have their colours."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

# Characters that a line of an example may have.
WIDTH = 72
TOKEN = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?=:)|(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<number>-?\d[\d.eE+-]*)|(?P<word>true|false|null)"
)


def pretty(value: object, indent: int = 0, beside: int = 0) -> str:
    """Return JSON text whose objects and arrays are broken where they are too wide.

    `beside`: characters that stand before it in its first line, beyond the indent.
    """
    flat = json.dumps(value, ensure_ascii=False)
    is_short = len(flat) + indent + beside <= WIDTH
    if is_short or not value or not isinstance(value, dict | list):
        return flat
    inner = indent + 2
    if isinstance(value, dict):
        names = [f"{json.dumps(name, ensure_ascii=False)}: " for name in value]
        pieces = [
            name + pretty(each, inner, len(name))
            for name, each in zip(names, value.values(), strict=True)
        ]
        return _broken("{", pieces, "}", indent)
    return _broken("[", [pretty(each, inner) for each in value], "]", indent)


def _broken(opening: str, pieces: Sequence[str], closing: str, indent: int) -> str:
    inner = "\n" + " " * (indent + 2)
    return f"{opening}{inner}{f',{inner}'.join(pieces)}\n{' ' * indent}{closing}"


def coloured(text: str) -> SafeString:
    """Return JSON text as HTML whose tokens say what they are."""
    pieces: list[tuple[SafeString]] = []
    end = 0
    for match in TOKEN.finditer(text):
        pieces.append((format_html("{}", text[end : match.start()]),))
        pieces.append((format_html('<span class="json-{}">{}</span>', match.lastgroup, match[0]),))
        end = match.end()
    pieces.append((format_html("{}", text[end:]),))
    return format_html_join("", "{}", pieces)
