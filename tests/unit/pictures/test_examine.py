"""The first look: which format, how large, and which bytes."""

import hashlib
import importlib.util

import pytest

from posts.pictures import formats
from posts.pictures.errors import NotAPicture, PictureTooLarge
from posts.pictures.examine import examine
from posts.pictures.limits import Limits
from tests.pictures import heic, hostile
from tests.pictures.drawn import encoded, quarters, upload

SAMPLES = {
    formats.JPEG: encoded(quarters(), "JPEG"),
    formats.PNG: encoded(quarters(), "PNG"),
    formats.WEBP: encoded(quarters(), "WEBP"),
    formats.GIF: encoded(quarters(), "GIF"),
    formats.AVIF: encoded(quarters(), "AVIF"),
}


@pytest.mark.parametrize("expected", SAMPLES, ids=lambda each: each.name)
def test_bytes_tell_the_format(expected: formats.Format) -> None:
    data = SAMPLES[expected]
    file = upload(data)
    examined = examine(file, Limits())
    assert examined.format == expected
    assert examined.size == len(data)
    assert examined.sha256 == hashlib.sha256(data).hexdigest()
    assert file.read(4) == data[:4], "the upload is left at its beginning"


def test_a_sequence_of_brands_tells_avif_from_heic() -> None:
    def sniffed(major: bytes, *compatible: bytes) -> formats.Format | None:
        size = (16 + 4 * len(compatible)).to_bytes(4, "big")
        return formats.sniff(size + b"ftyp" + major + bytes(4) + b"".join(compatible))

    assert sniffed(b"mif1", b"miaf", b"avif") == formats.AVIF
    assert sniffed(b"avis", b"msf1") == formats.AVIF
    assert sniffed(b"isom", b"mp42") is None
    # A brand behind the end of the box does not count.
    assert formats.sniff(b"\0\0\0\x14ftypisom\0\0\0\0mp42avif") is None


def test_heic_is_accepted_only_with_its_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    with pytest.raises(NotAPicture, match=r"JPEG, PNG, WebP, GIF or AVIF, up to 10 MiB"):
        examine(upload(heic.PHOTO), Limits())
    monkeypatch.setattr(formats, "find_spec", lambda name: importlib.util.find_spec("PIL"))
    assert examine(upload(heic.PHOTO), Limits()).format == formats.HEIC


@pytest.mark.parametrize("name", ["nothing", "text", "svg", "html", "pdf", "eps", "fits", "tiff"])
def test_other_files_are_refused_with_the_accepted_types_and_sizes(name: str) -> None:
    with pytest.raises(NotAPicture) as refusal:
        examine(upload(hostile.REFUSED[name]()), Limits())
    assert refusal.value.status == 415
    assert refusal.value.code == "unsupported_media_type"
    for part in ("JPEG", "PNG", "WebP", "GIF", "AVIF", "10 MiB", "50 megapixels"):
        assert part in str(refusal.value)


def test_the_byte_over_the_limit_is_refused() -> None:
    data = SAMPLES[formats.PNG]
    assert examine(upload(data), Limits(max_bytes=len(data))).size == len(data)
    with pytest.raises(PictureTooLarge) as refusal:
        examine(upload(data), Limits(max_bytes=len(data) - 1))
    assert refusal.value.status == 413
    assert refusal.value.code == "too_large"
