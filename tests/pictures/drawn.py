"""Pictures as people have them: photos of cameras, screenshots, drawings, animations."""

import io
from fractions import Fraction
from typing import IO

from PIL import Image, ImageDraw, TiffImagePlugin

Colour = tuple[int, int, int]

RED, GREEN, BLUE, WHITE = (220, 40, 40), (40, 180, 60), (40, 60, 200), (240, 240, 240)
QUARTERS = (RED, GREEN, BLUE, WHITE)
"""Colours of an upright picture of `quarters`: top left, top right, bottom left, bottom right."""

SECRET = b"SECRET-7f3a"
"""Stands in every block of metadata written here; must be in no file that is kept."""

# What a camera does to an upright scene before it notes the orientation.
_AS_SEEN_BY_THE_SENSOR = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def encoded(image: Image.Image, codec: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, codec, **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def upload(data: bytes) -> IO[bytes]:
    return io.BytesIO(data)


def quarters(width: int = 400, height: int = 300, mode: str = "RGB") -> Image.Image:
    """Draw four quarters, each of another colour, so that turning and mirroring show."""
    image = Image.new("RGB", (width, height), RED)
    draw = ImageDraw.Draw(image)
    draw.rectangle((width // 2, 0, width, height // 2 - 1), fill=GREEN)
    draw.rectangle((0, height // 2, width // 2 - 1, height), fill=BLUE)
    draw.rectangle((width // 2, height // 2, width, height), fill=WHITE)
    return image.convert(mode)


def corners(image: Image.Image) -> list[Colour]:
    """Return the colours in the middle of the four quarters, in the order of `QUARTERS`."""
    rgb = image.convert("RGB")
    xs, ys = (rgb.width // 4, 3 * rgb.width // 4), (rgb.height // 4, 3 * rgb.height // 4)
    found = [rgb.getpixel((x, y)) for y in ys for x in xs]
    return [colour for colour in found if isinstance(colour, tuple)]  # type: ignore[misc]


def photo(width: int, height: int) -> Image.Image:
    """Draw what compresses like a photo: soft shapes under the noise of a sensor."""
    soft = Image.effect_noise((max(1, width // 16), max(1, height // 16)), 80)
    soft = soft.resize((width, height), Image.Resampling.BICUBIC)
    noise = Image.effect_noise((width, height), 20)
    shades = (Image.linear_gradient("L"), Image.radial_gradient("L"), soft)
    bands = [
        Image.blend(Image.blend(shade.resize((width, height)), soft, 0.5), noise, 0.08)
        for shade in shades
    ]
    return Image.merge("RGB", bands)


def exif(orientation: int) -> Image.Exif:
    """Return what a phone writes: make, place, time, a comment, and the orientation."""
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010F] = SECRET.decode()
    tags[0x0132] = "2026:11:21 12:00:00"
    degrees = tuple(TiffImagePlugin.IFDRational(Fraction(each)) for each in (52, 31, 12))
    tags[0x8825] = {1: "N", 2: degrees, 3: "E", 4: degrees, 29: SECRET.decode()}
    tags[0x8769] = {0x9286: b"ASCII\0\0\0" + SECRET, 0xA430: SECRET.decode()}
    return tags


def camera_jpeg(
    scene: Image.Image, orientation: int = 1, *, profile: bytes | None = None, quality: int = 90
) -> bytes:
    """Return a JPEG as a camera held in some orientation makes it of an upright scene.

    It has everything that must not leave the server: EXIF with GPS, XMP, IPTC, a comment.
    """
    turn = _AS_SEEN_BY_THE_SENSOR[orientation]
    stored = scene if turn is None else scene.transpose(turn)
    jpeg = encoded(
        stored,
        "JPEG",
        quality=quality,
        exif=exif(orientation),
        xmp=b"<x:xmpmeta>" + SECRET + b"</x:xmpmeta>",
        comment=SECRET,
        icc_profile=profile,
    )
    caption = b"\x1c\x02\x78" + len(SECRET).to_bytes(2, "big") + SECRET
    caption += bytes(len(caption) % 2)
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + len(caption).to_bytes(4, "big") + caption
    segment = b"\xff\xed" + (len(iptc) + 2).to_bytes(2, "big") + iptc
    return jpeg[:2] + segment + jpeg[2:]


def animation(count: int, size: tuple[int, int] = (120, 80)) -> list[Image.Image]:
    """Draw frames in which a dot wanders over the quarters."""
    frames = []
    for index in range(count):
        frame = quarters(*size)
        at = index * size[0] // max(count, 1)
        ImageDraw.Draw(frame).ellipse((at, 10, at + 20, 30), fill=(index * 37 % 256, 200, 0))
        frames.append(frame)
    return frames


def animated(codec: str, frames: list[Image.Image], duration: int | list[int] = 80) -> bytes:
    options: dict[str, object] = {"loop": 0} if codec != "AVIF" else {}
    return encoded(
        frames[0], codec, save_all=True, append_images=frames[1:], duration=duration, **options
    )
