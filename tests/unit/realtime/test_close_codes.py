import pytest

from chat.realtime.close_codes import CloseCode, is_resumable

OURS = {
    4001: "signed_out",
    4003: "forbidden",
    4004: "protocol_error",
    4012: "dropped",
    4100: "over_capacity",
    4108: "rate_limited",
    4113: "draining",
    4209: "heartbeat_missed",
    4210: "slow_reader",
    4211: "lease_over",
}


@pytest.mark.parametrize(("code", "reason"), OURS.items())
def test_codes_and_reasons_are_those_of_the_protocol(code: int, reason: str) -> None:
    assert CloseCode(code).reason == reason


def test_no_code_of_ours_is_undocumented() -> None:
    assert {int(code) for code in CloseCode if code >= 4000} == set(OURS)


@pytest.mark.parametrize("code", list(CloseCode))
def test_the_range_says_whether_to_come_back(code: CloseCode) -> None:
    if code >= 4000:
        assert is_resumable(code) == (4100 <= code < 4300)
    else:
        assert is_resumable(code) == (code not in (1003, 1007, 1008))
