"""Painted landscapes by day."""

from __future__ import annotations

import math
from random import Random

from PIL import ImageChops, ImageDraw

from posts.demo.paint import (
    Drawing,
    Mask,
    Picture,
    Point,
    Size,
    below,
    curve,
    disc,
    drawn,
    finished,
    gradient,
    halo,
    height_at,
    lay,
    mixed,
    noise,
    polygon,
    ridge,
    scaled,
    shine,
    soft,
    strip,
)
from posts.demo.scenery import clouds, pines


def mountains(rng: Random, size: Size, sky: tuple[str, ...], near: str, sun: Point) -> Picture:
    """Ridges one behind the other, paler with the distance."""
    picture = gradient(size, *sky)
    shine(picture, halo(size, sun, 0.75, strength=0.7, fall=2), "#ffdfae")
    lay(picture, disc(size, sun, 0.032), "#fff6e0")
    clouds(picture, rng, sky[-1], amount=0.35)
    mist = gradient(size, "#000000", "#000000", "#ffffff").convert("L")
    layers = 7
    for layer in range(layers):
        share = layer / (layers - 1)
        line = ridge(
            rng, height=0.46 + 0.44 * share**1.25, swing=0.13 - 0.05 * share, bumps=2 + layer
        )
        shade = mixed(mixed(sky[-1], near, 0.22), near, share**0.85)
        foot = mixed(shade, sky[-1], 0.55 * (1 - share))
        hill = polygon(size, below(line))
        lay(picture, hill, gradient(size, shade, shade, foot))
        if layer == layers - 1:
            pines(picture, rng, line, mixed(near, "#000000", 0.5), count=70, tall=0.11)
        else:
            lay(picture, scaled(ImageChops.multiply(hill, mist), 0.35 * (1 - share)), sky[-1])
    return finished(picture, rng)


def sea(
    rng: Random, size: Size, sky: tuple[str, ...], water: tuple[str, str], sun: Point
) -> Picture:
    """The sun low over the sea, its light in pieces on the waves."""
    horizon = 0.6
    picture = gradient(size, *sky)
    picture.paste(picture.resize((size[0], round(size[1] * horizon))), (0, 0))
    clouds(picture, rng, mixed(sky[0], "#000000", 0.15), amount=0.55)
    shine(picture, halo(size, sun, 0.6, strength=0.8, fall=2), "#ffb070")
    lay(picture, disc(size, sun, 0.036), "#fff3d6")
    surface = gradient(size, mixed(sky[-1], water[0], 0.55), *water)
    lay(picture, strip(size, horizon, 1.01), surface)
    swell = drawn(size, _waves(rng, horizon, count=900, spread=None))
    lay(picture, scaled(swell, 0.3), mixed(water[1], "#000000", 0.4))
    glitter = drawn(size, _waves(rng, horizon, count=2600, spread=sun[0]))
    shine(picture, scaled(glitter, 0.8), mixed(sky[-1], "#fff0d8", 0.5))
    return finished(picture, rng)


def dunes(rng: Random, size: Size) -> Picture:
    """Sand in the evening: every dune has a side in the light and one in the shade."""
    picture = gradient(size, "#4f97c4", "#9cc9d8", "#fbe6c4", "#fbd09a")
    shine(picture, halo(size, (0.1, 0.36), 0.7, strength=0.7), "#fff0cc")
    layers = 5
    for layer in range(layers):
        share = layer / (layers - 1)
        line = ridge(rng, height=0.44 + 0.135 * layer, swing=0.1 + 0.03 * share, bumps=1, octaves=2)
        lit = mixed("#f6cf9a", "#df8b47", share)
        dune = polygon(size, below(line))
        lay(
            picture,
            dune,
            gradient(size, lit, mixed(lit, "#fbd09a", 0.3), mixed(lit, "#7a3b1d", 0.4)),
        )
        peak = min((y, x) for x, y in line if 0.2 < x < 0.8)[1] + rng.uniform(-0.06, 0.06)
        shade = ImageChops.multiply(_lee(size, line, peak), dune)
        lay(
            picture,
            scaled(shade, 0.92),
            gradient(size, mixed(lit, "#43203a", 0.68), mixed(lit, "#6b3328", 0.5)),
        )
    ripples = curve(noise(rng, size, cells=3, octaves=3, stretch=14), 115, 190)
    lay(picture, scaled(ImageChops.multiply(ripples, polygon(size, below(line))), 0.2), "#3c1a10")
    return finished(picture, rng)


