"""Rows that follow what a process knows: whatever happens, the table ends as it should be."""

from __future__ import annotations

import random

import pytest

from chat.gateway.mirror import Batch, Mirror

Table = dict[str, int]


def write(table: Table, batch: Batch[int]) -> None:
    table.update(batch.saved)
    for key in batch.deleted:
        table.pop(key, None)


def flush(mirror: Mirror[int], table: Table, limit: int = 100) -> int:
    """Write all that is stale, and return how many rows that were."""
    count = 0
    while (batch := mirror.take(limit)).saved or batch.deleted:
        assert len(batch.saved) + len(batch.deleted) <= limit
        write(table, batch)
        mirror.settle(batch)
        count += len(batch.saved) + len(batch.deleted)
    return count


def test_what_comes_changes_and_goes_is_written() -> None:
    mirror, table = Mirror[int](), Table()
    mirror.put("a", 1)
    mirror.put("b", 1)
    assert flush(mirror, table) == 2
    mirror.put("a", 2)
    mirror.remove("b")
    mirror.remove("never there")
    assert flush(mirror, table) == 2
    assert table == {"a": 2}
    assert flush(mirror, table) == 0


def test_what_comes_and_goes_between_two_batches_costs_nothing() -> None:
    mirror, table = Mirror[int](), Table()
    mirror.put("a", 1)
    mirror.remove("a")
    assert flush(mirror, table) == 0


def test_what_goes_while_it_is_written_is_deleted_afterwards() -> None:
    mirror, table = Mirror[int](), Table()
    mirror.put("a", 1)
    batch = mirror.take(10)
    mirror.remove("a")
    write(table, batch)
    mirror.settle(batch)
    assert flush(mirror, table) == 1
    assert table == {}


def test_what_comes_back_while_it_is_deleted_is_written_again() -> None:
    mirror, table = Mirror[int](), Table()
    mirror.put("a", 1)
    flush(mirror, table)
    mirror.remove("a")
    batch = mirror.take(10)
    mirror.put("a", 2)
    write(table, batch)
    mirror.settle(batch)
    flush(mirror, table)
    assert table == {"a": 2}


def test_after_failures_no_more_is_kept_than_there_should_be_rows() -> None:
    mirror = Mirror[int]()
    for number in range(1000):
        mirror.put(str(number), 0)
        mirror.fail(mirror.take(10))
        mirror.remove(str(number))
        mirror.fail(mirror.take(10))
    assert (mirror.wanted, len(mirror._written), len(mirror._stale)) == ({}, 0, 0)


@pytest.mark.parametrize("seed", range(50))
def test_whatever_happens_the_table_is_as_it_should_be_in_the_end(seed: int) -> None:
    """Batches fail, having been written or not; others delete rows; then it is compared."""
    chance = random.Random(seed)
    mirror, table = Mirror[int](), Table()
    for step in range(300):
        key = str(chance.randrange(20))
        match chance.randrange(6):
            case 0 | 1:
                mirror.put(key, step)
            case 2 | 3:
                mirror.remove(key)
            case 4:
                batch = mirror.take(chance.randrange(1, 8))
                was_written, is_known = chance.random() < 0.7, chance.random() < 0.7
                if was_written:
                    write(table, batch)
                if was_written and is_known:
                    mirror.settle(batch)
                else:
                    mirror.fail(batch)
                    mirror.compare(table.keys())
            case 5:
                table.pop(key, None)
                mirror.compare(table.keys())
    flush(mirror, table, limit=3)
    assert table == mirror.wanted
