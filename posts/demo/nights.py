"""Painted landscapes by night."""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random

from PIL import Image, ImageChops, ImageDraw

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
    lay,
    mirrored,
    mixed,
    noise,
    polygon,
    ridge,
    scaled,
    shine,
    soft,
    strip,
)
from posts.demo.scenery import clouds, pines, sprinkle


def stars(rng: Random, size: Size) -> Picture:
    """The Milky Way over a line of pines."""
    picture = gradient(size, "#050817", "#0b1533", "#1c2b57", "#3d3f6b", "#7c5a6e")
    stripe = polygon(size, [(0.18, -0.1), (0.62, -0.1), (0.98, 1.1), (0.5, 1.1)])
    cloudy = curve(noise(rng, size, cells=3, octaves=5), 60, 210)
    band = ImageChops.multiply(cloudy, soft(stripe, 0.09))
    shine(picture, scaled(band, 0.6), "#8fa6ff")
    core = ImageChops.multiply(band, curve(noise(rng, size, cells=5, octaves=5), 90, 190))
    shine(picture, scaled(core, 0.7), "#ffd9c2")

    def draw(pen: ImageDraw.ImageDraw, w: int, h: int) -> None:
        for _ in range(2600):
            x, y = rng.random(), rng.random() * 0.9
            if rng.random() < 0.5:
                x = 0.4 + 0.4 * y + rng.gauss(0, 0.12)
            bright = rng.random() ** 5
            dot = (0.4 + 2.2 * bright) * w / 3000
            box = (x * w - dot, y * h - dot, x * w + dot, y * h + dot)
            pen.ellipse(box, fill=round(90 + 165 * bright))

    shine(picture, drawn(size, draw), "#f2f4ff")
    line = ridge(rng, height=0.86, swing=0.05, bumps=2)
    lay(picture, polygon(size, below(line)), "#070a12")
    pines(picture, rng, line, "#070a12", count=60, tall=0.2)
    return finished(picture, rng, grain=0.09)


def aurora(rng: Random, size: Size) -> Picture:
    """Northern lights over snow."""
    picture = gradient(size, "#040a1a", "#071b33", "#0d3144", "#1b4a55")
    for light, base, tall in (
        ("#3dffb0", 0.52, 0.42),
        ("#46e6d0", 0.42, 0.34),
        ("#a86bff", 0.34, 0.3),
    ):
        shine(picture, soft(_curtain(rng, size, base, tall), 0.004), light)
    sprinkle(picture, rng, 500, 0.6)
    far = ridge(rng, height=0.66, swing=0.1, bumps=3)
    lay(picture, polygon(size, below(far)), gradient(size, "#20485a", "#2c5f6e", "#10303f"))
    field = ridge(rng, height=0.8, swing=0.03, bumps=1, octaves=3)
    white = gradient(size, "#aef5dd", "#9fe3d8", "#6fb0ba", "#284f66")
    lay(picture, polygon(size, below(field)), white)
    pines(picture, rng, field, "#06131c", count=22, tall=0.16)
    return finished(picture, rng, grain=0.08)


def lake(rng: Random, size: Size, sky: tuple[str, ...], moon: Point) -> Picture:
    """Hills and the moon, twice."""
    horizon = 0.58
    picture = gradient(size, *sky)
    picture.paste(gradient((size[0], round(size[1] * horizon)), *sky), (0, 0))
    sprinkle(picture, rng, 260, 0.35)
    shine(picture, halo(size, moon, 0.5, strength=0.55), "#cfd8ff")
    face = disc(size, moon, 0.045)
    lay(picture, face, "#fdf8e6")
    craters = curve(noise(rng, size, cells=22, octaves=3), 110, 170)
    lay(picture, scaled(ImageChops.multiply(face, craters), 0.25), "#b9b2a4")
    for layer in range(4):
        share = layer / 3
        line = ridge(rng, height=0.44 + 0.1 * share, swing=0.1 - 0.06 * share, bumps=3 + layer)
        shade = mixed(mixed(sky[-1], sky[0], 0.35), mixed(sky[0], "#000000", 0.5), share)
        lay(picture, polygon(size, below(line)), shade)
    pines(picture, rng, line, shade, count=120, tall=0.05)
    mirrored(picture, horizon, rng, ripple=0.003)
    dark = gradient(size, "#000000", "#000000", "#303030", "#8a8a8a").convert("L")
    lay(picture, ImageChops.multiply(dark, strip(size, horizon, 1.01)), sky[0])
    return finished(picture, rng)


def lighthouse(rng: Random, size: Size) -> Picture:
    """The lamp is lit before the last light has gone."""
    horizon = 0.78
    lamp = (0.66, 0.306)
    picture = gradient(size, "#16234d", "#3b3f78", "#9a5b83", "#f08a6b", "#f9c08a")
    clouds(picture, rng, "#4a3563", amount=0.6)
    water = strip(size, horizon, 1.01)
    lay(picture, water, gradient(size, "#f3a27c", "#c9728a", "#59507f", "#232b55"))
    waves = curve(noise(rng, size, cells=4, octaves=4, stretch=12), 110, 170)
    lay(picture, scaled(ImageChops.multiply(waves, water), 0.45), "#1b2147")
    rock = [(x, y) for x, y in ridge(rng, height=0.8, swing=0.06, bumps=3) if x >= 0.38]
    lay(picture, polygon(size, [(0.3, 1.01), *rock, (1.01, 1.01)]), "#141428")
    reach = halo(size, lamp, 0.85, fall=1.1)
    for far in ([(-0.1, 0.12), (-0.1, 0.36)], [(1.1, 0.27), (1.1, 0.35)]):
        beam = soft(polygon(size, [lamp, *far]), 0.008)
        shine(picture, scaled(ImageChops.multiply(beam, reach), 0.85), "#fff0b8")
    _tower(picture, lamp[0])
    shine(picture, halo(size, lamp, 0.34, strength=0.95, fall=2.4), "#ffe9a8")
    return finished(picture, rng)