def forest(rng: Random, size: Size) -> Picture:
    """Trunks that fade into the fog, and light falling between them."""
    light = (0.58, 0.16)
    picture = gradient(size, "#e9efd8", "#cfdcc0", "#9db59a", "#5f7a62")
    shine(picture, halo(size, light, 1.1, strength=0.8), "#fff6cf")
    layers = 6
    for layer in range(layers):
        share = layer / (layers - 1)
        shade = mixed("#b9cbb0", "#12211a", share**0.9)
        lay(picture, drawn(size, _trunks(rng, share, count=15 - 2 * layer)), shade)
        ground = ridge(rng, height=0.72 + 0.05 * layer, swing=0.02, bumps=3)
        moss = gradient(size, shade, mixed(shade, "#7d8f4a", 0.45))
        lay(picture, polygon(size, below(ground)), moss)
        fog = curve(noise(rng, size, cells=3, octaves=3, stretch=3), 60, 220)
        lay(picture, scaled(fog, 0.3 * (1 - share)), "#e6ecd6")
        if layer == 3:
            shine(picture, scaled(halo(size, light, 1.0, fall=1.6), 0.35), "#fff2bd")
    return finished(picture, rng)


def snow(rng: Random, size: Size) -> Picture:
    """One tree in a white field."""
    picture = gradient(size, "#a9c1de", "#d3deec", "#f6e6e4", "#ffdcc4")
    shine(picture, halo(size, (0.8, 0.56), 0.6, strength=0.6), "#fff0dc")
    far = ridge(rng, height=0.6, swing=0.025, bumps=4)
    lay(picture, polygon(size, below(far)), gradient(size, "#aebfd2", "#b7c7dc", "#e5e6ec"))
    field = ridge(rng, height=0.68, swing=0.03, bumps=1, octaves=2)
    white = gradient(size, "#ffffff", "#ffffff", "#fff6f0", "#dfe6f2", "#a9bcd8")
    lay(picture, polygon(size, below(field)), white)
    x = 0.36
    y = height_at(field, x) + 0.01
    shadow = polygon(size, [(x, y), (x - 0.3, y + 0.13), (x - 0.18, y + 0.2), (x + 0.008, y)])
    lay(picture, scaled(soft(shadow, 0.012), 0.32), "#5c7396")

    def tree(pen: ImageDraw.ImageDraw, w: int, h: int) -> None:
        _branch(pen, rng, (x * w, y * h), -math.pi / 2, 0.1 * h, 0.010 * w, 10)

    def flakes(pen: ImageDraw.ImageDraw, w: int, h: int) -> None:
        for _ in range(420):
            fx, fy, dot = rng.random() * w, rng.random() * h, rng.uniform(0.0005, 0.002) * w
            pen.ellipse((fx - dot, fy - dot, fx + dot, fy + dot), fill=rng.randrange(90, 230))

    lay(picture, drawn(size, tree), "#2b3240")
    lay(picture, drawn(size, flakes), "#ffffff")
    return finished(picture, rng, dark=0.15)


BALLOONS = (
    ((0.3, 0.34), 0.145, "#d8433b", "#f6e7d0"),
    ((0.72, 0.2), 0.085, "#e9a23b", "#32557f"),
    ((0.66, 0.55), 0.06, "#2f7f79", "#f3d36b"),
    ((0.12, 0.62), 0.04, "#7b3f7d", "#f0a35e"),
    ((0.88, 0.44), 0.035, "#d8433b", "#f6e7d0"),
)


def balloons(rng: Random, size: Size) -> Picture:
    """Hot-air balloons over a valley in the morning."""
    picture = gradient(size, "#4f86c6", "#8db7dc", "#f3d9c3", "#f9c79a")
    clouds(picture, rng, "#fff1e6", amount=0.5)
    for layer in range(5):
        share = layer / 4
        line = ridge(rng, height=0.7 + 0.06 * layer, swing=0.05, bumps=3 + layer)
        shade = mixed("#b9b4b8", "#2f4a42", share)
        foot = mixed(shade, "#f9d9b4", 0.5 * (1 - share))
        lay(picture, polygon(size, below(line)), gradient(size, shade, shade, foot))
    for centre, radius, main, second in BALLOONS:
        _balloon(picture, centre, radius, main, second)
    return finished(picture, rng, dark=0.25)


def _waves(rng: Random, horizon: float, *, count: int, spread: float | None) -> Drawing:
    """Short flat strokes on the water: everywhere, or spreading from under the sun."""

    def draw(pen: ImageDraw.ImageDraw, w: int, h: int) -> None:
        for _ in range(count):
            depth = rng.random() ** 1.5
            y = horizon + 0.004 + (1 - horizon) * depth
            if spread is None:
                x, half = rng.random(), rng.uniform(0.01, 0.09) * (0.2 + depth)
            else:
                x = rng.gauss(spread, 0.018 + 0.085 * depth)
                half = rng.uniform(0.002, 0.016) * (0.25 + depth)
            thick = 0.0006 + 0.0024 * depth
            stroke = ((x - half) * w, (y - thick) * h, (x + half) * w, (y + thick) * h)
            pen.ellipse(stroke, fill=255)

    return draw


