"""Answering positions: all that was missed, or none of it and a reason."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from chat.errors import Invalid
from chat.realtime import stream
from chat.realtime.database import in_database
from chat.realtime.envelope import Frame
from chat.realtime.room_state import RoomState

SEQ_MAX = 2**63 - 1


@dataclass(slots=True)
class Replay:
    """The answer to a position. `recovered` is None when none was given."""

    room: str
    epoch: str
    seq: int
    recovered: bool | None
    reason: str | None
    frames: list[Frame]

    @classmethod
    def none(cls, state: RoomState, head: stream.Head, reason: str | None) -> Replay:
        """Nothing of what was: no position was given, or it cannot be resumed."""
        recovered = None if reason is None else False
        return cls(state.slug, head.epoch, head.last_seq, recovered, reason, [])


@dataclass(slots=True)
class ReplayBudget:
    """What one reply may still carry, over all its rooms."""

    events: int
    bytes: int

    @classmethod
    def full(cls) -> ReplayBudget:
        return cls(settings.REPLAY_EVENTS_MAX, settings.REPLAY_BYTES_MAX)

    def spend(self, frames: list[Frame]) -> bool:
        size = sum(frame.size for frame in frames)
        if len(frames) > self.events or size > self.bytes:
            return False
        self.events -= len(frames)
        self.bytes -= size
        return True


async def read_replay(
    state: RoomState,
    head: stream.Head,
    epoch: str | None,
    seq: int | None,
    budget: ReplayBudget,
) -> Replay:
    """Answer a position up to `head`, from the ring or, where it is too short, from the log."""
    if seq is None:
        return Replay.none(state, head, None)
    if epoch is not None and epoch != head.epoch:
        return Replay.none(state, head, "epoch_changed")
    if seq > head.last_seq:
        return Replay.none(state, head, "seq_ahead")
    if head.last_seq - seq > budget.events:
        return Replay.none(state, head, "too_many")
    frames = state.ring.after(seq) if seq < head.last_seq else []
    if frames is None:
        limit = head.last_seq - seq
        try:
            frames = await in_database(stream.read, head, state.slug, after=seq, limit=limit)
        except stream.Trimmed:
            return Replay.none(state, head, "trimmed")
        frames = [state.ring.share(frame) for frame in frames]
    # The ring may have grown beyond `head` meanwhile; those frames follow live.
    frames = [frame for frame in frames if frame.seq <= head.last_seq]
    if not budget.spend(frames):
        return Replay.none(state, head, "too_many")
    return Replay(state.slug, head.epoch, head.last_seq, True, None, frames)


def read_position(
    epoch: str | None, seq: str | None, *, name: str
) -> tuple[str | None, int | None]:
    """Read a position out of a query or a header. Raises Invalid for what is none."""
    if seq is None:
        if epoch is not None:
            raise Invalid(fields={"epoch": f"Means nothing without {name}."})
        return None, None
    return epoch, read_whole(seq, name=name, most=SEQ_MAX)


def read_whole(value: str, *, name: str, most: int) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) < 20 and int(value) <= most):
        raise Invalid(fields={name: f"Must be a whole number from 0 to {most}."})
    return int(value)
