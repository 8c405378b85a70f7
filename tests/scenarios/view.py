"""What a client shows of a room: built from events alone, and compared with a fresh fetch."""

from collections.abc import Iterable
from typing import Any

from tests.scenarios.wire import Event

# Emoji → how many, and who.
Reactions = dict[str, tuple[int, frozenset[int]]]


class View:
    """The posts of one room, by the rules of docs/protocol.md, section 8."""

    def __init__(self, fetched: Iterable[dict[str, Any]] = ()) -> None:
        self.posts: dict[str, dict[str, Any]] = {}
        self._reactions: dict[str, Reactions] = {}
        for post in fetched:
            self._put(post)

    def apply(self, event: Event) -> None:
        """Apply an event; the second time changes nothing."""
        data = event.data
        if event.mark.type.startswith("post."):
            self._put(data)
        elif event.mark.type.startswith("reaction.") and data["post_id"] in self.posts:
            self._react(event.mark.type == "reaction.added", data)

    def _put(self, post: dict[str, Any]) -> None:
        self._reactions.pop(post["id"], None)
        if post.get("hidden") or post.get("deleted"):
            self.posts.pop(post["id"], None)
            return
        self.posts[post["id"]] = post
        if post["reactions"]:
            self._reactions[post["id"]] = reactions_of(post)

    def _react(self, is_added: bool, data: dict[str, Any]) -> None:
        reactions = self._reactions.setdefault(data["post_id"], {})
        people = reactions.get(data["emoji"], (0, frozenset[int]()))[1]
        person = {data["user_id"]}
        if data["count"]:
            reactions[data["emoji"]] = (
                data["count"],
                people | person if is_added else people - person,
            )
        else:
            reactions.pop(data["emoji"], None)

    def differences(self, fetched: list[dict[str, Any]]) -> list[str]:
        """Say where this differs from the room's posts as they were fetched afresh."""
        found = []
        fresh = {post["id"]: post for post in fetched}
        for post_id in fresh.keys() | self.posts.keys():
            ours, theirs = self.posts.get(post_id), fresh.get(post_id)
            if ours is None or theirs is None:
                found.append(f"{post_id} is {'missing' if ours is None else 'still there'}")
            elif _without_reactions(ours) != _without_reactions(theirs):
                found.append(f"{post_id} differs: {ours} | {theirs}")
            elif self._reactions.get(post_id, {}) != reactions_of(theirs):
                found.append(f"{post_id} has other reactions: {self._reactions.get(post_id)}")
        return found


def reactions_of(post: dict[str, Any]) -> Reactions:
    return {
        each["emoji"]: (each["count"], frozenset(each["user_ids"])) for each in post["reactions"]
    }


def _without_reactions(post: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in post.items() if name != "reactions"}
