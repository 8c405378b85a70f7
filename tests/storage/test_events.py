"""An earlier snapshot plus the emitted events equals a fresh fetch, for every action."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks

from chat import services as rooms
from posts import services as posts
from posts.models import Picture, Post
from tests.people import World, make_person
from tests.storage.api.conftest import client_of
from tests.storage.following import Copy, listening, log_of
from tests.storage.pictures import add_picture

# What happens after a snapshot; each gets the world and a post of bob's with a reaction of alice's.
Act = Callable[[World, Post], object]
ACTS: dict[str, Act] = {
    "create": lambda world, post: posts.create_post(
        viewer=world.alice, room_slug="garden", text="New", reply_to=post.pk
    ),
    "edit": lambda world, post: posts.edit_post(viewer=world.bob, post_id=post.pk, text="Better"),
    "edit an alt text": lambda world, post: posts.edit_post(
        viewer=world.bob, post_id=post.pk, alts=["A better description"]
    ),
    "edit nothing": lambda world, post: posts.edit_post(
        viewer=world.bob, post_id=post.pk, text=post.text
    ),
    "delete": lambda world, post: posts.delete_post(viewer=world.bob, post_id=post.pk),
    "delete and restore": lambda world, post: [
        posts.delete_post(viewer=world.bob, post_id=post.pk),
        posts.restore_post(viewer=world.bob, post_id=post.pk),
    ],
    "hide": lambda world, post: posts.hide_post(viewer=world.alice, post_id=post.pk),
    "hide and restore": lambda world, post: [
        posts.hide_post(viewer=world.alice, post_id=post.pk),
        posts.restore_post(viewer=world.alice, post_id=post.pk),
    ],
    "react": lambda world, post: [
        posts.add_reaction(viewer=world.bob, post_id=post.pk, emoji="🎉"),
        posts.add_reaction(viewer=world.bob, post_id=post.pk, emoji="👍"),
        posts.add_reaction(viewer=world.bob, post_id=post.pk, emoji="👍"),
    ],
    "take a reaction back": lambda world, post: posts.remove_reaction(
        viewer=world.alice, post_id=post.pk, emoji="🎉"
    ),
    "take a reaction back that others share": lambda world, post: [
        posts.add_reaction(viewer=world.bob, post_id=post.pk, emoji="🎉"),
        posts.remove_reaction(viewer=world.alice, post_id=post.pk, emoji="🎉"),
    ],
    "delete a post with reactions, and restore it": lambda world, post: [
        posts.add_reaction(viewer=world.bob, post_id=post.pk, emoji="👍"),
        posts.delete_post(viewer=world.alice, post_id=post.pk),
        posts.restore_post(viewer=world.alice, post_id=post.pk),
        posts.remove_reaction(viewer=world.alice, post_id=post.pk, emoji="🎉"),
    ],
    "remove a picture in the admin": lambda world, post: Picture.objects.filter(post=post).delete(),
    "join": lambda world, post: rooms.join_room(viewer=world.charlie, slug="garden"),
    "leave": lambda world, post: rooms.leave_room(viewer=world.bob, slug="garden"),
    "add a member": lambda world, post: rooms.add_member(
        viewer=world.alice, slug="garden", username="charlie", role="moderator"
    ),
    "change a role": lambda world, post: rooms.set_role(
        viewer=world.alice, slug="garden", username="bob", role="owner"
    ),
    "remove a member": lambda world, post: rooms.remove_member(
        viewer=world.alice, slug="garden", username="bob"
    ),
    "ban a member": lambda world, post: rooms.remove_member(
        viewer=world.alice, slug="garden", username="bob", is_ban=True
    ),
    "ban a stranger": lambda world, post: rooms.remove_member(
        viewer=world.alice, slug="garden", username="charlie", is_ban=True
    ),
    "lift a ban": lambda world, post: ban_and_forgive(world),
    "change the room": lambda world, post: rooms.update_room(
        viewer=world.alice, slug="garden", title="Orchard", is_archived=True, visibility="private"
    ),
    "mark as read": lambda world, post: rooms.mark_read(viewer=world.bob, slug="garden", seq=2),
}


def ban_and_forgive(world: World) -> None:
    rooms.remove_member(viewer=world.alice, slug="garden", username="bob", is_ban=True)
    rooms.add_member(viewer=world.alice, slug="garden", username="bob")


@pytest.fixture
def post(world: World) -> Post:
    post = posts.create_post(viewer=world.bob, room_slug="garden", text="Hello")
    add_picture(post, alt="A description")
    posts.create_post(viewer=world.alice, room_slug="garden", text="Another")
    posts.add_reaction(viewer=world.alice, post_id=post.pk, emoji="🎉")
    return Post.objects.for_display().get(pk=post.pk)


def fetch(world: World) -> Copy:
    """Fetch everything of the garden afresh, as its owner."""
    client = client_of(world.alice)
    page = client.ask("GET", "/api/rooms/garden/posts/?after_seq=0", status=200)
    members = client.ask("GET", "/api/rooms/garden/members/", status=200)
    room = client.ask("GET", "/api/rooms/garden/", status=200)
    return Copy(page, members["results"], room)


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_a_snapshot_plus_the_emitted_events_is_a_fresh_fetch(
    world: World,
    post: Post,
    act: Act,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    snapshot = fetch(world)
    with listening() as bell, django_capture_on_commit_callbacks(execute=True):
        act(world, post)
    emitted = bell.events(world.garden)

    assert [event["seq"] for event in emitted] == [
        snapshot.seq + 1 + place for place in range(len(emitted))
    ]
    for event in emitted:
        snapshot.apply(event)
    fresh = fetch(world)
    assert snapshot.as_fetched() == fresh.as_fetched()
    assert snapshot.seq + len(emitted) == fresh.seq

    # Once more, and from the log: nothing changes.
    for event in [*emitted, *log_of(world.garden, after=snapshot.seq)]:
        snapshot.apply(copy.deepcopy(event))
    assert snapshot.as_fetched() == fresh.as_fetched()


def test_a_replay_from_the_beginning_is_a_fresh_fetch(world: World, post: Post) -> None:
    dave = make_person("dave")
    rooms.join_room(viewer=dave, slug="garden")
    for act in list(ACTS.values())[:13]:
        extra = posts.create_post(viewer=world.bob, room_slug="garden", text="One more")
        add_picture(extra, alt="")
        posts.add_reaction(viewer=world.alice, post_id=extra.pk, emoji="🎉")
        act(world, extra)

    fresh = fetch(world)
    empty: dict[str, Any] = {"seq": 0, "results": []}
    # The log does not tell how a room began.
    replayed = Copy(empty, [], fresh.room)
    for event in log_of(world.garden):
        replayed.apply(event)
    assert replayed.as_fetched() == fresh.as_fetched()


SECRET = "the door's code is 4711"


@pytest.mark.parametrize(
    "overwrite",
    [
        lambda world, post: posts.delete_post(viewer=world.bob, post_id=post.pk),
        lambda world, post: posts.hide_post(viewer=world.alice, post_id=post.pk),
        lambda world, post: posts.edit_post(
            viewer=world.bob, post_id=post.pk, text="Hello", alts=["A door"]
        ),
    ],
    ids=["delete", "hide", "edit"],
)
def test_what_is_gone_is_gone_from_every_replay(world: World, overwrite: Act) -> None:
    post = posts.create_post(viewer=world.bob, room_slug="garden", text=SECRET)
    add_picture(post, alt=SECRET)
    posts.edit_post(viewer=world.bob, post_id=post.pk, text=f"Psst, {SECRET}")
    posts.delete_post(viewer=world.bob, post_id=post.pk)
    posts.restore_post(viewer=world.bob, post_id=post.pk)
    before = log_of(world.garden)
    assert SECRET in str(before)

    overwrite(world, Post.objects.get(pk=post.pk))

    after = log_of(world.garden)
    assert SECRET not in str(after)
    assert [(event["seq"], event["type"]) for event in after[: len(before)]] == [
        (event["seq"], event["type"]) for event in before
    ]
    forms = [event["data"] for event in after if event["type"].startswith("post.")]
    assert all(form == forms[-1] for form in forms)
    for position in range(len(after)):
        assert SECRET not in str(log_of(world.garden, after=position))


def test_a_tombstone_tells_nothing_but_that_it_is_one(world: World, post: Post) -> None:
    posts.delete_post(viewer=world.bob, post_id=post.pk)
    told = log_of(world.garden)[-1]["data"]
    assert told == {
        "id": str(post.pk),
        "room": "garden",
        "seq": post.seq,
        "deleted": True,
        "text": "",
        "images": [],
    }


def test_a_post_that_is_hidden_and_deleted_is_told_as_deleted(world: World, post: Post) -> None:
    posts.hide_post(viewer=world.alice, post_id=post.pk)
    assert log_of(world.garden)[-1]["data"]["hidden"] is True
    posts.delete_post(viewer=world.alice, post_id=post.pk)
    told = log_of(world.garden)[-1]["data"]
    assert told["deleted"] is True
    assert "hidden" not in told
