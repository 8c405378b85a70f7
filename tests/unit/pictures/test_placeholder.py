"""The placeholder: ThumbHash, decoded here from its description alone."""

import base64
import math

import pytest
from PIL import Image

from posts.pictures.placeholder import placeholder
from tests.pictures.drawn import photo, quarters


def average(text: str) -> tuple[float, float, float, float]:
    """Return the average colour and opacity, 0 to 1, as the front end derives them."""
    packed = base64.b64decode(text, validate=True)
    head = int.from_bytes(packed[:3], "little")
    light = (head & 63) / 63
    warm = (head >> 6 & 63) / 31.5 - 1
    red = (head >> 12 & 63) / 31.5 - 1
    blue = light - 2 / 3 * warm
    r = (3 * light - blue + red) / 2
    opacity = (packed[5] & 15) / 15 if head >> 23 else 1.0
    return r, r - red, blue, opacity


def aspect(text: str) -> float:
    packed = base64.b64decode(text)
    has_alpha, is_landscape = packed[2] & 0x80, packed[4] & 0x80
    most = 5 if has_alpha else 7
    fewer = packed[3] & 7
    return most / fewer if is_landscape else fewer / most


@pytest.mark.parametrize(
    "colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 40)]
)
def test_the_average_colour_can_be_told(colour: tuple[int, int, int]) -> None:
    found = average(placeholder(Image.new("RGB", (90, 60), colour)))
    assert all(abs(a - b / 255) < 0.05 for a, b in zip(found, (*colour, 255), strict=True)), found


def test_the_average_of_a_photo_is_its_mean() -> None:
    image = photo(600, 400)
    mean = image.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(mean, tuple)
    found = average(placeholder(image))[:3]
    assert all(abs(a - b / 255) < 0.05 for a, b in zip(found, mean, strict=True))


@pytest.mark.parametrize("size", [(400, 400), (400, 200), (200, 400), (1000, 30), (30, 1000)])
def test_the_shape_can_be_told(size: tuple[int, int]) -> None:
    expected = min(7.0, max(1 / 7, size[0] / size[1]))
    assert math.isclose(aspect(placeholder(quarters(*size))), expected, rel_tol=0.15)


def test_opacity_counts_and_transparent_pixels_have_no_colour() -> None:
    image = Image.new("RGBA", (80, 80), (255, 255, 255, 0))
    image.paste((200, 40, 40, 255), (0, 0, 40, 80))
    r, g, b, opacity = average(placeholder(image))
    assert abs(opacity - 0.5) < 0.05
    assert abs(r - 200 / 255) < 0.06
    assert abs(g - 40 / 255) < 0.06
    assert abs(b - 40 / 255) < 0.06
    assert average(placeholder(Image.new("RGBA", (8, 8))))[3] == 0


def test_it_is_short_for_every_picture() -> None:
    for mode in ("L", "RGB", "RGBA"):
        for size in ((1, 1), (1, 5000), (5000, 1), (47, 48), (640, 480)):
            image = Image.new(mode, size, 120 if mode == "L" else (120, 10, 99, 77)[: len(mode)])
            assert len(placeholder(image)) <= 36
    assert len(placeholder(photo(400, 300))) == 28


@pytest.mark.parametrize(
    ("mode", "size", "expected"),
    [
        ("RGB", (9, 6), "XfgJHYpARIVSpJp5pmiHdwVl9olj"),
        ("RGBA", (6, 9), "3ReCEwgXU0FY9TSka+A/hiV2RFN0tAk="),
    ],
)
def test_the_hash_equals_that_of_the_reference_encoder(
    mode: str, size: tuple[int, int], expected: str
) -> None:
    """The expected texts are what the format's own JavaScript makes of the same pixels."""
    factors = ((7, 31, 5), (13, 3, 17), (29, 19, 2), (41, 23, 11))[: len(mode)]
    image = Image.new(mode, size)
    for x in range(size[0]):
        for y in range(size[1]):
            colour = tuple((x * x * a + y * b + x * y * c) % 256 for a, b, c in factors)
            image.putpixel((x, y), colour)
    assert placeholder(image) == expected
