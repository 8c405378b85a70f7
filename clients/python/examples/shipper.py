"""Ships 100 events per second, whatever happens to the server, and prints what became of them.

    PICTUREGRAM_TOKEN=pgk_… python examples/shipper.py --seconds 60 --listen

The key needs the scope `publish`, and `read` for --listen. Restart the server while it runs.
Acknowledged, nothing is lost; with --forget, what is lost is counted.
"""

import argparse
import asyncio
import json
import logging
import os
import time
from collections import Counter

import picturegram

# Seconds that the last event may take.
PATIENCE_S = 10.0


async def ship(options: argparse.Namespace) -> None:
    """Put events on the beat; print the count every second and the outcome at the end."""
    lost: Counter[str] = Counter()
    heard: Counter[int] = Counter()
    count = options.seconds * options.rate
    async with picturegram.connect(options.url, token=options.token) as client:
        if options.listen:
            await client.subscribe(topics=[options.topic])
        listening = asyncio.create_task(listen(client, heard, count))
        async with client.producer(
            is_acknowledged=not options.forget,
            on_loss=lambda record, reason: lost.update([reason]),
        ) as producer:
            began_at = time.monotonic()
            for number in range(1, count + 1):
                await asyncio.sleep(began_at + number / options.rate - time.monotonic())
                producer.put(options.topic, "Beat", {"number": number})
                if number % options.rate == 0:
                    print(told(producer), flush=True)
        print(told(producer), dict(lost) or "")
        if options.listen:
            await asyncio.wait((listening,), timeout=PATIENCE_S)
            print(f"heard {heard.total()}, {len(heard)} different")
        listening.cancel()


async def listen(client: picturegram.Client, heard: Counter[int], count: int) -> None:
    """Count each number that comes, until all have come."""
    async for event in client.events():
        if event["type"] == "event":
            # Others may publish to the topic as well.
            if "number" in (payload := json.loads(event["payload"])):
                heard[payload["number"]] += 1
        else:
            print(event, flush=True)
        if len(heard) == count:
            return


def told(producer: picturegram.Producer) -> str:
    return (
        f"sent {producer.sent}, acknowledged {producer.acknowledged}, lost {producer.lost}, "
        f"waiting {producer.waiting}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    url = os.environ.get("PICTUREGRAM_URL", "http://127.0.0.1:8000")
    parser.add_argument("--url", default=url)
    parser.add_argument("--token", default=os.environ.get("PICTUREGRAM_TOKEN"))
    parser.add_argument("--topic", default="race/7")
    parser.add_argument("--rate", type=int, default=100, help="events per second")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--forget", action="store_true", help="send each once, acknowledged or not")
    parser.add_argument("--listen", action="store_true", help="subscribe to the topic as well")
    logging.basicConfig(format="%(message)s")
    asyncio.run(ship(parser.parse_args()))


if __name__ == "__main__":
    main()
