"""Any decoded picture as plain sRGB: what every browser shows alike, without a profile."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageCms

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_SIXTEEN_BIT = ("I", "I;16", "I;16L", "I;16B", "I;16N")


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return the picture in sRGB, in mode L, RGB or RGBA, RGBA only where it shows through.

    `profile` is the ICC profile that came with it; a damaged one, or one for other colours
    than the picture's, is passed over.
    """
    has_alpha = image.has_transparency_data
    if image.mode in _SIXTEEN_BIT:
        # A plain conversion would clip everything above 255 to white.
        image = image.point(lambda value: value * (255 / 65535)).convert("L")
        has_alpha = False
    elif image.mode == "1":
        image = image.convert("L")
    if has_alpha:
        image = image.convert("RGBA")
    elif image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGB")
    if profile:
        image = _apply_profile(image, profile)
    if image.mode == "CMYK":
        image = image.convert("RGB")
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    return image


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert to sRGB, in place where the mode allows it: a copy of 50 megapixels is 200 MB."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return image
        target_mode = "RGBA" if image.mode == "RGBA" else "RGB"
        transform = ImageCms.buildTransform(
            source,
            _SRGB,
            image.mode,
            target_mode,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (OSError, ImageCms.PyCMSError):
        return image
    in_place = image.mode == target_mode
    converted = ImageCms.applyTransform(image, transform, inPlace=in_place)
    return converted or image
