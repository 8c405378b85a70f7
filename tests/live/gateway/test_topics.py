"""Topics over two real processes: what is published through one comes out of the other."""

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.live.client import Closed, Refused
from tests.live.pair import Pair
from tests.live.servers import AppServer, Site, new_database
from tests.live.topic_client import TopicClient, producer_key
from tests.services.redis import redis_server

RACE = "race/7"


@pytest.fixture(scope="module")
def keys(shared_pair: Pair) -> dict[str, str]:
    """Tokens of programs that publish."""
    return {name: producer_key(shared_pair.site, name) for name in ("alice", "bob", "charlie")}


async def connect(server: AppServer, token: str, **options: Any) -> TopicClient:
    return await TopicClient.connect(f"{server.ws_url}/ws/", token=token, **options)


async def until_published(
    client: TopicClient, topic: str, number: int, *, deadline_s: float = 20
) -> Any:
    """Publish as clients do: what has no answer but `unavailable` is sent again."""
    async with asyncio.timeout(deadline_s):
        while True:
            try:
                return await client.publish(topic, number, client_id=f"{topic}-{number}")
            except Refused as refusal:
                if refusal.code != "unavailable":
                    raise
                await asyncio.sleep(refusal.error["retry_after_ms"] / 1000)


async def test_events_through_either_process_come_in_one_order_everywhere(
    pair: Pair, keys: dict[str, str]
) -> None:
    topic = "order/1"
    clients = [await connect(server, keys["bob"]) for server in pair.servers for _ in range(2)]
    for place, client in enumerate(clients):
        if place % 2:
            await client.request("subscribe", subscriptions=[{"event_type": "*", "topic": topic}])
        else:
            await client.follow(topic)
    producers = [await connect(server, keys["alice"]) for server in pair.servers for _ in range(2)]

    async def produce(client: TopicClient, start: int) -> None:
        for number in range(start, start + 50):
            await client.publish(topic, number)

    await asyncio.gather(*(produce(each, 50 * place) for place, each in enumerate(producers)))
    told = [await client.heard(topic, 200) for client in clients]
    assert sorted(told[0]) == list(range(200))
    assert told[1:] == told[:-1]
    for place in range(4):  # A producer's own order is kept.
        own = [number for number in told[0] if number // 50 == place]
        assert own == sorted(own)
    for client in (*clients, *producers):
        assert client.faults == []
        await client.close()


async def test_what_is_published_over_http_comes_over_sockets_of_both(
    pair: Pair, keys: dict[str, str]
) -> None:
    topic = "http/1"
    clients = [await connect(server, keys["bob"]) for server in pair.servers]
    for client in clients:
        await client.follow(topic)
    headers = {"Authorization": f"Bearer {keys['alice']}"}
    records = [
        {"topic": topic, "event_type": "Tick", "payload": {"number": number}}
        for number in range(100)
    ]
    for server in pair.servers:
        async with httpx.AsyncClient(trust_env=False, headers=headers) as http:
            answer = await http.post(
                f"{server.http_url}/api/topics/events/", json={"records": records}
            )
        assert answer.status_code == 200
        assert answer.json()["failed_record_count"] == 0
    for client in clients:
        assert await client.heard(topic, 200) == [*range(100), *range(100)]
        assert client.faults == []
        await client.close()


async def test_a_short_absence_misses_nothing(pair: Pair, keys: dict[str, str]) -> None:
    topic = "absence/1"
    left, right = pair.servers
    producer = await connect(left, keys["alice"])
    bob = await connect(right, keys["bob"])
    await bob.follow(topic)
    for number in range(10):
        await producer.publish(topic, number)
    await bob.heard(topic, 10)
    await bob.close()
    for number in range(10, 40):
        await producer.publish(topic, number)
    for server in (left, right):
        back = await connect(server, keys["bob"])
        back.topics = dict(bob.topics)
        (told,) = await back.follow(topic)
        assert told["recovered"] is True
        assert back.numbers(topic) == list(range(10, 40))
        assert back.faults == []
        await back.close()
    await producer.close()


async def test_a_killed_process_loses_and_doubles_nothing(pair: Pair, keys: dict[str, str]) -> None:
    """Its producers and followers go to the other one, and ask again."""
    topic, total = "kill/1", 120
    left, right = pair.servers
    watching = await connect(right, keys["charlie"])
    await watching.follow(topic)
    follower = await connect(left, keys["bob"])
    await follower.follow(topic)
    producer = await connect(left, keys["alice"])

    async def produce() -> None:
        nonlocal producer
        for number in range(total):
            try:
                await until_published(producer, topic, number)
            except (Closed, TimeoutError):
                producer = await connect(right, keys["alice"])
                await until_published(producer, topic, number)

    producing = asyncio.create_task(produce())
    await watching.heard(topic, total // 3)
    left.kill()
    await follower.closed()
    back = await connect(right, keys["bob"])
    back.topics = dict(follower.topics)
    (told,) = await back.follow(topic)
    assert told["recovered"] is True
    await producing
    assert await watching.heard(topic, total) == list(range(total))
    await back.heard(topic, total - len(follower.numbers(topic)))
    assert follower.numbers(topic) + back.numbers(topic) == list(range(total))
    for client in (watching, follower, back):
        assert client.faults == []
        await client.close()


async def test_a_redis_that_is_restarted_is_told_and_then_all_goes_on(
    pair: Pair, keys: dict[str, str]
) -> None:
    topic = "restart/1"
    followers = [await connect(server, keys["bob"]) for server in pair.servers]
    filtering = [await connect(server, keys["charlie"]) for server in pair.servers]
    for client in followers:
        await client.follow(topic)
    for client in filtering:
        await client.request("subscribe", subscriptions=[{"event_type": "Tick"}])
    producers = [await connect(server, keys["alice"]) for server in pair.servers]
    await producers[0].publish(topic, 0)
    for client in (*followers, *filtering):
        await client.heard(topic, 1)

    pair.redis.stop()
    began = time.monotonic()
    for producer in producers:
        with pytest.raises(Refused, match="unavailable"):
            await producer.publish(topic, 1)
    assert time.monotonic() - began < 10
    pair.redis.start()

    for producer in producers:
        await until_published(producer, topic, 1)
    await until_published(producers[1], topic, 2)
    for client in followers:
        gap = await client.topic_notice("gap", topic)
        assert (gap["reason"], gap["offset"]) == ("epoch_changed", 0)
        assert await client.heard(topic, 3, deadline_s=30) == [0, 1, 2]
        assert client.faults == []
    # A filter that names no topic hears again as soon as its process hears the layer.
    async with asyncio.timeout(30):
        number = 3
        while any(client.numbers(topic)[-1] != number for client in filtering):
            number += 1
            await until_published(producers[0], topic, number)
            await asyncio.sleep(0.1)
    for client in filtering:
        assert max(Counter(client.numbers(topic)).values()) == 1
    for client in (*followers, *filtering, *producers):
        await client.close()


async def test_who_loses_a_room_loses_its_topics_at_every_process(
    pair: Pair, keys: dict[str, str]
) -> None:
    topic = "room/studio/race"
    bobs = [await connect(server, keys["bob"]) for server in pair.servers]
    for client in bobs:
        await client.follow(topic)
        await client.request("subscribe", subscriptions=[{"event_type": "*"}])
    charlie = await connect(pair.uvicorn, keys["charlie"])
    with pytest.raises(Refused, match="not_found"):
        await charlie.follow(topic)
    alice = await connect(pair.daphne, keys["alice"])
    await alice.publish(topic, 1)
    for client in bobs:
        await client.heard(topic, 1)
    headers = {"Authorization": f"Bearer {pair.tokens['alice']}"}
    path = f"{pair.daphne.http_url}/api/rooms/studio/members/bob/"
    async with httpx.AsyncClient(trust_env=False, headers=headers) as http:
        (await http.delete(path)).raise_for_status()
        for client in bobs:
            await client.topic_notice("unsubscribed", topic)
        await alice.publish(topic, 2)
        await alice.publish("elsewhere", 3)
        for client in bobs:
            await client.heard("elsewhere", 1)
            assert client.numbers(topic) == [1]
            await client.close()
        members = f"{pair.daphne.http_url}/api/rooms/studio/members/"
        (await http.post(members, json={"username": "bob"})).raise_for_status()
    await alice.close()
    await charlie.close()


# --- other deployments --------------------------------------------------------------------------


async def test_topics_of_every_shard_come_at_the_other_process(
    tmp_path: Path, postgres_url: str
) -> None:
    with (
        new_database(postgres_url) as database_url,
        redis_server() as first,
        redis_server() as second,
    ):
        site = Site(tmp_path, database_url, f"{first.url}, {second.url}")
        site.migrate()
        site.populate(["alice"], {})
        token = producer_key(site, "alice")
        with site.serving("daphne") as left, site.serving("uvicorn") as right:
            producer, follower = await connect(left, token), await connect(right, token)
            topics = [f"race/{number}" for number in range(12)]
            await follower.follow(*topics)
            for number in range(5):
                for topic in topics:
                    await producer.publish(topic, number)
            for topic in topics:
                assert await follower.heard(topic, 5) == list(range(5))
            assert follower.faults == []
            await producer.close()
            await follower.close()


async def test_one_process_needs_no_redis(tmp_path: Path) -> None:
    site = Site(tmp_path, f"sqlite:///{tmp_path}/db.sqlite3")
    site.migrate()
    site.populate(["alice"], {})
    token = producer_key(site, "alice")
    with site.serving("daphne") as server:
        alice = await connect(server, token)
        await alice.follow(RACE)
        filtering = await connect(server, token)
        await filtering.request("subscribe", subscriptions=[{"event_type": "*"}])
        for number in range(10):
            await alice.publish(RACE, number)
        assert await alice.heard(RACE, 10) == list(range(10))
        assert await filtering.heard(RACE, 10) == list(range(10))
        await alice.close()
        await filtering.publish(RACE, 10)
        headers = {"Authorization": f"Bearer {token}"}
        event = {"topic": RACE, "event_type": "Tick", "payload": {"number": 11}}
        async with httpx.AsyncClient(trust_env=False, headers=headers) as http:
            answer = await http.post(f"{server.http_url}/api/topics/events/", json=event)
        assert answer.status_code == 201
        back = await connect(server, token)
        back.topics = dict(alice.topics)
        (told,) = await back.follow(RACE)
        assert told["recovered"] is True
        assert back.numbers(RACE) == [10, 11]
        await filtering.heard(RACE, 12)
        # A restart forgets the rings, and says so.
        server.terminate()
        server.start()
        again = await connect(server, token)
        again.topics = dict(back.topics)
        (told,) = await again.follow(RACE)
        assert (told["recovered"], told["reason"]) == (False, "epoch_changed")
        assert told["events"] == []
        await again.close()
