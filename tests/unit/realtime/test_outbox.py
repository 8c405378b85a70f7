import asyncio
from collections.abc import Iterator

import pytest

from chat.realtime.envelope import JSON, Burst, Wire
from chat.realtime.outbox import Outbox, Text
from tests.unit.realtime.frames import frame, gone


@pytest.fixture(autouse=True)
def _limits(settings: object) -> None:
    settings.OUTBOX_MESSAGES_MAX = 10  # type: ignore[attr-defined]
    settings.OUTBOX_BYTES_MAX = 1000  # type: ignore[attr-defined]


class Owner:
    """Counts what an outbox tells it, and takes what it writes."""

    def __init__(self) -> None:
        self.overflow_count = 0
        self.written: list[Wire] = []
        self.outbox = Outbox(JSON, self.overflow)
        self.may_write = asyncio.Event()
        self.may_write.set()

    def overflow(self) -> None:
        self.overflow_count += 1

    async def write(self, text: Wire) -> None:
        await self.may_write.wait()
        self.written.append(text)

    async def run(self) -> None:
        async with asyncio.timeout(5):
            await self.outbox.run(self.write)


async def until_empty(outbox: Outbox) -> None:
    async with asyncio.timeout(5):
        while len(outbox):
            await asyncio.sleep(0)


async def test_it_writes_in_order_until_it_is_finished() -> None:
    owner = Owner()
    owner.outbox.put(Text("a"))
    running = asyncio.create_task(owner.run())
    await until_empty(owner.outbox)
    owner.outbox.put(Text("b"))
    await until_empty(owner.outbox)
    owner.outbox.finish(Text("end"))
    await running
    assert owner.written == ["a", "b", "end"]


async def test_too_many_messages_are_an_overflow_told_once() -> None:
    owner = Owner()
    for number in range(30):
        owner.outbox.put(Text(str(number)))
    assert owner.overflow_count == 1
    assert len(owner.outbox) == 0


async def test_too_many_bytes_are_an_overflow() -> None:
    owner = Owner()
    owner.outbox.put(Text("ä" * 400))
    assert owner.overflow_count == 0
    owner.outbox.put(Text("ä" * 400))
    assert owner.overflow_count == 1


async def test_volatile_messages_go_first() -> None:
    owner = Owner()
    for number in range(10):
        owner.outbox.put(Text(str(number), is_volatile=number % 2 == 0))
    owner.outbox.put(Text("last"))
    assert owner.overflow_count == 0
    running = asyncio.create_task(owner.run())
    await until_empty(owner.outbox)
    owner.outbox.finish()
    await running
    assert owner.written == ["1", "3", "5", "7", "9", "last"]


async def test_the_owner_of_a_full_one_may_say_why() -> None:
    owner = Owner()
    owner.outbox = Outbox(JSON, lambda: owner.outbox.finish(Text("too slow")))
    for number in range(30):
        owner.outbox.put(Text(str(number)))
    await owner.run()
    assert owner.written == ["too slow"]


async def test_a_finished_one_takes_nothing_more() -> None:
    owner = Owner()
    owner.outbox.put(Text("thrown away"))
    owner.outbox.finish(Text("end"))
    owner.outbox.put(Text("late"))
    owner.outbox.finish(Text("again"))
    await owner.run()
    assert owner.written == ["end"]


async def test_a_replay_counts_as_one_message_and_with_all_its_bytes() -> None:
    owner = Owner()
    owner.outbox.put(Burst([frame(seq, text="x") for seq in range(1, 4)]))
    assert len(owner.outbox) == 1
    assert owner.overflow_count == 0
    owner.outbox.put(Burst([frame(seq, text="x" * 100) for seq in range(4, 9)]))
    assert owner.overflow_count == 1


async def test_an_overwriting_reaches_what_waits() -> None:
    owner = Owner()
    one = frame(1, text="secret")
    owner.outbox.put(Text("first"))
    owner.outbox.put(Burst([one]))
    one.overwrite(gone(2))
    owner.may_write.set()
    running = asyncio.create_task(owner.run())
    await until_empty(owner.outbox)
    owner.outbox.finish()
    await running
    assert "secret" not in str(owner.written)


async def test_overwriting_while_it_waits_does_not_wear_the_limits_out() -> None:
    owner = Owner()
    running = asyncio.create_task(owner.run())
    for seq in range(1, 60):
        one = frame(seq, text="x" * 300)
        owner.outbox.put(Burst([one]))
        one.overwrite(gone(seq + 1000))
        await until_empty(owner.outbox)
    assert owner.overflow_count == 0
    owner.outbox.finish()
    await running


async def test_finishing_cuts_a_replay_short() -> None:
    owner = Owner()

    class Endless:
        size = 1

        def texts(self, dialect: str) -> Iterator[str]:
            for number in range(5):
                if number == 2:
                    owner.outbox.finish(Text("end"))
                yield str(number)

    owner.outbox.put(Endless())
    await owner.run()
    assert owner.written == ["0", "1", "end"]


async def test_an_error_of_the_writer_ends_it() -> None:
    owner = Owner()

    async def broken(text: Wire) -> None:
        raise ConnectionResetError

    owner.outbox.put(Text("a"))
    with pytest.raises(ConnectionResetError):
        await owner.outbox.run(broken)
