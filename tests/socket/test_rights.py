"""Rights follow at once and in order: nothing of a room comes after the right to it is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import login, logout
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone

from chat import services
from chat.acting import SESSION_NAME, acting
from chat.models import AccessKey, Membership, RightsChange, Room, User
from chat.realtime.database import in_database
from chat.realtime.identity import identify
from chat.realtime.rights import still_allowed
from tests.people import World, make_token
from tests.socket.acts import caught_bells, do, head, logged, post
from tests.socket.client import Refused, Socket, seqs
from tests.socket.conftest import Gateway, eventually, sign_in
from tests.socket.test_delivery import Listener, MakeHub

pytestmark = pytest.mark.django_db(transaction=True)


# --- losing one room ----------------------------------------------------------------------------


def remove(world: World) -> None:
    services.remove_member(viewer=world.alice, slug="cellar", username="bob")


def ban(world: World) -> None:
    services.remove_member(viewer=world.alice, slug="cellar", username="bob", is_ban=True)


def leave(world: World) -> None:
    services.leave_room(viewer=world.bob, slug="cellar")


def remove_in_admin(world: World) -> None:
    Membership.objects.get(room=world.cellar, user=world.bob).delete()


LOSSES = [
    (remove, "removed"),
    (ban, "removed"),
    (leave, "left"),
    (remove_in_admin, "removed"),
]


@pytest.mark.parametrize(("lose", "reason"), LOSSES)
async def test_who_loses_a_room_hears_nothing_from_that_event_on(
    gateway: Gateway, world: World, lose: Callable[[World], None], reason: str
) -> None:
    alice, bob = await gateway.open(world.alice), await gateway.open(world.bob)
    for socket in (alice, bob):
        await socket.result("subscribe", rooms=["cellar", "garden"])
    await post(world.alice, "before", room="cellar")
    await do(lose, world)
    await post(world.alice, "after", room="cellar")
    told = [await alice.event("post.created") for _ in range(2)]
    assert [event["data"]["text"] for event in told] == ["before", "after"]
    got = await bob.so_far()
    assert [frame["type"] for frame in got] == ["post.created", "unsubscribed"]
    assert got[1] == {"type": "unsubscribed", "room": "cellar", "reason": reason}
    assert "after" not in json.dumps(got)


@pytest.mark.parametrize(("lose", "reason"), LOSSES)
async def test_who_lost_a_room_cannot_come_back_to_it_over_the_old_socket(
    gateway: Gateway, world: World, lose: Callable[[World], None], reason: str
) -> None:
    written = await post(world.bob, "mine", room="cellar")
    bob = await gateway.open(world.bob)
    epoch = (await bob.result("subscribe", rooms=["cellar", "garden"]))["rooms"][0]["epoch"]
    await do(lose, world)
    await bob.event("unsubscribed")
    resuming = {"room": "cellar", "epoch": epoch, "seq": 1}
    requests: dict[str, dict[str, Any]] = {
        "subscribe": {"rooms": [resuming]},
        "history": {"room": "cellar"},
        "post.create": {"room": "cellar", "text": "still here?"},
        "post.edit": {"id": str(written.pk), "text": "still here?"},
        "post.delete": {"id": str(written.pk)},
        "reaction.add": {"post_id": str(written.pk), "emoji": "🎉"},
    }
    for action, fields in requests.items():
        assert (await bob.refusal(action, **fields))["code"] == "not_found", action
    assert (await bob.result("ping"))["heads"].keys() == {"garden"}
    await post(world.alice, "other rooms go on")
    assert (await bob.event("post.created"))["data"]["text"] == "other rooms go on"


async def test_a_room_made_private_drops_everybody_but_its_members(
    gateway: Gateway, world: World
) -> None:
    sockets = {
        "alice": await gateway.open(world.alice),
        "bob": await gateway.open(world.bob),
        "charlie": await gateway.open(world.charlie),
        "anonymous": await gateway.open(),
    }
    for socket in sockets.values():
        await socket.result("subscribe", rooms=["garden"])
    await do(services.update_room, viewer=world.alice, slug="garden", visibility="private")
    await post(world.bob, "among ourselves")
    for name in ("alice", "bob"):
        assert (await sockets[name].frame())["type"] == "room.updated"
        assert (await sockets[name].frame())["data"]["text"] == "among ourselves"
    for name in ("charlie", "anonymous"):
        assert await sockets[name].so_far() == [
            {"type": "unsubscribed", "room": "garden", "reason": "private"}
        ]


async def test_who_leaves_a_public_room_goes_on_reading_it(gateway: Gateway, world: World) -> None:
    bob = await gateway.open(world.bob)
    await bob.result("subscribe", rooms=["garden"])
    await do(services.leave_room, viewer=world.bob, slug="garden")
    assert (await bob.event("member.left"))["data"]["user"]["username"] == "bob"
    await post(world.alice, "still heard")
    assert (await bob.event("post.created"))["data"]["text"] == "still heard"


async def test_who_is_removed_from_a_public_room_goes_on_reading_it(
    gateway: Gateway, world: World
) -> None:
    bob = await gateway.open(world.bob)
    await bob.result("subscribe", rooms=["garden"])
    await do(services.remove_member, viewer=world.alice, slug="garden", username="bob")
    await bob.event("member.removed")
    error = await bob.refusal("post.create", room="garden", text="may I?")
    assert error["code"] == "forbidden"


async def test_quiet_sockets_are_told_of_a_lost_room_with_a_payload(
    gateway: Gateway, world: World
) -> None:
    bob = await gateway.plain(world.bob)
    await bob.result("subscribe", rooms=["cellar"])
    await do(remove, world)
    told = await bob.frame()
    payload = told.pop("payload")
    assert told == {"type": "unsubscribed", "room": "cellar", "reason": "removed"}
    assert json.loads(payload) == told


async def test_who_is_banned_from_a_public_room_hears_no_more_of_it(
    gateway: Gateway, world: World
) -> None:
    charlie, nobody = await gateway.open(world.charlie), await gateway.open()
    for socket in (charlie, nobody):
        await socket.result("subscribe", rooms=["garden"])
    await do(
        services.remove_member, viewer=world.alice, slug="garden", username="charlie", is_ban=True
    )
    await post(world.alice, "after")
    assert [frame["type"] for frame in await charlie.so_far()] == ["unsubscribed"]
    assert (await charlie.refusal("subscribe", rooms=["garden"]))["code"] == "not_found"
    await nobody.event("post.created")


async def test_a_change_that_takes_no_right_drops_nobody(gateway: Gateway, world: World) -> None:
    sockets = [await gateway.open(user) for user in (world.alice, world.bob, world.charlie, None)]
    for socket in sockets:
        await socket.result("subscribe", rooms=["garden"])
    await do(services.update_room, viewer=world.alice, slug="garden", title="Rose garden")
    await do(services.set_role, viewer=world.alice, slug="garden", username="bob", role="moderator")
    for socket in sockets:
        assert (await socket.frame())["data"]["title"] == "Rose garden"
        assert (await socket.frame())["type"] == "member.role_changed"


async def test_who_comes_back_is_served_again(gateway: Gateway, world: World) -> None:
    bob = await gateway.open(world.bob)
    await bob.result("subscribe", rooms=["cellar"])
    await do(remove, world)
    await bob.event("unsubscribed")
    await do(services.add_member, viewer=world.alice, slug="cellar", username="bob")
    _, last = await head(world.cellar)
    (room,) = (await bob.result("subscribe", rooms=[{"room": "cellar", "seq": 0}]))["rooms"]
    assert seqs(room["events"], "cellar") == list(range(1, last + 1))
    await post(world.alice, "welcome back", room="cellar")
    assert (await bob.event("post.created"))["data"]["text"] == "welcome back"


@pytest.mark.parametrize("layer_name", ["memory", "redis"])
async def test_a_loss_follows_on_the_sockets_of_other_processes(
    gateway: Gateway, another_hub: MakeHub, world: World
) -> None:
    await gateway.server()
    hub = await another_hub()
    listeners = {}
    for user in (world.alice, world.bob):
        listeners[user.username] = Listener(user.pk)
        _, subscription = await hub.subscribe(listeners[user.username], user, "cellar")
        subscription.go_live()
    await post(world.alice, "before", room="cellar")
    await do(remove, world)
    await post(world.alice, "after", room="cellar")
    await eventually(lambda: len(listeners["alice"].frames) == 3)
    assert [frame.type for frame in listeners["bob"].frames] == ["post.created"]
    assert listeners["bob"].lost == ["removed"]


async def test_the_rest_of_a_burst_waits_for_the_rights(gateway: Gateway, world: World) -> None:
    """Many events in one read of the log: the loss in their midst is found all the same."""
    bob, alice = await gateway.open(world.bob), await gateway.open(world.alice)
    for socket in (bob, alice):
        await socket.result("subscribe", rooms=["cellar"])
    with caught_bells():
        for number in range(5):
            await post(world.alice, f"before {number}", room="cellar")
        await do(remove, world)
        for number in range(5):
            await post(world.alice, f"after {number}", room="cellar")
    await (await gateway.hub()).tick()
    got = [await alice.frame() for _ in range(11)]
    assert seqs(got, "cellar") == (await logged(world.cellar))[-11:]
    told = await bob.so_far()
    assert [frame["type"] for frame in told] == ["post.created"] * 5 + ["unsubscribed"]


async def test_a_room_waits_when_the_rights_cannot_be_read(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = await gateway.open(world.bob)
    await bob.result("subscribe", rooms=["cellar"])
    failures = iter([RuntimeError("no database")])

    def failing_once(*args: Any) -> set[int | None]:
        for failure in failures:
            raise failure
        return still_allowed(*args)

    monkeypatch.setattr("chat.realtime.hub.still_allowed", failing_once)
    await do(remove, world)
    await post(world.alice, "after", room="cellar")
    assert (await bob.frame())["type"] == "unsubscribed"
    assert await bob.so_far() == []


# --- losing the socket --------------------------------------------------------------------------


def sign_out(cookie: str) -> None:
    """Sign a session out as the view does."""
    request = HttpRequest()
    request.session = SessionStore(cookie)
    request.user = User.objects.get(pk=request.session["_auth_user_id"])
    logout(request)


def sign_in_over(cookie: str, user: User) -> str:
    """Sign in where somebody is signed in already; return the new cookie."""
    request = HttpRequest()
    request.session = SessionStore(cookie)
    request.user = User.objects.get(pk=request.session["_auth_user_id"])
    with acting(request.user.pk, request.session[SESSION_NAME]):
        login(request, user)
        request.session.save()
    key = request.session.session_key
    assert key is not None
    return key


def change_password(user: User, cookie: str = "") -> None:
    """Set a new password, out of a session or out of none."""
    name = SessionStore(cookie).get(SESSION_NAME, "") if cookie else ""
    fresh = User.objects.get(pk=user.pk)
    fresh.set_password("a new one, much longer")
    with acting(user.pk if cookie else None, name):
        fresh.save()


def deactivate(user: User) -> None:
    fresh = User.objects.get(pk=user.pk)
    fresh.is_active = False
    fresh.save()


async def is_open(socket: Socket) -> bool:
    return bool((await socket.ask("ping"))["ok"])


async def test_signing_out_closes_the_sessions_sockets_and_no_others(
    gateway: Gateway, world: World
) -> None:
    cookie, elsewhere = [await do(sign_in, world.alice) for _ in range(2)]
    here = [await gateway.open(cookie=cookie), await gateway.plain(cookie=cookie)]
    spared = [
        await gateway.open(cookie=elsewhere),
        await gateway.program(world.alice, "read"),
        await gateway.open(world.bob),
        await gateway.open(),
    ]
    for socket in (*here, *spared):
        await socket.result("subscribe", rooms=["garden"])
    await do(sign_out, cookie)
    for socket in here:
        assert await socket.closed() == 4001
    assert here[0].aside[-1] == {
        "type": "disconnect",
        "code": 4001,
        "reason": "signed_out",
        "reconnect": False,
        "retry_after_ms": None,
    }
    assert here[1].aside == [], "no disconnect frame in the quiet dialect"
    for socket in spared:
        assert await is_open(socket)


async def test_nothing_is_delivered_after_signing_out(gateway: Gateway, world: World) -> None:
    cookie = await do(sign_in, world.alice)
    alice = await gateway.open(cookie=cookie)
    await alice.result("subscribe", rooms=["garden", "cellar"])
    with caught_bells():
        await post(world.bob, "unheard", room="cellar")
    await do(sign_out, cookie)
    hub = await gateway.hub()
    await eventually(lambda: not hub.sockets.all)
    await hub.tick()
    await post(world.bob, "after", room="cellar")
    assert await alice.closed() == 4001
    assert [frame["type"] for frame in alice.aside] == ["disconnect"]


async def test_the_cookie_of_a_signed_out_session_is_nobodys(
    gateway: Gateway, world: World
) -> None:
    cookie = await do(sign_in, world.alice)
    await do(sign_out, cookie)
    socket = await gateway.open(cookie=cookie)
    assert socket.hello["user"] is None
    with pytest.raises(Refused):
        await gateway.open(cookie=cookie, origin="http://evil.example")


async def test_signing_in_as_somebody_else_ends_the_sockets_of_the_first(
    gateway: Gateway, world: World
) -> None:
    """Django throws the first one's session away without a word of signing out."""
    cookie = await do(sign_in, world.alice)
    alice = await gateway.open(cookie=cookie)
    cookie = await do(sign_in_over, cookie, world.bob)
    assert await alice.closed() == 4001
    bob = await gateway.open(cookie=cookie)
    assert bob.hello["user"]["username"] == "bob"


