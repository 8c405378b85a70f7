"""Files made to hurt a server that decodes them, all assembled here.

`REFUSED` must never become a picture. `HARMLESS` may, as long as nothing but pixels is left of
it. Both are functions by name, so that a test makes its file only when it runs.
"""

import struct
import zlib
from collections.abc import Callable

from tests.pictures import drawn, heic
from tests.pictures.drawn import encoded, quarters

SCRIPT = b"<script>alert(1)</script>"

_PNG_HEAD = b"\x89PNG\r\n\x1a\n"


def _chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(
    width: int, height: int, *extra: bytes, pixels: bytes | None = None, depth: int = 1
) -> bytes:
    """Assemble a grayscale PNG; without pixels it holds all of them, black."""
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    rows = bytes((width * depth + 7) // 8 + 1) * height if pixels is None else pixels
    chunks = [_chunk(b"IHDR", header), *extra, _chunk(b"IDAT", zlib.compress(rows, 9))]
    return _PNG_HEAD + b"".join(chunks) + _chunk(b"IEND")


def _zeros(count: int) -> bytes:
    """Compress `count` zeros without ever holding them."""
    packer = zlib.compressobj(9)
    block = bytes(1024 * 1024)
    parts = [packer.compress(block) for _ in range(count // len(block))]
    return b"".join(parts) + packer.flush()


def png_of_2500_megapixels() -> bytes:
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 1, 0, 0, 0, 0)
    pixels = _chunk(b"IDAT", _zeros(300 * 1024**2))
    return _PNG_HEAD + _chunk(b"IHDR", header) + pixels + _chunk(b"IEND")


def png_of_12000_squared() -> bytes:
    return _png(12_000, 12_000)


def png_with_a_200_mb_profile() -> bytes:
    return _png(8, 8, _chunk(b"iCCP", b"x\0\0" + _zeros(200 * 1024**2)))


def png_with_200_mb_of_text() -> bytes:
    return _png(8, 8, _chunk(b"zTXt", b"Comment\0\0" + _zeros(200 * 1024**2)))


def png_with_500_texts_of_1_mb() -> bytes:
    text = _chunk(b"zTXt", b"Comment\0\0" + _zeros(1024**2))
    return _png(8, 8, *[text] * 500)


def png_whose_chunk_claims_4_gb() -> bytes:
    return _PNG_HEAD + struct.pack(">I4s", 0xFFFFFFF0, b"IHDR") + bytes(64)


def gif_of_65535_squared() -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0)
    return head + frame + b"\x02\x02\x44\x01\x00;"


def gif_that_grows_to_65535_squared() -> bytes:
    first = encoded(quarters(8, 8).quantize(4), "GIF")
    frame = b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0)
    return first[:-1] + frame + b"\x02\x02\x44\x01\x00;"


def webp_of_16384_squared() -> bytes:
    canvas = b"\x02\0\0\0" + 2 * (16383).to_bytes(3, "little")
    frame = encoded(quarters(8, 8), "WEBP")[12:]
    animation = b"ANIM" + struct.pack("<I", 6) + bytes(6)
    framed = bytes(6) + 2 * (7).to_bytes(3, "little") + bytes(4) + frame
    animation += b"ANMF" + struct.pack("<I", len(framed)) + framed
    body = b"WEBPVP8X" + struct.pack("<I", 10) + canvas + animation
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _claiming(data: bytes, width: int, height: int) -> bytes:
    """Change the size that an AVIF or HEIC names for its picture."""
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def avif_that_claims_60000_squared() -> bytes:
    return _claiming(encoded(quarters(64, 64), "AVIF"), 60_000, 60_000)


def avif_that_claims_262_megapixels() -> bytes:
    return _claiming(encoded(quarters(64, 64), "AVIF"), 16_384, 16_000)


def heic_that_claims_60000_squared() -> bytes:
    return _claiming(heic.PHOTO, 60_000, 60_000)


def heic_that_claims_262_megapixels() -> bytes:
    return _claiming(heic.PHOTO, 16_384, 16_000)


