"""The Python client against real servers that are killed, stopped and started under it."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

import picturegram
from picturegram import Client, Frame, Position, Refused, Stopped, Unknown, Unreachable
from tests.live.lossy_proxy import LossyProxy
from tests.live.pair import Pair
from tests.live.servers import ROOT, AppServer
from tests.pictures.drawn import camera_jpeg, photo
from tests.readme import example
from tests.services.server import free_port

DEADLINE_S = 30
PACKAGE = ROOT / "clients" / "python"
LOST = {"type": "unsubscribed", "room": "studio"}
REVOKE = """
from chat.models import AccessKey
AccessKey.objects.get(id="{}".split("_")[1]).revoke()
"""


def client_of(pair: Pair, name: str, server: AppServer, **options: Any) -> Client:
    return picturegram.connect(server.http_url, token=pair.tokens[name], **options)


async def texts(client: Client, count: int) -> list[str]:
    """Return the texts of the next posts; anything else on the way is an error."""
    events = client.events()
    found: list[str] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(found) < count:
            event = await anext(events)
            assert event["type"] == "post.created", event
            found.append(event["data"]["text"])
    return found


async def next_event(client: Client) -> Frame:
    async with asyncio.timeout(DEADLINE_S):
        return await anext(client.events())


async def restart(server: AppServer) -> None:
    server.kill()
    await asyncio.to_thread(server.start)


@asynccontextmanager
async def without_bob(pair: Pair) -> AsyncIterator[None]:
    """Bob is no member of the studio for as long as the block lasts."""
    headers = {"Authorization": f"Bearer {pair.tokens['alice']}"}
    url = f"{pair.uvicorn.http_url}/api/rooms/studio/members/"
    async with httpx.AsyncClient(headers=headers, trust_env=False) as http:
        (await http.delete(f"{url}bob/")).raise_for_status()
        try:
            yield
        finally:
            (await http.post(url, json={"username": "bob"})).raise_for_status()


async def test_a_program_subscribes_posts_and_hears_itself(pair: Pair) -> None:
    async with client_of(pair, "alice", pair.daphne) as alice:
        assert alice.hello["user"]["username"] == "alice"
        await alice.subscribe("lobby")
        post = await alice.post("lobby", "Hello from Python")
        event = await next_event(alice)
        assert event["data"] == post
        assert alice.position("lobby") == Position(event["epoch"], event["seq"])


async def test_the_example_of_its_readme_does_what_it_says(pair: Pair) -> None:
    program = example("python", "asyncio.run", page=PACKAGE / "README.md")
    program = program.replace("http://127.0.0.1:8000", pair.daphne.http_url)
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "-c", program.replace("pgk_…", pair.tokens["alice"])),
        env={"PYTHONPATH": str(PACKAGE)},
        stdout=subprocess.PIPE,
    )
    try:
        assert running.stdout is not None
        assert b"Hello from a program" in await running.stdout.readline()
    finally:
        running.kill()
        await running.wait()


async def test_a_post_with_pictures_goes_over_rest(pair: Pair) -> None:
    image = picturegram.Image("a.jpg", camera_jpeg(photo(320, 240), 6), "Evening light")
    async with client_of(pair, "alice", pair.uvicorn) as alice:
        post = await alice.post("lobby", "Look", images=[image])
    assert [each["alt"] for each in post["images"]] == ["Evening light"]


async def test_history_comes_as_a_stream_and_may_be_left_early(pair: Pair) -> None:
    async with client_of(pair, "alice", pair.daphne) as alice:
        for number in range(3):
            await alice.post("garden", f"{number}")
        newest = [post["text"] async for post in alice.stream("history", room="garden", limit=3)]
        assert newest == ["2", "1", "0"]
        async for post in alice.stream("history", room="garden"):
            assert post["text"] == "2"
            break
        assert "heads" in await alice.request("ping")


async def test_a_killed_server_costs_no_event(pair: Pair) -> None:
    async with (
        client_of(pair, "bob", pair.daphne) as bob,
        client_of(pair, "alice", pair.uvicorn) as alice,
    ):
        await bob.subscribe("lobby", "studio")
        await alice.post("studio", "before")
        assert await texts(bob, 1) == ["before"]
        pair.daphne.kill()
        for number in range(5):
            await alice.post("studio", f"while away {number}")
        pair.daphne.start()
        assert await texts(bob, 5) == [f"while away {number}" for number in range(5)]
        await alice.post("lobby", "after")
        assert await texts(bob, 1) == ["after"]


async def test_a_server_that_drains_is_left_and_found_again(pair: Pair) -> None:
    async with (
        client_of(pair, "bob", pair.daphne) as bob,
        client_of(pair, "alice", pair.uvicorn) as alice,
    ):
        await bob.subscribe("lobby")
        await asyncio.to_thread(pair.daphne.terminate)
        await alice.post("lobby", "while away")
        await asyncio.to_thread(pair.daphne.start)
        assert await texts(bob, 1) == ["while away"]


async def test_a_post_that_a_dying_server_never_read_is_sent_again(pair: Pair) -> None:
    async with client_of(pair, "alice", pair.daphne) as alice:
        await alice.subscribe("lobby")
        pair.daphne.pause()
        posting = asyncio.create_task(alice.post("lobby", "unread"))
        await restart(pair.daphne)
        assert (await posting)["text"] == "unread"
        assert await texts(alice, 1) == ["unread"]


async def test_a_post_whose_answer_was_lost_is_made_once(pair: Pair) -> None:
    async with (
        LossyProxy(pair.daphne.port) as proxy,
        picturegram.connect(proxy.url, token=pair.tokens["alice"]) as alice,
        client_of(pair, "bob", pair.daphne) as bob,
    ):
        await bob.subscribe("lobby")
        proxy.is_deaf = True
        posting = asyncio.create_task(alice.post("lobby", "answer lost"))
        created = await next_event(bob)
        proxy.is_deaf = False
        proxy.cut()
        assert (await posting)["id"] == created["data"]["id"]
        await alice.post("lobby", "the next")
        assert await texts(bob, 1) == ["the next"]


async def test_what_may_not_be_done_twice_is_not_sent_twice(pair: Pair) -> None:
    async with (
        LossyProxy(pair.daphne.port) as proxy,
        picturegram.connect(proxy.url, token=pair.tokens["alice"]) as alice,
        client_of(pair, "bob", pair.daphne) as bob,
    ):
        reaction = {"post_id": (await alice.post("lobby", "React!"))["id"], "emoji": "🎉"}
        await bob.subscribe("lobby")
        proxy.is_deaf = True
        reacting = asyncio.create_task(alice.request("reaction.add", **reaction))
        assert (await next_event(bob))["type"] == "reaction.added"
        proxy.is_deaf = False
        proxy.cut()
        with pytest.raises(Unknown, match=r"reaction\.add"):
            await reacting
        assert (await alice.request("reaction.add", **reaction))["count"] == 1


async def test_a_request_made_while_the_server_is_away_waits_for_it(pair: Pair) -> None:
    async with client_of(pair, "alice", pair.daphne) as alice:
        pair.daphne.kill()
        posting = asyncio.create_task(alice.post("lobby", "patience"))
        await asyncio.to_thread(pair.daphne.start)
        assert (await posting)["text"] == "patience"


async def test_a_request_gives_up_in_time_and_says_that_nothing_was_sent(pair: Pair) -> None:
    async with client_of(pair, "alice", pair.daphne, request_timeout_s=0.5) as alice:
        pair.daphne.kill()
        with pytest.raises((Unreachable, Unknown)):
            await alice.request("reaction.add", post_id="x", emoji="🎉")
        with pytest.raises(Unreachable):
            await alice.post("lobby", "never sent")


async def test_a_position_of_another_log_is_answered_with_a_gap(pair: Pair) -> None:
    async with client_of(pair, "alice", pair.daphne) as alice:
        await alice.post("garden", "there is something")
        await alice.subscribe("garden", after={"garden": Position("other", 1)})
        gap = await next_event(alice)
        assert (gap["type"], gap["room"], gap["reason"]) == ("gap", "garden", "epoch_changed")
        await alice.post("garden", "and on")
        assert await texts(alice, 1) == ["and on"]


async def test_a_later_run_goes_on_where_the_first_one_stopped(pair: Pair) -> None:
    async with client_of(pair, "bob", pair.daphne) as bob:
        await bob.subscribe("garden")
        position = bob.position("garden")
        assert position is not None
        await bob.post("garden", "one")
        await bob.post("garden", "two")
    async with client_of(pair, "bob", pair.uvicorn) as bob:
        await bob.subscribe("garden", after={"garden": position})
        assert await texts(bob, 2) == ["one", "two"]


async def test_a_reader_that_falls_behind_gets_everything_in_the_end(pair: Pair) -> None:
    async with client_of(pair, "alice", pair.daphne, events_max=10) as alice:
        await alice.subscribe("lobby")
        wanted = [f"{number}" for number in range(60)]
        for text in wanted:
            await alice.post("lobby", text)
        assert await texts(alice, len(wanted)) == wanted


async def test_more_than_the_server_allows_is_slowed_down_and_not_refused(pair: Pair) -> None:
    async with client_of(pair, "alice", pair.daphne) as alice:
        answers = await asyncio.gather(*(alice.request("ping") for _ in range(150)))
        assert len(answers) == 150
        assert alice.hello["connection_id"]


async def test_a_lost_room_is_told_and_the_others_go_on(pair: Pair) -> None:
    async with (
        client_of(pair, "bob", pair.daphne) as bob,
        client_of(pair, "alice", pair.uvicorn) as alice,
    ):
        await bob.subscribe("studio", "lobby")
        async with without_bob(pair):
            assert await next_event(bob) == LOST | {"reason": "removed"}
            await alice.post("lobby", "still here")
            assert await texts(bob, 1) == ["still here"]
            # On the next connection it is not asked for again.
            await restart(pair.daphne)
            await alice.post("lobby", "and later")
            assert await texts(bob, 1) == ["and later"]


async def test_a_room_lost_while_away_is_told_on_return(pair: Pair) -> None:
    async with (
        client_of(pair, "bob", pair.daphne) as bob,
        client_of(pair, "alice", pair.uvicorn) as alice,
    ):
        await bob.subscribe("studio", "lobby")
        pair.daphne.kill()
        async with without_bob(pair):
            await asyncio.to_thread(pair.daphne.start)
            assert await next_event(bob) == LOST | {"reason": "not_found"}
            await alice.post("lobby", "still here")
            assert await texts(bob, 1) == ["still here"]


async def test_a_stranger_is_refused_and_nothing_changes(pair: Pair) -> None:
    async with client_of(pair, "charlie", pair.daphne) as charlie:
        with pytest.raises(Refused) as refused:
            await charlie.subscribe("lobby", "studio")
        assert refused.value.code == "not_found"
        assert charlie.position("lobby") is None
        with pytest.raises(Refused, match="Join"):
            await charlie.post("lobby", "May I?")


async def test_a_revoked_key_ends_the_client(pair: Pair) -> None:
    token = pair.site.populate(["bob"], {})["bob"]
    async with picturegram.connect(pair.daphne.ws_url, token=token) as bob:
        await bob.subscribe("lobby")
        await asyncio.to_thread(pair.site.run, "manage.py", "shell", "-c", REVOKE.format(token))
        with pytest.raises(Stopped) as stopped:
            await next_event(bob)
        assert stopped.value.code == 4001
        with pytest.raises(Stopped):
            await bob.request("ping")
    with pytest.raises(Stopped) as stopped:
        async with picturegram.connect(pair.daphne.ws_url, token=token):
            pytest.fail("it should have been refused")
    assert stopped.value.code == 403


async def test_nobody_at_the_address_is_told_in_time() -> None:
    with pytest.raises(Unreachable, match=r"refused|Connect call failed"):
        async with picturegram.connect(f"127.0.0.1:{free_port()}", connect_timeout_s=1):
            pytest.fail("nobody is there")


async def test_closing_ends_the_iteration_and_what_waits(pair: Pair) -> None:
    bob = client_of(pair, "bob", pair.daphne)
    async with bob:
        await bob.subscribe("lobby")
        reading = asyncio.create_task(texts(bob, 1))
        await bob.request("ping")
    with pytest.raises(StopAsyncIteration):
        await anext(bob.events())
    with pytest.raises((StopAsyncIteration, RuntimeError)):
        await reading
    with pytest.raises(Stopped):
        await bob.request("ping")
