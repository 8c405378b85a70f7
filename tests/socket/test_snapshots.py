"""For every action: an earlier snapshot plus the emitted events equals a fresh fetch."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from PIL import Image

from chat import services as rooms
from chat.models import Membership, Room
from chat.realtime.database import in_database
from chat.representation import room as room_data
from posts import services
from posts.models import Picture, Post, Reaction
from posts.representation import posts_data
from tests.people import World
from tests.socket.acts import do, head, post
from tests.socket.client import Socket
from tests.socket.conftest import Gateway
from tests.socket.reader import Page

pytestmark = pytest.mark.django_db(transaction=True)


def picture() -> io.BytesIO:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(file, "PNG")
    file.name = "teal.png"
    file.seek(0)
    return file


async def fetch(world: World) -> Page:
    """Fetch the page: the position first, the posts second."""
    epoch, seq = await head(world.garden)

    def read() -> Page:
        listed = Post.objects.in_room(world.garden).standing().for_display().newest_first()
        page = Page(epoch, seq, posts_data(list(listed)))
        present = Membership.objects.in_room(world.garden).present().select_related("user")
        page.members = {each.user.username: str(each.role) for each in present}
        page.room = room_data(Room.objects.get(pk=world.garden.pk))
        return page

    return await in_database(read)


class Scene:
    """The garden with some life in it, and three sockets that act."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.alice: Socket
        self.bob: Socket
        self.charlie: Socket
        self.post: Post
        self.other: Post
        self.deleted: Post
        self.hidden: Post
        self.pictured: Post

    async def set(self, gateway: Gateway) -> Scene:
        world = self.world
        self.alice = await gateway.open(world.alice)
        self.bob = await gateway.open(world.bob)
        self.charlie = await gateway.open(world.charlie)
        self.post = await post(world.bob, "by bob")
        self.other = await post(world.alice, "by alice", reply_to=self.post.pk)
        self.deleted = await post(world.bob, "deleted")
        self.hidden = await post(world.bob, "hidden")
        self.pictured = await post(world.bob, "", images=[picture(), picture()], alts=["one"])
        for emoji in ("🎉", "👍"):
            await do(services.add_reaction, viewer=world.alice, post_id=self.post.pk, emoji=emoji)
        await do(services.add_reaction, viewer=world.bob, post_id=self.post.pk, emoji="👍")
        await do(services.delete_post, viewer=world.bob, post_id=self.deleted.pk)
        await do(services.hide_post, viewer=world.alice, post_id=self.hidden.pk)
        return self


Act = Callable[[Scene], Awaitable[Any]]


def over_socket(who: str, action: str, **fields: Any) -> Act:
    """An action over a socket; a field that is callable is asked for the scene's own value."""

    async def act(scene: Scene) -> None:
        asked = {name: value(scene) if callable(value) else value for name, value in fields.items()}
        await getattr(scene, who).result(action, **asked)

    act.__name__ = f"{who} {action}"
    return act


def by_service(name: str, function: Callable[..., Any], **fields: Any) -> Act:
    async def act(scene: Scene) -> None:
        asked = {name: value(scene) if callable(value) else value for name, value in fields.items()}
        await do(function, **asked)

    act.__name__ = name
    return act


def by_hand(name: str, function: Callable[[Scene], Any]) -> Act:
    """A save as the admin and the shell make it."""

    async def act(scene: Scene) -> None:
        await do(function, scene)

    act.__name__ = name
    return act


def posts_id(scene: Scene) -> str:
    return str(scene.post.pk)


def pictured_id(scene: Scene) -> str:
    return str(scene.pictured.pk)


def rename(scene: Scene) -> None:
    room = Room.objects.get(pk=scene.world.garden.pk)
    room.title = "Rose garden"
    room.save()


def set_field(scene: Scene, **values: Any) -> None:
    found = Post.objects.get(pk=scene.post.pk)
    for name, value in values.items():
        setattr(found, name, value)
    found.save()


def describe(scene: Scene) -> None:
    found = Picture.objects.filter(post=scene.pictured).first()
    assert found is not None
    found.alt = "described in the admin"
    found.save()


def remove_picture(scene: Scene) -> None:
    found = Picture.objects.filter(post=scene.pictured).first()
    assert found is not None
    found.delete()


