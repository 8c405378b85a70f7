"""A room's recent frames, shared by everybody who has one of them queued."""

from __future__ import annotations

from collections import deque
from itertools import islice
from weakref import WeakValueDictionary

from chat.realtime.envelope import Frame
from chat.realtime.events import is_overwriting, may_be_overwritten


class Ring:
    """The last frames of a room, bounded in number and bytes, without a hole.

    Beside them it knows every frame of the room that is still alive somewhere (in an outbox, in
    a reply on its way), so that an overwriting reaches those as well.
    """

    def __init__(self, *, events_max: int, bytes_max: int) -> None:
        self.events_max = events_max
        self.bytes_max = bytes_max
        self._frames: deque[Frame] = deque()
        self._size = 0
        self._alive: WeakValueDictionary[int, Frame] = WeakValueDictionary()
        # The newest overwriting frame of each subject, for frames that were read before it.
        self._overwriting: WeakValueDictionary[str, Frame] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._frames)

    def clear(self) -> None:
        self._frames.clear()
        self._overwriting = WeakValueDictionary()
        self._alive = WeakValueDictionary()
        self._size = 0

    def share(self, frame: Frame) -> Frame:
        """Return the one frame that stands for this event in this process.

        Brings it, and the others of its subject, up to date with each other.
        """
        known = self._alive.get(frame.seq)
        if known is not None:
            return known
        self._alive[frame.seq] = frame
        if frame.subject_id:
            self._bring_up_to_date(frame)
        return frame

    def append(self, frame: Frame) -> None:
        """Add the room's next frame; the oldest ones go over the bounds."""
        self._frames.append(frame)
        self._size += frame.size
        while self._frames and (len(self._frames) > self.events_max or self._size > self.bytes_max):
            self._size -= self._frames.popleft().size

    def after(self, seq: int) -> list[Frame] | None:
        """Every frame behind the position `seq`, or None when that reaches back too far."""
        if not self._frames:
            return None
        first = self._frames[0].seq
        if seq + 1 < first:
            return None
        return list(islice(self._frames, max(0, seq + 1 - first), None))

    def _bring_up_to_date(self, frame: Frame) -> None:
        subject = frame.subject_id
        newest = self._overwriting.get(subject)
        if newest is not None and newest.seq > frame.seq and may_be_overwritten(frame.type):
            frame.overwrite(newest)
        if is_overwriting(frame.type):
            if newest is None or newest.seq < frame.seq:
                self._overwriting[subject] = frame
            for other in list(self._alive.values()):
                if other.subject_id == subject and may_be_overwritten(other.type):
                    other.overwrite(frame)
            self._size = sum(each.size for each in self._frames)
