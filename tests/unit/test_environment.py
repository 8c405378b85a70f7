"""Settings from the environment are refused at start when they are bad, by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.environment import Environment


def environment(**variables: str) -> Environment:
    return Environment(variables)


def test_flags_and_numbers_are_read() -> None:
    env = environment(ON="yes", OFF="0", SIZE="7")
    assert (env.flag("ON"), env.flag("OFF", True), env.flag("ABSENT", True)) == (True, False, True)
    assert (env.integer("SIZE", 1), env.integer("ABSENT", 1)) == (7, 1)


@pytest.mark.parametrize("value", ["maybe", "2", "tru"])
def test_a_flag_is_one_or_zero(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="DEBUG must be 1 or 0"):
        environment(DEBUG=value).flag("DEBUG")


@pytest.mark.parametrize("value", ["-1", "many", "1.5", "0"])
def test_a_number_below_its_least_is_refused(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="SIZE must be a whole number"):
        environment(SIZE=value).integer("SIZE", 1, least=1)


def test_redis_addresses_are_refused_by_their_scheme() -> None:
    env = environment(REDIS_URL="redis://a/0, rediss://b/1")
    assert env.urls("REDIS_URL", "redis", "rediss") == ["redis://a/0", "rediss://b/1"]
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL must start with redis://"):
        environment(REDIS_URL="foo").urls("REDIS_URL", "redis")


@pytest.mark.parametrize("url", ["foo", "mysql://a/b", "db.sqlite3"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL must start with"):
        environment(DATABASE_URL=url).database("DATABASE_URL", Path("db"), pool_size=1)


def test_database_addresses_are_read() -> None:
    env = environment(DATABASE_URL="postgres://ada:p%40ss@db:5433/gram?host=/run/postgresql")
    found = env.database("DATABASE_URL", Path("db"), pool_size=3)
    assert (found["NAME"], found["USER"], found["PASSWORD"]) == ("gram", "ada", "p@ss")
    assert (found["HOST"], found["PORT"]) == ("/run/postgresql", 5433)
    assert found["OPTIONS"]["pool"]["max_size"] == 3
    default = environment().database("DATABASE_URL", Path("/data/db.sqlite3"), pool_size=1)
    assert default["NAME"] == "/data/db.sqlite3"
    assert "synchronous=FULL" in default["OPTIONS"]["init_command"]


def test_a_secret_key_is_made_once_where_debug_allows(tmp_path: Path) -> None:
    first = environment().secret_key(debug=True, data_dir=tmp_path)
    assert environment().secret_key(debug=True, data_dir=tmp_path) == first
    assert len(first) >= 50
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY must be set"):
        environment().secret_key(debug=False, data_dir=tmp_path)
