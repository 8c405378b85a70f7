"""Where a client stands in rooms and topics: every event once, in order, or a gap."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from picturegram.inbox import Inbox
from picturegram.wire import Frame


class Position(NamedTuple):
    """The last event that was handled: its `seq` in a room, its `offset` in a topic."""

    epoch: str
    number: int


@dataclass(frozen=True, slots=True)
class Kind:
    """How rooms and topics differ on the wire."""

    plural: str  # the member of `subscribe`
    id: str  # what names one in `subscribe`
    name: str  # what names one in an event
    number: str


ROOM = Kind("rooms", "room", "room", "seq")
TOPIC = Kind("topics", "id", "topic", "offset")

# What somebody follows: a kind, and a slug or a topic.
Key: TypeAlias = tuple[Kind, str]
# New ones, with the position at which they begin, if it is not the present one.
Begun: TypeAlias = Mapping[Key, Position | None]


class Subscriptions:
    """The positions of everything that is followed. Knows nothing of sockets."""

    def __init__(self, inbox: Inbox) -> None:
        self.positions: dict[Key, Position] = {}
        # What has more than we have, and up to which number.
        self.behind: dict[Key, int] = {}
        self._inbox = inbox

    def has(self, key: Key) -> bool:
        return key in self.positions

    def asking(self, keys: Iterable[Key], begun: Begun | None = None) -> Frame:
        """Return the members of a `subscribe` for these, from our positions or the given ones."""
        members: Frame = {}
        for key in keys:
            kind, name = key
            asked: Frame = {kind.id: name}
            if position := self.positions.get(key) or (begun or {}).get(key):
                asked |= {"epoch": position.epoch, kind.number: position.number}
            members.setdefault(kind.plural, []).append(asked)
        return members

    def take(self, result: Frame, begun: Begun | None = None) -> None:
        """Take the result of a `subscribe`; only what is in it of ours, or begun, counts."""
        for kind in (ROOM, TOPIC):
            for replay in result.get(kind.plural) or ():
                key = (kind, replay[kind.id])
                if begun is not None and key in begun:
                    start = begun[key] or Position(replay["epoch"], replay[kind.number])
                    self.positions.setdefault(key, start)
                if key in self.positions:
                    self._replay(key, replay)

    def receive(self, frame: Frame) -> None:
        """Take a frame that answers no request."""
        kind = next((kind for kind in (ROOM, TOPIC) if kind.name in frame), None)
        key = (kind, frame[kind.name]) if kind else None
        match frame["type"]:
            case "heartbeat":
                self._compare(frame.get("heads") or {})
            case "gap" if key in self.positions:
                self._jump(key, frame)
            case "unsubscribed" if key in self.positions:
                self.lose(key, frame.get("reason", ""))
            case "gap" | "unsubscribed" | "hello":
                pass
            case _ if key in self.positions and key[0].number in frame:
                self._deliver(key, frame)
            case _ if "seq" not in frame:
                self._inbox.put(frame)  # Volatile; or a topic's event that a filter let through.

    def lose(self, key: Key, reason: str) -> None:
        """Forget something that cannot be followed any more, and tell the reader."""
        self.forget(key)
        self._inbox.insist({"type": "unsubscribed", key[0].name: key[1], "reason": reason})

    def forget(self, key: Key) -> None:
        self.positions.pop(key, None)
        self.behind.pop(key, None)

    def _replay(self, key: Key, replay: Frame) -> None:
        kind, name = key
        if replay.get("recovered") is False:
            self._jump(
                key,
                {
                    "type": "gap",
                    kind.name: name,
                    "epoch": replay["epoch"],
                    kind.number: replay[kind.number],
                    "reason": replay.get("reason"),
                },
            )
            return
        for event in replay.get("events") or ():
            self._deliver(key, event)
        if self.behind.get(key, 0) <= self.positions[key].number:
            self.behind.pop(key, None)

    def _jump(self, key: Key, gap: Frame) -> None:
        self.positions[key] = Position(gap["epoch"], gap[key[0].number])
        self.behind.pop(key, None)
        self._inbox.insist(gap)

    def _deliver(self, key: Key, event: Frame) -> None:
        position, number = self.positions[key], event[key[0].number]
        is_same_log = event["epoch"] == position.epoch
        if is_same_log and number <= position.number:
            return
        if is_same_log and number == position.number + 1 and self._inbox.put(event):
            self.positions[key] = Position(event["epoch"], number)
        else:
            self.behind[key] = max(number, self.behind.get(key, 0))

    def _compare(self, heads: Mapping[str, int]) -> None:
        """Compare with what the server has sent ahead of a heartbeat."""
        for room, head in heads.items():
            key = (ROOM, room)
            if key in self.positions and self.positions[key].number < head:
                self.behind[key] = head
