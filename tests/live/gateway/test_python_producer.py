"""Topics and producers of the Python client, while servers die under them."""

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest

import picturegram
from picturegram import Client, Frame, Record, Refused
from tests.live.lossy_proxy import LossyProxy
from tests.live.pair import Pair
from tests.live.servers import ROOT, AppServer

DEADLINE_S = 30
SHIPPER = ROOT / "clients" / "python" / "examples" / "shipper.py"


@pytest.fixture
def token(pair: Pair) -> str:
    """A key of alice's for producers."""
    return key_of(pair, "alice", "read", "publish")


def key_of(pair: Pair, name: str, *scopes: str) -> str:
    given = [argument for scope in scopes for argument in ("--scope", scope)]
    return pair.site.run("manage.py", "access_key", name, *given).split()[-1]


def client_of(pair: Pair, name: str, server: AppServer, **options: Any) -> Client:
    return picturegram.connect(server.http_url, token=pair.tokens[name], **options)


async def next_event(client: Client) -> Frame:
    async with asyncio.timeout(DEADLINE_S):
        return await anext(client.events())


async def numbers(client: Client, count: int) -> list[int]:
    """Return the numbers in the next events of topics; anything else is an error."""
    found: list[int] = []
    while len(found) < count:
        event = await next_event(client)
        assert event["type"] == "event", event
        found.append(json.loads(event["payload"])["number"])
    return found


async def test_a_killed_server_costs_no_event_of_a_topic(pair: Pair, token: str) -> None:
    async with (
        client_of(pair, "bob", pair.daphne) as bob,
        picturegram.connect(pair.uvicorn.http_url, token=token) as alice,
    ):
        await bob.subscribe(topics=["race/1"])
        await alice.publish("race/1", "Beat", {"number": 0})
        assert await numbers(bob, 1) == [0]
        pair.daphne.kill()
        for number in range(1, 20):
            await alice.publish("race/1", "Beat", {"number": number})
        await asyncio.to_thread(pair.daphne.start)
        assert await numbers(bob, 19) == list(range(1, 20))
        position = bob.position("race/1")
        await bob.unsubscribe(topics=["race/1"])
        await alice.publish("race/1", "Beat", {"number": 20})
        assert position is not None
        await bob.subscribe(topics=["race/1"], after={"race/1": position})
        assert await numbers(bob, 1) == [20]


async def test_filters_hold_on_the_next_connection_too(pair: Pair, token: str) -> None:
    wanted = {
        "event_type": "NESClick",
        "filter_field": "color",
        "filter_expr": "blue",
        "desired_fields": ["number"],
    }
    async with (
        client_of(pair, "bob", pair.daphne) as bob,
        picturegram.connect(pair.uvicorn.http_url, token=token) as alice,
    ):
        await bob.subscribe(filters=[wanted])
        for number, color in enumerate(["red", "blue", "blue"]):
            await alice.publish("race/2", "NESClick", {"color": color, "number": number})
        assert await numbers(bob, 2) == [1, 2]
        pair.daphne.kill()
        await asyncio.to_thread(pair.daphne.start)
        await bob.request("ping")
        for number, color in enumerate(["red", "blue"], start=3):
            await alice.publish("race/2", "NESClick", {"color": color, "number": number})
        event = await next_event(bob)
        assert event["payload"] == '{"number":4}'
        await bob.unsubscribe(filters=[wanted])


async def test_an_acknowledging_producer_loses_nothing(pair: Pair, token: str) -> None:
    async with (
        client_of(pair, "bob", pair.uvicorn) as bob,
        picturegram.connect(pair.daphne.http_url, token=token) as alice,
    ):
        await bob.subscribe(topics=["race/3"])
        async with alice.producer() as producer:
            restarting = None
            for number in range(300):
                producer.put("race/3", "Beat", {"number": number})
                await asyncio.sleep(0.01)
                if number == 100:
                    pair.daphne.kill()
                    restarting = asyncio.create_task(asyncio.to_thread(pair.daphne.start))
            assert restarting is not None
            await restarting
        assert (producer.acknowledged, producer.lost, producer.sent) == (300, 0, 300)
        assert sorted(await numbers(bob, 300)) == list(range(300))


async def test_an_answer_that_was_lost_makes_no_second_event(pair: Pair, token: str) -> None:
    async with (
        LossyProxy(pair.daphne.port) as proxy,
        client_of(pair, "bob", pair.daphne) as bob,
        picturegram.connect(proxy.url, token=token) as alice,
    ):
        await bob.subscribe(topics=["race/4"])
        async with alice.producer() as producer:
            proxy.is_deaf = True
            producer.put("race/4", "Beat", {"number": 1})
            assert await numbers(bob, 1) == [1]
            proxy.is_deaf = False
            proxy.cut()
            await producer.flush()
            producer.put("race/4", "Beat", {"number": 2})
        assert (producer.acknowledged, producer.lost) == (2, 0)
        assert await numbers(bob, 1) == [2]


