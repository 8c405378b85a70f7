"""Nothing of a file is kept but what is seen, the right way up and in the right colours."""

from typing import cast

import pytest
from PIL import Image

from tests.pictures import containers, heic, icc
from tests.pictures.drawn import (
    QUARTERS,
    SECRET,
    Colour,
    animated,
    animation,
    camera_jpeg,
    corners,
    encoded,
    exif,
    opened,
    photo,
    quarters,
)
from tests.unit.pictures.conftest import Process


def close(one: Colour, other: Colour, by: int = 12) -> bool:
    return all(abs(a - b) <= by for a, b in zip(one, other, strict=True))


def assert_upright(data: bytes) -> None:
    found = corners(opened(data))
    assert all(close(one, other) for one, other in zip(found, QUARTERS, strict=True)), found


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_a_camera_comes_out_upright(
    orientation: int, processed: Process
) -> None:
    picture = processed(camera_jpeg(quarters(800, 600), orientation))
    assert (picture.width, picture.height) == (800, 600)
    for file in (picture.original, *picture.renditions):
        assert_upright(file.data)
    assert [(each.width, each.height) for each in picture.renditions] == [(320, 240), (640, 480)]


@pytest.mark.parametrize("codec", ["PNG", "WEBP", "AVIF"])
def test_other_formats_turn_as_their_exif_says(codec: str, processed: Process) -> None:
    stored = quarters(400, 300).transpose(Image.Transpose.ROTATE_90)
    picture = processed(encoded(stored, codec, exif=exif(6)))
    assert (picture.width, picture.height) == (400, 300)
    assert_upright(picture.original.data)


def test_a_photo_of_an_iphone_comes_out_upright(processed: Process) -> None:
    pytest.importorskip("pi_heif", reason="HEIC is an optional extra")
    picture = processed(heic.PHOTO)
    assert (picture.width, picture.height) == (96, 64)
    assert_upright(picture.original.data)
    assert SECRET not in picture.original.data
    containers.assert_only_pixels(picture.original.data, picture.original.type)


def test_no_metadata_survives_in_any_file(processed: Process) -> None:
    profile = icc.profile(icc.DISPLAY_P3, "Display P3")
    everything = {"exif": exif(1), "icc_profile": profile}
    uploads = [
        camera_jpeg(photo(1400, 1000), 6, profile=profile),
        camera_jpeg(quarters().convert("L")),
        encoded(quarters(mode="RGBA"), "PNG", **everything),
        encoded(quarters(mode="P"), "PNG", **everything),
        encoded(quarters(), "WEBP", xmp=SECRET, **everything),
        encoded(quarters(mode="RGBA"), "WEBP", xmp=SECRET, **everything),
        encoded(quarters(), "AVIF", xmp=SECRET, **everything),
        encoded(quarters(), "GIF", comment=SECRET),
        animated("GIF", animation(3)),
        animated("WEBP", animation(3)),
    ]
    for data in uploads:
        picture = processed(data)
        for file in (picture.original, *picture.renditions):
            assert SECRET not in file.data
            assert b"Exif" not in file.data
            containers.assert_only_pixels(file.data, file.type)


def test_the_check_of_metadata_sees_metadata() -> None:
    for data, media_type in (
        (camera_jpeg(quarters()), "image/jpeg"),
        (encoded(quarters(), "JPEG") + SECRET, "image/jpeg"),
        (encoded(quarters(), "PNG", exif=exif(1)), "image/png"),
        (encoded(quarters(), "PNG") + SECRET, "image/png"),
        (encoded(quarters(), "WEBP", exif=exif(1)), "image/webp"),
        (encoded(quarters(), "WEBP", xmp=SECRET), "image/webp"),
    ):
        with pytest.raises((AssertionError, IndexError)):
            containers.assert_only_pixels(data, media_type)


def linear(value: float) -> float:
    value /= 255
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def in_display_p3(colour: Colour) -> Colour:
    """Return the numbers that an sRGB colour has in Display P3."""
    to_xyz = [list(column) for column in zip(*icc.SRGB, strict=True)]
    xyz = [sum(m * linear(c) for m, c in zip(row, colour, strict=True)) for row in to_xyz]
    # Solve primaries x numbers = xyz by Cramer's rule.
    columns = [list(each) for each in icc.DISPLAY_P3]

    def determinant(a: list[float], b: list[float], c: list[float]) -> float:
        return (
            a[0] * (b[1] * c[2] - b[2] * c[1])
            - b[0] * (a[1] * c[2] - a[2] * c[1])
            + c[0] * (a[1] * b[2] - a[2] * b[1])
        )

    whole = determinant(columns[0], columns[1], columns[2])
    numbers = []
    for index in range(3):
        replaced = [xyz if at == index else column for at, column in enumerate(columns)]
        light = determinant(replaced[0], replaced[1], replaced[2]) / whole
        value = 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
        numbers.append(round(255 * value))
    return cast(Colour, tuple(numbers))


@pytest.mark.parametrize("codec", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_display_p3_looks_the_same_in_srgb(codec: str, processed: Process) -> None:
    seen: Colour = (180, 90, 60)
    numbers = in_display_p3(seen)
    assert not close(numbers, seen, by=5), "the test would show nothing"
    image = Image.new("RGB", (64, 64), numbers)
    options = {"icc_profile": icc.profile(icc.DISPLAY_P3, "Display P3"), "quality": 95}
    picture = processed(encoded(image, codec, **options))
    for file in (picture.original, *picture.renditions):
        found = cast(Colour, opened(file.data).convert("RGB").getpixel((32, 32)))
        assert close(found, seen, by=4), (found, seen)


def test_srgb_and_no_profile_leave_colours_alone(processed: Process) -> None:
    image = Image.new("RGB", (64, 64), (180, 90, 60))
    for profile in (None, icc.profile(icc.SRGB, "sRGB IEC61966-2.1"), b"nonsense", b""):
        picture = processed(encoded(image, "PNG", icc_profile=profile))
        assert opened(picture.original.data).getpixel((32, 32)) == (180, 90, 60)
