"""A picture in some 28 characters, shown until the real one is there.

The format is ThumbHash by Evan Wallace: the lowest frequencies of a cosine transform, which
hold the average colour, the rough shape and the transparency, in at most 25 bytes; on the
wire they are standard base64. Layout, from the lowest bit:

    24 bits  L average (6), P average (6), Q average (6), L scale (5), has alpha (1)
    16 bits  count of L frequencies along the shorter side (3), P scale (6), Q scale (6),
             is landscape (1)
     8 bits  alpha average (4), alpha scale (4); only with alpha
     4 bits  for each frequency of L, P, Q and alpha, in that order

L is luminance, P is yellow minus blue, Q is red minus green.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

from PIL import Image

# Seven frequencies are kept at most; more samples than this change nothing that is seen.
_SAMPLED_SIDE = 48

Channel = Sequence[float]


def placeholder(image: Image.Image) -> str:
    """Return the ThumbHash of an image in mode L, RGB or RGBA, as base64."""
    scale = min(1.0, _SAMPLED_SIDE / max(image.size))
    width, height = (max(1, round(side * scale)) for side in image.size)
    small = image.resize((width, height), Image.Resampling.BOX).convert("RGBA")
    return base64.b64encode(_thumbhash(width, height, small.tobytes())).decode()


@dataclass(frozen=True, slots=True)
class _Spectrum:
    """One channel's average, its largest frequency, and all of them scaled to 0..1."""

    average: float
    scale: float
    frequencies: list[float]


def _thumbhash(width: int, height: int, rgba: bytes) -> bytes:
    luminance, yellow_blue, red_green, alpha = _channels(rgba)
    has_alpha = sum(alpha) < len(alpha)
    is_landscape = width > height
    most = 5 if has_alpha else 7
    across = max(1, _round(most * width / max(width, height)))
    down = max(1, _round(most * height / max(width, height)))

    size = (width, height)
    light = _spectrum(luminance, size, max(3, across), max(3, down))
    warm = _spectrum(yellow_blue, size, 3, 3)
    red = _spectrum(red_green, size, 3, 3)
    spectra = [light, warm, red]

    head = (
        _round(63 * light.average)
        | _round(31.5 + 31.5 * warm.average) << 6
        | _round(31.5 + 31.5 * red.average) << 12
        | _round(31 * light.scale) << 18
        | has_alpha << 23
        | (down if is_landscape else across) << 24
        | _round(63 * warm.scale) << 27
        | _round(63 * red.scale) << 33
        | is_landscape << 39
    )
    packed = bytearray(head.to_bytes(5, "little"))
    if has_alpha:
        opacity = _spectrum(alpha, size, 5, 5)
        packed.append(_round(15 * opacity.average) | _round(15 * opacity.scale) << 4)
        spectra.append(opacity)

    nibbles = [_round(15 * value) for spectrum in spectra for value in spectrum.frequencies]
    nibbles += [0] * (len(nibbles) % 2)
    packed += bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))
    return bytes(packed)


def _channels(rgba: bytes) -> tuple[Channel, Channel, Channel, Channel]:
    """Split pixels into L, P, Q and alpha, laid over their own average colour."""
    alpha = [value / 255 for value in rgba[3::4]]
    total = sum(alpha) or 1.0
    colours = []
    for offset in range(3):
        channel = [
            value / 255 * opacity for value, opacity in zip(rgba[offset::4], alpha, strict=True)
        ]
        average = sum(channel) / total
        colours.append(
            [value + average * (1 - opacity) for value, opacity in zip(channel, alpha, strict=True)]
        )
    rgb = list(zip(*colours, strict=True))
    return (
        [(r + g + b) / 3 for r, g, b in rgb],
        [(r + g) / 2 - b for r, g, b in rgb],
        [r - g for r, g, _ in rgb],
        alpha,
    )


def _spectrum(channel: Channel, size: tuple[int, int], across: int, down: int) -> _Spectrum:
    """Transform a channel by cosines, rows first, and keep the triangle of low frequencies."""
    width, height = size
    columns = [
        [
            sum(map(mul, channel[start : start + width], basis))
            for start in range(0, width * height, width)
        ]
        for basis in _cosines(width, across)
    ]
    values = [
        sum(map(mul, columns[x], basis)) / (width * height)
        for y, basis in enumerate(_cosines(height, down))
        for x in range(across)
        if x * down < across * (down - y)
    ]
    average, *frequencies = values
    scale = max(map(abs, frequencies))
    if scale:
        frequencies = [0.5 + 0.5 / scale * value for value in frequencies]
    return _Spectrum(average, scale, frequencies)


def _cosines(length: int, count: int) -> list[list[float]]:
    return [
        [math.cos(math.pi / length * frequency * (at + 0.5)) for at in range(length)]
        for frequency in range(count)
    ]


def _round(value: float) -> int:
    """Round halves up, as the format's decoders expect; Python rounds them to even."""
    return math.floor(value + 0.5)