ALICE: Any = lambda scene: scene.world.alice  # noqa: E731
BOB: Any = lambda scene: scene.world.bob  # noqa: E731
CHARLIE: Any = lambda scene: scene.world.charlie  # noqa: E731
ACTS = [
    over_socket("alice", "post.create", room="garden", text="new"),
    over_socket("bob", "post.create", room="garden", text="answer", reply_to=posts_id),
    over_socket("bob", "post.edit", id=posts_id, text="edited"),
    over_socket("bob", "post.edit", id=pictured_id, alts=["a", "b"]),
    over_socket("bob", "post.edit", id=pictured_id, text="with words", alts=[]),
    over_socket("bob", "post.delete", id=posts_id),
    over_socket("alice", "post.delete", id=posts_id),
    over_socket("bob", "post.delete", id=pictured_id),
    over_socket("bob", "reaction.add", post_id=posts_id, emoji="🎉"),
    over_socket("bob", "reaction.add", post_id=posts_id, emoji="😮"),
    over_socket("bob", "reaction.add", post_id=posts_id, emoji="👍"),
    over_socket("bob", "reaction.remove", post_id=posts_id, emoji="👍"),
    over_socket("alice", "reaction.remove", post_id=posts_id, emoji="🎉"),
    over_socket("bob", "reaction.remove", post_id=posts_id, emoji="🎉"),
    by_service(
        "post with pictures",
        services.create_post,
        viewer=ALICE,
        room_slug="garden",
        text="look",
        images=lambda scene: [picture(), picture()],
        alts=["teal", "teal again"],
    ),
    by_service("hide", services.hide_post, viewer=ALICE, post_id=posts_id),
    by_service("undo", services.restore_post, viewer=BOB, post_id=lambda s: s.deleted.pk),
    by_service("restore", services.restore_post, viewer=ALICE, post_id=lambda s: s.hidden.pk),
    by_service("join", rooms.join_room, viewer=CHARLIE, slug="garden"),
    by_service("leave", rooms.leave_room, viewer=BOB, slug="garden"),
    by_service("add", rooms.add_member, viewer=ALICE, slug="garden", username="charlie"),
    by_service("remove", rooms.remove_member, viewer=ALICE, slug="garden", username="bob"),
    by_service(
        "ban", rooms.remove_member, viewer=ALICE, slug="garden", username="bob", is_ban=True
    ),
    by_service(
        "ban a stranger",
        rooms.remove_member,
        viewer=ALICE,
        slug="garden",
        username="charlie",
        is_ban=True,
    ),
    by_service(
        "role", rooms.set_role, viewer=ALICE, slug="garden", username="bob", role="moderator"
    ),
    by_service("update", rooms.update_room, viewer=ALICE, slug="garden", description="roses"),
    by_service("archive", rooms.update_room, viewer=ALICE, slug="garden", is_archived=True),
    by_service("private", rooms.update_room, viewer=ALICE, slug="garden", visibility="private"),
    by_hand("room in the shell", rename),
    by_hand("text in the shell", lambda scene: set_field(scene, text="by an operator")),
    by_hand("author in the admin", lambda scene: set_field(scene, author=scene.world.alice)),
    by_hand("reply in the admin", lambda scene: set_field(scene, reply_to=scene.other)),
    by_hand("alt text in the admin", describe),
    by_hand("picture removed in the admin", remove_picture),
    by_hand("post deleted in the admin", lambda scene: scene.post.delete()),
    by_hand("reactions deleted", lambda scene: Reaction.objects.to_post(scene.post).delete()),
    by_hand(
        "membership in the shell",
        lambda scene: Membership.objects.create(
            room=scene.world.garden, user=scene.world.charlie, role="moderator"
        ),
    ),
]


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
async def test_a_snapshot_plus_the_events_is_a_fresh_fetch(
    gateway: Gateway, world: World, act: Act
) -> None:
    scene = await Scene(world).set(gateway)
    before = await fetch(world)
    watcher = await gateway.open(world.alice)
    position = {"room": "garden", "epoch": before.epoch, "seq": before.seq}
    await watcher.result("subscribe", rooms=[position])
    await act(scene)
    after = await fetch(world)
    events: list[dict[str, Any]] = []
    while not events or events[-1]["seq"] < after.seq:
        if after.seq == before.seq:
            break
        events.append(await watcher.frame())
    for event in events:
        before.apply(event)
    assert before.seq == after.seq
    assert before.as_fetched() == after.as_fetched()
    assert before.members == after.members
    if any(event["type"] == "room.updated" for event in events):
        assert before.room == after.room

    # The same events again, as after a reconnect from an older position, change nothing.
    for event in events:
        before.digest(event)
    assert before.as_fetched() == after.as_fetched()


async def test_from_nothing_the_whole_log_makes_the_page(gateway: Gateway, world: World) -> None:
    """What a replay from position 0 tells is what a page shows, whatever was overwritten."""
    scene = await Scene(world).set(gateway)
    for act in (ACTS[0], ACTS[2], ACTS[9]):
        await act(scene)
    fresh = await fetch(world)
    watcher = await gateway.open(world.alice)
    (room,) = (await watcher.result("subscribe", rooms=[{"room": "garden", "seq": 0}]))["rooms"]
    page = Page(room["epoch"], 0, [])
    for event in room["events"]:
        page.apply(event)
    assert page.as_fetched() == fresh.as_fetched()
    assert page.members == fresh.members


async def test_what_changes_nothing_makes_no_event(gateway: Gateway, world: World) -> None:
    scene = await Scene(world).set(gateway)
    _, before = await head(world.garden)
    await scene.bob.result("post.edit", id=posts_id(scene), text="by bob")
    await scene.bob.result("post.edit", id=pictured_id(scene), alts=["one", ""])
    await scene.bob.result("post.delete", id=str(scene.deleted.pk))
    await scene.alice.result("reaction.add", post_id=posts_id(scene), emoji="🎉")
    await scene.bob.result("reaction.remove", post_id=posts_id(scene), emoji="🎉")
    await do(rooms.join_room, viewer=world.bob, slug="garden")
    assert await head(world.garden) == (world.garden.epoch, before)