def traces(rng: Random, size: Size) -> Picture:
    """Cars on a mountain road, half a minute of them."""
    picture = gradient(size, "#060a1a", "#101d45", "#35397a", "#8a5f8c", "#d98a86")
    picture.paste(picture.resize((size[0], round(size[1] * 0.62))), (0, 0))
    sprinkle(picture, rng, 300, 0.35)
    for layer in range(3):
        line = ridge(rng, height=0.47 + 0.075 * layer, swing=0.1 - 0.03 * layer, bumps=3)
        lay(picture, polygon(size, below(line)), mixed("#4a4478", "#090c1d", layer / 2))
    ground = gradient(size, "#090c1d", "#090c1d", "#12162e")
    lay(picture, strip(size, 0.66, 1.01), ground)
    for light, lane in (("#ff3b30", -0.014), ("#fff0c8", 0.016)):
        trail = Image.new("L", size)
        for _ in range(16):
            trace = drawn(size, _trace(lane + rng.gauss(0, 0.004)))
            trail = ImageChops.add(trail, scaled(trace, rng.uniform(0.3, 0.7)))
        shine(picture, scaled(soft(trail, 0.012), 0.9), light)
        shine(picture, trail, light)
    return finished(picture, rng)


def _curtain(rng: Random, size: Size, base: float, tall: float) -> Mask:
    """A band of light with a sharp lower edge, painted in columns at a quarter of the size."""
    width, height = size[0] // 4, size[1] // 4
    sheet = Image.new("L", (width, height))
    pen = ImageDraw.Draw(sheet)
    phase, bend = rng.uniform(0, 6), rng.uniform(4, 7)
    flicker = [rng.random() for _ in range(width // 3 + 1)]
    for x in range(width):
        at = x / width
        foot = base + 0.07 * math.sin(phase + bend * at) + 0.03 * math.sin(17 * at + phase)
        bright = 0.55 + 0.45 * math.sin(phase * 2 + 9 * at) * flicker[x // 3]
        for step in range(40):
            top = (foot - tall * (step + 1) / 40) * height
            fade = (1 - step / 40) ** 1.7 * min(1, (step + 1) / 5)
            level = max(0, round(190 * bright * fade))
            pen.rectangle((x, top, x, top + tall / 40 * height), fill=level)
    return sheet.resize(size, Image.Resampling.BICUBIC)


def _tower(picture: Picture, x: float) -> None:
    size = picture.size
    top, foot = 0.335, 0.84

    def block(upper: float, lower: float, half: float, flare: float = 0) -> Mask:
        left, right = x - half, x + half
        corners = [(left, upper), (right, upper), (right + flare, lower), (left - flare, lower)]
        return polygon(size, corners)

    tower = block(top, foot, 0.036, 0.026)
    lay(picture, tower, gradient(size, "#d9cfd6", "#f5ece4", "#9a8ba5", is_sideways=True))
    for band in (0.42, 0.56, 0.7):
        lay(picture, ImageChops.multiply(strip(size, band, band + 0.06), tower), "#b5363f")
    side = polygon(size, [(x + 0.008, 0), (1, 0), (1, 1), (x + 0.014, 1)])
    lay(picture, scaled(ImageChops.multiply(tower, side), 0.4), "#241a3a")
    lay(picture, block(0.275, top, 0.024), "#fff3c4")
    lay(picture, block(0.243, 0.277, 0.001, 0.031), "#2a2038")
    lay(picture, block(top - 0.004, top + 0.007, 0.046), "#2a2038")
    for rail in (-0.044, -0.03, 0.03, 0.044):
        post = polygon(
            size,
            [
                (x + rail, 0.314),
                (x + rail + 0.002, 0.314),
                (x + rail + 0.002, top),
                (x + rail, top),
            ],
        )
        lay(picture, post, "#2a2038")


def _trace(lane: float) -> Drawing:
    """The way of one lamp along a winding road, wide near and thin far away."""

    def at(share: float) -> tuple[float, float, float]:
        near = (1 - share) ** 2
        sway = (0.05 + 0.36 * near) * math.sin(1.0 + 11 * share**0.85)
        return 0.52 + sway + lane * (0.35 + 6 * near), 0.645 + 0.42 * near, 0.3 + 2.6 * near

    def draw(pen: ImageDraw.ImageDraw, w: int, h: int) -> None:
        points = [at(step / 200) for step in range(201)]
        for (x, y, near), (next_x, next_y, _) in pairwise(points):
            width = max(1, round(w * 0.0018 * near))
            pen.line([(x * w, y * h), (next_x * w, next_y * h)], fill=230, width=width)

    return draw
