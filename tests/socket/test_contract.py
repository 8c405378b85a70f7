"""The wire is as the description says: every example works, every answer and event conforms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from chat import services as rooms
from chat.gateway.description.catalogue import catalogue
from chat.gateway.description.refusals import ALWAYS
from chat.models import Room, User
from chat.realtime.close_codes import CloseCode
from chat.realtime.events import REGISTRY, VOLATILE
from posts.models import Post
from tests.people import World, make_person, make_room
from tests.socket.acts import do, head, post
from tests.socket.client import Frame, Socket
from tests.socket.conftest import Gateway
from tests.socket.described import check, name_of
from tests.socket.test_snapshots import ACTS, Act, Scene, over_socket, posts_id

pytestmark = pytest.mark.django_db(transaction=True)

# What examples name.
POST_ID = "01956f3c-8a51-7c3e-9b1f-2f6f0c9d1e11"
ACTIONS = sorted(action.name for action in catalogue().actions)
EXAMPLES = [
    pytest.param(action.name, number, id=f"{action.name}-{number}")
    for action in catalogue().actions
    for number in range(len(action.requests))
]


@dataclass(frozen=True)
class Lobby:
    """What examples are about: ada and grace are members of a lobby, and ada has posted."""

    room: Room
    ada: User
    grace: User
    stranger: User


@pytest.fixture
def lobby(db: None) -> Lobby:
    alice, ada, grace, stranger = map(make_person, ("alice", "ada", "grace", "charlie"))
    room = make_room("lobby", alice, ada, grace)
    text = "Sunset over the harbour"
    Post.objects.create(id=POST_ID, room=room, author=ada, text=text, client_id="c-1")
    return Lobby(room, ada, grace, stranger)


async def answers_to(socket: Socket, request: Frame) -> list[Frame]:
    """Send a request; return the frames that answer it, the last of which ends the answer."""
    await socket.send(request)
    found: list[Frame] = []
    while not found or not found[-1].keys() & {"ok", "done"}:
        found.append(await socket.until(lambda frame: frame.get("request_id") == 7))
    return found


# --- examples -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "number"), EXAMPLES)
async def test_an_example_works_and_is_answered_as_described(
    gateway: Gateway, lobby: Lobby, name: str, number: int
) -> None:
    ada, grace = await gateway.open(lobby.ada), await gateway.open(lobby.grace)
    for socket in (ada, grace):
        await socket.result("subscribe", rooms=["lobby"])
    answers = await answers_to(ada, catalogue().action(name).requests[number])
    assert "error" not in answers[-1], answers
    for frame in [*answers, *await ada.so_far(), *await grace.so_far()]:
        check(frame, name)


@pytest.mark.parametrize("name", ACTIONS)
async def test_an_action_is_refused_with_the_codes_that_it_names(
    gateway: Gateway, lobby: Lobby, name: str
) -> None:
    action = catalogue().action(name)
    whole, named = action.requests[0], {"action": name, "request_id": 7}
    wrong: Frame = {field: [[]] for field in action.body["properties"]}
    sockets = [
        await gateway.open(lobby.ada),
        await gateway.open(lobby.stranger),
        await gateway.open(),
        await gateway.program(lobby.ada),
    ]
    codes = set()
    for socket in sockets:
        for request in (whole, {**wrong, **named}, named):
            for answer in await answers_to(socket, request):
                check(answer, name)
                codes |= {answer["error"]["code"]} if "error" in answer else set()
    assert codes <= {*action.refusals, *ALWAYS}


# --- answers and events -------------------------------------------------------------------------


class Watched(Scene):
    """The scene of the snapshots, with the frames of all its sockets."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.watcher: Socket
        self.heard: list[Frame] = []

    async def set(self, gateway: Gateway) -> Watched:
        await super().set(gateway)
        self.watcher = await gateway.open(self.world.alice)
        for socket in (self.watcher, self.alice, self.bob, self.charlie):
            self._record(socket)
            await socket.result("subscribe", rooms=["garden"])
        return self

    def _record(self, socket: Socket) -> None:
        read = socket.frame

        async def frame() -> Frame:
            found = await read()
            self.heard.append(found)
            return found

        socket.frame = frame  # type: ignore[method-assign]


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
async def test_what_is_done_is_answered_and_told_as_described(
    gateway: Gateway, world: World, act: Act
) -> None:
    scene = await Watched(world).set(gateway)
    await act(scene)
    for socket in (scene.watcher, scene.alice, scene.bob, scene.charlie):
        await socket.so_far()
    assert scene.heard
    for frame in scene.heard:
        check(frame)


