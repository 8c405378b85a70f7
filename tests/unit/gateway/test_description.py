"""The gateway's description is lawful, whole, and made of what is registered."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar

import msgspec
import pytest
from django.test import RequestFactory
from jsonschema import Draft7Validator
from msgspec import UNSET, Struct, UnsetType

from chat.api.socket_docs import AsyncApiView
from chat.gateway.description.asyncapi import asyncapi
from chat.gateway.description.catalogue import Catalogue, catalogue
from chat.gateway.description.codes import COME_BACK, RESUME, STOP, advice
from chat.gateway.description.comments import field_comments
from chat.gateway.description.examples import example_of
from chat.gateway.description.filter_words import EXPRESSIONS
from chat.gateway.description.limit_words import described_limits
from chat.gateway.description.pretty import coloured, pretty
from chat.gateway.description.schemas import Schemas
from chat.gateway.description.tables import limits_of, rows, type_of
from chat.gateway.handlers.mounting import mounted
from chat.gateway.handlers.routes import Route
from chat.gateway.topics.filters import Condition
from chat.limits import limits
from chat.realtime.close_codes import CloseCode, is_resumable
from chat.realtime.events import REGISTRY, VOLATILE
from chat.realtime.router import router
from tests.contract.validity import document, problems

# What the description of a release says that has no such thing.
SAYS_NOTHING = "There is nothing said about"


@pytest.fixture(scope="module")
def described() -> Catalogue:
    return catalogue()


@pytest.fixture(scope="module", name="document")
def sent() -> dict[str, Any]:
    return document()


# --- the document -------------------------------------------------------------------------------


def test_the_document_is_asyncapi() -> None:
    assert problems() == []


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(part: object) -> list[str]:
        if isinstance(part, list):
            return [found for each in part for found in references(each)]
        if not isinstance(part, dict):
            return []
        inner = [found for each in part.values() for found in references(each)]
        return [*inner, part["$ref"]] if isinstance(part.get("$ref"), str) else inner

    found = set(references(document))
    assert len(found) > 50
    for reference in found:
        target: Any = document
        for name in reference.removeprefix("#/").split("/"):
            target = target[name.replace("~1", "/").replace("~0", "~")]


def test_every_example_is_what_its_schema_says(document: dict[str, Any]) -> None:
    problems = []
    for name, message in document["components"]["messages"].items():
        payload = {**message["payload"], "components": document["components"]}
        assert message["examples"], name
        for example in message["examples"]:
            errors = Draft7Validator(payload).iter_errors(example["payload"])
            problems += [f"{name}: {error.json_path}: {error.message}" for error in errors]
    assert problems == []


def test_all_that_is_registered_is_in_the_document(document: dict[str, Any]) -> None:
    messages = document["components"]["messages"]
    operations = document["operations"]
    for name, action in router.actions.items():
        assert f"{name}.request" in messages
        assert operations[name]["action"] == "receive"
        replied = [
            each["$ref"].rpartition("/")[2] for each in operations[name]["reply"]["messages"]
        ]
        answer = [f"{name}.item", "done"] if action.is_stream else [f"{name}.reply"]
        assert set(replied) >= {*answer, "error"}
    assert {*REGISTRY, *VOLATILE} <= set(messages)
    assert {each["code"] for each in document["x-close-codes"]} >= {int(each) for each in CloseCode}
    assert document["x-limits"] == limits()


def test_the_server_is_the_one_that_was_asked(document: dict[str, Any]) -> None:
    assert document["servers"]["site"]["host"] == "chat.example.org"
    assert document["servers"]["site"]["protocol"] == "wss"
    request = RequestFactory().get("/api/asyncapi.json", headers={"host": "localhost:8017"})
    told = json.loads(AsyncApiView.as_view()(request).content)
    assert told["servers"]["site"]["host"] == "localhost:8017"
    assert told["servers"]["site"]["protocol"] == "ws"


def test_the_document_is_not_sent_again_to_who_has_it() -> None:
    view = AsyncApiView.as_view()
    first = view(RequestFactory().get("/api/asyncapi.json"))
    assert first["Content-Type"] == "application/json"
    headers = {"if-none-match": first["ETag"]}
    again = view(RequestFactory().get("/api/asyncapi.json", headers=headers))
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]


# --- everything is described --------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(router.actions))
def test_an_action_says_what_it_does_and_answers(described: Catalogue, name: str) -> None:
    action = described.action(name)
    assert action.description, f"{SAYS_NOTHING} {name}: give its handler a docstring."
    answered = action.result or action.item
    assert answered, f"{SAYS_NOTHING} what {name} answers: give it a `result=`."
    assert len(action.replies) in (0, 1, len(action.requests))
    assert action.group
    assert action.requests


@pytest.mark.parametrize("name", sorted([*REGISTRY, *VOLATILE]))
def test_an_event_says_what_it_tells(described: Catalogue, name: str) -> None:
    (event,) = [each for each in (*described.events, *described.volatile) if each.name == name]
    assert event.description, f"{SAYS_NOTHING} {name}: give its class a docstring."
    assert event.shape, f"{SAYS_NOTHING} the data of {name}: give its class a shape."


def test_every_code_says_what_it_means(described: Catalogue) -> None:
    for closing in described.closings:
        assert closing.meaning, f"{SAYS_NOTHING} the close code {closing.code}."
    for error in described.errors:
        assert error.meaning, f"{SAYS_NOTHING} the error {error.code}."
    for limit in described_limits():
        assert limit.meaning, f"{SAYS_NOTHING} the limit {limit.name}."


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((1003, 1007, 1008, 4001, 4099, 4300), STOP),
        ((1013, 4100, 4199), COME_BACK),
        ((1000, 1006, 1011, 1012, 4200, 4210), RESUME),
    ],
)
def test_the_range_of_a_close_code_is_its_advice(codes: tuple[int, ...], expected: str) -> None:
    assert {advice(code) for code in codes} == {expected}


def test_the_advice_is_what_the_disconnect_frame_says() -> None:
    for code in CloseCode:
        assert is_resumable(code) == (advice(code) != STOP)


def test_the_routes_of_an_installation_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    route = Route("updatePlayers", handler=print, is_two_way=True, source="")
    monkeypatch.setitem(mounted, route.key, route)
    told = asyncapi(catalogue.__wrapped__(), host="localhost", is_secure=False)["x-routes"]
    assert {"name": "updatePlayers", "answers_always": True} in told


def test_every_expression_takes_what_is_said_of_it() -> None:
    for expression in EXPRESSIONS:
        condition = Condition(expression.text)
        assert condition.holds(expression.matching), expression
        assert condition.is_any or not condition.holds(expression.missing), expression


# --- how it is made -----------------------------------------------------------------------------


class Inner(Struct):
    """What stands inside."""

    number: Annotated[int, msgspec.Meta(ge=3, le=9)]


class Other(Struct):
    text: str

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"text": "as told"},)


class Outer(Struct, rename={"kind": "$kind"}):
    # What it is,
    # in two lines.
    kind: Annotated[str, msgspec.Meta(description="A kind, anywhere.")]
    inner: Annotated[Inner, msgspec.Meta(description="Said by the type.")]
    maybe: Inner | None
    pair: tuple[int, str]
    by_name: dict[str, list[Inner]]

    # Too far away.

    note: str | UnsetType = UNSET


class Further(Outer):
    # Its own.
    more: bool = False


def test_comments_above_fields_are_their_descriptions() -> None:
    assert field_comments(Outer) == {"kind": "What it is, in two lines."}
    assert field_comments(Further)["kind"] == "What it is, in two lines."
    assert field_comments(Further)["more"] == "Its own."
    made = msgspec.defstruct("Made", [("x", int)])
    assert field_comments(made) == {}


def test_schemas_are_of_the_draft_that_asyncapi_takes() -> None:
    schemas = Schemas([Outer, Inner | Other])
    outer = schemas.components["Outer"]
    assert outer["properties"]["$kind"]["description"] == "What it is, in two lines."
    inner = outer["properties"]["inner"]
    assert inner["allOf"] == [{"$ref": "#/components/schemas/Inner"}]
    assert inner["description"] == "Said by the type."
    pair = outer["properties"]["pair"]
    assert [each["type"] for each in pair["items"]] == ["integer", "string"]
    assert pair["additionalItems"] is False
    either = schemas.of(Inner | Other)["anyOf"]
    assert [each["$ref"].rpartition("/")[2] for each in either] == ["Inner", "Other"]
    for schema in schemas.components.values():
        Draft7Validator.check_schema(schema)


def test_structs_of_one_name_are_told_apart() -> None:
    twin = msgspec.defstruct("Inner", [("other", str)], module="somewhere.else_")
    schemas = Schemas([Inner, twin])
    assert set(schemas.components) == {"InnerOfTestDescription", "InnerOfElse"}
    assert schemas.resolved(schemas.of(twin))["properties"] == {"other": {"type": "string"}}


def test_examples_have_what_must_be_there_and_fit() -> None:
    schemas = Schemas([Outer])
    schema = schemas.of(Outer)
    found = example_of(schema, schemas)
    assert found["inner"] == {"number": 3}
    assert "note" not in found
    document = {**schema, "components": {"schemas": schemas.components}}
    assert list(Draft7Validator(document).iter_errors(found)) == []


def test_tables_say_types_and_limits_in_words() -> None:
    schemas = Schemas([Outer])
    words = {
        row.name: "".join(part.text for part in row.type)
        for row in rows(schemas.components["Outer"], schemas)
    }
    assert words == {
        "$kind": "string",
        "inner": "Inner",
        "maybe": "Inner or null",
        "pair": "list",
        "by_name": "map of list of Inner",
        "note": "string",
    }
    assert limits_of({"minimum": 1, "maximum": 100}) == "1 to 100"
    assert limits_of({"minimum": 0, "maximum": 2**63 - 1}) == "at least 0"
    assert limits_of({"minLength": 1, "maxLength": 50}) == "1 to 50 characters"
    assert limits_of({"maxItems": 0}) == "at most 0 elements"
    assert limits_of({"anyOf": [{"maxLength": 64}, {"type": "null"}]}) == "at most 64 characters"
    assert "".join(part.text for part in type_of({"enum": ["a", "b"]})) == '"a" or "b"'


def test_examples_are_broken_where_they_are_too_wide() -> None:
    wide = {"text": "x" * 60, "numbers": list(range(5)), "none": {}, "small": {"a": 1}}
    text = pretty(wide)
    assert json.loads(text) == wide
    assert max(map(len, text.splitlines())) <= 80
    assert text.endswith('\n  "none": {},\n  "small": {"a": 1}\n}')
    assert pretty({"a": [1, 2]}) == '{"a": [1, 2]}'


def test_colours_change_no_text_and_let_no_markup_through() -> None:
    html = coloured('{"<b>": "</script>", "n": [1, true, null]}')
    assert '<span class="json-key">&quot;&lt;b&gt;&quot;</span>' in html
    assert '<span class="json-word">true</span>' in html
    assert "</script>" not in html
