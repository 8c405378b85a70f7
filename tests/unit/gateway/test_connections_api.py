"""What the connections API reads out of an address."""

from __future__ import annotations

import base64
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import Invalid
from chat.gateway.connections_api import is_connection_id, read_farewell


@given(st.binary(min_size=11, max_size=11))
def test_eleven_bytes_are_an_id_unless_a_path_would_encode_them(raw: bytes) -> None:
    text = base64.b64encode(raw).decode()
    assert is_connection_id(text) == (not set("/+") & set(text))


@given(st.text(max_size=20) | st.from_regex(r"[A-Za-z0-9]{15}=", fullmatch=True))
def test_an_id_has_one_spelling(text: str) -> None:
    if is_connection_id(text):
        raw = base64.b64decode(text)
        assert len(raw) == 11
        assert base64.b64encode(raw).decode() == text


@pytest.mark.parametrize("text", ["", "x", "Ecrmfdd1oAMAdhR=", "Ecrmfdd1oAMAdhQ=\n", "=" * 16])
def test_what_is_no_id_is_refused(text: str) -> None:
    assert not is_connection_id(text)


@given(st.sampled_from([1000, 3000, 4012, 4999]), st.text(max_size=30))
def test_code_and_reason_come_as_they_were_meant(code: int, reason: str) -> None:
    query = urlencode({"code": code, "reason": reason}, errors="replace").encode()
    assert read_farewell(query) == (code, reason.encode(errors="replace").decode())


def test_nothing_said_is_a_normal_end() -> None:
    assert read_farewell(b"") == (1000, "")
    assert read_farewell(b"else=1") == (1000, "")


@given(st.binary(max_size=60))
def test_no_query_breaks_anything(query: bytes) -> None:
    try:
        code, reason = read_farewell(query)
    except Invalid:
        return
    assert code == 1000 or 3000 <= code <= 4999
    assert len(reason.encode()) <= 123