async def test_signing_in_again_keeps_the_sockets_and_signing_out_closes_them(
    gateway: Gateway, world: World
) -> None:
    cookie = await do(sign_in, world.bob)
    bob = await gateway.open(cookie=cookie)
    cookie = await do(sign_in_over, cookie, world.bob)
    await (await gateway.hub()).rights.read()
    assert await is_open(bob)
    await do(sign_out, cookie)
    assert await bob.closed() == 4001


async def test_a_session_that_runs_out_closes_its_sockets(
    gateway: Gateway, world: World, settings: Any
) -> None:
    settings.SESSION_COOKIE_AGE = 1
    alice = await gateway.open(world.alice, "/ws/rooms/cellar/")
    program = await gateway.program(world.alice, "read")
    assert await alice.closed() == 4001
    assert await is_open(program)
    await post(world.bob, "after", room="cellar")
    assert seqs(alice.aside, "cellar") == []


async def test_a_session_whose_end_was_put_off_goes_on(gateway: Gateway, world: World) -> None:
    cookie = await do(sign_in, world.alice)
    alice = await gateway.open(cookie=cookie)
    server = await gateway.server()
    (connection,) = server.connections
    later = connection.session_ends_at
    connection.session_ends_at = timezone.now() - timedelta(seconds=1)
    await server.look_at_sessions()
    assert connection.session_ends_at == later
    assert await is_open(alice)
    await in_database(Session.objects.all().delete)
    connection.session_ends_at = timezone.now() - timedelta(seconds=1)
    await server.look_at_sessions()
    assert await alice.closed() == 4001