def jpeg_that_claims_65500_squared() -> bytes:
    data = bytearray(encoded(quarters(64, 64), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 65500, 65500)
    return bytes(data)


def jpeg_of_scans(side: int, count: int) -> bytes:
    """Repeat the last scan: each makes the decoder go over the whole picture again."""
    data = encoded(quarters(side, side), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def jpeg_of_3000_scans() -> bytes:
    return jpeg_of_scans(2000, 3000)


def _apng(count: int) -> bytes:
    """Assemble an animation whose frames of one pixel lie on a canvas of 500²."""
    pixel = zlib.compress(bytes(2))
    frames, number = [], 0
    for index in range(count):
        control = struct.pack(">IIIIIHHBB", number, 1, 1, index % 500, 0, 1, 100, 0, 0)
        frames.append(_chunk(b"fcTL", control))
        frames.append(_chunk(b"fdAT", struct.pack(">I", number + 1) + pixel))
        number += 2
    return _png(500, 500, _chunk(b"acTL", struct.pack(">II", count, 0)))[:-12] + b"".join(
        [*frames, _chunk(b"IEND")]
    )


def apng_of_20000_frames() -> bytes:
    return _apng(20_000)


def gif_of_200000_frames() -> bytes:
    first = encoded(quarters(500, 500).quantize(4), "GIF")
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return first[:-1] + frame * 200_000 + b";"


def gif_of_a_million_comments() -> bytes:
    data = encoded(quarters(8, 8).quantize(4), "GIF")
    return data[:-1] + b"!\xfe\x00" * 1_000_000 + b";"


def png_of_500000_empty_chunks() -> bytes:
    return _png(8, 8, _chunk(b"prVt") * 500_000)


def jpeg_of_a_million_comments() -> bytes:
    data = encoded(quarters(8, 8), "JPEG")
    return data[:2] + b"\xff\xfe\x00\x02" * 1_000_000 + data[2:]


def jpeg_whose_exif_runs_in_circles() -> bytes:
    entry = struct.pack(">HHII", 0x8769, 4, 1, 8)
    orientation = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    block = b"MM\0*" + struct.pack(">IH", 8, 2) + orientation + entry + struct.pack(">I", 8)
    return encoded(quarters(), "JPEG", exif=b"Exif\0\0" + block)


def jpeg_whose_exif_is_noise() -> bytes:
    return encoded(quarters(), "JPEG", exif=b"Exif\0\0" + bytes(range(256)) * 20)


def jpeg_with_an_orientation_of_a_billion() -> bytes:
    block = b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x0112, 4, 1, 10**9) + bytes(4)
    return encoded(quarters(), "JPEG", exif=b"Exif\0\0" + block)


def jpeg_with_a_profile_of_noise() -> bytes:
    profile = bytes(36) + b"acsp" + bytes(range(256)) * 40
    return encoded(quarters(), "JPEG", icc_profile=profile)


def jpeg_that_is_an_mpo_of_two() -> bytes:
    return encoded(quarters(), "MPO", save_all=True, append_images=[quarters(64, 64)])


def gif_that_is_javascript() -> bytes:
    return b"GIF89a/*" + bytes(8) + b"*/=alert(1)//;" + SCRIPT


def gif_followed_by_javascript() -> bytes:
    return encoded(quarters().quantize(8), "GIF") + b"=alert(1)//" + SCRIPT


def png_followed_by_html() -> bytes:
    return encoded(quarters(), "PNG") + b"<html>" + SCRIPT


def png_with_html_in_its_text() -> bytes:
    return _png(8, 8, _chunk(b"tEXt", b"Comment\0" + SCRIPT))


def jpeg_followed_by_a_zip_and_php() -> bytes:
    return encoded(quarters(), "JPEG") + b"PK\x03\x04<?php system($_GET[0]); ?>" + SCRIPT


def webp_followed_by_html() -> bytes:
    return encoded(quarters(), "WEBP") + SCRIPT


def fits() -> bytes:
    cards = (b"SIMPLE  =                    T", b"BITPIX  =                    8", b"END")
    return b"".join(card.ljust(80) for card in cards).ljust(2880) + bytes(2880)


REFUSED: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "one byte": lambda: b"\xff",
    "zeros": lambda: bytes(4096),
    "text": lambda: b"hello\n" * 100,
    "svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg">' + SCRIPT + b"</svg>",
    "html": lambda: b"<!doctype html><html>" + SCRIPT,
    "pdf": lambda: b"%PDF-1.7\n1 0 obj<</JS(app.alert(1))>>endobj",
    "eps": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd)(r)file",
    "mvg": lambda: b"push graphic-context\nimage over 0,0 0,0 'https://localhost/'\n",
    "fits": fits,
    "tiff": lambda: encoded(quarters(), "TIFF"),
    "bmp": lambda: encoded(quarters(), "BMP"),
    "ico": lambda: encoded(quarters(64, 64), "ICO"),
    "tga": lambda: encoded(quarters(), "TGA"),
    "jpeg 2000": lambda: encoded(quarters(), "JPEG2000"),
    "ppm": lambda: encoded(quarters(), "PPM"),
    "an mp4": lambda: b"\0\0\0\x18ftypisom\0\0\0\0isomavc1" + bytes(100),
    "only the head of a heic": lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
    "only the head of a jpeg": lambda: b"\xff\xd8\xff\xe0",
    "only the head of a webp": lambda: b"RIFF\xff\xff\xff\x7fWEBPVP8 ",
    "an end without a picture": lambda: _PNG_HEAD + _chunk(b"IEND"),
    "a picture of no height": lambda: _png(10, 0, pixels=b""),
    "png of 2500 megapixels": png_of_2500_megapixels,
    "png of 12000 squared": png_of_12000_squared,
    "png with a 200 MB profile": png_with_a_200_mb_profile,
    "png with 200 MB of text": png_with_200_mb_of_text,
    "png with 500 texts of 1 MB": png_with_500_texts_of_1_mb,
    "png whose chunk claims 4 GB": png_whose_chunk_claims_4_gb,
    "gif of 65535 squared": gif_of_65535_squared,
    "webp of 16384 squared": webp_of_16384_squared,
    "gif that grows to 65535 squared": gif_that_grows_to_65535_squared,
    "avif that claims 60000 squared": avif_that_claims_60000_squared,
    "avif that claims 262 megapixels": avif_that_claims_262_megapixels,
    "heic that claims 60000 squared": heic_that_claims_60000_squared,
    "heic that claims 262 megapixels": heic_that_claims_262_megapixels,
    "jpeg that claims 65500 squared": jpeg_that_claims_65500_squared,
    "jpeg of 3000 scans": jpeg_of_3000_scans,
    "gif that is javascript": gif_that_is_javascript,
}

