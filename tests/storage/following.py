"""A client's copy of a room, built from a snapshot and the events after it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chat.models import Room
from chat.realtime import stream
from chat.realtime.doorbell import set_listener
from chat.realtime.envelope import Frame


class Bell:
    """Hears what is rung in this process, in the place of a hub."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.rights_count = 0
        # What passed, by the group that was told.
        self.told: list[tuple[str, dict[str, Any]]] = []

    def hear_frame(self, frame: Frame) -> None:
        self.frames.append(frame)

    def hear_rights(self) -> None:
        self.rights_count += 1

    def tell_group(self, group: str, message: dict[str, Any]) -> None:
        self.told.append((group, message))

    def events(self, room: Room) -> list[dict[str, Any]]:
        """The room's events as they were sent, in the order of their commits."""
        return [json.loads(frame.text()) for frame in self.frames if frame.room_id == room.pk]


@contextmanager
def listening() -> Iterator[Bell]:
    """Hear what commits inside the block ring."""
    bell = Bell()
    set_listener(bell)
    try:
        yield bell
    finally:
        set_listener(None)


def log_of(room: Room, *, after: int = 0) -> list[dict[str, Any]]:
    """Read the room's log, as a resuming client gets it."""
    head = stream.heads([room.pk])[room.pk]
    frames = stream.read(head, room.slug, after=after, limit=10_000)
    return [json.loads(frame.text()) for frame in frames]


class Copy:
    """The posts, members and settings of one room, by the rules of docs/protocol.md."""

    def __init__(self, page: dict[str, Any], members: list[dict[str, Any]], room: dict[str, Any]):
        self.seq: int = page["seq"]
        self.posts = {post["id"]: post for post in page["results"]}
        self.members = {member["user"]["id"]: member for member in members}
        self.room = {name: room[name] for name in PUBLIC}

    def apply(self, event: dict[str, Any]) -> None:
        """Apply an event; one that is in the snapshot already changes nothing."""
        kind, _, what = event["type"].partition(".")
        data = event["data"]
        if kind == "post":
            if data.get("hidden") or data.get("deleted"):
                self.posts.pop(data["id"], None)
            else:
                self.posts[data["id"]] = data
        elif kind == "reaction":
            self._react(data, is_added=what == "added")
        elif kind == "member":
            if what in ("left", "removed"):
                self.members.pop(data["user"]["id"], None)
            else:
                self.members[data["user"]["id"]] = data
        else:
            self.room = data

    def _react(self, data: dict[str, Any], *, is_added: bool) -> None:
        post = self.posts.get(data["post_id"])
        if post is None:
            return
        emoji, person = data["emoji"], data["user_id"]
        reactions = {each["emoji"]: each for each in post["reactions"]}
        people = reactions[emoji]["user_ids"] if emoji in reactions else []
        if not is_added:
            people = [each for each in people if each != person]
        elif person not in people:
            people = [*people, person]
        reactions[emoji] = {"emoji": emoji, "count": data["count"], "user_ids": people}
        post["reactions"] = [each for each in reactions.values() if each["count"]]

    def as_fetched(self) -> tuple[Any, Any, Any]:
        """What a fresh fetch must be equal to; the order of posts is that of their seq."""
        posts = sorted(self.posts.values(), key=lambda post: int(post["seq"]))
        members = sorted(self.members.values(), key=lambda member: str(member["user"]["username"]))
        return posts, members, self.room


PUBLIC = ("slug", "title", "description", "visibility", "is_announcement_only", "is_archived")
