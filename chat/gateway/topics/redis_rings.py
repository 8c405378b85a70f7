"""Rings in Redis. Each topic lives on one of the servers, by its number.

Of each topic there are three keys: its head as text (`epoch offset first bytes`), the list of its
entries, and a hash of the sender's keys of those. They change together, in a script, and expire
together.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, ParamSpec, TypeVar, cast

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from chat.errors import AppError, IdempotencyConflict, Unavailable
from chat.gateway.topics.events import Draft, TopicEvent, pack_entry, unpack_entry
from chat.gateway.topics.names import number_of
from chat.gateway.topics.rings import FOLLOWED_S, Head, MemoryRings, Rings, Tail, new_epoch

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

# Seconds for one answer, and for a new connection: a Redis that takes longer counts as away.
ANSWER_S = 2.0
CONNECT_S = 1.0
# Seconds for which a Redis that was away is not asked again: nobody waits behind another's wait.
AWAY_S = 1.0
# Topics in one question; a script holds up its server while it runs.
FOLLOW_BATCH = 500
# Each thread waits for one answer at a time.
_threads = ThreadPoolExecutor(6, thread_name_prefix="topics")

# Reads a topic's head; begins a new ring where there is none, or where Redis has thrown away a
# part of it. The ring of a topic that somebody follows does not expire.
_RING = """
local function text_of(ring)
  return string.format('%s %d %d %d', ring.epoch, ring.offset, ring.first, ring.bytes)
end
local function touch(ring, seconds)
  redis.call('SET', ring.head, text_of(ring), 'EX', seconds)
  redis.call('EXPIRE', ring.list, seconds)
  redis.call('EXPIRE', ring.sent, seconds)
end
local function open(at, epoch, seconds)
  local ring = {head = KEYS[at], list = KEYS[at + 1], sent = KEYS[at + 2]}
  local text = redis.call('GET', ring.head) or ''
  local found, offset, first, bytes = string.match(text, '^(%w+) (%d+) (%d+) (%d+)$')
  if found then
    ring.epoch, ring.offset = found, tonumber(offset)
    ring.first, ring.bytes = tonumber(first), tonumber(bytes)
    if redis.call('LLEN', ring.list) == ring.offset - ring.first + 1 then
      if redis.call('TTL', ring.head) < seconds / 2 then touch(ring, seconds) end
      return ring
    end
  end
  ring.epoch, ring.offset, ring.first, ring.bytes = epoch, 0, 1, 0
  redis.call('DEL', ring.list, ring.sent)
  touch(ring, seconds)
  return ring
end
"""
# An entry in the list is its sender's key, a line break, and the packed event.
PUBLISH = (
    _RING
    + """
local epoch, key, memory, entry = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local most, bytes_most, seconds = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local ring = open(1, epoch, 1)
if key ~= '' then
  local known = redis.call('HGET', ring.sent, key)
  if known then return {ring.epoch, known} end
end
entry = key .. '\\n' .. entry
ring.offset = ring.offset + 1
ring.bytes = ring.bytes + #entry
memory = string.format('%d %s', ring.offset, memory)
redis.call('RPUSH', ring.list, entry)
if key ~= '' then redis.call('HSET', ring.sent, key, memory) end
while ring.first < ring.offset
  and (ring.offset - ring.first >= most or ring.bytes > bytes_most) do
  local oldest = redis.call('LPOP', ring.list)
  ring.first = ring.first + 1
  ring.bytes = ring.bytes - #oldest
  local old_key = string.match(oldest, '^[^\\n]*')
  if old_key ~= '' then redis.call('HDEL', ring.sent, old_key) end
end
touch(ring, seconds)
return {ring.epoch, memory}
"""
)
FOLLOW = (
    _RING
    + """
