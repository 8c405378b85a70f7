"""Compares what everybody was told with what is stored, and says what was promised and not kept."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.scenarios.cluster import Stored
from tests.scenarios.listener import Listener
from tests.scenarios.wire import Mark
from tests.scenarios.writers import Created, Writers

# Faults that are printed in full; of the rest only the number.
SHOWN_MAX = 20


@dataclass
class Verdict:
    """Each count stands for a promise, and is 0 where it was kept."""

    broken: Counter[str] = field(default_factory=Counter)
    details: list[str] = field(default_factory=list)

    @property
    def is_kept(self) -> bool:
        return not any(self.broken.values())

    def note(self, promise: str, details: Iterable[str]) -> None:
        found = list(details)
        self.broken[promise] += len(found)
        self.details += [f"{promise}: {each}" for each in found]


def judge(stored: Stored, followers: list[Listener], writers: Writers) -> Verdict:
    """Judge everything but the views, which need a server to be compared with."""
    verdict = Verdict()
    for promise in ("lost", "doubled", "out of order", "other than stored"):
        verdict.broken[promise] = 0
    for number, follower in enumerate(followers):
        _judge_follower(verdict, number, stored, follower)
    verdict.note("faults of the log", stored.faults)
    verdict.note("answered as failed but stored", failed_but_stored(stored, writers.created))
    verdict.note("acknowledged but not stored", not_stored(stored, writers.created))
    verdict.note("acknowledged out of order", disordered(writers.created))
    verdict.note("answered with an internal error", internal_errors(writers.counts))
    verdict.note("faults of writing", writers.faults)
    return verdict


def _judge_follower(verdict: Verdict, number: int, stored: Stored, follower: Listener) -> None:
    verdict.broken["doubled"] += follower.counts["doubled"]
    verdict.broken["out of order"] += follower.counts["out of order"]
    verdict.broken["out of order"] += follower.counts["of another epoch"]
    for room, record in follower.records.items():
        epoch, marks = stored.logs[room]
        lost, strange = compare(marks[record.first.seq :], record.marks)
        if lost:
            verdict.details.append(f"lost: follower {number} has not {lost} events of {room}")
        verdict.broken["lost"] += lost
        verdict.broken["other than stored"] += strange + (epoch != record.position.epoch)
    verdict.note("faults of following", (f"follower {number} {each}" for each in follower.faults))


def compare(stored: list[Mark], handled: list[Mark]) -> tuple[int, int]:
    """Return how many stored events are missing at the end, and how many handled ones differ.

    A follower handles an event only when its number is the next one, so that what it has handled
    cannot have holes; what came doubled or out of order was counted when it came.
    """
    strange = sum(ours != theirs for ours, theirs in zip(handled, stored, strict=False))
    return max(0, len(stored) - len(handled)), strange + max(0, len(handled) - len(stored))


def failed_but_stored(stored: Stored, created: list[Created]) -> list[str]:
    return [
        f"{each.client_id}: {each.refusal or 'no answer'}"
        for each in created
        if each.post is None and (each.author.name, each.client_id) in stored.posts
    ]


def not_stored(stored: Stored, created: list[Created]) -> list[str]:
    """Say what was acknowledged and is not there, or not as it was acknowledged."""
    found = []
    for each in created:
        if each.post is None:
            continue
        row = stored.posts.get((each.author.name, each.client_id))
        if row is None:
            found.append(f"{each.client_id} is not there")
            continue
        id, seq, text, is_deleted = row
        if (id, seq) != (each.post["id"], each.post["seq"]):
            found.append(f"{each.client_id} was {each.post} and is {row}")
        if is_deleted != each.is_deleted:
            found.append(f"{each.client_id} is deleted: {is_deleted}, not {each.is_deleted}")
        if not is_deleted and text != (each.edited_to or each.text.strip()):
            found.append(f"{each.client_id} reads {text!r}")
        there = {
            (name, emoji)
            for (post_id, emoji), names in stored.reactions.items()
            if post_id == id
            for name in names
        }
        if not each.has_late_reactions and there != each.reactions:
            found.append(f"{each.client_id} has {there}, not {each.reactions}")
    return found


def disordered(created: list[Created]) -> list[str]:
    """Find posts that were sent after another's acknowledgement and stand before it."""
    found = []
    for room in {each.room for each in created}:
        answered = [each for each in created if each.room == room and each.post is not None]
        by_answer = sorted(answered, key=lambda each: each.answered_at)
        highest, done = 0, 0
        for each in sorted(answered, key=lambda each: each.sent_at):
            while done < len(by_answer) and by_answer[done].answered_at < each.sent_at:
                post = by_answer[done].post
                assert post is not None
                highest = max(highest, post["seq"])
                done += 1
            assert each.post is not None
            if each.post["seq"] < highest:
                found.append(f"{room} {each.post['seq']} was sent after {highest} was acknowledged")
    return found


def internal_errors(counts: Counter[str]) -> list[str]:
    errors = {name: count for name, count in counts.items() if name.endswith("internal_error")}
    return [f"{count} × {name}" for name, count in errors.items()]


def report(verdict: Verdict) -> str:
    """The promises with their figures, then what was found."""
    lines = [f"  {count:8}  {promise}" for promise, count in verdict.broken.items()]
    lines += [f"    {each}" for each in verdict.details[:SHOWN_MAX]]
    if len(verdict.details) > SHOWN_MAX:
        lines.append(f"    … and {len(verdict.details) - SHOWN_MAX} more")
    return "\n".join(lines)