async def test_a_new_password_spares_the_session_that_set_it_and_keys(
    gateway: Gateway, world: World
) -> None:
    cookie, elsewhere = [await do(sign_in, world.alice) for _ in range(2)]
    here, there = await gateway.open(cookie=cookie), await gateway.open(cookie=elsewhere)
    program = await gateway.program(world.alice, "read")
    bob = await gateway.open(world.bob)
    await do(change_password, world.alice, cookie)
    assert await there.closed() == 4001
    for socket in (here, program, bob):
        assert await is_open(socket)


async def test_a_new_password_set_by_others_spares_no_session(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice)
    program = await gateway.program(world.alice, "read")
    await do(change_password, world.alice)
    assert await alice.closed() == 4001
    assert await is_open(program)


async def test_a_deactivated_person_loses_sessions_and_keys(gateway: Gateway, world: World) -> None:
    alice, bob = await gateway.open(world.alice), await gateway.open(world.bob)
    program = await gateway.program(world.alice, "read", "post")
    await do(deactivate, world.alice)
    assert await alice.closed() == 4001
    assert await program.closed() == 4001
    assert await is_open(bob)


async def test_a_revoked_key_closes_its_sockets_and_no_others(
    gateway: Gateway, world: World
) -> None:
    token, other = [await do(make_token, world.alice, "read") for _ in range(2)]
    first = await gateway.open(token=token, origin=None)
    second = await gateway.open(token=other, origin=None)
    session = await gateway.open(world.alice)
    await in_database(lambda: AccessKey.objects.get(pk=token.split("_")[1]).revoke())
    assert await first.closed() == 4001
    assert await is_open(second)
    assert await is_open(session)
    with pytest.raises(Refused):
        await gateway.open(token=token, origin=None)


