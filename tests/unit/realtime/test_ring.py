import gc
import json

from chat.realtime.ring import Ring
from tests.unit.realtime.frames import frame, gone


def make_ring(events_max: int = 100, bytes_max: int = 100_000) -> Ring:
    return Ring(events_max=events_max, bytes_max=bytes_max)


def filled(ring: Ring, first: int, last: int) -> Ring:
    for seq in range(first, last + 1):
        ring.append(ring.share(frame(seq, subject_id=f"p{seq}")))
    return ring


def test_it_answers_every_position_that_it_reaches_back_to() -> None:
    ring = filled(make_ring(), 5, 9)
    assert [each.seq for each in ring.after(4) or ()] == [5, 6, 7, 8, 9]
    assert [each.seq for each in ring.after(7) or ()] == [8, 9]
    assert ring.after(9) == []


def test_it_does_not_answer_positions_before_its_first_frame() -> None:
    assert filled(make_ring(), 5, 9).after(3) is None


def test_an_empty_one_answers_nothing() -> None:
    assert make_ring().after(0) is None


def test_it_is_bounded_in_number() -> None:
    ring = filled(make_ring(events_max=3), 1, 10)
    assert len(ring) == 3
    assert ring.after(6) is None
    assert [each.seq for each in ring.after(7) or ()] == [8, 9, 10]


def test_it_is_bounded_in_bytes() -> None:
    size = frame(1).size
    ring = filled(make_ring(bytes_max=3 * size + 2), 1, 9)
    assert len(ring) == 3


def test_a_frame_larger_than_the_ring_is_not_kept() -> None:
    ring = make_ring(bytes_max=500)
    ring.append(ring.share(frame(1, text="x" * 1000)))
    assert len(ring) == 0


def test_everybody_shares_one_frame_per_event() -> None:
    ring = make_ring()
    one = ring.share(frame(1))
    assert ring.share(frame(1)) is one


def test_an_overwriting_reaches_frames_that_are_kept() -> None:
    ring = make_ring()
    ring.append(ring.share(frame(1, text="secret")))
    ring.append(ring.share(gone(2)))
    assert "secret" not in "".join(each.text() for each in ring.after(0) or ())


def test_an_overwriting_reaches_frames_that_wait_in_outboxes_only() -> None:
    ring = make_ring(events_max=1)
    queued = ring.share(frame(1, text="secret"))
    ring.append(queued)
    ring.append(ring.share(frame(2, subject_id="p2")))
    assert ring.after(0) is None
    ring.share(gone(3))
    assert "secret" not in queued.text()


def test_an_overwriting_reaches_replayed_frames_that_were_never_kept() -> None:
    ring = filled(make_ring(events_max=2), 10, 11)
    replayed = ring.share(frame(1, text="secret", subject_id="old"))
    ring.append(ring.share(gone(12, subject_id="old")))
    assert "secret" not in replayed.text()


def test_an_overwriting_reaches_frames_that_were_read_before_it_and_come_after_it() -> None:
    ring = make_ring()
    ring.append(ring.share(gone(5)))
    late = ring.share(frame(1, text="secret"))
    assert "secret" not in late.text()


def test_the_newest_of_several_overwritings_counts() -> None:
    ring = make_ring()
    edit = frame(3, "post.updated", text="edited")
    one = ring.share(frame(1, text="first"))
    deletion = ring.share(gone(5))
    ring.share(edit)
    assert deletion.seq == 5
    assert json.loads(one.text())["data"]["deleted"]
    assert json.loads(edit.text())["data"]["deleted"], "an edit is overwritten, too"


def test_other_posts_and_reactions_stay_as_they_are() -> None:
    ring = make_ring()
    other = ring.share(frame(1, text="other", subject_id="p9"))
    reaction = ring.share(frame(2, "reaction.added", text="reaction"))
    ring.share(gone(3))
    assert "other" in other.text()
    assert "reaction" in reaction.text()


def test_restoring_overwrites_nothing() -> None:
    ring = make_ring()
    one = ring.share(frame(1, text="first"))
    ring.share(gone(2))
    restored = ring.share(frame(3, "post.restored", text="first again"))
    assert json.loads(one.text())["data"]["deleted"]
    assert "first again" in restored.text()


def test_a_restored_post_that_is_deleted_again_is_gone_everywhere() -> None:
    ring = make_ring()
    frames = [
        ring.share(each)
        for each in (frame(1), gone(2), frame(3, "post.restored", text="again"), gone(4))
    ]
    assert all(json.loads(each.text())["data"]["deleted"] for each in frames)


def test_the_bytes_follow_an_overwriting() -> None:
    ring = make_ring(bytes_max=3000)
    ring.append(ring.share(frame(1, text="x" * 2000)))
    ring.append(ring.share(gone(2)))
    for seq in range(3, 9):
        ring.append(ring.share(frame(seq, subject_id=f"p{seq}")))
    assert ring.after(0) is not None, "the first frame became small, so all of them fit"


def test_it_holds_nothing_of_what_it_no_longer_keeps() -> None:
    ring = make_ring(events_max=2)
    for seq in range(1, 200, 2):
        ring.append(ring.share(frame(seq, subject_id=f"p{seq}")))
        ring.append(ring.share(gone(seq + 1, subject_id=f"p{seq}")))
    for seq in range(1, 100):
        ring.share(gone(seq, subject_id=f"old{seq}"))  # replayed, and sent
    gc.collect()
    assert len(ring._alive) <= 2
    assert len(ring._overwriting) <= 2


def test_a_cleared_one_has_forgotten_all() -> None:
    ring = filled(make_ring(), 1, 5)
    ring.clear()
    assert len(ring) == 0
    assert ring.after(4) is None
    again = frame(1, text="of another epoch")
    assert ring.share(again) is again
