"""Pixels to the files that are kept. Runs in a worker process only.

Everything is encoded anew, so nothing of an uploaded file survives but what is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from PIL import Image

from posts.pictures import formats
from posts.pictures.decode import Decoded, Frame, decode
from posts.pictures.limits import Limits
from posts.pictures.placeholder import placeholder
from posts.pictures.wire import Encoded, Rendered

WIDTHS = (320, 640, 1280, 2560)
"""Widths of the renditions in pixels. None is wider than the picture."""

ANIMATED_WIDTHS = (320, 640)
"""An animation is encoded frame by frame: fewer sizes keep it inside a worker's time."""

_WEBP_MAX_SIDE = 16383
_JPEG_MAX_SIDE = 65500

# Method 2 takes half the time of the usual 4 and gives files 1 to 4 % larger.
_RENDITION = {"quality": 80, "method": 2}
# Without key frames no frame is encoded twice; nobody seeks in these.
_ANIMATION = {"quality": 75, "method": 0, "kmin": 0, "kmax": 0}
_LOSSLESS_SOURCES = (formats.PNG.media_type, formats.GIF.media_type)

Size = tuple[int, int]


def render(data: bytes, media_type: str, limits: Limits) -> Rendered:
    """Decode an upload and encode all files that are kept of it."""
    decoded = decode(data, media_type, limits)
    first = decoded.frames[0].image
    if len(decoded.frames) > 1 and max(first.size) <= _WEBP_MAX_SIDE:
        original, *renditions = _animations(decoded)
        return Rendered(placeholder(first), True, original, tuple(reversed(renditions)))
    del decoded.frames[1:]
    shrunk, renditions = first, []
    for shrunk in _shrunk(first):
        renditions.append(_encode(shrunk, "WEBP", **_RENDITION))
    original = _original(first, media_type)
    return Rendered(placeholder(shrunk), False, original, tuple(reversed(renditions)))


def rendition_sizes(size: Size, widths: tuple[int, ...] = WIDTHS) -> list[Size]:
    """Return the sizes to render, widest first; one of its own size for a narrow picture.

    A picture too tall for WebP is narrower than the width asked for.
    """
    width, height = size
    sizes: dict[Size, None] = {}
    for target in sorted((w for w in widths if w <= width), reverse=True) or [width]:
        scale = min(target / width, _WEBP_MAX_SIDE / height)
        sizes[max(1, round(width * scale)), max(1, round(height * scale))] = None
    return list(sizes)


def _shrunk(image: Image.Image) -> Iterator[Image.Image]:
    """Yield the picture in its sizes, each made from the one before, which is cheaper."""
    for size in rendition_sizes(image.size):
        image = _resize(image, size)
        yield image


def _resize(
    image: Image.Image, size: Size, by: Image.Resampling = Image.Resampling.LANCZOS
) -> Image.Image:
    return image if image.size == size else image.resize(size, by, reducing_gap=1.5)


def _original(image: Image.Image, media_type: str) -> Encoded:
    """Encode in full size: without loss what came without, in few bytes what is a photo."""
    side = max(image.size)
    if media_type in _LOSSLESS_SOURCES or side > _JPEG_MAX_SIDE:
        return _encode(image, "PNG", compress_level=2)
    if image.mode != "RGBA":
        return _encode(image, "JPEG", quality=88)
    if side <= _WEBP_MAX_SIDE:
        return _encode(image, "WEBP", quality=88, method=2)
    return _encode(image, "PNG", compress_level=2)


def _animations(decoded: Decoded) -> Iterator[Encoded]:
    """Yield the animation in full size, then in its smaller sizes, widest first."""
    frames = decoded.frames
    size = frames[0].image.size
    yield _encode_animation(frames, decoded.plays)
    for smaller in rendition_sizes(size, ANIMATED_WIDTHS):
        frames = [
            Frame(_resize(frame.image, smaller, Image.Resampling.BILINEAR), frame.duration_ms)
            for frame in frames
        ]
        yield _encode_animation(frames, decoded.plays)


def _encode_animation(frames: list[Frame], plays: int) -> Encoded:
    first, *others = (frame.image for frame in frames)
    return _encode(
        first,
        "WEBP",
        save_all=True,
        append_images=others,
        duration=[frame.duration_ms for frame in frames],
        loop=plays,
        **_ANIMATION,
    )


def _encode(image: Image.Image, codec: str, **options: object) -> Encoded:
    file = BytesIO()
    image.save(file, codec, **options)
    return Encoded(image.width, image.height, f"image/{codec.lower()}", file.getvalue())
