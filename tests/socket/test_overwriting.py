"""What is gone is gone everywhere: in the log, in rings, and in what waits to be sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from chat.realtime.database import in_database
from posts import services
from posts.models import Post
from tests.people import World
from tests.socket.acts import caught_bells, do, head, post
from tests.socket.client import Frame, Socket
from tests.socket.conftest import Gateway, eventually

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "the harbour at night"


def hide(world: World, post_id: Any) -> None:
    services.hide_post(viewer=world.alice, post_id=post_id)


def delete(world: World, post_id: Any) -> None:
    services.delete_post(viewer=world.bob, post_id=post_id)


def delete_as_moderator(world: World, post_id: Any) -> None:
    services.delete_post(viewer=world.alice, post_id=post_id)


def edit(world: World, post_id: Any) -> None:
    services.edit_post(viewer=world.bob, post_id=post_id, text="nothing to see")


def delete_row(world: World, post_id: Any) -> None:
    """As the shell and the admin do."""
    Post.objects.get(pk=post_id).delete()


TAKING_AWAY = [hide, delete, delete_as_moderator, edit, delete_row]
Taking = Callable[[World, Any], None]


async def a_life(world: World, take_away: Taking) -> tuple[str, int]:
    """Write a post, change it, react to it, restore it, take it away; return where it began."""
    epoch, start = await head(world.garden)
    written = await post(world.bob, SECRET)
    await do(services.edit_post, viewer=world.bob, post_id=written.pk, text=f"{SECRET}, edited")
    await do(services.add_reaction, viewer=world.alice, post_id=written.pk, emoji="🎉")
    await do(services.delete_post, viewer=world.bob, post_id=written.pk)
    await do(services.restore_post, viewer=world.bob, post_id=written.pk)
    await post(world.alice, "between")
    await do(take_away, world, written.pk)
    await post(world.alice, "behind")
    return epoch, start


async def replay(gateway: Gateway, world: World, **position: Any) -> list[Frame]:
    socket = await gateway.open(world.alice)
    (room,) = (await socket.result("subscribe", rooms=[{"room": "garden", **position}]))["rooms"]
    assert room["recovered"] is True
    events: list[Frame] = room["events"]
    return events


@pytest.mark.parametrize("take_away", TAKING_AWAY)
@pytest.mark.parametrize("source", ["log", "ring"])
async def test_a_replay_from_any_position_holds_nothing_of_what_is_gone(
    gateway: Gateway, world: World, take_away: Taking, source: str
) -> None:
    if source == "ring":
        watcher = await gateway.open(world.charlie, "/ws/rooms/garden/")
        assert watcher.hello["rooms"]
    epoch, start = await a_life(world, take_away)
    _, last = await head(world.garden)
    if source == "ring":
        hub = await gateway.hub()
        await eventually(lambda: hub.rooms[world.garden.pk].seq == last)
        assert hub.rooms[world.garden.pk].ring.after(start) is not None
    for seq in range(start, last + 1):
        events = await replay(gateway, world, epoch=epoch, seq=seq)
        assert [event["seq"] for event in events] == list(range(seq + 1, last + 1))
        assert SECRET not in json.dumps(events)


@pytest.mark.parametrize("take_away", [hide, delete])
async def test_type_and_seq_stay_and_data_is_the_tombstone(
    gateway: Gateway, world: World, take_away: Taking
) -> None:
    epoch, start = await a_life(world, take_away)
    events = await replay(gateway, world, epoch=epoch, seq=start)
    about = [event for event in events if event["data"].get("seq") == start + 1]
    assert [event["type"] for event in about] == [
        "post.created",
        "post.updated",
        "post.deleted",
        "post.restored",
        "post.hidden" if take_away is hide else "post.deleted",
    ]
    sign = "hidden" if take_away is hide else "deleted"
    for event in about:
        assert event["data"] == {
            "id": event["data"]["id"],
            "room": "garden",
            "seq": start + 1,
            sign: True,
            "text": "",
            "images": [],
        }
    reactions = [event for event in events if event["type"] == "reaction.added"]
    assert reactions[0]["data"]["count"] == 1, "reactions stay, as counts"


async def test_an_edit_is_told_by_all_earlier_events(gateway: Gateway, world: World) -> None:
    epoch, start = await a_life(world, edit)
    events = await replay(gateway, world, epoch=epoch, seq=start)
    about = [event["data"] for event in events if event["type"].startswith("post.")]
    about = [data for data in about if data["seq"] == start + 1]
    assert len(about) == 5
    assert {data["text"] for data in about} == {"nothing to see"}
    assert all(data["edited_at"] for data in about)


@pytest.mark.parametrize("take_away", TAKING_AWAY)
@pytest.mark.parametrize("dialect", ["v1", "quiet"])
async def test_what_waits_in_an_outbox_is_overwritten_too(
    gateway: Gateway, world: World, take_away: Taking, dialect: str
) -> None:
    """A reader who did not read meanwhile never gets to see it."""
    opening = gateway.open if dialect == "v1" else gateway.plain
    slow, watcher = await opening(world.charlie), await gateway.open(world.alice)
    for socket in (slow, watcher):
        await socket.result("subscribe", rooms=["garden"])
    slow.reading.clear()
    await post(world.alice, "stuck in the pipe")
    await a_life(world, take_away)
    while (await watcher.frame())["data"].get("text") != "behind":
        pass
    slow.reading.set()
    got: list[Frame] = []
    while not got or got[-1]["data"].get("text") != "behind":
        got.append(await slow.frame())
    assert len(got) == 9
    assert SECRET not in json.dumps(got)


async def stalled_replay(socket: Socket, **position: Any) -> None:
    """Ask for a replay, and do not read it."""
    socket.reading.clear()
    await socket.send({"action": "ping", "request_id": "fills the pipe"})
    await socket.send(
        {"action": "subscribe", "request_id": "s", "rooms": [{"room": "garden", **position}]}
    )


@pytest.mark.parametrize("dialect", ["v1", "quiet"])
async def test_a_replay_that_waits_in_an_outbox_is_overwritten_too(
    gateway: Gateway, world: World, dialect: str
) -> None:
    epoch, start = await head(world.garden)
    written = await post(world.bob, SECRET)
    opening = gateway.open if dialect == "v1" else gateway.plain
    slow = await opening(world.charlie)
    (connection,) = (await gateway.server()).connections
    await stalled_replay(slow, epoch=epoch, seq=start)
    await eventually(lambda: connection.rooms)
    watcher = await gateway.open(world.alice)
    await watcher.result("subscribe", rooms=["garden"])
    await do(delete, world, written.pk)
    await watcher.event("post.deleted")
    slow.reading.set()
    got = [*await slow.so_far()]
    assert SECRET not in json.dumps(got)
    assert "post.deleted" in json.dumps(got)


async def test_a_frame_that_was_read_before_the_deletion_and_comes_after_it_is_overwritten(
    gateway: Gateway, world: World
) -> None:
    """Doorbells cross: the hole is filled from a log that was read a moment too early."""
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", rooms=["garden"])
    with caught_bells() as bells:
        written = await post(world.bob, SECRET)
        await do(delete, world, written.pk)
    created, deleted = bells.frames
    hub = await gateway.hub()
    hub.hear_frame(deleted)
    hub.hear_frame(created)
    got = [await alice.frame(), await alice.frame()]
    assert [frame["type"] for frame in got] == ["post.created", "post.deleted"]
    assert SECRET not in json.dumps(got)


async def test_history_and_events_agree_on_what_is_gone(gateway: Gateway, world: World) -> None:
    kept = await post(world.alice, "kept")
    for take_away in (hide, delete):
        written = await post(world.bob, SECRET)
        await do(take_away, world, written.pk)
    alice = await gateway.open(world.alice)
    items = await alice.stream("history", room="garden")
    assert [item["id"] for item in items] == [str(kept.pk)]


async def test_restoring_a_hidden_post_carries_the_whole_post(
    gateway: Gateway, world: World
) -> None:
    written = await post(world.bob, SECRET)
    await do(hide, world, written.pk)
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", rooms=["garden"])
    await do(services.restore_post, viewer=world.alice, post_id=written.pk)
    event = await alice.event("post.restored")
    assert event["data"]["text"] == SECRET
    assert (await in_database(Post.objects.get, pk=written.pk)).is_standing
