"""What a picture's file is made of, told by walking its structure, not by asking a decoder."""

import struct

_JPEG_ALLOWED = {0xC0, 0xC4, 0xDB, 0xDD, 0xE0}  # frame, Huffman and quantisation tables, JFIF
_PNG_ALLOWED = {b"IHDR", b"IDAT", b"IEND"}
_WEBP_ALLOWED = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"}


def assert_only_pixels(data: bytes, media_type: str) -> None:
    """Fail on every block that is not needed to show the picture, and on trailing bytes."""
    {
        "image/jpeg": _assert_jpeg,
        "image/png": _assert_png,
        "image/webp": _assert_webp,
    }[media_type](data)


def _assert_jpeg(data: bytes) -> None:
    assert data[:2] == b"\xff\xd8"
    at = 2
    while data[at + 1] != 0xDA:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        assert data[at] == 0xFF
        assert marker in _JPEG_ALLOWED, f"segment {marker:#x}"
        if marker == 0xE0:
            assert data[at + 4 : at + 9] == b"JFIF\0"
            assert length == 16, "a thumbnail in the JFIF segment"
        at += 2 + length
    scan = data[at + 4 : -2]
    stuffed = scan.replace(b"\xff\x00", b"")
    assert all(stuffed[i + 1] in range(0xD0, 0xD8) for i, b in enumerate(stuffed) if b == 0xFF)
    assert data[-2:] == b"\xff\xd9"


def _assert_png(data: bytes) -> None:
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, kind = 8, b""
    while at < len(data):
        assert kind != b"IEND", "bytes behind the end"
        length, kind = struct.unpack_from(">I4s", data, at)
        assert kind in _PNG_ALLOWED, f"chunk {kind!r}"
        at += 12 + length
    assert kind == b"IEND"
    assert at == len(data)


def _assert_webp(data: bytes) -> None:
    assert data[:4] == b"RIFF"
    assert data[8:12] == b"WEBP"
    assert struct.unpack_from("<I", data, 4)[0] == len(data) - 8
    at = 12
    while at < len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        assert kind in _WEBP_ALLOWED, f"chunk {kind!r}"
        if kind == b"VP8X":
            assert not data[at + 8] & 0b101100, "flags of a profile, EXIF or XMP"
        at += 8 + length + length % 2
    assert at == len(data)