async def test_a_forgetful_producer_counts_what_it_may_have_lost(pair: Pair, token: str) -> None:
    lost: list[tuple[Record, str]] = []
    async with (
        LossyProxy(pair.daphne.port) as proxy,
        picturegram.connect(proxy.url, token=token) as alice,
        alice.producer(
            is_acknowledged=False, on_loss=lambda record, reason: lost.append((record, reason))
        ) as producer,
    ):
        producer.put("race/5", "Beat", {"number": 1})
        await producer.flush()
        proxy.is_deaf = True
        producer.put("race/5", "Beat", {"number": 2})
        await asyncio.to_thread(pair.daphne.is_ready)
        proxy.is_deaf = False
        proxy.cut()
        await producer.flush()
        producer.put("race/5", "Beat", {"number": 3})
        await producer.flush()
        assert (producer.sent, producer.acknowledged, producer.lost) == (3, 2, 1)
    ((record, reason),) = lost
    assert record.payload == {"number": 2}
    assert "no answer" in reason


async def test_a_full_queue_loses_its_oldest_and_says_so(pair: Pair, token: str) -> None:
    lost: list[tuple[Any, str]] = []
    async with (
        client_of(pair, "bob", pair.uvicorn) as bob,
        picturegram.connect(pair.daphne.http_url, token=token) as alice,
        alice.producer(
            queue_max=10,
            in_flight_max=1,
            on_loss=lambda record, reason: lost.append((record.payload["number"], reason)),
        ) as producer,
    ):
        await bob.subscribe(topics=["race/6"])
        pair.daphne.kill()
        for number in range(100):
            producer.put("race/6", "Beat", {"number": number})
        assert (producer.waiting, producer.lost) == (11, 89)
        assert lost == [(number, "overflow") for number in range(1, 90)]
        await asyncio.to_thread(pair.daphne.start)
        await producer.flush()
        assert producer.acknowledged == 11
        assert await numbers(bob, 11) == [0, *range(90, 100)]


async def test_a_burst_is_slowed_down_to_what_the_server_allows(pair: Pair, token: str) -> None:
    async with (
        client_of(pair, "bob", pair.uvicorn) as bob,
        picturegram.connect(pair.daphne.http_url, token=token) as alice,
    ):
        await bob.subscribe(topics=["race/7"])
        connection_id = alice.hello["connection_id"]
        async with alice.producer() as producer:
            for number in range(700):
                producer.put("race/7", "Beat", {"number": number})
        assert (producer.acknowledged, producer.lost) == (700, 0)
        assert alice.hello["connection_id"] == connection_id
        assert sorted(await numbers(bob, 700)) == list(range(700))


async def test_what_is_refused_counts_as_lost(pair: Pair) -> None:
    reasons: list[str] = []
    async with client_of(pair, "alice", pair.daphne) as alice:
        with pytest.raises(Refused) as refused:
            await alice.publish("race/8", "Beat", {})
        assert refused.value.code == "forbidden"
        async with alice.producer(on_loss=lambda _, reason: reasons.append(reason)) as producer:
            producer.put("race/8", "Beat", {})
        assert (producer.acknowledged, producer.lost) == (0, 1)
        assert "publish" in reasons[0]


async def test_what_waits_when_the_program_gives_up_counts_as_lost(pair: Pair, token: str) -> None:
    async with picturegram.connect(pair.daphne.http_url, token=token) as alice:
        producer = alice.producer()
        pair.daphne.kill()
        for number in range(100):
            producer.put("race/9", "Beat", {"number": number})
        await producer.close()
        assert (producer.sent, producer.lost, producer.waiting) == (100, 100, 0)


async def test_the_shipper_ships_everything_over_a_restart(pair: Pair, token: str) -> None:
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SHIPPER), "--url", pair.daphne.http_url, "--token", token),
        *("--seconds", "5", "--listen", "--topic", "race/10"),
        env={"PYTHONPATH": str(ROOT / "clients" / "python")},
        stdout=subprocess.PIPE,
    )
    assert running.stdout is not None
    assert b"sent 100," in await running.stdout.readline()
    await asyncio.to_thread(pair.daphne.terminate)
    await asyncio.to_thread(pair.daphne.start)
    said = (await running.stdout.read()).decode()
    assert "sent 500, acknowledged 500, lost 0, waiting 0" in said
    assert "heard 500, 500 different" in said
