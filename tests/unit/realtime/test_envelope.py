import json
from typing import Any

import pytest

from chat.realtime.envelope import (
    JSON,
    QUIET,
    Burst,
    Frame,
    Recovery,
    byte_count,
    encode,
    message,
    wire_time,
)
from tests.unit.realtime.frames import MOMENT, frame, gone


def test_a_frame_has_the_members_of_an_event() -> None:
    assert json.loads(frame(7, text="Grüße").text()) == {
        "type": "post.created",
        "room": "garden",
        "epoch": "e1",
        "seq": 7,
        "time": "2025-03-01T12:00:00.123456Z",
        "actor": None,
        "client_id": "c1",
        "data": {"text": "Grüße"},
    }


def test_a_frame_without_client_id_does_not_name_one() -> None:
    assert "client_id" not in json.loads(gone(2).text())


def test_a_quiet_frame_carries_its_data_as_payload_too() -> None:
    plain, quiet = (json.loads(frame(7).wire(dialect)) for dialect in (JSON, QUIET))
    assert json.loads(quiet.pop("payload")) == plain["data"]
    assert quiet == plain


def test_a_frame_is_encoded_once_per_dialect() -> None:
    one = frame(1)
    assert one.text() is one.wire(JSON)
    assert one.wire(QUIET) is one.wire(QUIET)


def test_times_have_six_decimals_even_when_they_are_nought() -> None:
    assert wire_time(MOMENT.replace(microsecond=0)) == "2025-03-01T12:00:00.000000Z"


def test_overwriting_reaches_both_dialects_and_keeps_type_and_seq() -> None:
    one = frame(1, text="secret")
    assert "secret" in one.text()
    assert "secret" in one.wire(QUIET)
    one.overwrite(gone(5))
    for dialect in (JSON, QUIET):
        assert "secret" not in one.wire(dialect)
        told = json.loads(one.wire(dialect))
        assert (told["type"], told["seq"], told["data"]["deleted"]) == ("post.created", 1, True)


def test_an_earlier_frame_does_not_overwrite_what_a_later_one_did() -> None:
    one, edit = frame(1), frame(3, "post.updated", text="edited")
    one.overwrite(gone(5))
    one.overwrite(edit)
    assert json.loads(one.text())["data"] == {"text": "", "deleted": True}


def test_the_size_follows_the_overwriting_and_counts_bytes() -> None:
    one = frame(1, text="ä" * 1000)
    assert one.size == len(one.text().encode())
    one.overwrite(gone(5))
    assert one.size == len(one.text().encode())


@pytest.mark.parametrize("text", ["", "plain", "Grüße", "🎉 日本"])
def test_bytes_are_counted_as_utf_8(text: str) -> None:
    assert byte_count(text) == len(text.encode())


def test_a_frame_survives_the_channel_layer() -> None:
    one = frame(9, text="🎉")
    other = Frame.from_message(one.as_message())
    assert other.text() == one.text()
    assert (other.room_id, other.epoch, other.seq, other.subject_id) == (1, "e1", 9, "p1")


def test_a_burst_is_encoded_one_by_one_so_that_overwriting_reaches_the_rest() -> None:
    frames = [frame(1, text="first"), frame(2, text="secret")]
    texts = iter(Burst(frames).texts(JSON))
    assert "first" in next(texts)
    frames[1].overwrite(gone(3))
    assert "secret" not in next(texts)


def test_a_recovery_is_one_reply_with_the_events_of_each_room() -> None:
    members = {"request_id": 1, "action": "subscribe", "ok": True}
    rooms: list[tuple[dict[str, Any], list[Frame]]] = [
        ({"room": "garden", "recovered": True}, [frame(1), frame(2)]),
        ({"room": "cellar", "recovered": None}, []),
    ]
    (text,) = Recovery(members, rooms).texts(JSON)
    reply = json.loads(text)
    assert [room["room"] for room in reply["result"]["rooms"]] == ["garden", "cellar"]
    assert [event["seq"] for event in reply["result"]["rooms"][0]["events"]] == [1, 2]
    assert reply["result"]["rooms"][1]["events"] == []
    assert reply["ok"] is True


def test_a_recovery_is_put_together_when_it_is_sent() -> None:
    one = frame(1, text="secret")
    recovery = Recovery({"ok": True}, [({"room": "garden"}, [one])])
    one.overwrite(gone(2))
    assert "secret" not in str(recovery.texts(JSON))


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, {"type": "gap", "room": "garden"}), ({"heads": {}}, {"heads": {}}), ([], [])],
)
def test_the_payload_of_what_is_no_event_is_its_content(content: object, told: object) -> None:
    members = {"type": "gap", "room": "garden"}
    frame_ = json.loads(message(members, QUIET, content=content))
    assert json.loads(frame_.pop("payload")) == told
    assert frame_ == members


def test_v1_has_no_payload() -> None:
    assert message({"ok": True}, JSON) == encode({"ok": True})
