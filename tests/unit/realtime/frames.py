"""Frames for tests of the wire, as the log would build them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from chat.realtime.envelope import Frame, encode

MOMENT = datetime(2025, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def frame(
    seq: int,
    type: str = "post.created",
    *,
    subject_id: str = "p1",
    epoch: str = "e1",
    room_id: int = 1,
    text: str = "",
    **data: Any,
) -> Frame:
    """Return the frame of an event about a post, unless `subject_id` is empty."""
    return Frame.build(
        room_id=room_id,
        room="garden",
        epoch=epoch,
        seq=seq,
        type=type,
        time=MOMENT,
        actor=None,
        client_id="c1" if type == "post.created" else "",
        subject_id=subject_id,
        data=encode({"text": text or f"text {seq}", **data}),
    )


def gone(seq: int, type: str = "post.deleted", *, subject_id: str = "p1") -> Frame:
    """Return the frame of a deletion or hiding."""
    return Frame.build(
        room_id=1,
        room="garden",
        epoch="e1",
        seq=seq,
        type=type,
        time=MOMENT,
        actor=None,
        client_id="",
        subject_id=subject_id,
        data=encode({"text": "", "deleted": True}),
    )
