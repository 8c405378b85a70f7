"""Pictures for tests that do not ask how a picture is decoded."""

from __future__ import annotations

from io import BytesIO

from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from posts.models import Picture, Post


def add_picture(post: Post, *, alt: str) -> Picture:
    """Add a picture's row to a post; there are no files behind it."""
    original = {"name": "original.png", "width": 4, "height": 3, "type": "image/png"}
    return Picture.objects.create(
        post=post, alt=alt, sha256="0" * 64, width=4, height=3, original=original
    )


def upload(name: str = "red.png", *, colour: str = "red", side: int = 8) -> SimpleUploadedFile:
    """Draw a small PNG, as a browser would send it."""
    drawn = BytesIO()
    Image.new("RGB", (side, side), colour).save(drawn, "PNG")
    return SimpleUploadedFile(name, drawn.getvalue(), content_type="image/png")
