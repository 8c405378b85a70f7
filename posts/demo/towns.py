"""Painted towns, from outside and from inside."""

from __future__ import annotations

import math
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from posts.demo.paint import (
    Drawing,
    Picture,
    Size,
    colour,
    disc,
    drawn,
    finished,
    gradient,
    halo,
    lay,
    mirrored,
    mixed,
    polygon,
    scaled,
    shine,
    soft,
    strip,
)
from posts.demo.scenery import clouds

# Left, top, right, bottom.
Box = tuple[float, float, float, float]


def skyline(rng: Random, size: Size) -> Picture:
    """A city in the blue hour, and its lights on the river."""
    horizon = 0.68
    picture = gradient(size, "#0f1a45", "#2a3a7c", "#7a5a9a", "#e58a78", "#f7c48a")
    picture.paste(picture.resize((size[0], round(size[1] * horizon * 1.08))), (0, 0))
    clouds(picture, rng, "#3a2f63", amount=0.35)
    layers = (("#6d5a8e", 0.1, 0.24), ("#3d3a6b", 0.1, 0.34), ("#171a3a", 0.06, 0.3))
    for layer, (shade, low, high) in enumerate(layers):
        houses = _houses(rng, low, high, horizon)
        foot = mixed(shade, "#f0a080", 0.25 - 0.1 * layer)
        lay(picture, drawn(size, _boxes(houses)), gradient(size, shade, shade, foot))
        if layer:
            lights = drawn(size, _windows(rng, houses, share=0.16 * layer))
            lay(picture, scaled(lights, 0.55 + 0.2 * layer), "#ffd68a")
            shine(picture, scaled(soft(lights, 0.006), 0.7), "#ffb25e")
    mirrored(picture, horizon, rng, ripple=0.006)
    lay(picture, scaled(strip(size, horizon, 1.01), 0.32), "#0d1436")
    return finished(picture, rng)


