"""Painted things and patterns."""

from __future__ import annotations

import math
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from posts.demo.paint import (
    Mask,
    Picture,
    Point,
    Size,
    colour,
    curve,
    disc,
    finished,
    gradient,
    halo,
    lay,
    mixed,
    noise,
    polygon,
    scaled,
    shine,
    soft,
    strip,
)


def coffee(rng: Random, size: Size) -> Picture:
    """The second coffee, from above."""
    picture = gradient(size, "#c99a6b", "#b98455", "#a36f45", is_sideways=True)
    wood = curve(noise(rng, size, cells=2, octaves=5, stretch=22), 100, 190)
    lay(picture, scaled(wood, 0.4), "#6b4226")
    for board in (0.0, 0.255, 0.51, 0.77):
        lay(picture, scaled(strip(size, board, board + 0.005), 0.75), "#3b2213")
    x, y = centre = (0.46, 0.52)
    lay(picture, scaled(soft(disc(size, (x + 0.03, y + 0.05), 0.31), 0.022), 0.6), "#2b1509")
    for radius, upper, lower in (
        (0.32, "#ffffff", "#d3cdc4"),
        (0.285, "#e4ded5", "#fbf8f3"),
        (0.2, "#cfc8bd", "#eee9e1"),
    ):
        lay(picture, disc(size, centre, radius), gradient(size, upper, lower))
    lay(picture, scaled(soft(disc(size, (x + 0.022, y + 0.04), 0.2), 0.014), 0.4), "#5b4632")
    handle = (x + 0.215, y - 0.09)
    ring = ImageChops.subtract(disc(size, handle, 0.07), disc(size, (x + 0.22, y - 0.095), 0.042))
    lay(picture, scaled(soft(ImageChops.offset(ring, 14, 24), 0.006), 0.45), "#5b4632")
    lay(picture, ring, gradient(size, "#ffffff", "#f4efe7", "#b9b0a3"))
    for radius, upper, lower in ((0.2, "#ffffff", "#e2dcd2"), (0.184, "#a99a88", "#efe8dd")):
        lay(picture, disc(size, centre, radius), gradient(size, upper, lower))
    brew = disc(size, centre, 0.173)
    lay(picture, brew, gradient(size, "#5a2f16", "#7a4422", "#8f5a30"))
    foam = ImageChops.multiply(soft(_leaf(size, centre), 0.0022), brew)
    lay(picture, scaled(foam, 0.95), "#f3dfc0")
    rim = ImageChops.subtract(brew, disc(size, (x + 0.004, y + 0.007), 0.171))
    lay(picture, scaled(rim, 0.6), "#2a1208")
    sun = soft(polygon(size, [(0, 0), (0.62, 0), (0.2, 1), (0, 1)]), 0.05)
    shine(picture, scaled(sun, 0.16), "#fff1d0")
    return finished(picture, rng, dark=0.5)


SUITS = (
    ("#f28c28", "#ffb347", "#fff0d6"),
    ("#e2574c", "#ff8b73", "#ffe6dc"),
    ("#e9c22e", "#ffe066", "#fffbe0"),
    ("#86b53b", "#c5e06a", "#f4fbdc"),
)


def citrus(rng: Random, size: Size) -> Picture:
    """Slices in rows."""
    picture = gradient(size, "#f9dcc8", "#f2bfae")
    across, down = 5, 4
    edge = round(size[0] / across)
    for row in range(down):
        for column in range(-1, across):
            x = round((column + 0.25 + 0.25 * (-1) ** row) * edge)
            y = round((row + 0.5) * size[1] / down - edge / 2)
            place = (x, y, x + edge, y + edge)
            tile = picture.crop(place)
            _slice(tile, rng, *SUITS[(column + 2 * row) % len(SUITS)])
            picture.paste(tile, place)
    return finished(picture, rng, dark=0.15, grain=0.05)


def shapes(rng: Random, size: Size) -> Picture:
    """Quarter circles, triangles, rings and bars in squares."""
    paper = "#f3ead8"
    palette = ("#d8432f", "#e9a72c", "#2b5f8c", "#1f2430", "#86aea0")
    cells = 6
    sheet = Image.new("RGB", (size[0] * 2, size[1] * 2), colour(paper))
    edge = sheet.width // cells
    for row in range(math.ceil(sheet.height / edge)):
        for column in range(cells):
            first, second = rng.sample(palette, 2)
            ground = rng.choice((paper, paper, mixed(paper, first, 0.16)))
            tile = Image.new("RGB", (edge + 1, edge + 1), colour(ground))
            _figure(ImageDraw.Draw(tile), rng.randrange(6), edge, first, second, paper)
            tile = tile.rotate(rng.choice((0, 90, 180, 270)))
            sheet.paste(tile, (column * edge, row * edge))
    return finished(sheet.reduce(2), rng, dark=0.08, grain=0.09)


