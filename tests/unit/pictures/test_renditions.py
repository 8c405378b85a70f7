"""Sizes, file types, transparency and unusual kinds of pixels."""

import struct
import zlib
from typing import cast

import pytest
from PIL import Image

from posts.pictures.render import rendition_sizes
from tests.pictures.drawn import QUARTERS, corners, encoded, opened, photo, quarters
from tests.unit.pictures.conftest import Process
from tests.unit.pictures.test_privacy import close


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((4000, 3000), [(2560, 1920), (1280, 960), (640, 480), (320, 240)]),
        ((3000, 4000), [(2560, 3413), (1280, 1707), (640, 853), (320, 427)]),
        ((2560, 10), [(2560, 10), (1280, 5), (640, 2), (320, 1)]),
        ((1279, 100), [(640, 50), (320, 25)]),
        ((320, 320), [(320, 320)]),
        ((319, 500), [(319, 500)]),
        ((1, 1), [(1, 1)]),
        ((49_000, 1_000), [(2560, 52), (1280, 26), (640, 13), (320, 7)]),
        # WebP holds at most 16383 pixels a side.
        ((700, 40_000), [(287, 16383)]),
        ((100, 60_000), [(27, 16383)]),
    ],
)
def test_renditions_are_never_larger_than_the_picture(
    size: tuple[int, int], expected: list[tuple[int, int]]
) -> None:
    assert rendition_sizes(size) == expected


def test_every_file_has_the_size_and_type_it_is_said_to_have(processed: Process) -> None:
    picture = processed(encoded(photo(2700, 1800), "JPEG"))
    assert (picture.width, picture.height, picture.is_animated) == (2700, 1800, False)
    assert [each.width for each in picture.renditions] == [320, 640, 1280, 2560]
    assert {each.type for each in picture.renditions} == {"image/webp"}
    assert picture.original.type == "image/jpeg"
    for file in (picture.original, *picture.renditions):
        image = opened(file.data)
        assert image.size == (file.width, file.height)
        assert Image.MIME[str(image.format)] == file.type
    sizes = [len(each.data) for each in picture.renditions]
    assert sizes == sorted(sizes)


def test_a_tall_strip_and_a_wide_one_are_kept(processed: Process) -> None:
    for size in ((60, 30_000), (30_000, 60)):
        picture = processed(encoded(Image.new("RGB", size, (9, 90, 9)), "PNG"))
        assert (picture.width, picture.height) == size
        assert all(max(each.width, each.height) <= 16383 for each in picture.renditions)


@pytest.mark.parametrize("codec", ["PNG", "WEBP", "AVIF", "GIF"])
def test_transparency_is_kept(codec: str, processed: Process) -> None:
    image = quarters(400, 300, "RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 200, 150))
    picture = processed(encoded(image, codec))
    for file in (picture.original, *picture.renditions):
        found = opened(file.data)
        assert found.mode in ("RGBA", "P")
        alpha = found.convert("RGBA").getchannel("A")
        assert alpha.getpixel((found.width // 4, found.height // 4)) == 0
        assert alpha.getpixel((3 * found.width // 4, found.height // 4)) == 255


def test_an_alpha_channel_nothing_shows_through_is_dropped(processed: Process) -> None:
    picture = processed(encoded(quarters(mode="RGBA"), "PNG"))
    assert opened(picture.original.data).mode == "RGB"


@pytest.mark.parametrize(
    ("mode", "codec"),
    [
        ("CMYK", "JPEG"),
        ("P", "PNG"),
        ("P", "GIF"),
        ("RGBA", "PNG"),
        ("RGB", "AVIF"),
    ],
)
def test_colours_survive_every_kind_of_pixel(mode: str, codec: str, processed: Process) -> None:
    image = quarters().quantize(8) if mode == "P" else quarters(mode=mode)
    picture = processed(encoded(image, codec))
    for file in (picture.original, *picture.renditions):
        found = corners(opened(file.data))
        assert all(close(a, b) for a, b in zip(found, QUARTERS, strict=True)), found


@pytest.mark.parametrize(
    ("mode", "codec"), [("L", "JPEG"), ("L", "PNG"), ("LA", "PNG"), ("1", "PNG"), ("L", "AVIF")]
)
def test_grey_pictures_stay_grey(mode: str, codec: str, processed: Process) -> None:
    picture = processed(encoded(Image.new("L", (100, 100), 255).convert(mode), codec))
    assert opened(picture.original.data).convert("L").getpixel((50, 50)) == 255
    assert opened(picture.renditions[0].data).convert("L").getpixel((50, 50)) == 255


def test_sixteen_bit_grey_keeps_its_shades(processed: Process) -> None:
    image = Image.new("I;16", (300, 100), 0x8000)
    picture = processed(encoded(image, "PNG"))
    shade = opened(picture.original.data).convert("L").getpixel((50, 50))
    assert abs(cast(int, shade) - 128) <= 1


def test_sixteen_bit_colour_keeps_its_shades(processed: Process) -> None:
    row = b"\0" + struct.pack(">HHHH", 0xC000, 0x4000, 0x2000, 0x8000) * 64
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 64, 64, 16, 6, 0, 0, 0)),
        (b"IDAT", zlib.compress(row * 64)),
        (b"IEND", b""),
    ]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    picture = processed(png)
    assert opened(picture.original.data).getpixel((9, 9)) == (0xC0, 0x40, 0x20, 0x80)


def test_the_first_picture_of_an_mpo_is_kept(processed: Process) -> None:
    data = encoded(quarters(), "MPO", save_all=True, append_images=[Image.new("RGB", (400, 300))])
    picture = processed(data)
    assert not picture.is_animated
    assert picture.original.type == "image/jpeg"
    assert close(corners(opened(picture.original.data))[0], QUARTERS[0])