local found = {}
for at = 1, #KEYS, 3 do
  found[#found + 1] = text_of(open(at, ARGV[1], tonumber(ARGV[2])))
end
return found
"""
)
READ = (
    _RING
    + """
local ring = open(1, ARGV[1], tonumber(ARGV[2]))
local from = 0
if ARGV[3] == ring.epoch then from = math.max(0, tonumber(ARGV[4]) + 1 - ring.first) end
return {text_of(ring), redis.call('LRANGE', ring.list, from, -1)}
"""
)


class _Shard:
    """One Redis. What it cannot answer in time is Unavailable."""

    def __init__(self, url: str) -> None:
        self.client = redis.Redis.from_url(
            url,
            socket_timeout=ANSWER_S,
            socket_connect_timeout=CONNECT_S,
            socket_keepalive=True,
            # Asking again is the sender's choice: only they know whether twice is too often.
            retry=Retry(NoBackoff(), 0),
        )
        self.publish = self.client.register_script(PUBLISH)
        self.follow = self.client.register_script(FOLLOW)
        self.read = self.client.register_script(READ)
        self._away_until = 0.0

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask it inside the block. Raises Unavailable, at once while it is known to be away."""
        wait_s = self._away_until - time.monotonic()
        if wait_s > 0:
            raise Unavailable(retry_after_ms=int(wait_s * 1000) + 1)
        try:
            yield
        except RedisError as error:
            self._away_until = time.monotonic() + AWAY_S
            logger.warning("The topics' Redis does not answer: %s", error)
            raise Unavailable(retry_after_ms=int(AWAY_S * 1000)) from None


class RedisRings:
    """The rings of all processes that share these Redis and the prefix."""

    def __init__(self, urls: Sequence[str], prefix: str) -> None:
        self._shards = [_Shard(url) for url in urls]
        self._prefix = prefix

    async def ask(self, method: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        context = contextvars.copy_context()
        call = partial(context.run, method, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(_threads, cast(Any, call))

    def publish(self, drafts: Sequence[Draft]) -> list[TopicEvent | AppError]:
        answers: list[TopicEvent | AppError | None] = [None] * len(drafts)
        for shard, places in self._by_shard([draft.topic for draft in drafts]).items():
            try:
                with shard.asking():
                    found = self._publish(shard, [drafts[place] for place in places])
            except Unavailable as error:
                found = [error] * len(places)
            for place, answer in zip(places, found, strict=True):
                answers[place] = answer
        return cast(list[TopicEvent | AppError], answers)

    def _publish(self, shard: _Shard, drafts: list[Draft]) -> list[TopicEvent | AppError]:
        if len(drafts) == 1:
            return [self._numbered(drafts[0], self._send(shard, drafts[0], shard.client))]
        with shard.client.pipeline(transaction=False) as pipeline:
            for draft in drafts:
                self._send(shard, draft, pipeline)
            found = pipeline.execute(raise_on_error=False)
        return [self._numbered(draft, answer) for draft, answer in zip(drafts, found, strict=True)]

    def _send(self, shard: _Shard, draft: Draft, client: Any) -> Any:
        arguments = (
            new_epoch(),
            draft.sender_key,
            f"{draft.digest} {draft.time}",
            pack_entry(draft),
            settings.TOPIC_EVENTS_MAX,
            settings.TOPIC_BYTES_MAX,
            settings.TOPIC_LIFETIME_S,
        )
        return shard.publish(keys=self._keys(draft.topic), args=arguments, client=client)

    def _numbered(self, draft: Draft, answer: Any) -> TopicEvent | AppError:
        if isinstance(answer, Exception):
            logger.warning("An event could not be kept: %s", answer)
            return Unavailable(retry_after_ms=int(AWAY_S * 1000))
        epoch, memory = answer
        offset, digest, moment = memory.decode().split(" ")
        if digest != draft.digest:
            return IdempotencyConflict()
        return draft.numbered(epoch.decode(), int(offset), moment)

    def follow(self, topics: Collection[str]) -> dict[str, Head]:
        heads: dict[str, Head] = {}
        asked = list(topics)
        for shard, places in self._by_shard(asked).items():
            for start in range(0, len(places), FOLLOW_BATCH):
                batch = [asked[place] for place in places[start : start + FOLLOW_BATCH]]
                keys = [key for topic in batch for key in self._keys(topic)]
                try:
                    with shard.asking():
                        texts = shard.follow(keys=keys, args=(new_epoch(), FOLLOWED_S))
                except Unavailable:
                    break
                heads |= zip(batch, map(_head, texts), strict=True)
        return heads

    def read(self, topic: str, epoch: str, after: int) -> Tail:
        shard = self._shards[number_of(topic) % len(self._shards)]
        with shard.asking():
            arguments = (new_epoch(), FOLLOWED_S, epoch, after)
            text, entries = shard.read(keys=self._keys(topic), args=arguments)
        head = _head(text)
        start = head.offset - len(entries) + 1
        return Tail(
            head,
            [
                unpack_entry(topic, head.epoch, offset, entry.partition(b"\n")[2])
                for offset, entry in enumerate(entries, start)
            ],
        )

    def _keys(self, topic: str) -> list[str]:
        return [f"{self._prefix}:topic:{part}:{topic}" for part in ("head", "list", "sent")]

    def _by_shard(self, topics: Sequence[str]) -> dict[_Shard, list[int]]:
        """Places in `topics` by the server that has them."""
        found: dict[_Shard, list[int]] = {}
        for place, topic in enumerate(topics):
            shard = self._shards[number_of(topic) % len(self._shards)]
            found.setdefault(shard, []).append(place)
        return found


def _head(text: bytes) -> Head:
    epoch, offset, first, _ = text.decode().split(" ")
    return Head(epoch, int(offset), int(first))


def rings() -> Rings:
    """The rings of this installation; the same ones for everything in the process."""
    return _rings(tuple(settings.REDIS_URLS), settings.REDIS_PREFIX)


@lru_cache(maxsize=4)
def _rings(urls: tuple[str, ...], prefix: str) -> Rings:
    return RedisRings(urls, prefix) if urls else MemoryRings()
