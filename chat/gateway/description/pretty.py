"""JSON as people read it: what fits stands in one line, and tokens have their colours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

# Characters that a line of an example may have.
WIDTH = 74
TOKEN = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?=:)|(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<number>-?\d[\d.eE+-]*)|(?P<word>true|false|null)"
)


def pretty(value: object, indent: int = 0) -> str:
    """Return JSON text whose objects and arrays are broken where they are too wide."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent <= WIDTH or not value or not isinstance(value, dict | list):
        return flat
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        pieces = [
            f"{json.dumps(name, ensure_ascii=False)}: {pretty(each, indent + 2)}"
            for name, each in value.items()
        ]
        return f"{{\n{inner}{_filled(pieces, indent + 2)}\n{' ' * indent}}}"
    pieces = [pretty(each, indent + 2) for each in value]
    return f"[\n{inner}{_filled(pieces, indent + 2)}\n{' ' * indent}]"


def _filled(pieces: Iterable[str], indent: int) -> str:
    """Put short pieces beside one another, as a person would."""
    lines: list[str] = []
    for piece in pieces:
        if lines and "\n" not in piece + lines[-1]:
            beside = f"{lines[-1]}, {piece}"
            if len(beside) + indent <= WIDTH:
                lines[-1] = beside
                continue
        lines.append(piece)
    return (",\n" + " " * indent).join(lines)


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