def contours(rng: Random, size: Size) -> Picture:
    """Paper cut in layers along the lines of a map."""
    field = noise(rng, size, cells=3, octaves=2)
    tones = ("#13406b", "#1d6a8a", "#3a9aa0", "#86c5a4", "#d9e3a8", "#f7e3b0", "#f5b48a", "#e5796a")
    picture = Image.new("RGB", size, colour("#0b2545"))
    for step, tone in enumerate(tones):
        level = 66 + step * 16
        sheet = field.point([255 if value >= level else 0 for value in range(256)])
        # Cut round, then sharp again: the field's steps would leave a ragged edge.
        sheet = curve(soft(sheet, 0.006), 108, 148)
        shadow = ImageChops.offset(
            soft(sheet, 0.006), round(size[0] * 0.004), round(size[0] * 0.006)
        )
        lay(picture, scaled(shadow, 0.5), mixed(tone, "#000000", 0.75))
        lay(picture, sheet, tone)
    return finished(picture, rng, dark=0.2, grain=0.08)


def stairs(rng: Random, size: Size) -> Picture:
    """A spiral staircase, looked at from its foot."""
    sheet = Image.new("RGB", (size[0] * 2, size[1] * 2), colour("#171310"))
    pen = ImageDraw.Draw(sheet)
    x, y = 0.53 * sheet.width, 0.46 * sheet.height
    steps, shrink = 24, 0.62
    once = shrink ** (1 / steps)

    def quad(begin: float, end: float, outer: float, inner: float, shade: str) -> None:
        corners = ((begin, outer), (end, outer * once), (end, inner * once), (begin, inner))
        points = [(x + math.cos(turn) * far, y + math.sin(turn) * far) for turn, far in corners]
        pen.polygon(points, fill=colour(shade))

    for step in range(-steps, 7 * steps):
        begin = step * math.tau / steps
        end = begin + math.tau / steps * 1.02
        far = math.hypot(*sheet.size) * 0.62 * once**step
        light = 0.5 + 0.5 * math.cos(begin - 2.2)
        depth = min(1, max(0, step) / (6 * steps))
        wood = mixed(mixed("#3a2215", "#d9965a", light), "#fff0cf", 0.5 * depth)
        quad(begin, end, far, far * 0.78, wood)
        quad(begin, end, far * 0.78, far * 0.61, mixed(wood, "#0f0a08", 0.55 + 0.2 * (step % 2)))
        quad(begin, end, far * 0.79, far * 0.772, mixed(wood, "#fff4dc", 0.35))
    picture = sheet.reduce(2)
    shine(picture, halo(size, (0.53, 0.46), 0.45, strength=0.9, fall=2), "#ffe9bd")
    return finished(picture, rng, dark=0.6)


def _leaf(size: Size, centre: Point) -> Mask:
    """What a barista pours: crescents one under the other, smaller to the tip."""
    x, y = centre
    leaf = disc(size, (x, y - 0.105), 0.018)
    for step in range(6):
        share = step / 5
        wide = 0.118 * math.sin(math.pi * (0.32 + 0.56 * share))
        down = y - 0.07 + 0.036 * step
        petal = disc(size, (x, down), wide)
        cut = disc(size, (x, down - 0.036), wide * 1.06)
        leaf = ImageChops.lighter(leaf, ImageChops.subtract(petal, cut))
    stalk = polygon(size, [(x - 0.005, y - 0.1), (x + 0.005, y - 0.1), (x, y + 0.165)])
    return ImageChops.lighter(leaf, stalk)


def _slice(tile: Picture, rng: Random, peel: str, flesh: str, pith: str) -> None:
    size, middle, radius = tile.size, (0.5, 0.5), 0.4
    lay(tile, scaled(soft(disc(size, (0.53, 0.55), radius), 0.035), 0.4), "#8a4a3a")
    lay(tile, disc(size, middle, radius), peel)
    lay(tile, disc(size, middle, radius * 0.93), pith)
    turn = rng.uniform(0, 1)
    segments = Image.new("L", size)
    for part in range(9):
        begin = turn + part * math.tau / 9 + 0.055
        end = begin + math.tau / 9 - 0.11
        heart = (begin + end) / 2
        points = [(0.5 + 0.1 * radius * math.cos(heart), 0.5 + 0.1 * radius * math.sin(heart))]
        for step in range(9):
            at = begin + (end - begin) * step / 8
            reach = 0.85 * radius
            points.append((0.5 + reach * math.cos(at), 0.5 + reach * math.sin(at)))
        segments = ImageChops.lighter(segments, polygon(size, points))
    segments = segments.filter(ImageFilter.GaussianBlur(1))
    lay(tile, segments, flesh)
    juice = ImageChops.multiply(segments, halo(size, middle, radius, strength=0.9, fall=1))
    lay(tile, juice, mixed(flesh, "#ffffff", 0.5))


def _figure(
    pen: ImageDraw.ImageDraw, kind: int, edge: int, first: str, second: str, paper: str
) -> None:
    if kind < 3:
        for share, shade in ((1.0, first), (0.62, paper), (0.36, second)):
            reach = edge * share
            pen.pieslice((-reach, -reach, reach, reach), 0, 90, fill=colour(shade))
    elif kind == 3:
        pen.polygon([(0, edge + 1), (edge + 1, 0), (edge + 1, edge + 1)], fill=colour(first))
    elif kind == 4:
        for share, shade in ((0.16, first), (0.34, paper)):
            inset, far = edge * share, edge * (1 - share)
            pen.ellipse((inset, inset, far, far), fill=colour(shade))
    else:
        for bar in range(4):
            top = edge * (bar + 0.2) / 4
            shade = second if bar % 2 else first
            pen.rectangle((0, top, edge, top + edge / 8), fill=colour(shade))
