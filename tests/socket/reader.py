"""A client's state, kept by the rules of docs/protocol.md: a page, and the events since."""

from __future__ import annotations

from typing import Any

Data = dict[str, Any]


class Page:
    """The posts of a room, and its position."""

    def __init__(self, epoch: str, seq: int, posts: list[Data]) -> None:
        self.epoch = epoch
        self.seq = seq
        self.posts = {post["id"]: post for post in posts}
        self.members: dict[str, str] = {}
        self.room: Data = {}

    def apply(self, event: Data) -> None:
        """Section 9, rule 3: drop what is not above our position."""
        assert event["epoch"] == self.epoch
        if event["seq"] <= self.seq:
            return
        assert event["seq"] == self.seq + 1, "a hole"
        self.seq = event["seq"]
        self.digest(event)

    def digest(self, event: Data) -> None:
        """Section 8: act on `data`. Doing it twice changes nothing."""
        kind, data = event["type"], event["data"]
        if kind.startswith("post."):
            if data.get("hidden") or data.get("deleted"):
                self.posts.pop(data["id"], None)
            else:
                self.posts[data["id"]] = data
        elif kind.startswith("reaction."):
            self._react(kind, data)
        elif kind in ("member.joined", "member.role_changed"):
            self.members[data["user"]["username"]] = data["role"]
        elif kind in ("member.left", "member.removed"):
            self.members.pop(data["user"]["username"], None)
        elif kind == "room.updated":
            self.room = data

    def _react(self, kind: str, data: Data) -> None:
        post = self.posts.get(data["post_id"])
        if post is None:
            return
        reactions = [dict(each) for each in post["reactions"]]
        found = next((each for each in reactions if each["emoji"] == data["emoji"]), None)
        if found is None:
            found = {"emoji": data["emoji"], "count": 0, "user_ids": []}
            reactions.append(found)
        found["count"] = data["count"]
        others = [user_id for user_id in found["user_ids"] if user_id != data["user_id"]]
        found["user_ids"] = [*others, data["user_id"]] if kind == "reaction.added" else others
        self.posts[data["post_id"]] = {
            **post,
            "reactions": [each for each in reactions if each["count"]],
        }

    def as_fetched(self) -> list[Data]:
        """The posts as a fresh page lists them: newest first."""
        return sorted(self.posts.values(), key=lambda post: -post["seq"])
