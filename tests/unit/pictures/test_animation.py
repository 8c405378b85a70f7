"""Animations stay animations while they are small enough; else their first frame is kept."""

from typing import Any

import pytest
from PIL import Image

from posts.pictures.decode import decode
from posts.pictures.limits import Limits
from posts.pictures.pool import Pool
from posts.pictures.process import process
from tests.pictures.drawn import animated, animation, encoded, opened, upload
from tests.unit.pictures.conftest import Process

TYPES = {"GIF": "image/gif", "PNG": "image/png", "WEBP": "image/webp", "AVIF": "image/avif"}


def timing(data: bytes) -> list[int]:
    image: Any = opened(data)
    durations = []
    for index in range(image.n_frames):
        image.seek(index)
        image.load()
        durations.append(round(image.info["duration"]))
    return durations


@pytest.mark.parametrize("codec", TYPES)
def test_an_animation_stays_one_in_every_size(codec: str, processed: Process) -> None:
    durations = [80, 120, 400, 80, 200]
    picture = processed(animated(codec, animation(5, (700, 400)), durations))
    assert picture.is_animated
    assert [each.width for each in picture.renditions] == [320, 640]
    for file in (picture.original, *picture.renditions):
        assert file.type == "image/webp"
        assert opened(file.data).size == (file.width, file.height)
        assert timing(file.data) == durations


def test_a_small_animation_has_one_rendition_of_its_own_size(processed: Process) -> None:
    picture = processed(animated("GIF", animation(3, (120, 80))))
    assert [(each.width, each.height) for each in picture.renditions] == [(120, 80)]
    assert len(timing(picture.renditions[0].data)) == 3


@pytest.mark.parametrize("codec", TYPES)
@pytest.mark.parametrize(
    "limits",
    [Limits(max_frames=4), Limits(max_animation_pixels=4 * 120 * 80), Limits(max_frames=0)],
)
def test_the_first_frame_is_kept_of_an_animation_over_the_limits(
    codec: str, limits: Limits, pool: Pool
) -> None:
    frames = animation(5)
    picture = process(upload(animated(codec, frames)), limits=limits, pool=pool)
    assert not picture.is_animated
    assert getattr(opened(picture.original.data), "n_frames", 1) == 1
    exactly = Limits(max_frames=5, max_animation_pixels=5 * 120 * 80)
    assert process(upload(animated(codec, frames)), limits=exactly, pool=pool).is_animated


def test_frames_without_a_time_are_shown_as_browsers_do() -> None:
    decoded = decode(animated("GIF", animation(3), [0, 10, 30]), TYPES["GIF"], Limits())
    assert [frame.duration_ms for frame in decoded.frames] == [100, 100, 30]


@pytest.mark.parametrize(("loop", "plays"), [(None, 1), (0, 0), (2, 3)])
def test_a_gif_plays_as_often_as_it_says(loop: int | None, plays: int) -> None:
    first, *others = animation(3)
    options = {} if loop is None else {"loop": loop}
    data = encoded(first, "GIF", save_all=True, append_images=others, duration=50, **options)
    assert decode(data, TYPES["GIF"], Limits()).plays == plays


def test_the_still_picture_of_an_apng_is_no_frame_of_it(processed: Process) -> None:
    still = Image.new("RGB", (120, 80), (0, 0, 0))
    data = encoded(
        still, "PNG", save_all=True, append_images=animation(3), default_image=True, duration=90
    )
    picture = processed(data)
    assert timing(picture.original.data) == [90, 90, 90]
    assert opened(picture.original.data).convert("RGB").getpixel((100, 70)) != (0, 0, 0)


def test_a_transparent_animation_stays_transparent(processed: Process) -> None:
    frames = [Image.new("RGBA", (100, 100), (200, 40, at * 60, 128)) for at in range(3)]
    picture = processed(animated("WEBP", frames))
    assert picture.is_animated
    colour = opened(picture.original.data).convert("RGBA").getpixel((50, 50))
    assert isinstance(colour, tuple)
    assert abs(colour[3] - 128) <= 2
