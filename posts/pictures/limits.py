"""What a picture may cost, in bytes, pixels, frames, memory and time."""

from __future__ import annotations

from dataclasses import dataclass

from posts.pictures.formats import accepted_formats


@dataclass(frozen=True, slots=True)
class Limits:
    """What is accepted.

    `max_pixels` bounds memory: a decoded pixel takes 4 bytes, twice that while it is turned.
    An animation over `max_frames` or `max_animation_pixels` (frames times pixels, which bound
    the time of encoding) is not refused: its first frame is kept.
    """

    max_bytes: int = 10 * 1024 * 1024
    max_pixels: int = 50_000_000
    max_frames: int = 100
    max_animation_pixels: int = 100_000_000

    def __str__(self) -> str:
        """Name the accepted types and sizes, as every refusal does."""
        *names, last = (accepted.name for accepted in accepted_formats())
        size = f"{self.max_bytes / 1024**2:g} MiB"
        return (
            f"{', '.join(names)} or {last}, up to {size} and {self.max_pixels / 1e6:g} megapixels"
        )


@dataclass(frozen=True, slots=True)
class Resources:
    """What a worker process may take for one picture before it is killed.

    Of address space, 50 megapixels need 600 MB as JPEG and up to 1150 MB as WebP or AVIF with
    transparency; of processor time, 2 to 7 seconds.
    """

    memory_bytes: int = 1280 * 1024**2
    cpu_s: int = 10
    wall_s: int = 15
