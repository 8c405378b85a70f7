"""Bytes to pixels, inside the limits. Runs in a worker process only.

Each format is opened by its own decoder and no other: Pillow's guessing would also try
whatever else a file resembles (a JPEG with an index of several pictures becomes an MPO).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from posts.pictures import formats
from posts.pictures.colour import to_srgb
from posts.pictures.errors import (
    PictureError,
    PictureTooComplex,
    TooManyPixels,
    UnreadablePicture,
)
from posts.pictures.limits import Limits

try:
    from pi_heif import HeifImageFile
except ImportError:
    HeifImageFile = None

_DECODERS: dict[str, Callable[[BytesIO], ImageFile.ImageFile]] = {
    formats.JPEG.media_type: JpegImageFile,
    formats.PNG.media_type: PngImageFile,
    formats.WEBP.media_type: WebPImageFile,
    formats.GIF.media_type: GifImageFile,
    formats.AVIF.media_type: AvifImageFile,
}
if HeifImageFile is not None:
    _DECODERS[formats.HEIC.media_type] = HeifImageFile

_ANIMATED = {kind.media_type for kind in (formats.GIF, formats.PNG, formats.WEBP, formats.AVIF)}

# A progressive JPEG of a camera has about ten scans; each costs a pass over the picture.
_MAX_JPEG_SCANS = 100

# Beside all frames the decoder and the encoder of an animation hold half a dozen more.
_MAX_ANIMATED_FRAME_PIXELS = 10_000_000

# Browsers show a frame that names no time, or hardly any, for this long.
_DEFAULT_FRAME_MS = 100
_MIN_FRAME_MS = 20

_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Frame:
    """An upright sRGB image without metadata, and how long it is shown in an animation."""

    image: Image.Image
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """One frame for a still picture, several of one size for an animation.

    `plays` is how often an animation runs, 0 for ever.
    """

    frames: list[Frame]
    plays: int = 0


def decode(data: bytes, media_type: str, limits: Limits) -> Decoded:
    """Decode a picture of the given type, or raise the `PictureError` that says why not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = _open(data, media_type, limits)
            if media_type in _ANIMATED and getattr(picture, "is_animated", False):
                return _decode_animation(picture, limits)
            return Decoded([Frame(_upright(picture, limits), 0)])
    except PictureError:
        raise
    except MemoryError as error:
        raise PictureTooComplex from error
    except Image.DecompressionBombError as error:
        raise TooManyPixels from error
    except Exception as error:
        # Decoders raise nearly every type there is for a damaged file.
        raise UnreadablePicture from error


def _open(data: bytes, media_type: str, limits: Limits) -> ImageFile.ImageFile:
    # Some decoders allocate while opening, and GIFs grow while playing; Pillow then compares
    # with this and raises at twice its value.
    Image.MAX_IMAGE_PIXELS = limits.max_pixels // 2
    # 0xFF 0xDA cannot occur inside compressed data, only before a scan.
    if media_type == formats.JPEG.media_type and data.count(b"\xff\xda") > _MAX_JPEG_SCANS:
        raise PictureTooComplex
    picture = _DECODERS[media_type](BytesIO(data))
    _check_size(picture, limits)
    return picture


def _check_size(picture: Image.Image, limits: Limits) -> None:
    width, height = picture.size
    if width * height > limits.max_pixels:
        raise TooManyPixels


def _decode_animation(picture: ImageFile.ImageFile, limits: Limits) -> Decoded:
    """Decode all frames, or only the first of an animation that is over the limits."""
    frames: list[Frame] = []
    width, height = picture.size
    most = min(limits.max_frames, limits.max_animation_pixels // (width * height))
    if width * height > _MAX_ANIMATED_FRAME_PIXELS:
        most = 1
    while True:
        try:
            picture.seek(len(frames))
        except EOFError:
            break
        if len(frames) >= max(1, most) or picture.size != (width, height):
            return Decoded(frames[:1])
        image = _upright(picture, limits, keep_source=True)
        frames.append(Frame(image, _duration_ms(picture)))
    if len(frames) > 1 and picture.info.get("default_image"):
        # An APNG's picture for viewers that cannot play it, no part of the animation.
        del frames[0]
    return Decoded(frames, _plays(picture))


def _upright(
    picture: ImageFile.ImageFile, limits: Limits, *, keep_source: bool = False
) -> Image.Image:
    """Decode the current frame and apply its profile and orientation; drop all metadata."""
    picture.load()
    _check_size(picture, limits)
    orientation = _orientation(picture.info.get("exif"))
    image = to_srgb(picture.copy() if keep_source else picture, picture.info.get("icc_profile"))
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    # Encoders take comments, profiles and XMP from here unasked.
    image.info = {}
    return image


def _orientation(exif: bytes | None) -> int:
    """Read the one tag that matters; a damaged block counts as upright."""
    if not exif:
        return 1
    try:
        tags = Image.Exif()
        tags.load(exif)
        return int(tags.get(_EXIF_ORIENTATION, 1))
    except Exception:
        return 1


def _duration_ms(picture: Image.Image) -> int:
    duration = round(picture.info.get("duration") or 0)
    return duration if duration >= _MIN_FRAME_MS else _DEFAULT_FRAME_MS


def _plays(picture: Image.Image) -> int:
    loop = picture.info.get("loop")
    if isinstance(picture, GifImageFile):
        # A GIF counts the repetitions after the first run, and without a count has none.
        return 1 if loop is None else loop and loop + 1
    return int(loop or 0)
