"""Mounted routes: how they are named and found, what a call may do, and how answers are read."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from chat.acting import Acting, acting_now
from chat.checks import check_routes
from chat.gateway.handlers import invoking
from chat.gateway.handlers.answers import Unreadable, read_answer
from chat.gateway.handlers.endpoint import Endpoint
from chat.gateway.handlers.invoking import Context, Failed, TimedOut, invoke
from chat.gateway.handlers.routes import Route, load
from chat.gateway.handlers.threads import Busy, Threads

HERE = "tests.unit.gateway.test_handlers"


def echo(event: dict[str, Any], context: Context) -> Any:
    return event


async def echo_async(event: dict[str, Any], context: Context) -> Any:
    return event


class Callables:
    async def __call__(self, event: dict[str, Any], context: Context) -> Any:
        return event


called = Callables()
no_function = "text"


def takes_nothing() -> None:
    pass


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.01)


def route(handler: Any, key: str = "test", *, is_two_way: bool = False) -> Route:
    return Route(key, handler, is_two_way, "a test")


async def call(handler: Any, event: dict[str, Any] | None = None, timeout_s: float = 10) -> Any:
    return (await invoke(route(handler), event or {}, timeout_s=timeout_s)).content


# --- names --------------------------------------------------------------------------------------


def test_routes_are_read_from_the_setting(settings: Settings) -> None:
    settings.ROUTES = [
        f"hello={HERE}.echo",
        f"sum = {HERE}.echo_async!",
        f"$connect={HERE}.echo",
        f"$default={HERE}.called!",
    ]
    found = {route.key: route for route in load()}
    assert list(found) == ["hello", "sum", "$connect", "$default"]
    assert [route.is_two_way for route in found.values()] == [False, True, False, True]
    assert [route.is_async for route in found.values()] == [False, True, False, True]
    assert found["hello"].source == f"{HERE}.echo"
    assert check_routes(None) == []


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ("hello", "ROUTES must be name=package.module.handler, separated by commas, not 'hello'."),
        ("=a.b", "ROUTES must be name="),
        ("hello=", "ROUTES must be name="),
        ("hello=handler", "The route hello cannot be mounted: handler is no dotted path"),
        ("hello=no.such.handler", "The route hello cannot be mounted: no.such cannot be imported"),
        (f"hello={HERE}.nothing", f"there is no function {HERE}.nothing."),
        (f"hello={HERE}.no_function", f"there is no function {HERE}.no_function."),
        (f"hello={HERE}.takes_nothing", "does not take (event, context)"),
        (f"ping={HERE}.echo", "The route ping cannot be mounted: the server has an action of"),
        (f"$other={HERE}.echo", "there are only $connect, $disconnect and $default"),
        (f"two words={HERE}.echo", "without spaces"),
        (f"$connect={HERE}.echo!", "it cannot be two-way"),
        (f"$disconnect={HERE}.echo!", "it cannot be two-way"),
    ],
)
def test_a_route_that_cannot_be_mounted_is_refused_in_a_sentence(
    settings: Settings, item: str, sentence: str
) -> None:
    settings.ROUTES = [item]
    with pytest.raises(ImproperlyConfigured) as refusal:
        load()
    assert sentence in str(refusal.value)
    assert [message.msg for message in check_routes(None)] == [str(refusal.value)]


def test_a_name_is_taken_once(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text("def handler(event, context): pass\n")
    settings.ROUTES = [f"hello={HERE}.echo"]
    settings.ROUTES_DIR = str(tmp_path)
    with pytest.raises(ImproperlyConfigured, match=r"hello cannot be mounted: both .* want it"):
        load()


# --- a folder of routes -------------------------------------------------------------------------


def test_files_of_a_folder_are_routes(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "_shared.py").write_text("WORD = 'shared'\n")
    (tmp_path / "hello.py").write_text(
        "from ._shared import WORD\ndef handler(event, context): return WORD\n"
    )
    (tmp_path / "sendState.py").write_text(
        "two_way = True\nasync def handler(event, context): pass\n"
    )
    (tmp_path / "race.click.py").write_text("def handler(event, context): pass\n")
    for name in ("connect", "disconnect", "default"):
        (tmp_path / f"{name}.py").write_text("def handler(event, context): pass\n")
    (tmp_path / "notes.txt").write_text("no route")
    settings.ROUTES_DIR = str(tmp_path)
    found = {route.key: route for route in load()}
    assert set(found) == {
        *("$connect", "$default", "$disconnect", "hello", "race.click", "sendState")
    }
    assert found["sendState"].is_two_way
    assert found["sendState"].is_async
    assert found["hello"].handler({}, Context("", "hello", 1)) == "shared"
    assert load()[0].handler is load()[0].handler, "a file is run once"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no handler; if it is no route, begin its name with _"),
        ("handler = 5", "there is no function handler in"),
        ("def handler(event): pass", "does not take (event, context)"),
        ("import no_such_module", "cannot be imported (No module named 'no_such_module')"),
        ("x = 1\n1 / 0", "(ZeroDivisionError: division by zero, in "),
        ("def handler(", "(SyntaxError: "),
        ("import sys; sys.exit(3)", "(SystemExit: 3, in "),
    ],
)
def test_a_file_that_is_no_route_is_refused_in_a_sentence(
    settings: Settings, tmp_path: Path, text: str, sentence: str
) -> None:
    (tmp_path / "hello.py").write_text(text)
    settings.ROUTES_DIR = str(tmp_path)
    with pytest.raises(ImproperlyConfigured) as refusal:
        load()
    assert str(refusal.value).startswith("The route hello cannot be mounted: ")
    assert sentence in str(refusal.value)


def test_a_folder_that_is_not_there_is_refused(settings: Settings, tmp_path: Path) -> None:
    settings.ROUTES_DIR = str(tmp_path / "nothing")
    with pytest.raises(ImproperlyConfigured, match="ROUTES_DIR must be a folder"):
        load()


# --- calling ------------------------------------------------------------------------------------


@pytest.mark.parametrize("handler", [echo, echo_async, called])
async def test_a_handler_gets_the_event_and_its_answer_comes_back(handler: Any) -> None:
    assert await call(handler, {"body": "Grüße"}) == {"body": "Grüße"}


async def test_functions_run_on_threads_of_their_own_and_coroutines_on_the_loop() -> None:
    def here(event: object, context: object) -> str:
        return threading.current_thread().name

    async def on_loop(event: object, context: object) -> str:
        return threading.current_thread().name

    assert (await call(here)).startswith("handlers-")
    assert await call(on_loop) == threading.current_thread().name


async def test_the_context_says_which_call_this_is_and_how_long_it_may_take() -> None:
    def tell(event: object, context: Context) -> Any:
        left_ms = context.get_remaining_time_in_millis()
        return [context.aws_request_id, context.function_name, left_ms]

    event = {"requestContext": {"requestId": "Ecrmfdd1oAMAdhQ="}}
    request_id, name, left_ms = await call(tell, event, timeout_s=20)
    assert (request_id, name) == ("Ecrmfdd1oAMAdhQ=", "test")
    assert 0 < left_ms <= 20_000


@pytest.mark.parametrize("is_async", [False, True])
async def test_what_a_handler_saves_is_done_by_whoever_asked(is_async: bool) -> None:
    def who(event: object, context: object) -> int | None:
        return acting_now().user_id

    async def who_async(event: object, context: object) -> int | None:
        return acting_now().user_id

    asked = route(who_async if is_async else who)
    answer = await invoke(asked, {}, timeout_s=10, who=Acting(7))
    assert answer.content == 7
    assert acting_now().user_id is None


def raising(error: BaseException) -> Callable[..., Any]:
    def handler(event: object, context: object) -> None:
        raise error

    return handler


@pytest.mark.parametrize(
    "error",
    [RuntimeError("a bug"), KeyError(), StopIteration(), SystemExit(3), TimeoutError(), OSError()],
)
async def test_whatever_a_handler_raises_is_a_failure(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Failed, match="Internal server error"):
        await call(raising(error))
    assert "The handler of test (a test, request ) failed." in caplog.text
    assert type(error).__name__ in caplog.text, "the operator reads what it was"


@pytest.mark.parametrize("error", [ValueError(), StopIteration(), SystemExit(3), TimeoutError()])
async def test_whatever_a_coroutine_raises_is_a_failure(error: BaseException) -> None:
    async def handler(event: object, context: object) -> None:
        raise error

    with pytest.raises(Failed):
        await call(handler)


@pytest.mark.parametrize("returned", [object(), {"statusCode": "soon"}, "\ud800", 2**70])
async def test_an_answer_that_cannot_be_told_is_a_failure(
    returned: object, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Failed):
        await call(lambda event, context: returned)
    assert "The handler of test" in caplog.text


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Threads:
    threads = Threads("test", threads_max=2, waiting_max=3)
    monkeypatch.setattr(invoking, "THREADS", threads)
    return threads


async def test_a_slow_coroutine_is_ended(threads: Threads) -> None:
    ended = asyncio.Event()

    async def slow(event: object, context: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(TimedOut, match="Endpoint request timed out"):
        await call(slow, timeout_s=0.05)
    assert ended.is_set()


async def test_stuck_threads_are_counted_and_then_everybody_is_refused_at_once(
    threads: Threads, caplog: pytest.LogCaptureFixture
) -> None:
    go_on = threading.Event()

    def stuck(event: object, context: object) -> None:
        go_on.wait(60)

    try:
        for number in (1, 2):
            with pytest.raises(TimedOut):
                await call(stuck, timeout_s=0.05)
            assert threads.stuck_count == number
        assert "2 of 2 threads (test) run calls that were given up." in caplog.text
        with pytest.raises(Busy):
            await call(echo, timeout_s=10)
    finally:
        go_on.set()
    await until(lambda: threads.stuck_count == 0)
    assert await call(echo, {"body": "back"}) == {"body": "back"}


async def test_more_calls_than_may_wait_are_refused(threads: Threads) -> None:
    go_on = threading.Event()

    def slow(event: object, context: object) -> bool:
        return go_on.wait(60)

    calls = [asyncio.create_task(call(slow)) for _ in range(5)]
    try:
        await asyncio.sleep(0)  # all are submitted
        await until(lambda: len(threads._waiting) == 3)
        with pytest.raises(Busy) as refusal:
            await call(echo)
        assert refusal.value.as_dict()["code"] == "busy"
        assert refusal.value.retry_after_ms
    finally:
        go_on.set()
    assert await asyncio.gather(*calls) == [True] * 5


async def test_a_call_that_waits_in_vain_is_never_made(threads: Threads) -> None:
    go_on, done = threading.Event(), []

    def slow(event: object, context: object) -> bool:
        return go_on.wait(60)

    running = [asyncio.create_task(call(slow)) for _ in range(2)]
    try:
        await asyncio.sleep(0)
        with pytest.raises(TimedOut):
            await call(lambda event, context: done.append(1), timeout_s=0.05)
        assert threads.stuck_count == 0
    finally:
        go_on.set()
    await asyncio.gather(*running)
    await call(echo)
    assert not done


async def test_more_coroutines_than_there_may_be_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(invoking, "COROUTINES_MAX", 1)
    go_on = asyncio.Event()

    async def slow(event: object, context: object) -> bool:
        return await go_on.wait()

    running = asyncio.create_task(call(slow))
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await call(echo_async)
    go_on.set()
    assert await running is True
    assert await call(echo_async, {"body": ""}) == {"body": ""}


async def test_threads_are_reused(threads: Threads) -> None:
    names = {await call(lambda event, context: threading.current_thread().name) for _ in range(20)}
    assert names <= {"test-1", "test-2"}


# --- answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("returned", "status", "content", "raw"),
    [
        (None, 200, None, None),
        ({"a": [1, None]}, 200, {"a": [1, None]}, '{"a":[1,null]}'),
        ([1], 200, [1], "[1]"),
        ("hello", 200, "hello", "hello"),
        ("5", 200, "5", "5"),
        (False, 200, False, "false"),
        ({1: (2, 3)}, 200, {"1": [2, 3]}, '{"1":[2,3]}'),
        ({"statusCode": 200}, 200, None, None),
        ({"statusCode": 200, "body": ""}, 200, "", ""),
        ({"statusCode": 200, "body": "Connected"}, 200, "Connected", "Connected"),
        ({"statusCode": "201", "body": '{"a": 1}'}, 201, {"a": 1}, '{"a": 1}'),
        ({"statusCode": 200, "body": {"a": 1}}, 200, {"a": 1}, '{"a":1}'),
        ({"statusCode": 200, "body": "1e999"}, 200, "1e999", "1e999"),
        ({"statusCode": 200, "body": "9" * 30}, 200, "9" * 30, "9" * 30),
        ({"statusCode": 200, "body": "[" * 5000}, 200, "[" * 5000, "[" * 5000),
        ({"statusCode": 200, "body": "AP8=", "isBase64Encoded": True}, 200, "AP8=", b"\x00\xff"),
    ],
)
def test_answers_are_read(returned: object, status: int, content: object, raw: object) -> None:
    answer = read_answer(returned)
    assert (answer.status, answer.content, answer.raw) == (status, content, raw)
    assert answer.is_success


@pytest.mark.parametrize(
    "returned",
    [
        *({"statusCode": status} for status in (None, True, 99, 600, "²", 2.5, "")),
        {"statusCode": 200, "body": "?", "isBase64Encoded": True},
        {"statusCode": 200, "body": "\ud800"},
        {"statusCode": 200, "body": "x" * (128 * 1024 + 1)},
        {"statusCode": 200, "body": base64.b64encode(b"x" * (128 * 1024 + 1)).decode(),
         "isBase64Encoded": True},
        {"a": object()},
        {"a": 10**30},
        ["x" * (128 * 1024)],
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(returned: object) -> None:
    with pytest.raises(Unreadable):
        read_answer(returned)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, "Missing body", {"code": "invalid", "message": "Missing body"}),
        (401, "", {"code": "not_authenticated", "message": "Sign in first."}),
        (403, '{"message": "No."}', {"code": "forbidden", "message": "No."}),
        (404, "5", {"code": "not_found", "message": None}),
        (
            409,
            '{"message": "Lost.", "code": "mine", "current": {"version": 2}}',
            {"code": "conflict", "message": "Lost.", "current": {"version": 2}},
        ),
        (429, None, {"code": "rate_limited", "message": None}),
        (418, "A teapot", {"code": "invalid", "message": "A teapot"}),
        (500, "Oh", {"code": "internal_error", "message": "Oh"}),
    ],
)
def test_a_refusal_has_our_code_and_what_the_handler_says(
    status: int, body: str | None, error: dict[str, Any]
) -> None:
    found = read_answer({"statusCode": status, "body": body}).error()
    if error["message"] is None:
        assert found.pop("message")
        del error["message"]
    assert found == error


# --- addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://host.example/path", "host.example"),
        ("https://host.example/path", "host.example:443"),
        ("https://host.example:8443/path?a=b", "host.example:8443"),
        ("http://[::1]:8000/", "[::1]:8000"),
    ],
)
def test_addresses_of_allowed_hosts_are_taken(settings: Settings, url: str, allowed: str) -> None:
    settings.ROUTES = [f"score={url}!"]
    settings.ROUTE_HOSTS = [allowed]
    (found,) = load()
    assert isinstance(found.handler, Endpoint)
    assert (found.source, found.is_two_way, found.is_async) == (url, True, False)


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example/",
        "https://host.example.other.example/",
        "https://host.example:8443/",
        "http://host.example:8443/",
        "https://someone@host.example/",
        "https://host.example@other.example/",
        "ftp://host.example/",
        "file://host.example/etc/passwd",
        "https:///path",
        "https://host.example:port/",
    ],
)
def test_other_addresses_are_refused(settings: Settings, url: str) -> None:
    settings.ROUTES = [f"score={url}"]
    settings.ROUTE_HOSTS = ["host.example"]
    with pytest.raises(ImproperlyConfigured, match="The route score cannot be mounted: "):
        load()


def test_no_address_is_taken_without_a_list(settings: Settings) -> None:
    settings.ROUTES = ["score=https://host.example/"]
    with pytest.raises(ImproperlyConfigured, match=r"host\.example is not among ROUTE_HOSTS"):
        load()
