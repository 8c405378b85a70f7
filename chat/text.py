"""Text is validated once, at the door.

The databases and encoders behind disagree about lone surrogates (msgpack, SQLite and
PostgreSQL refuse them) and NUL (PostgreSQL refuses it), so neither gets in, and equal text
is equal bytes because everything is NFC.
"""

from __future__ import annotations

import unicodedata

from chat.errors import Invalid

# Unicode's explicit embeddings, overrides and isolates (UAX 9): they turn what stands behind.
TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean_text(value: object, *, field: str, max_length: int, strip: bool = True) -> str:
    """Return `value` as NFC text of at most `max_length` characters, or raise `Invalid`."""
    if not isinstance(value, str):
        raise Invalid(fields={field: "Must be text."})
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Invalid(fields={field: "Must be valid Unicode."}) from None
    if "\x00" in value:
        raise Invalid(fields={field: "Must not contain NUL."})
    text = unicodedata.normalize("NFC", value)
    if strip:
        text = text.strip()
    if len(text) > max_length:
        raise Invalid(fields={field: f"Must have at most {max_length} characters."})
    return text


def clean_line(value: object, *, field: str, max_length: int) -> str:
    """Return `value` as one line without control characters or marks that turn the direction."""
    text = clean_text(value, field=field, max_length=max_length)
    if any(unicodedata.category(character) == "Cc" or character in TURNS for character in text):
        raise Invalid(fields={field: "Must not contain control characters."})
    return text


def clean_client_id(value: object) -> str:
    """Return a sender's idempotency key: 1 to 64 printable ASCII characters without spaces."""
    if not isinstance(value, str) or not 1 <= len(value) <= 64:
        raise Invalid(fields={"client_id": "Must be text of 1 to 64 characters."})
    if not all("!" <= character <= "~" for character in value):
        raise Invalid(fields={"client_id": "Must be printable ASCII without spaces."})
    return value