def lamps(rng: Random, size: Size) -> Picture:
    """Street lamps out of focus, through a wet window."""
    picture = gradient(size, "#070b1c", "#101a38", "#1c1a38", "#2a1626")
    shades = ("#ffb454", "#ff7a4d", "#ffe2a8", "#ff4f5e", "#6fd0ff", "#8f9bff", "#63e6b4")
    for _ in range(80):
        near = rng.random()
        radius = round((0.012 + 0.05 * near**1.5) * size[0])
        tile = (2 * radius + 2, 2 * radius + 2)
        circle = disc(tile, (0.5, 0.5), 0.48)
        rim = ImageChops.subtract(circle, disc(tile, (0.5, 0.5), 0.45))
        strength = rng.uniform(0.16, 0.6) * (1.1 - 0.6 * near)
        mask = ImageChops.add(scaled(circle, strength), scaled(rim, strength * 0.5))
        corner = round(rng.random() * size[0] - radius), round(rng.gauss(0.52, 0.2) * size[1])
        place = (*corner, corner[0] + tile[0], corner[1] + tile[1])
        lamp = picture.crop(place)
        shine(lamp, mask, rng.choice(shades))
        picture.paste(lamp, corner)
    glow = picture.resize((size[0] // 8, size[1] // 8)).filter(ImageFilter.GaussianBlur(4))
    glow = glow.point([round(level * 0.55) for level in range(256)] * 3)
    picture = ImageChops.screen(picture, glow.resize(size, Image.Resampling.BICUBIC))
    _drops(picture, rng)
    return finished(picture, rng)


WALLS = (
    *("#c8452f", "#e3a03a", "#3f7f93", "#e8d9b8", "#7b3b3f"),
    *("#6f9467", "#d9774a", "#32557f", "#efc36a", "#b85c66"),
)


def harbour(rng: Random, size: Size) -> Picture:
    """A row of painted houses and what the water makes of them."""
    horizon = 0.72
    picture = gradient(size, "#4a94d2", "#9ccbe8", "#e9f1ea", "#fbe9cf")
    clouds(picture, rng, "#ffffff", amount=0.8)
    walls = rng.sample(WALLS, len(WALLS))
    x, number = -0.02, 0
    while x < 1.0:
        wide = rng.uniform(0.095, 0.14)
        front = (x, horizon - rng.uniform(0.24, 0.36), x + wide, horizon)
        _house(picture, rng, front, walls[number % len(walls)])
        x += wide
        number += 1
    lay(picture, strip(size, horizon - 0.02, horizon), "#6e675f")
    for place, hull in ((0.17, "#f7f3ea"), (0.48, "#a8322d"), (0.79, "#23405e")):
        _boat(picture, place + rng.uniform(-0.03, 0.03), horizon + 0.004, hull)
    mirrored(picture, horizon + 0.004, rng, ripple=0.006)
    water = gradient(size, "#2f6f8f", "#2f6f8f", "#12374f")
    lay(picture, scaled(strip(size, horizon + 0.003, 1.01), 0.34), water)
    return finished(picture, rng, dark=0.2)


def cat(rng: Random, size: Size) -> Picture:
    """A cat on the window sill, waiting for the moon."""
    moon = (0.64, 0.27)
    view = gradient(size, "#1a2a63", "#5a4a93", "#d0719a", "#f9b27c")
    shine(view, halo(size, moon, 0.45, strength=0.6), "#ffe7c9")
    lay(view, disc(size, moon, 0.06), "#fff4dc")
    houses = _houses(rng, 0.03, 0.13, 0.815)
    lay(view, drawn(size, _boxes(houses)), "#3b2c5a")
    lay(view, drawn(size, _windows(rng, houses, share=0.14)), "#ffd68a")

    picture = gradient(size, "#241a2e", "#33223c", "#1b1323")
    lay(picture, scaled(halo(size, (0.5, 0.45), 0.8, fall=1.2), 0.5), "#6b3f5e")
    for left, right in ((0.13, 0.485), (0.515, 0.87)):
        for top, bottom in ((0.08, 0.42), (0.45, 0.81)):
            pane = [(left, top), (right, top), (right, bottom), (left, bottom)]
            lay(picture, polygon(size, pane), view)
    sill = polygon(size, [(0.04, 0.81), (0.96, 0.81), (1.0, 0.865), (0.0, 0.865)])
    lay(picture, sill, gradient(size, "#5d4260", "#8a6078"))
    lay(picture, strip(size, 0.865, 1.01), gradient(size, "#1b1323", "#2b1d34"))
    shape = drawn(size, _cat)
    lay(
        picture,
        scaled(soft(ImageChops.offset(shape, 0, round(size[1] * 0.012)), 0.01), 0.35),
        "#120c18",
    )
    lay(picture, shape, "#150e1c")
    edge = ImageChops.offset(shape, -round(size[0] * 0.005), round(size[1] * 0.003))
    lay(picture, scaled(soft(ImageChops.subtract(shape, edge), 0.001), 0.6), "#f2a184")
    return finished(picture, rng)


def _houses(rng: Random, low: float, high: float, foot: float) -> list[Box]:
    """Houses side by side, tall ones with a tower, taller towards the middle."""
    houses, x = [], -0.02
    while x < 1.02:
        wide = rng.uniform(0.025, 0.07)
        middle = max(0.25, 1 - abs(x - 0.52) * 1.3) * 1.25
        tall = low + (high - low) * rng.random() ** 1.6 * middle
        houses.append((x, foot - tall, x + wide, foot))
        if tall > high * 0.8:
            houses.append((x + wide * 0.3, foot - tall * 1.08, x + wide * 0.7, foot))
            houses.append((x + wide * 0.48, foot - tall * 1.25, x + wide * 0.52, foot))
        x += wide + rng.choice((0, 0, 0.006))
    return houses


def _boxes(boxes: list[Box]) -> Drawing:
    def draw(pen: ImageDraw.ImageDraw, w: int, h: int) -> None:
        for left, top, right, bottom in boxes:
            pen.rectangle((left * w, top * h, right * w, bottom * h), fill=255)

    return draw


def _windows(rng: Random, houses: list[Box], *, share: float) -> Drawing:
    """Lit windows: `share` of all there are."""
    across, down = 0.0075, 0.0155
    lit = [
        (left + column * across, top + 0.006 + row * down, rng.randrange(120, 256))
        for left, top, right, bottom in houses
        if right - left > 0.02
        for row in range(int((bottom - top) / down))
        for column in range(1, int((right - left) / across))
        if rng.random() < share
    ]

    def draw(pen: ImageDraw.ImageDraw, w: int, h: int) -> None:
        for x, y, level in lit:
            pen.rectangle((x * w, y * h, (x + 0.0034) * w, (y + 0.0075) * h), fill=level)

    return draw


def _drops(picture: Picture, rng: Random) -> None:
    """Rain on the window; every drop shows what is behind it upside down."""
    drops = Image.new("L", picture.size)
    pen, width = ImageDraw.Draw(drops), picture.width
    shines = []
    for _ in range(420):
        x, y = rng.random() * width, rng.random() * picture.height
        dot = width * (0.001 + 0.008 * rng.random() ** 4)
        pen.ellipse((x - dot, y - dot, x + dot, y + dot * 1.15), fill=230)
        if dot > width * 0.0025:
            shines.append((x - dot * 0.5, y - dot * 0.6, x - dot * 0.15, y - dot * 0.25))
    turned = picture.transpose(Image.Transpose.ROTATE_180)
    bright = turned.point([min(255, round(level * 1.5)) for level in range(256)] * 3)
    lay(picture, drops.filter(ImageFilter.GaussianBlur(0.8)), bright)
    pen = ImageDraw.Draw(picture)
    for box in shines:
        pen.ellipse(box, fill=colour("#ebf0ff"))


def _house(picture: Picture, rng: Random, front: Box, wall: str) -> None:
    size = picture.size
    left, top, right, foot = front
    wide, gable = right - left, rng.uniform(0.06, 0.1)
    tones = mixed(wall, "#ffffff", 0.12), wall, mixed(wall, "#000000", 0.2)
    lay(picture, drawn(size, _boxes([front])), gradient(size, *tones))
    ridge = rng.choice((0.5, 0.12))
    peak = top - gable * (1 if ridge == 0.5 else 0.7)
    roof = [(left, top), (left + wide * ridge, peak), (right - wide * ridge, peak), (right, top)]
    lay(picture, polygon(size, roof), mixed("#6b2f24", "#3a3238", rng.random()))
    floors, columns = max(3, round((foot - top) / 0.078)), 3
    high = (foot - top) / floors
    middles = [
        (left + wide * (column + 0.5) / columns, top + high * (floor + 0.5))
        for floor in range(floors)
        for column in range(columns)
    ]
    for across, up, pane in (
        (0.113, 0.33, gradient(size, "#fffaf0", "#f1ead9")),
        (0.085, 0.3, gradient(size, "#8fb4cc", "#31485c")),
    ):
        boxes = [
            (x - wide * across, y - high * up, x + wide * across, y + high * up) for x, y in middles
        ]
        lay(picture, drawn(size, _boxes(boxes)), pane)
    lay(picture, scaled(drawn(size, _boxes([(right - 0.004, top, right, foot)])), 0.3), "#1b1410")


def _boat(picture: Picture, x: float, y: float, hull: str) -> None:
    size = picture.size
    wide, high = 0.075, 0.035
    lay(picture, drawn(size, _boxes([(x - 0.006, y - 0.3, x - 0.004, y - high)])), "#4a3a2c")
    sail = polygon(size, [(x, y - 0.28), (x, y - high - 0.02), (x + wide * 0.8, y - high - 0.02)])
    lay(picture, sail, gradient(size, "#fffaf0", "#f1e6d2"))
    left, right, deck = x - wide, x + wide, y - high
    body = [(left, deck), (right, deck), (x + wide * 0.72, y), (x - wide * 0.78, y)]
    lay(picture, polygon(size, body), hull)
    rail = [
        (left, deck),
        (right, deck),
        (right - 0.003, deck + 0.008),
        (left + 0.002, deck + 0.008),
    ]
    lay(picture, polygon(size, rail), "#e9dcc3")


def _cat(pen: ImageDraw.ImageDraw, w: int, h: int) -> None:
    """Its back, its head, its ears, and the tail over the edge."""

    def oval(x: float, y: float, across: float, high: float) -> None:
        pen.ellipse(((x - across) * w, (y - high) * h, (x + across) * w, (y + high) * h), fill=255)

    oval(0.36, 0.735, 0.098, 0.1)
    oval(0.365, 0.63, 0.068, 0.11)
    oval(0.372, 0.51, 0.062, 0.045)
    for side in (-1, 1):
        ear = [(side * 0.058, 0.435), (side * 0.01, 0.478), (side * 0.06, 0.507)]
        pen.polygon([((0.372 + x) * w, y * h) for x, y in ear], fill=255)
    for step in range(120):
        share = step / 119
        x = 0.4 + 0.11 * math.sin(share * 2.1)
        y = 0.815 + 0.13 * share
        oval(x + 0.035 * share**3, y, 0.0165 - 0.005 * share, 0.0132 - 0.004 * share)
