"""What the demo's pictures are painted with: light, masks, noise and lines of hills.

Positions and lengths are fractions of the picture's width and height, so that a scene can be
painted in any size. Masks are drawn at twice the size and halved, which smooths their edges.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from random import Random

from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter

Picture = Image.Image
Mask = Image.Image
Size = tuple[int, int]
Point = tuple[float, float]
# A function that is handed a pen and the size of its sheet, in pixels.
Drawing = Callable[[ImageDraw.ImageDraw, int, int], None]

GRADIENT_STEPS = 256


def colour(name: str) -> tuple[int, int, int]:
    red, green, blue = ImageColor.getrgb(name)[:3]
    return red, green, blue


def mixed(first: str, second: str, share: float) -> str:
    """Return the colour that lies `share` of the way from `first` to `second`."""
    pairs = zip(colour(first), colour(second), strict=True)
    return "#{:02x}{:02x}{:02x}".format(*(round(a + (b - a) * share) for a, b in pairs))


def gradient(size: Size, *colours: str, is_sideways: bool = False) -> Picture:
    """Blend evenly spaced colours from top to bottom, or from left to right."""
    stops = [colour(name) for name in colours]
    strip = Image.new("RGB", (1, GRADIENT_STEPS))
    for step in range(GRADIENT_STEPS):
        place = step / (GRADIENT_STEPS - 1) * (len(stops) - 1)
        index = min(int(place), len(stops) - 2)
        share = place - index
        red, green, blue = (
            round(first + (second - first) * share)
            for first, second in zip(stops[index], stops[index + 1], strict=True)
        )
        strip.putpixel((0, step), (red, green, blue))
    if is_sideways:
        strip = strip.transpose(Image.Transpose.ROTATE_90)
    return strip.resize(size, Image.Resampling.BILINEAR)


def drawn(size: Size, drawing: Drawing) -> Mask:
    """Return a mask with what `drawing` draws in 255 on a sheet of 0."""
    width, height = size[0] * 2, size[1] * 2
    sheet = Image.new("L", (width, height))
    drawing(ImageDraw.Draw(sheet), width, height)
    return sheet.reduce(2)


def polygon(size: Size, points: Iterable[Point]) -> Mask:
    corners = [(x * size[0] * 2, y * size[1] * 2) for x, y in points]
    left, right = _even(min(x for x, _ in corners)), _even(max(x for x, _ in corners) + 2)
    top, bottom = _even(min(y for _, y in corners)), _even(max(y for _, y in corners) + 2)
    # A sheet as large as the polygon, not as the picture: most are small.
    left, right = max(0, left), min(size[0] * 2, right)
    top, bottom = max(0, top), min(size[1] * 2, bottom)
    mask = Image.new("L", size)
    if right > left and bottom > top:
        sheet = Image.new("L", (right - left, bottom - top))
        shifted = [(x - left, y - top) for x, y in corners]
        ImageDraw.Draw(sheet).polygon(shifted, fill=255)
        mask.paste(sheet.reduce(2), (left // 2, top // 2))
    return mask


def _even(value: float) -> int:
    return 2 * round(value / 2)


def disc(size: Size, centre: Point, radius: float) -> Mask:
    """A circle; its radius is a fraction of the width."""
    x, y = centre

    def draw(pen: ImageDraw.ImageDraw, w: int, h: int) -> None:
        pen.ellipse(
            ((x - radius) * w, y * h - radius * w, (x + radius) * w, y * h + radius * w), fill=255
        )

    return drawn(size, draw)


def soft(mask: Mask, radius: float) -> Mask:
    """Blur a mask by a fraction of its width."""
    # Blurred at a quarter of the size: sixteen times the speed, and nobody sees it.
    small = mask.reduce(4).filter(ImageFilter.GaussianBlur(radius * mask.width / 4))
    return small.resize(mask.size, Image.Resampling.BICUBIC)


def scaled(mask: Mask, strength: float) -> Mask:
    return mask.point([min(255, round(level * strength)) for level in range(256)])


def lay(picture: Picture, mask: Mask, over: str | Picture) -> None:
    """Cover the picture with a colour or another picture where the mask is."""
    if (box := mask.getbbox()) is not None:
        paint = colour(over) if isinstance(over, str) else over.crop(box)
        picture.paste(paint, box, mask.crop(box))


def shine(picture: Picture, mask: Mask, light: str) -> None:
    """Add light where the mask is; never darkens."""
    if (box := mask.getbbox()) is not None:
        lamp = Image.new("RGB", (box[2] - box[0], box[3] - box[1]))
        lamp.paste(colour(light), (0, 0), mask.crop(box))
        picture.paste(ImageChops.screen(picture.crop(box), lamp), box)


def halo(size: Size, centre: Point, radius: float, *, strength: float = 1, fall: float = 2) -> Mask:
    """Light that fades from a centre; `fall` says how fast, the radius is of the width."""
    reach = max(1, round(radius * size[0]))
    # Pillow's ready-made gradient has 181 at the middle of its edges, and 255 in its corners.
    levels = [round(255 * strength * max(0, 1 - level / 181) ** fall) for level in range(256)]
    spot = Image.radial_gradient("L").point(levels).resize((2 * reach, 2 * reach))
    mask = Image.new("L", size)
    corner = (round(centre[0] * size[0]) - reach, round(centre[1] * size[1]) - reach)
    mask.paste(spot, corner)
    return mask


def noise(rng: Random, size: Size, *, cells: int, octaves: int = 4, stretch: float = 1) -> Mask:
    """Cloudy noise; `cells` of them side by side, `stretch` times as wide as high."""
    total: Mask | None = None
    rough = (max(2, size[0] // 4), max(2, size[1] // 4))
    for octave in range(octaves):
        across = cells * 2**octave
        down = max(2, round(across * stretch * size[1] / size[0]))
        grid = Image.frombytes("L", (across, down), rng.randbytes(across * down))
        layer = grid.resize(rough, Image.Resampling.BICUBIC)
        total = layer if total is None else Image.blend(total, layer, 1 / (octave + 2))
    assert total is not None
    return total.resize(size, Image.Resampling.BICUBIC)


def curve(mask: Mask, low: int, high: int) -> Mask:
    """Stretch the levels between `low` and `high` over the whole range, smoothly."""

    def level(value: int) -> int:
        share = min(1, max(0, (value - low) / (high - low)))
        return round(255 * share * share * (3 - 2 * share))

    return mask.point([level(value) for value in range(256)])


def ridge(rng: Random, *, height: float, swing: float, bumps: int, octaves: int = 6) -> list[Point]:
    """A line of hills from left to right at `height`, up and down by about `swing`."""
    waves = [
        [rng.uniform(-1, 1) for _ in range(bumps * 2**octave + 2)] for octave in range(octaves)
    ]
    steps = 400
    line = []
    for step in range(steps + 1):
        x = step / steps
        y = 0.0
        for octave, knots in enumerate(waves):
            place = x * bumps * 2**octave
            index = int(place)
            share = (1 - math.cos((place - index) * math.pi)) / 2
            y += (knots[index] * (1 - share) + knots[index + 1] * share) / 2.1**octave
        line.append((x, height - swing * y))
    return line


def strip(size: Size, top: float, bottom: float) -> Mask:
    """Everything between two heights."""
    return polygon(size, [(0, top), (1, top), (1, bottom), (0, bottom)])


def below(line: Sequence[Point]) -> list[Point]:
    """The area under a line, down to the lower edge."""
    return [*line, (line[-1][0], 1.01), (line[0][0], 1.01)]


def height_at(line: Sequence[Point], x: float) -> float:
    index = min(len(line) - 2, max(0, round(x * (len(line) - 1))))
    return line[index][1]


def mirrored(picture: Picture, horizon: float, rng: Random, *, ripple: float = 0.004) -> None:
    """Fill what is under the horizon with the rippled reflection of what is over it."""
    width, height = picture.size
    water = round(horizon * height)
    sky = picture.crop((0, 0, width, water)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    sky = sky.filter(ImageFilter.BoxBlur(1))
    phase = rng.uniform(0, 6)
    for row in range(height - water):
        depth = row / (height - water)
        wave = math.sin(phase + 60 * math.sqrt(depth + 0.02)) + 0.4 * math.sin(row * 0.13)
        shift = round((wave + rng.uniform(-0.35, 0.35)) * ripple * width * (0.15 + depth))
        source = min(water - 1, row)
        picture.paste(sky.crop((0, source, width, source + 1)), (shift, water + row))
        edge = (0, source, 1, source + 1) if shift > 0 else (width - 1, source, width, source + 1)
        if shift:
            at = 0 if shift > 0 else width + shift
            picture.paste(sky.crop(edge).resize((abs(shift), 1)), (at, water + row))


def finished(picture: Picture, rng: Random, *, grain: float = 0.045, dark: float = 0.35) -> Picture:
    """Darken the corners a little and lay film grain over it, which also hides banding."""
    size = picture.size
    edges = Image.radial_gradient("L").resize(size)
    edges = edges.point([round(dark * max(0, level - 90) * 0.9) for level in range(256)])
    picture.paste((0, 0, 0), (0, 0), edges)
    dust = Image.frombytes("L", size, rng.randbytes(size[0] * size[1]))
    dust = dust.filter(ImageFilter.BoxBlur(0.6))
    dust = dust.point([round(128 + (level - 128) * grain) for level in range(256)])
    return ImageChops.overlay(picture, dust.convert("RGB"))
