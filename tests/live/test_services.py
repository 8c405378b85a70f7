"""The services under all other tests are the real ones, and survive what tests do to them."""

import subprocess

import psycopg
import pytest
import redis

from tests.services.chromium import ARGUMENTS
from tests.services.postgres import postgres_server
from tests.services.redis import redis_server


def test_redis_answers(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()


def test_postgresql_answers_and_its_user_may_create_databases(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute(
            "SELECT version(), rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row is not None
    version, may_create = row
    assert version.startswith("PostgreSQL")
    assert may_create


def test_chromium_renders_a_page(chromium: str) -> None:
    page = "data:text/html,<p></p><script>document.querySelector('p').append(6 * 7)</script>"
    shown = subprocess.run(
        [chromium, "--headless", *ARGUMENTS, "--dump-dom", page],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "<p>42</p>" in shown.stdout


def test_postgresql_keeps_what_it_acknowledged_through_kill_9() -> None:
    with postgres_server() as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")

        server.kill()
        server.start()

        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_redis_that_was_stopped_comes_back_at_its_address() -> None:
    with redis_server() as server, redis.Redis.from_url(server.url) as client:
        server.stop()
        with pytest.raises(redis.ConnectionError):
            client.ping()

        server.start()

        assert client.ping()
