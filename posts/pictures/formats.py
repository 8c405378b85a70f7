"""Which picture formats are accepted, told from the first bytes of a file."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from importlib.util import find_spec

HEAD_BYTES = 512
"""How much of a file `sniff` wants to see."""


@dataclass(frozen=True, slots=True)
class Format:
    """An accepted format: its name for people and its media type for programs."""

    name: str
    media_type: str


JPEG = Format("JPEG", "image/jpeg")
PNG = Format("PNG", "image/png")
WEBP = Format("WebP", "image/webp")
GIF = Format("GIF", "image/gif")
AVIF = Format("AVIF", "image/avif")
HEIC = Format("HEIC", "image/heic")

# ISO/IEC 23008-12: the brands of HEVC still pictures and of sequences of them.
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF_BRANDS = {b"avif", b"avis"}


def accepted_formats() -> tuple[Format, ...]:
    """The formats this installation decodes; HEIC needs the optional extra `heic`."""
    formats = (JPEG, PNG, WEBP, GIF, AVIF)
    # Only looked for, not imported: native decoders stay out of the server process.
    return (*formats, HEIC) if find_spec("pi_heif") else formats


def sniff(head: bytes) -> Format | None:
    """Tell the accepted format from a file's first bytes, or None.

    A file that begins like a picture and goes on as something else (a script, a ZIP, HTML)
    passes here; it is harmless because only what a decoder made of it is ever stored.
    """
    found: Format | None = None
    if head.startswith(b"\xff\xd8\xff"):
        found = JPEG
    elif head.startswith(b"\x89PNG\r\n\x1a\n"):
        found = PNG
    elif head.startswith((b"GIF87a", b"GIF89a")):
        found = GIF
    elif head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        found = WEBP
    elif head[4:8] == b"ftyp":
        found = _sniff_brands(head)
    return found if found in accepted_formats() else None


def _sniff_brands(head: bytes) -> Format | None:
    """Tell AVIF from HEIC by the `ftyp` box: major brand first, then the compatible ones."""
    (box_bytes,) = struct.unpack_from(">I", head)
    major, compatible = head[8:12], head[16 : min(box_bytes, HEAD_BYTES)]
    brands = [major, *(compatible[at : at + 4] for at in range(0, len(compatible), 4))]
    for brand in brands:
        if brand in _AVIF_BRANDS:
            return AVIF
        if brand in _HEIC_BRANDS:
            return HEIC
    return None
