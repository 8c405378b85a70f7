"""One shape for everything that goes wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client as DjangoClient
from django.test import RequestFactory
from pytest_django import Settings
from rest_framework.exceptions import Throttled

from chat.api.exceptions import as_app_error, server_error
from chat.errors import RateLimited
from tests.people import World
from tests.storage.api.conftest import Client, client_of

POSTS = "/api/rooms/garden/posts/"
JSON = "application/json"


@contextmanager
def failing_with(error: Exception, *, on: str) -> Iterator[None]:
    """Let the database fail at statements that have `on` in them."""

    def fail(execute: Any, sql: str, *rest: Any) -> Any:
        if on in sql:
            raise error
        return execute(sql, *rest)

    with connection.execute_wrapper(fail):
        yield


@pytest.mark.parametrize(
    "path", ["/api/", "/api/nowhere/", "/api/rooms", "/api/posts/5/", "/media/x"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_what_is_not_there_is_told_in_json(as_nobody: Client, method: str, path: str) -> None:
    assert as_nobody.refused(method, path) == (404, "not_found")


@pytest.mark.parametrize("slug", ["A", "-a", "a_b", "%00", "%F0%9F%8E%89", "..", "a" * 51])
def test_what_cannot_be_a_slug_is_not_found(as_nobody: Client, slug: str) -> None:
    assert as_nobody.refused("GET", f"/api/rooms/{slug}/") == (404, "not_found")


def test_a_method_that_is_not_there_names_those_that_are(as_nobody: Client) -> None:
    for method in ("put", "options", "delete"):
        response = getattr(as_nobody, method)("/api/rooms/")
        assert response.status_code == 405
        assert response.json()["error"]["code"] == "method_not_allowed"
        assert set(response["Allow"].split(", ")) == {"GET", "HEAD", "POST"}


def test_an_answer_that_is_not_accepted_cannot_be_had(as_nobody: Client) -> None:
    assert as_nobody.refused("GET", POSTS, HTTP_ACCEPT="text/csv") == (406, "not_acceptable")


def test_unknown_parameters_and_fields_are_ignored(as_bob: Client) -> None:
    as_bob.ask("GET", f"{POSTS}?format=xml&nonsense=1", status=200)
    as_bob.ask("POST", POSTS, {"text": "Hi", "nonsense": {"a": 1}, "author": 7}, status=201)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b'{"text": NaN}',
        b'{"text": "Hi", "more": Infinity}',
        b'{"text": "\xff"}',
        b'{"text": "\\ud800"}',
        b'{"text": "\\u0000"}',
        b'{"text": 5}',
        b'{"text": null}',
        b'{"text": ["Hi"]}',
        b'{"text": "Hi", "alts": "one"}',
        b'{"text": "Hi", "alts": [1]}',
        b'{"text": "Hi", "client_id": 5}',
        b'{"text": "Hi", "client_id": null}',
        b'{"text": "Hi", "images": ["picture.png"]}',
        b'{"text": "Hi", "images": {}}',
        b'{"text": "Hi", "more": ' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"text": "Hi", "more": ' + b"[" * 100_000,
        b"",
    ],
    ids=lambda body: repr(body[:30]),
)
def test_a_bad_body_is_invalid(as_bob: Client, body: bytes) -> None:
    assert as_bob.refused("POST", POSTS, body, content_type=JSON) == (400, "invalid")


def test_a_wrong_field_is_named(as_alice: Client) -> None:
    cases: list[tuple[Any, str]] = [
        ({"slug": "attic"}, "title"),
        ({"slug": 5, "title": "Attic"}, "slug"),
        ({"slug": "attic", "title": "Attic", "visibility": "secret"}, "visibility"),
    ]
    for body, name in cases:
        error = as_alice.ask("POST", "/api/rooms/", body, status=400)["error"]
        assert set(error["fields"]) == {name}


@pytest.mark.parametrize(
    "body",
    [
        b"no boundary",
        b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nnul \x00\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="images"\r\n\r\nno file\r\n--b--\r\n',
        b"\xff\xfe" * 50,
    ],
)
def test_a_bad_form_is_invalid(as_bob: Client, body: bytes) -> None:
    multipart = "multipart/form-data; boundary=b"
    assert as_bob.refused("POST", POSTS, body, content_type=multipart) == (400, "invalid")
    no_boundary = as_bob.refused("POST", POSTS, body, content_type="multipart/form-data")
    assert no_boundary == (400, "invalid")


def test_a_body_of_another_type_is_not_taken(as_bob: Client) -> None:
    for content_type in ("text/plain", "application/xml", "image/png"):
        refusal = as_bob.refused("POST", POSTS, b"Hi", content_type=content_type)
        assert refusal == (415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", [JSON, "application/x-www-form-urlencoded"])
def test_a_body_that_is_too_large_for_memory_is_refused(
    as_bob: Client, settings: Settings, content_type: str
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    body = b'{"text": "%s"}' % (b"x" * 200)
    assert as_bob.refused("POST", POSTS, body, content_type=content_type) == (413, "too_large")


def test_too_many_fields_are_invalid(as_bob: Client) -> None:
    body = {f"field-{number}": "x" for number in range(60)}
    assert as_bob.refused("POST", POSTS, body, format="multipart") == (400, "invalid")


def test_a_form_is_read_like_json(as_alice: Client, as_bob: Client) -> None:
    form = "application/x-www-form-urlencoded"
    body = "title=Orchard&is_archived=true&is_announcement_only=0"
    room = as_alice.ask("PATCH", "/api/rooms/garden/", body, content_type=form, status=200)
    assert (room["title"], room["is_archived"], room["is_announcement_only"]) == (
        "Orchard",
        True,
        False,
    )
    marker = as_bob.ask("POST", "/api/rooms/garden/read/", "seq=1", content_type=form, status=200)
    assert marker["seq"] == 1


# --- our own faults -----------------------------------------------------------------------------


def test_an_unknown_error_is_told_blandly_and_logged_once(
    as_nobody: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING),
        failing_with(ZeroDivisionError("s3cret"), on="chat_room"),
    ):
        response = as_nobody.get("/api/rooms/")
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert b"s3cret" not in response.content
    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(records) == 1
    assert records[0].exc_info is not None


def test_a_database_that_is_away_is_unavailable(as_nobody: Client) -> None:
    with failing_with(OperationalError("gone"), on="chat_room"):
        response = as_nobody.get("/api/rooms/")
    assert response.status_code == 503
    error = response.json()["error"]
    assert (error["code"], error["retry_after_ms"]) == ("unavailable", 2000)
    assert response["Retry-After"] == "2"


def test_a_database_that_is_away_before_the_view_is_unavailable_too(
    world: World, settings: Settings
) -> None:
    settings.DEBUG = False
    client = client_of(world.bob, raise_request_exception=False)
    with failing_with(OperationalError("gone"), on="django_session"):
        assert client.refused("GET", "/api/rooms/") == (503, "unavailable")
        assert client.refused("GET", "/media/x") == (503, "unavailable")
    with failing_with(ZeroDivisionError("s3cret"), on="django_session"):
        assert client.refused("GET", "/api/rooms/") == (500, "internal_error")


def test_pages_keep_their_own_errors(settings: Settings, rf: RequestFactory) -> None:
    settings.DEBUG = False
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        response = server_error(rf.get("/rooms/garden/"))
    assert response.status_code == 500
    assert b"internal_error" not in response.content


def test_a_host_that_is_not_served_is_told_in_json(db: None, settings: Settings) -> None:
    settings.DEBUG = False
    settings.ALLOWED_HOSTS = ["example.org"]
    response = DjangoClient().get("/api/rooms/", HTTP_HOST="evil.example")
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid"


def test_a_throttled_request_says_when_to_come_back() -> None:
    error = as_app_error(Throttled(wait=2))
    assert isinstance(error, RateLimited)
    assert error.retry_after_ms == 2000


def test_answers_are_not_kept(as_nobody: Client) -> None:
    for path in ("/api/rooms/", "/api/me/", "/api/nowhere/", "/api/rooms/garden/"):
        assert as_nobody.get(path)["Cache-Control"] == "no-store"


def test_no_page_of_another_site_reads_the_api(as_nobody: Client) -> None:
    response = as_nobody.get("/api/rooms/", HTTP_ORIGIN="https://evil.example")
    assert not [name for name in response.headers if name.lower().startswith("access-control")]