@pytest.mark.parametrize("layer_name", ["memory", "redis"])
async def test_the_rights_log_is_heard_in_other_processes(
    gateway: Gateway, another_hub: MakeHub, world: World
) -> None:
    hub = await another_hub()
    await eventually(lambda: hub.link.is_hearing)
    alice = await gateway.open(world.alice)
    (connection,) = (await gateway.server()).connections
    seen: list[object] = []

    class Elsewhere:
        user_id = connection.user_id
        session_name, session_key, key_id = "another session", "", ""
        session_ends_at: datetime | None = None
        rights_number = 0

        def revoke(self) -> None:
            seen.append(self)

        def drain(self, retry_after_ms: int) -> None:
            raise AssertionError

    assert hub.rights.admit(Elsewhere())
    await do(deactivate, world.alice)
    assert await alice.closed() == 4001
    await eventually(lambda: seen)


async def test_a_lost_doorbell_of_the_rights_log_is_made_up_for_by_the_tick(
    gateway: Gateway, world: World
) -> None:
    alice = await gateway.open(world.alice)
    with caught_bells() as bells:
        await do(deactivate, world.alice)
    assert bells.rights_count == 1
    await (await gateway.hub()).tick()
    assert await alice.closed() == 4001


async def test_a_socket_is_indexed_before_its_rights_count(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed out between reading the session and going live: the loss is not missed."""
    await gateway.server()
    cookie = await do(sign_in, world.alice)

    def identify_and_sign_out(scope: dict[str, Any]) -> Any:
        identity = identify(scope)
        sign_out(cookie)
        return identity

    monkeypatch.setattr("chat.realtime.consumer.identify", identify_and_sign_out)
    socket = await gateway.socket("/ws/rooms/cellar/", cookie=cookie).connect()
    assert (socket.hello.get("code") or await socket.closed()) == 4001
    await post(world.bob, "after", room="cellar")
    assert seqs(socket.aside, "cellar") == []


async def test_a_right_lost_before_the_first_socket_of_a_process_counts(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process begins to listen before it looks who comes."""
    cookie = await do(sign_in, world.alice)

    def identify_and_sign_out(scope: dict[str, Any]) -> Any:
        identity = identify(scope)
        sign_out(cookie)
        return identity

    monkeypatch.setattr("chat.realtime.consumer.identify", identify_and_sign_out)
    socket = await gateway.socket(cookie=cookie).connect()
    assert (socket.hello.get("code") or await socket.closed()) == 4001


async def test_who_is_revoked_while_being_welcomed_gets_no_room(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = await do(sign_in, world.alice)
    identity_seen = asyncio.Event()
    subscribe = type(await gateway.hub()).subscribe

    async def slow(self: Any, *args: Any, **kwargs: Any) -> Any:
        identity_seen.set()
        await do(sign_out, cookie)
        await eventually(lambda: not self.sockets.all)
        return await subscribe(self, *args, **kwargs)

    monkeypatch.setattr(type(await gateway.hub()), "subscribe", slow)
    socket = gateway.socket("/ws/rooms/cellar/", cookie=cookie)
    await socket.connect()
    assert socket.hello["type"] == "disconnect"
    await post(world.bob, "after", room="cellar")
    assert await socket.closed() == 4001
    assert socket.aside == []
    await socket.gone()
    hub = await gateway.hub()
    await eventually(lambda: not hub.rooms)


async def test_old_rows_of_the_rights_log_end_nobody(gateway: Gateway, world: World) -> None:
    """Who changed the password and signs in with it is not ended by that change."""
    await gateway.server()
    for _ in range(3):
        await do(change_password, world.alice)
    await eventually(lambda: True)
    fresh = await do(User.objects.get, pk=world.alice.pk)
    alice = await gateway.open(fresh)
    await (await gateway.hub()).tick()
    assert await is_open(alice)
    assert await in_database(RightsChange.objects.count) == 3


async def test_an_archived_room_is_read_and_not_written(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", rooms=["garden"])
    await do(services.update_room, viewer=world.alice, slug="garden", is_archived=True)
    assert (await alice.event("room.updated"))["data"]["is_archived"] is True
    assert (await alice.refusal("post.create", room="garden", text="x"))["code"] == "forbidden"
    assert (await in_database(Room.objects.get, slug="garden")).is_archived


@pytest.mark.parametrize("position", [{"seq": 10_000}, {"epoch": "guessed", "seq": 0}])
async def test_a_stranger_with_a_position_takes_no_longer_to_refuse_where_there_is_a_room(
    gateway: Gateway, world: World, queries: list[str], position: dict[str, Any]
) -> None:
    bob, charlie = await gateway.open(world.bob), await gateway.open(world.charlie)
    await bob.result("subscribe", rooms=["cellar"])
    counts = []
    for slug in ("cellar", "nowhere"):
        queries.clear()
        error = await charlie.refusal("subscribe", rooms=[{"room": slug, **position}])
        assert (error["code"], error["fields"]) == ("not_found", {"room": slug})
        counts.append(len(queries))
    assert counts[0] == counts[1]
