"""The API answers as its own description says, to everybody, whatever they send."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from chat.api.shapes import ERROR_CODES
from chat.errors import AppError
from posts.models import Post
from posts.services import add_reaction, create_post
from tests.people import World, make_token
from tests.storage.api.conftest import Client as ApiClient
from tests.storage.pictures import add_picture

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# Requests to each operation, for each person.
EXAMPLES = 8
# Answered beside Django, by chat.realtime.http; or not JSON.
ELSEWHERE = ("/events/", "/stream/")


@pytest.fixture
def posts(world: World) -> list[Post]:
    made = []
    for room in ("garden", "cellar"):
        post = create_post(viewer=world.bob, room_slug=room, text="Hello")
        add_picture(post, alt="A description")
        add_reaction(viewer=world.alice, post_id=post.pk, emoji="🎉")
        made.append(post)
    return made


@pytest.fixture
def wsgi(db: None) -> Iterator[WSGIHandler]:
    """Django in this test's own transaction, which requests would end by closing connections."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield get_wsgi_application()
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.mark.parametrize("name", ["nobody", "bob", "charlie"])
def test_every_answer_is_one_that_the_description_names(
    world: World, posts: list[Post], wsgi: WSGIHandler, name: str
) -> None:
    headers = {}
    if name != "nobody":
        token = make_token(getattr(world, name), "read", "post")
        headers["Authorization"] = f"Bearer {token}"
    known = {
        "slug": ["garden", "cellar", "nowhere"],
        "username": ["alice", "bob", "charlie"],
        "post_id": [str(post.pk) for post in posts],
    }
    schema = schemathesis.openapi.from_wsgi("/api/schema/", wsgi)
    seen = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if not operation.path.endswith(ELSEWHERE):
            seen += 1
            fuzz(operation, headers, known)
    assert seen > 20


def fuzz(operation: Any, headers: dict[str, str], known: dict[str, list[str]]) -> None:
    """Send an operation what its description allows and what it does not."""

    @hypothesis_settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(), st.data())
    def ask(case: Any, data: Any) -> None:
        for parameter in case.path_parameters or {}:
            if value := data.draw(st.sampled_from([*known[parameter], ""])):
                case.path_parameters[parameter] = value
        case.call_and_validate(headers=headers, checks=CHECKS)

    ask()


def test_the_description_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("spectacular", validate=True, fail_on_warn=True)
    told = capsys.readouterr()
    assert "/api/rooms/{slug}/stream/" in told.out
    assert told.err == ""


def test_the_description_names_every_code_but_the_sockets_own() -> None:
    def codes(kind: type[AppError]) -> set[str]:
        return {kind.code}.union(*(codes(each) for each in kind.__subclasses__()))

    assert codes(AppError) - {"unknown_action"} == set(ERROR_CODES)


def test_the_description_and_its_page_are_served(db: None) -> None:
    client = Client()
    description = client.get("/api/schema/", HTTP_ACCEPT="application/json")
    assert description.json()["info"]["version"] == settings.RELEASE
    page = client.get("/api/docs/")
    assert page.status_code == 200
    policy = page["Content-Security-Policy"]
    assert "style-src 'self' 'unsafe-inline'" in policy
    assert "script-src 'self';" in f"{policy};"
    script = client.get("/api/docs/?script=")
    assert script["Content-Type"].startswith("application/javascript")
    other = client.get("/api/me/")
    assert "unsafe-inline" not in other["Content-Security-Policy"]


def test_the_page_is_served_whatever_key_is_sent(db: None) -> None:
    page = Client().get("/api/docs/", headers={"Authorization": "Bearer pgk_0_unknown"})
    assert page.status_code == 200


def test_a_bad_key_is_refused_there_too(db: None) -> None:
    client = ApiClient()
    client.credentials(HTTP_AUTHORIZATION="Bearer pgk_0_unknown")
    assert client.get("/api/schema/").status_code == 401
