"""The demo's pictures: how each is painted, and what it shows in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from random import Random

from PIL import Image

from posts.demo.landscapes import balloons, dunes, forest, mountains, sea, snow
from posts.demo.nights import aurora, lake, lighthouse, stars, traces
from posts.demo.still_lives import citrus, coffee, contours, shapes, stairs
from posts.demo.towns import cat, harbour, lamps, skyline

LANDSCAPE = (1600, 1067)
WIDE = (1800, 760)
CLASSIC = (1600, 1200)
SQUARE = (1400, 1400)
PORTRAIT = (1200, 1500)
TALL = (1200, 1600)


@dataclass(frozen=True, slots=True)
class Scene:
    paint: Callable[[Random, tuple[int, int]], Image.Image]
    size: tuple[int, int]
    alt: str


SCENES = {
    "mountains": Scene(
        partial(
            mountains,
            sky=("#5f7fb8", "#a9bfd8", "#f6d9bd", "#f9c9a0"),
            near="#1c2b3a",
            sun=(0.68, 0.33),
        ),
        LANDSCAPE,
        "Seven ridges fading into warm haze under a low sun, dark pines along the nearest one.",
    ),
    "mist": Scene(
        partial(mountains, sky=("#8fb7c9", "#cfe0dd", "#f4ead6"), near="#173a3a", sun=(0.3, 0.25)),
        WIDE,
        "A wide panorama of green hills in morning mist, the sun small and pale on the left.",
    ),
    "rose": Scene(
        partial(
            mountains,
            sky=("#41306b", "#a2507f", "#f08b7d", "#fcc79b"),
            near="#20173a",
            sun=(0.27, 0.36),
        ),
        CLASSIC,
        "Purple mountains in layers after sunset, the sky going from plum to peach.",
    ),
    "sea": Scene(
        partial(
            sea,
            sky=("#2b2a5e", "#a2456f", "#f0764f", "#fbc069"),
            water=("#7a4a72", "#161b3d"),
            sun=(0.42, 0.53),
        ),
        LANDSCAPE,
        "The sun just above the sea, a burning sky, and a broad path of light on dark water.",
    ),
    "noon": Scene(
        partial(
            sea,
            sky=("#6fa9cf", "#b7d3d9", "#fbe8c8", "#ffd9a0"),
            water=("#5a93a8", "#163f57"),
            sun=(0.6, 0.47),
        ),
        PORTRAIT,
        "A pale blue sky over a teal sea that glitters in the middle, nothing else for miles.",
    ),
    "dunes": Scene(
        dunes, CLASSIC, "Sand dunes under a blue sky, each half in warm light and half in shade."
    ),
    "forest": Scene(
        forest, TALL, "Bare trunks in fog, near ones almost black, far ones hardly there."
    ),
    "snow": Scene(
        snow, LANDSCAPE, "A single bare tree in a white field, its shadow long and blue."
    ),
    "balloons": Scene(
        balloons,
        TALL,
        "Five striped hot-air balloons over hazy hills; the nearest is red and cream.",
    ),
    "stars": Scene(stars, PORTRAIT, "The Milky Way standing upright above a row of black pines."),
    "aurora": Scene(
        aurora, LANDSCAPE, "Green and violet northern lights in curtains over a snowy plain."
    ),
    "lake": Scene(
        partial(lake, sky=("#0e1638", "#2c3a6e", "#6c6f9f", "#c99ca0"), moon=(0.62, 0.2)),
        SQUARE,
        "A full moon over dusky hills, all of it repeated in a still lake.",
    ),
    "moonrise": Scene(
        partial(lake, sky=("#1b2b4a", "#38607d", "#7fa6a8", "#f0d9b0"), moon=(0.3, 0.24)),
        CLASSIC,
        "The moon rising over a lake while the sky is still blue and straw-coloured.",
    ),
    "mirror": Scene(
        partial(lake, sky=("#10345c", "#2f7f9a", "#f2b27a", "#ffe0a8"), moon=(0.7, 0.22)),
        (1600, 900),
        "A teal and amber evening sky with a full moon, doubled by a lake without a wave.",
    ),
    "lighthouse": Scene(
        lighthouse,
        PORTRAIT,
        "A red and white lighthouse at dusk, its beam reaching left out of the picture.",
    ),
    "traces": Scene(
        traces, LANDSCAPE, "Red and white light trails along a winding road, mountains behind."
    ),
    "skyline": Scene(
        skyline,
        (1600, 900),
        "A city skyline in the blue hour with lit windows, mirrored in a river.",
    ),
    "lamps": Scene(
        lamps, CLASSIC, "Street lamps as large soft discs of colour behind a rain-spotted window."
    ),
    "harbour": Scene(
        harbour,
        LANDSCAPE,
        "Gabled houses in red, ochre and blue along a quay, three sailing boats in front.",
    ),
    "cat": Scene(
        cat, PORTRAIT, "The silhouette of a cat on a window sill, looking at the moon and the town."
    ),
    "stairs": Scene(
        stairs, PORTRAIT, "A wooden spiral staircase from below, winding up into bright light."
    ),
    "coffee": Scene(
        coffee, SQUARE, "A white cup of coffee with a leaf in the foam, on a wooden table."
    ),
    "citrus": Scene(
        citrus,
        (1500, 1200),
        "Slices of orange, grapefruit, lemon and lime in neat rows on pale pink.",
    ),
    "shapes": Scene(
        shapes, SQUARE, "A grid of quarter circles, rings, triangles and bars in poster colours."
    ),
    "contours": Scene(
        contours, CLASSIC, "Sheets of paper cut along curved lines, from deep blue up to coral."
    ),
}


def photograph(name: str, seed: int) -> bytes:
    """Paint a scene and return it as a camera's JPEG; the same seed gives the same bytes."""
    scene = SCENES[name]
    picture = scene.paint(Random(f"{seed}:{name}"), scene.size)
    file = BytesIO()
    picture.save(file, "JPEG", quality=88)
    return file.getvalue()
