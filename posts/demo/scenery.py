"""What several scenes share: clouds, stars, pines."""

from __future__ import annotations

from random import Random

from PIL import ImageChops, ImageDraw

from posts.demo.paint import (
    Picture,
    Point,
    colour,
    curve,
    drawn,
    gradient,
    height_at,
    lay,
    noise,
    scaled,
)

# Where pines like to stand, from left to right.
CLUMPS = (0.08, 0.2, 0.83, 0.95)


def clouds(picture: Picture, rng: Random, shade: str, *, amount: float) -> None:
    """Draw out streaks that get thinner towards the horizon."""
    streaks = curve(noise(rng, picture.size, cells=3, octaves=5, stretch=4.5), 118, 215)
    fade = gradient(picture.size, "#ffffff", "#cccccc", "#000000").convert("L")
    lay(picture, scaled(ImageChops.multiply(streaks, fade), amount), shade)


def sprinkle(picture: Picture, rng: Random, count: int, down_to: float) -> None:
    """Scatter small stars from the upper edge down to a height."""
    pen = ImageDraw.Draw(picture)
    for _ in range(count):
        x, y = rng.random() * picture.width, rng.random() * picture.height * down_to
        dot = 0.5 + 1.3 * rng.random() ** 3
        pen.ellipse((x - dot, y - dot, x + dot, y + dot), fill=colour("#dfe8ff"))


def pines(
    picture: Picture, rng: Random, line: list[Point], shade: str, *, count: int, tall: float
) -> None:
    """Set pines along a line, in clumps."""

    def draw(pen: ImageDraw.ImageDraw, w: int, h: int) -> None:
        for _ in range(count):
            is_apart = rng.random() < 0.25
            x = rng.random() if is_apart else rng.choice(CLUMPS) + rng.gauss(0, 0.07)
            foot = (height_at(line, x) + 0.015) * h
            high = tall * rng.uniform(0.45, 1) * h
            left, right = [], []
            for step in range(9):
                y = foot - high * (1 - step / 8)
                reach = high * 0.19 * step / 8 * rng.uniform(0.8, 1.15) + 1
                left += [(x * w - reach * 0.5, y), (x * w - reach, y + high * 0.045)]
                right += [(x * w + reach * 0.5, y), (x * w + reach, y + high * 0.045)]
            pen.polygon([*left, *reversed(right)], fill=255)

    lay(picture, drawn(picture.size, draw), shade)