async def publish(scene: Scene) -> None:
    assert isinstance(scene, Watched)
    await scene.watcher.result("subscribe", id="race/7")
    await scene.bob.result("publish", topic="race/7", event_type="Step", payload={"n": 1})


async def be_seen(scene: Scene) -> None:
    assert isinstance(scene, Watched)
    await scene.bob.result("unsubscribe", rooms=["garden"])
    await scene.watcher.result("presence", room="garden")
    await scene.bob.result("subscribe", rooms=["garden"])


BY_NAME = {act.__name__: act for act in ACTS}
# What brings an event about.
MAKERS: dict[str, Act] = {
    "event": publish,
    "member.joined": BY_NAME["join"],
    "member.left": BY_NAME["leave"],
    "member.removed": BY_NAME["ban"],
    "member.role_changed": BY_NAME["role"],
    "post.created": BY_NAME["post with pictures"],
    "post.deleted": BY_NAME["bob post.delete"],
    "post.hidden": BY_NAME["hide"],
    "post.restored": BY_NAME["restore"],
    "post.updated": BY_NAME["bob post.edit"],
    "presence.updated": be_seen,
    "read.updated": over_socket("alice", "read", room="garden", seq=1),
    "reaction.added": over_socket("bob", "reaction.add", post_id=posts_id, emoji="😮"),
    "reaction.removed": BY_NAME["alice reaction.remove"],
    "room.updated": BY_NAME["update"],
    "state.updated": over_socket("bob", "state.set", scope="garden", data=[1], version=0),
    "typing.updated": over_socket("bob", "typing", room="garden", typing=True),
}


@pytest.mark.parametrize("name", sorted([*REGISTRY, *VOLATILE]))
async def test_an_event_is_as_described(gateway: Gateway, world: World, name: str) -> None:
    assert name in MAKERS, f"Say above what brings {name} about."
    scene = await Watched(world).set(gateway)
    await MAKERS[name](scene)
    frame = await scene.watcher.event(name)
    assert check(frame) == name


# --- the protocol's own frames ------------------------------------------------------------------


async def test_what_a_socket_is_told_of_itself_is_as_described(
    gateway: Gateway, world: World
) -> None:
    told: list[Frame] = []
    for user, path in ((world.alice, "/ws/"), (None, "/ws/"), (world.bob, "/ws/rooms/cellar/")):
        told.append((await gateway.open(user, path)).hello)
    behind = await gateway.open(world.bob, "/ws/rooms/cellar/?epoch=other&seq=1")
    told.append(await behind.event("gap"))
    server = await gateway.server()
    for connection in list(server.connections):
        connection.beat()
    told.append(await behind.event("heartbeat"))
    await do(rooms.remove_member, viewer=world.alice, slug="cellar", username="bob")
    told.append(await behind.event("unsubscribed"))
    for connection in list(server.connections):
        connection.close(CloseCode.SLOW_READER)
    told.append(await behind.event("disconnect"))
    kinds = [check(frame) for frame in told]
    assert kinds == ["hello"] * 3 + ["gap", "heartbeat", "unsubscribed", "disconnect"]


async def test_replays_hold_events_as_described(gateway: Gateway, world: World) -> None:
    await post(world.bob, "Hello")
    epoch, _ = await head(world.garden)
    alice = await gateway.open(world.alice)
    answer = await alice.ask("subscribe", rooms=[{"room": "garden", "epoch": epoch, "seq": 0}])
    assert check(answer) == "subscribe.reply"
    events: list[dict[str, Any]] = answer["result"]["rooms"][0]["events"]
    assert {check(event) for event in events} == {"member.joined", "post.created"}


async def test_what_is_not_described_is_noticed() -> None:
    told = catalogue().action("ping").replies[0]
    assert check(told) == name_of(told) == "ping.reply"
    for result in ({"heads": {"lobby": -1}}, {"heads": {}, "more": 1}, {}):
        with pytest.raises(AssertionError):
            check({**told, "result": result})
    with pytest.raises(AssertionError):
        check({"type": "post.created"})
    with pytest.raises(AssertionError):
        check({"type": "never.heard_of"})
