"""What was promised to clients holds: the contract changes by addition only."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.contract.compatibility import Comparison, rest_breaks, socket_breaks
from tests.contract.promises import rest_promises, socket_promises
from tests.contract.snapshots import SNAPSHOTS, Snapshot

Schema = dict[str, Any]


@pytest.mark.parametrize("snapshot", SNAPSHOTS, ids=lambda snapshot: snapshot.path.stem)
def test_nothing_that_was_promised_is_taken_back(snapshot: Snapshot) -> None:
    broken = snapshot.broken()
    assert not broken, "The contract changes by addition only:\n" + "\n".join(broken)


@pytest.mark.parametrize("snapshot", SNAPSHOTS, ids=lambda snapshot: snapshot.path.stem)
def test_what_was_added_is_noted(snapshot: Snapshot) -> None:
    if not snapshot.broken():
        assert snapshot.is_current(), "The contract has grown. Note it with `make contract`."


# --- how promises are compared ------------------------------------------------------------------


def thing(required: str = "", **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": required.split()}


TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
NULL: Schema = {"type": "null"}


def either(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


def limited(**limits: Any) -> Schema:
    return {"type": "string", **limits}


def listed(*values: str) -> Schema:
    return {"enum": list(values)}


SAME: list[tuple[Schema, Schema]] = [
    (thing(), thing(a=TEXT)),
    (
        either(thing("a", a=TEXT), thing("b", b=TEXT)),
        either(thing("b", b=TEXT), thing("a", a=TEXT)),
    ),
    ({"type": "array", "items": TEXT}, {"type": "array", "items": TEXT}),
    ({"type": ["string", "null"]}, either(NULL, TEXT)),
    (listed("a"), listed("a", "b")),
    ({"allOf": [TEXT]}, TEXT),
]
MORE_GENEROUS = [
    (thing("a", a=TEXT), thing(a=TEXT)),
    (TEXT, either(TEXT, NULL)),
    (limited(maxLength=5), limited(maxLength=6)),
    (limited(minLength=5, pattern="x"), TEXT),
    (thing("a", a=listed("x")), thing("a", a=TEXT)),
    (TEXT, {}),
]
MORE_STRICT = [
    (thing(a=TEXT), thing("a", a=TEXT), "the field a was optional, and must be given now"),
    (thing(), thing("a", a=TEXT), "the field a was not there, and must be given now"),
    (thing(a=TEXT), thing(), "the field a is gone"),
    (either(TEXT, NULL), TEXT, "could be null, and may not be that any more"),
    (TEXT, NUMBER, "could be string, and may not be that any more"),
    (limited(maxLength=6), limited(maxLength=5), "maxLength was 6 and is 5"),
    (TEXT, limited(minLength=1), "minLength was not limited and is 1"),
    (TEXT, limited(pattern="x"), "the pattern was None and is x"),
    (listed("a", "b"), listed("a"), 'could be "b", and may not be that any more'),
    (TEXT, listed("a"), 'could be anything, and must be one of "a"'),
    (limited(default="a"), limited(default="b"), 'the default was "a" and is "b"'),
    (
        {"type": "array", "items": either(TEXT, NUMBER)},
        {"type": "array", "items": TEXT},
        "here, elements: could be integer, and may not be that any more",
    ),
    (
        {"type": "object", "additionalProperties": TEXT},
        {"type": "object", "additionalProperties": limited(maxLength=1)},
        "here, values: maxLength was not limited and is 1",
    ),
    (thing(a=thing(b=TEXT)), thing(a=thing()), "here, field a: the field b is gone"),
]
LESS_TOLD = [
    (thing("a", a=TEXT), thing(), "the field a is gone"),
    (thing("a", a=TEXT), thing(a=TEXT), "the field a was always there, and may be missing now"),
    (TEXT, either(TEXT, NULL), "was never null, and may be that now"),
    (TEXT, NUMBER, "was never integer, and may be that now"),
    (limited(pattern="x"), TEXT, "the pattern was x and is None"),
    (listed("a"), TEXT, 'was one of "a", and may be anything now'),
    (
        {"type": "array", "items": TEXT},
        {"type": "array", "items": either(TEXT, NULL)},
        "here, elements: was never null, and may be that now",
    ),
]
plain = Comparison({}, {})


@pytest.mark.parametrize(("old", "new"), [*SAME, *MORE_GENEROUS])
def test_requests_may_become_more_generous(old: Schema, new: Schema) -> None:
    assert plain.request("here", old, new) == []


@pytest.mark.parametrize(("old", "new", "told"), MORE_STRICT)
def test_requests_may_not_become_stricter(old: Schema, new: Schema, told: str) -> None:
    (sentence,) = plain.request("here", old, new)
    assert told in sentence


@pytest.mark.parametrize(
    ("old", "new"),
    [*SAME, (thing(a=TEXT), thing("a b", a=TEXT, b=TEXT)), (either(TEXT, NULL), TEXT)],
)
def test_answers_may_tell_more(old: Schema, new: Schema) -> None:
    assert plain.answer("here", old, new) == []


@pytest.mark.parametrize(("old", "new", "told"), LESS_TOLD)
def test_answers_may_not_tell_less(old: Schema, new: Schema, told: str) -> None:
    (sentence,) = plain.answer("here", old, new)
    assert told in sentence


def test_a_type_may_have_another_name() -> None:
    old, new = {"$ref": "#/components/schemas/Old"}, {"$ref": "#/components/schemas/New"}
    compared = Comparison({"Old": thing("a", a=TEXT)}, {"New": thing("a", a=TEXT)})
    assert compared.answer("here", old, new) == []
    compared = Comparison({"Old": thing("a", a=TEXT)}, {"New": thing("a", a=NUMBER)})
    assert compared.answer("here", old, new) == [
        "here, field a: was never integer, and may be that now."
    ]


# --- of the whole -------------------------------------------------------------------------------


def without(promise: Schema, *path: str) -> Schema:
    """Return a promise that lacks what stands at a path."""
    changed = copy.deepcopy(promise)
    place: Any = changed
    for name in path[:-1]:
        place = place[name]
    if isinstance(place, list):
        place.remove(path[-1])
    else:
        del place[path[-1]]
    return changed


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (("actions", "post.create"), "The action post.create is gone."),
        (("events", "post.created"), "The event post.created is gone."),
        (("frames", "hello"), "The frame hello is gone."),
        (("close_codes", "4001"), "The close code 4001 is gone."),
        (("error_codes", "not_found"), "The error code not_found is gone."),
        (("limits", "post_text_max"), "The limit post_text_max is gone."),
        (("addresses", "/ws/"), "The address /ws/ is gone."),
        (("subprotocols", "chat"), "The sub-protocol chat is gone."),
        (
            ("actions", "history", "request", "properties", "limit"),
            "history, request: the field limit is gone.",
        ),
        (
            ("types", "Heads", "properties", "heads"),
            "ping, result: the field heads is gone.",
        ),
        (("envelope", "properties", "seq"), "Every event: the field seq is gone."),
    ],
)
def test_what_is_taken_from_the_socket_is_named(path: tuple[str, ...], told: str) -> None:
    promised = socket_promises()
    assert socket_breaks(promised, promised) == []
    assert told in socket_breaks(promised, without(promised, *path))
    assert socket_breaks(without(promised, *path), promised) == []


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("scope", "moderate", "ping needed the scope of nobody and needs moderate."),
        ("streams", "always", "ping answered at once and streams."),
    ],
)
def test_an_action_stays_open_to_whom_it_was(name: str, value: str, told: str) -> None:
    promised = socket_promises()
    changed = copy.deepcopy(promised)
    changed["actions"]["ping"][name] = value
    assert socket_breaks(promised, changed) == [told]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (("operations", "GET /api/me/"), "The operation GET /api/me/ is gone."),
        (
            ("operations", "GET /api/users/", "parameters", "properties", "query"),
            "GET /api/users/, parameters: the field query is gone.",
        ),
        (
            ("operations", "POST /api/rooms/{slug}/posts/", "requests", "multipart/form-data"),
            "POST /api/rooms/{slug}/posts/: the request multipart/form-data is gone.",
        ),
        (
            ("types", "Me", "properties", "user"),
            "GET /api/me/, 200 application/json: the field user is gone.",
        ),
    ],
)
def test_what_is_taken_from_rest_is_named(path: tuple[str, ...], told: str) -> None:
    promised = rest_promises()
    assert rest_breaks(promised, promised) == []
    assert told in rest_breaks(promised, without(promised, *path))
