"""The demo's story hangs together, and its pictures can be painted again, the same."""

from __future__ import annotations

import re
from random import Random

import pytest

from posts.demo.gallery import SCENES, photograph
from posts.demo.story import PEOPLE, PLACES, STORY


@pytest.mark.parametrize("name", SCENES)
def test_every_scene_can_be_painted_small_and_large(name: str) -> None:
    scene = SCENES[name]
    for share in (4, 8):
        size = (scene.size[0] // share // 2 * 2, scene.size[1] // share // 2 * 2)
        picture = scene.paint(Random(1), size)
        assert (picture.mode, picture.size) == ("RGB", size)
        # It shows something.
        assert len(picture.reduce(4).getcolors(1_000_000) or []) > 50


def test_a_seed_paints_the_same_picture_and_another_seed_another() -> None:
    first = photograph("shapes", 1)
    assert photograph("shapes", 1) == first
    assert photograph("shapes", 2) != first


def test_every_picture_is_described_and_posted_once() -> None:
    posted = [name for entry in STORY for name in entry.pictures]
    assert sorted(posted) == sorted(SCENES)
    for scene in SCENES.values():
        assert re.fullmatch(r"[A-Z].{30,200}\.", scene.alt)


def test_people_write_and_react_only_where_they_belong() -> None:
    members = {place.slug: set(place.members) for place in PLACES}
    assert {name for names in members.values() for name in names} == {
        person.username for person in PEOPLE
    }
    for entry in STORY:
        reacting = {name for names in entry.reactions.values() for name in names.split()}
        assert {entry.author, *reacting} <= members[entry.room]


def test_replies_follow_what_they_answer_in_the_same_room() -> None:
    rooms: dict[str, str] = {}
    for entry in STORY:
        if entry.reply_to:
            assert rooms[entry.reply_to] == entry.room
        if entry.key:
            assert entry.key not in rooms
            rooms[entry.key] = entry.room


def test_the_story_goes_forward_in_time() -> None:
    ago = [entry.ago for entry in STORY]
    assert ago == sorted(ago, reverse=True)
    assert ago[-1] > 0
