"""The cache while Redis is away: a closed port stands for it."""

from __future__ import annotations

import socket

from config.cache import ForgivingRedisCache


def test_cache_is_empty_and_takes_writes_while_redis_is_away() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        cache = ForgivingRedisCache(f"redis://127.0.0.1:{closed.getsockname()[1]}/0", {})
        cache.set("attempts", 1, 60)
        assert cache.get("attempts", 7) == 7
        assert cache.get_many(["attempts"]) == {}
        assert cache.add("attempts", 1)
        assert cache.incr("attempts", 1) == 1
        assert not cache.delete("attempts")
