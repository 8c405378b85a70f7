"""A Redis cache that is empty while Redis is away.

The cache only holds counters of attempts to sign in and the like. Without this, nobody could
sign in while Redis is away.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


def forgiving(method: Callable[..., Any], answer: Callable[[tuple[Any, ...]], Any]) -> Any:
    """Let a method of the client give `answer` (made from its arguments) when Redis is away."""

    @functools.wraps(method)
    def asking(self: RedisCacheClient, *args: Any) -> Any:
        try:
            return method(self, *args)
        except RedisError as error:
            logger.warning("The cache is away: %s", error)
            return answer(args)

    return asking


class ForgivingClient(RedisCacheClient):
    """Answers as an empty cache would when Redis does not."""

    add = forgiving(RedisCacheClient.add, lambda args: True)
    get = forgiving(RedisCacheClient.get, lambda args: args[1])
    set = forgiving(RedisCacheClient.set, lambda args: None)
    touch = forgiving(RedisCacheClient.touch, lambda args: False)
    delete = forgiving(RedisCacheClient.delete, lambda args: False)
    get_many = forgiving(RedisCacheClient.get_many, lambda args: {})
    has_key = forgiving(RedisCacheClient.has_key, lambda args: False)
    incr = forgiving(RedisCacheClient.incr, lambda args: args[1])
    set_many = forgiving(RedisCacheClient.set_many, lambda args: None)
    delete_many = forgiving(RedisCacheClient.delete_many, lambda args: None)


class ForgivingRedisCache(RedisCache):
    """Django's Redis cache with the client above."""

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = ForgivingClient
