import json

import msgspec
import pytest

from chat.errors import Invalid, UnknownAction
from chat.realtime.messages import DEPTH_MAX, Unacceptable, parse, request_id_of
from chat.realtime.router import Router
from chat.realtime.router import router as application_router


class Body(msgspec.Struct):
    room: str
    limit: int = 50


@pytest.fixture
def router() -> Router:
    router = Router()

    @router.action("test.wave", body=Body)
    async def wave(request: object, body: Body) -> None:
        pass

    return router


# --- reading messages ---------------------------------------------------------------------------


def test_an_object_is_read() -> None:
    assert parse('{"action": "ping", "request_id": 1}') == {"action": "ping", "request_id": 1}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "[object Object]",
        "[1, 2]",
        '"ping"',
        "42",
        "null",
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": -Infinity}',
        '{"a": 1',
        "{'a': 1}",
        '{"a": 1} {"b": 2}',
        '{"a": "\x00"}',
    ],
)
def test_what_is_no_json_object_is_nobodys_request(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    "text",
    [
        r'{"action": "post.create", "text": "\ud800"}',
        r'{"action": "post.create", "text": "\udc00 a long text behind it, so that it is seen"}',
        r'{"text": "\ud83d"}',
        r'{"\ud800": 1}',
        r'{"action": "post.create", "text": "a\u0000b"}',
        r'{"a": {"b": ["\u0000"]}}',
        r'{"\u0000": 1}',
        '{"a": 1e999}',
    ],
)
def test_text_and_numbers_that_nothing_behind_takes_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse(text)


def test_an_escaped_backslash_is_no_nul() -> None:
    assert parse(r'{"text": "\\u0000"}') == {"text": r"\u0000"}


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert parse(r'{"text": "\ud83c\udf89"}') == {"text": "🎉"}


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_is_taken_to_the_limit_and_refused_beyond(opening: str, closing: str) -> None:
    def nested(levels: int) -> str:
        inner = "1" if opening != "[" else ""
        return '{"a":' + opening * (levels - 1) + inner + closing * (levels - 1) + "}"

    assert parse(nested(DEPTH_MAX)) is not None
    with pytest.raises(Invalid):
        parse(nested(DEPTH_MAX + 1))


@pytest.mark.parametrize("levels", [1_000, 5_000, 60_000])
@pytest.mark.parametrize("shape", ["[{}]", '{{"a":{}}}'])
def test_very_deep_nesting_is_refused_like_any_other(levels: int, shape: str) -> None:
    opening, closing = ("[", "]") if shape.startswith("[") else ('{"a":', "}")
    with pytest.raises(Invalid):
        parse('{"a":' + opening * levels + "1" + closing * levels + "}")


def test_brackets_in_text_are_no_nesting() -> None:
    text = "[" * 500
    assert parse(json.dumps({"text": text})) == {"text": text}


def test_a_wide_message_is_not_a_deep_one() -> None:
    assert parse(json.dumps({"rooms": [{"room": str(n)} for n in range(500)]})) is not None


# --- request ids --------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["a", "", "x" * 128, "🎉" * 128, 0, 7, -1, 2**63 - 1, -(2**63)])
def test_text_and_integers_are_request_ids(value: str | int) -> None:
    assert request_id_of({"request_id": value}) == value


@pytest.mark.parametrize("message", [{}, {"request_id": None}])
def test_null_counts_as_absent(message: dict[str, object]) -> None:
    assert request_id_of(message) is None


@pytest.mark.parametrize("value", ["x" * 129, 2**63, -(2**63) - 1, 1.5, True, False, [], {}, ["a"]])
def test_everything_else_is_no_request_id(value: object) -> None:
    with pytest.raises(Invalid) as refusal:
        request_id_of({"request_id": value})
    assert refusal.value.fields is not None
    assert "request_id" in refusal.value.fields


# --- actions ------------------------------------------------------------------------------------


def test_an_action_is_found_by_name_and_reads_its_fields(router: Router) -> None:
    action = router.find("test.wave")
    assert action.parse({"action": "test.wave", "room": "garden", "more": 1}) == Body("garden")


@pytest.mark.parametrize("name", ["nope", "", "$default", "$connect", "__class__", "find", None, 5])
def test_what_is_not_registered_is_unknown_and_the_answer_names_what_is(
    router: Router, name: object
) -> None:
    with pytest.raises(UnknownAction, match=r"test\.wave") as refusal:
        router.find(name)
    assert '"request_id"' in str(refusal.value), "it shows a request"


@pytest.mark.parametrize("name", ["test.wave", "$default", "$connect"])
def test_a_name_is_registered_once_and_never_the_servers_own(router: Router, name: str) -> None:
    with pytest.raises(TypeError):
        router.action(name, body=Body)(None)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({}, "room"),
        ({"room": 5}, "room"),
        ({"room": None}, "room"),
        ({"room": "a", "limit": "5"}, "limit"),
        ({"room": "a", "limit": True}, "limit"),
        ({"room": "a", "limit": 1.0}, "limit"),
        ({"room": "a", "limit": None}, "limit"),
    ],
)
def test_a_field_of_the_wrong_type_is_refused_by_name(
    router: Router, message: dict[str, object], field: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        router.find("test.wave").parse(message)
    assert refusal.value.fields is not None
    assert field in refusal.value.fields


def test_the_actions_of_this_release_are_registered() -> None:
    assert set(application_router.actions) >= {
        "subscribe",
        "unsubscribe",
        "ping",
        "post.create",
        "post.edit",
        "post.delete",
        "reaction.add",
        "reaction.remove",
        "history",
    }


def test_what_writes_needs_the_scope_post() -> None:
    writing = {
        name for name, action in application_router.actions.items() if action.scope == "post"
    }
    assert writing == {
        "post.create",
        "post.edit",
        "post.delete",
        "reaction.add",
        "reaction.remove",
        "room.join",
        "room.leave",
        "read",
        "state.set",
        "typing",
    }


@pytest.mark.parametrize(
    "rest",
    [r'"text": "a\u0000b"', r'"text": "\ud800"', '"deep": ' + "[" * 40 + "]" * 40, '"big": 1e999'],
)
def test_whoever_is_refused_on_sight_hears_their_own_request_id(rest: str) -> None:
    with pytest.raises(Unacceptable) as refused:
        parse(f'{{"action": "ping", "request_id": 7, {rest}}}')
    assert refused.value.request_id == 7


def test_a_request_id_that_cannot_be_sent_back_is_left_out() -> None:
    with pytest.raises(Unacceptable) as refused:
        parse(r'{"action": "ping", "request_id": "\ud800"}')
    assert refused.value.request_id is None
