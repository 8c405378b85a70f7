import pytest

from chat.realtime import events
from chat.realtime.events import REGISTRY, Event


@pytest.fixture(autouse=True)
def _registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "REGISTRY", dict(REGISTRY))


def test_a_subclass_with_a_name_is_registered() -> None:
    class Waved(Event, name="test.waved"):
        pass

    assert events.REGISTRY["test.waved"] is Waved
    assert Waved({}).name == "test.waved"


def test_a_name_is_taken_once() -> None:
    class Waved(Event, name="test.waved"):
        pass

    with pytest.raises(TypeError, match=r"test\.waved is registered twice"):

        class WavedAgain(Event, name="test.waved"):
            pass


def test_what_several_events_have_in_common_has_no_name() -> None:
    class Common(Event):
        overwrites = True

    class Waved(Common, name="test.waved"):
        pass

    assert Common not in events.REGISTRY.values()
    assert events.is_overwriting("test.waved")


def test_unknown_names_of_a_newer_release_do_nothing() -> None:
    assert not events.is_overwriting("post.teleported")
    assert not events.may_be_overwritten("post.teleported")
    assert not events.may_withdraw("post.teleported")


@pytest.mark.parametrize("name", ["post.updated", "post.deleted", "post.hidden"])
def test_what_takes_a_post_away_or_changes_it_overwrites(name: str) -> None:
    assert events.is_overwriting(name)


@pytest.mark.parametrize("name", ["post.created", "post.restored", "reaction.added"])
def test_what_adds_overwrites_nothing(name: str) -> None:
    assert not events.is_overwriting(name)


@pytest.mark.parametrize("name", ["member.removed", "member.left", "room.updated"])
def test_what_may_take_a_right_is_looked_into(name: str) -> None:
    assert events.may_withdraw(name)


def test_all_durable_events_of_this_release_are_registered() -> None:
    assert {
        "post.created",
        "post.updated",
        "post.deleted",
        "post.hidden",
        "post.restored",
        "reaction.added",
        "reaction.removed",
        "member.joined",
        "member.left",
        "member.removed",
        "member.role_changed",
        "room.updated",
        "state.updated",
    } == set(REGISTRY)