HARMLESS: dict[str, Callable[[], bytes]] = {
    "apng of 20000 frames": apng_of_20000_frames,
    "gif of 200000 frames": gif_of_200000_frames,
    "gif of a million comments": gif_of_a_million_comments,
    "png of 500000 empty chunks": png_of_500000_empty_chunks,
    "jpeg of a million comments": jpeg_of_a_million_comments,
    "jpeg whose exif runs in circles": jpeg_whose_exif_runs_in_circles,
    "jpeg whose exif is noise": jpeg_whose_exif_is_noise,
    "jpeg with an orientation of a billion": jpeg_with_an_orientation_of_a_billion,
    "jpeg with a profile of noise": jpeg_with_a_profile_of_noise,
    "jpeg that is an mpo of two": jpeg_that_is_an_mpo_of_two,
    "gif followed by javascript": gif_followed_by_javascript,
    "png followed by html": png_followed_by_html,
    "png with html in its text": png_with_html_in_its_text,
    "jpeg followed by a zip and php": jpeg_followed_by_a_zip_and_php,
    "webp followed by html": webp_followed_by_html,
}

SOUND: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: encoded(drawn.photo(300, 200), "JPEG"),
    "progressive JPEG": lambda: encoded(drawn.photo(300, 200), "JPEG", progressive=True),
    "PNG": lambda: encoded(drawn.photo(300, 200), "PNG"),
    "WebP": lambda: encoded(drawn.photo(300, 200), "WEBP"),
    "animated WebP": lambda: drawn.animated("WEBP", drawn.animation(5)),
    "GIF": lambda: encoded(drawn.photo(300, 200), "GIF"),
    "animated GIF": lambda: drawn.animated("GIF", drawn.animation(5)),
    "APNG": lambda: drawn.animated("PNG", drawn.animation(5)),
    "AVIF": lambda: encoded(drawn.photo(300, 200), "AVIF"),
    "HEIC": lambda: heic.PHOTO,
}
"""Small whole pictures of every accepted kind, to be cut off or damaged."""
