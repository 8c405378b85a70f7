from chat.realtime.limits import TokenBucket


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_goes_through_and_then_one_must_wait() -> None:
    bucket = TokenBucket(20, 60, Clock())
    assert [bucket.take() for _ in range(60)] == [0] * 60
    assert bucket.take() == 50


def test_waiting_as_long_as_told_is_enough() -> None:
    clock = Clock()
    bucket = TokenBucket(20, 3, clock)
    for _ in range(3):
        bucket.take()
    wait_ms = bucket.take()
    clock.now += wait_ms / 1000
    assert bucket.take() == 0


def test_a_refused_request_costs_nothing() -> None:
    clock = Clock()
    bucket = TokenBucket(10, 1, clock)
    bucket.take()
    for _ in range(100):
        assert bucket.take() > 0
    clock.now += 0.1
    assert bucket.take() == 0


def test_a_long_pause_saves_up_no_more_than_a_burst() -> None:
    clock = Clock()
    bucket = TokenBucket(20, 5, clock)
    clock.now += 3600
    assert [bucket.take() > 0 for _ in range(6)] == [False] * 5 + [True]


def test_the_lasting_rate_is_kept() -> None:
    clock = Clock()
    bucket = TokenBucket(20, 60, clock)
    taken = 0
    for _ in range(1000):  # ten seconds, asking a hundred times a second
        clock.now += 0.01
        taken += bucket.take() == 0
    assert 255 <= taken <= 260