def _lee(size: Size, line: list[Point], peak: float) -> Mask:
    """The side of a dune that lies in the shade: right of a line that winds down from its peak."""
    top = height_at(line, peak)
    edge = []
    for step in range(25):
        down = step / 24
        x = peak + 0.5 * down - 0.1 * math.sin(math.pi * min(1, 1.6 * down))
        edge.append((x, top + 0.42 * down**1.25))
    crest = [(x, y) for x, y in line if x >= peak]
    return polygon(size, [*crest, (1.01, 1.01), *reversed(edge)])


def _trunks(rng: Random, share: float, *, count: int) -> Drawing:
    def draw(pen: ImageDraw.ImageDraw, w: int, h: int) -> None:
        for number in range(count):
            # Spread evenly, so that no two stand in one place.
            x = (number + rng.uniform(0.1, 0.9)) / count
            lean = rng.uniform(-0.02, 0.02)
            half = (0.004 + 0.016 * share**1.5) * rng.uniform(0.6, 1.3)
            foot = 0.72 + 0.3 * share
            corners = [(-1.5, 0), (-0.8, lean), (0.8, lean), (1.5, 0)]
            pen.polygon(
                [
                    ((x + half * across + shift) * w, -10 if shift else foot * h)
                    for across, shift in corners
                ],
                fill=255,
            )
            for _ in range(7):
                y = rng.uniform(0, 0.5)
                reach = rng.choice((-1, 1)) * rng.uniform(0.03, 0.12) * (0.4 + share)
                end = ((x + reach) * w, (y - 0.06 * (0.5 + share)) * h)
                pen.line([(x * w, y * h), end], fill=255, width=max(2, round(half * w * 0.25)))

    return draw


def _branch(
    pen: ImageDraw.ImageDraw,
    rng: Random,
    start: Point,
    angle: float,
    length: float,
    thick: float,
    more: int,
) -> None:
    end = (start[0] + math.cos(angle) * length, start[1] + math.sin(angle) * length)
    pen.line([start, end], fill=255, width=max(1, round(thick)))
    for turn in (-1, 1) if more else ():
        bend = angle + turn * rng.uniform(0.15, 0.6)
        _branch(pen, rng, end, bend, length * rng.uniform(0.68, 0.86), thick * 0.68, more - 1)


def _balloon(picture: Picture, centre: Point, radius: float, main: str, second: str) -> None:
    size = picture.size
    x, y = centre
    high = radius * size[0] / size[1]
    hull = [_hull(step * math.tau / 90) for step in range(90)]
    outline = [(x + radius * across, y + high * down) for across, down in hull]
    mask = polygon(size, outline)
    lay(picture, mask, main)
    for stripe in (-0.62, 0.0, 0.62):
        right = [
            (x + radius * across * (stripe + 0.16), py)
            for (across, _), (_, py) in zip(hull[:46], outline[:46], strict=True)
        ]
        left = [
            (x + radius * across * (stripe - 0.16), py)
            for (across, _), (_, py) in zip(hull[:46], outline[:46], strict=True)
        ]
        lay(picture, ImageChops.multiply(polygon(size, [*right, *reversed(left)]), mask), second)
    light = halo(size, (x - radius * 0.4, y - high * 0.45), radius * 2, fall=1)
    dark = ImageChops.multiply(ImageChops.invert(scaled(light, 1.9)), mask)
    lay(picture, scaled(dark, 0.55), "#2a1530")
    top, bottom = y + high * 1.62, y + high * 1.85
    for side in (-1, 1):
        wide = radius * 0.02
        upper, lower = x + side * radius * 0.3, x + side * radius * 0.12
        rope = [
            (upper, y + high * 1.28),
            (upper + wide, y + high * 1.28),
            (lower + wide, top),
            (lower, top),
        ]
        lay(picture, polygon(size, rope), "#3a2a26")
    wide = radius * 0.15
    basket = [(x - wide, top), (x + wide, top), (x + wide * 0.8, bottom), (x - wide * 0.8, bottom)]
    lay(picture, polygon(size, basket), "#5a3a26")


def _hull(turn: float) -> Point:
    """A balloon's outline: a circle above, drawn out to a neck below."""
    up = math.cos(turn)
    if up > 0:
        return math.sin(turn), -up
    return math.sin(turn) * (1 - 0.45 * up**2), -up * 1.35
