"""Routes for operators: `manage.py invoke_route` calls one, and the admin lists them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from chat.gateway.handlers.mounting import mounted
from chat.gateway.handlers.routes import load
from chat.models import SharedState, User
from tests.people import World

# Handlers run on threads of their own, with connections of their own.
pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).parents[2]
HANDLER = "examples.shared_state.handler"
NAMES = ["updatePlayers", "sendState", "receiveState", "acknowledgeState"]


@pytest.fixture(autouse=True)
def routes(settings: Settings) -> None:
    settings.ROUTES = [
        "hello=examples.hello.handler",
        *(f"{name}={HANDLER}!" for name in NAMES),
        *(f"${name}={HANDLER}" for name in ("connect", "disconnect")),
    ]


def invoke(event: object, *arguments: str, folder: Path) -> tuple[int, Any]:
    """Call the command, and return its exit status and what it printed."""
    file = folder / "event.json"
    file.write_text(json.dumps(event))
    out, status = StringIO(), 0
    try:
        call_command("invoke_route", "--event", str(file), *arguments, stdout=out)
    except SystemExit as end:
        status = int(end.code or 0)
    return status, json.loads(out.getvalue())


def event(key: str = "sendState", connection_id: str = "Ecrmfdd1oAMAdhQ=", **body: Any) -> Any:
    context = {
        "routeKey": key,
        "connectionId": connection_id,
        "domainName": "localhost",
        "authorizer": {"principalId": "1", "username": connection_id},
    }
    if key.startswith("$"):
        return {"requestContext": context}
    return {"requestContext": context, "body": json.dumps({"action": key, **body})}


def without(name: str) -> Any:
    found = event()
    del found["requestContext"][name]
    return found


CONTEXT = event()["requestContext"]
BRANCHES = [
    ({}, 4, 400, "Missing requestContext"),
    (without("routeKey"), 4, 400, "Missing routeKey"),
    (without("connectionId"), 4, 400, "Missing connectionId"),
    (without("domainName"), 4, 400, "Missing domainName"),
    ({"requestContext": CONTEXT}, 4, 400, "Missing body"),
    ({"requestContext": CONTEXT, "body": "{}"}, 4, 400, "Missing action"),
    (event("$connect"), 0, 200, "Connected"),
    (event("$disconnect"), 0, 200, "Bye"),
]


@pytest.mark.parametrize(
    ("event", "exit_status", "status", "body"), BRANCHES, ids=[each[3] for each in BRANCHES]
)
def test_each_branch_of_the_classic_handler_answers_exactly_so(
    tmp_path: Path, event: Any, exit_status: int, status: int, body: str
) -> None:
    assert invoke(event, "--route", "sendState", folder=tmp_path) == (
        exit_status,
        {"statusCode": status, "body": body},
    )


@pytest.mark.parametrize("body", ["hello", "[1]", "null", '{"action": ""}'])
def test_a_body_without_an_action_misses_one(tmp_path: Path, body: str) -> None:
    told = invoke({"requestContext": CONTEXT, "body": body}, folder=tmp_path)
    assert told == (4, {"statusCode": 400, "body": "Missing action"})


def test_the_loser_of_a_race_is_shown_the_newest_state(tmp_path: Path) -> None:
    def tell(key: str, **body: Any) -> tuple[int, Any]:
        status, printed = invoke(event(key, **body), folder=tmp_path)
        return status, json.loads(printed["body"])

    assert tell("receiveState") == (0, {"version": 0, "state": None})
    assert tell("sendState", state={"turn": 1}, version=0) == (0, {"version": 1})
    assert tell("sendState", state={"turn": 2}, version=0) == (
        4,
        {
            "message": "Somebody was faster",
            "current": {"version": 1, "state": {"turn": 1}},
        },
    )
    assert tell("sendState", state={"turn": 3}) == (0, {"version": 2}), "whatever is there"
    assert tell("receiveState") == (0, {"version": 2, "state": {"turn": 3}})
    assert tell("sendState", state="x" * 70_000)[0] == 4
    assert SharedState.objects.at("example/table").version == 2


def test_who_has_a_version_is_told_to_who_acknowledges_it(tmp_path: Path) -> None:
    def tell(key: str, who: str, **body: Any) -> Any:
        return json.loads(invoke(event(key, who, **body), folder=tmp_path)[1]["body"])

    tell("updatePlayers", "bob", name="Bob")
    assert tell("updatePlayers", "alice") == {"players": ["Bob", "alice"]}
    tell("sendState", "alice", state=1)
    assert tell("acknowledgeState", "alice", version=1) == {"version": 1, "players": ["alice"]}
    assert tell("acknowledgeState", "bob", version=1)["players"] == ["Bob", "alice"]
    tell("sendState", "bob", state=2)
    assert tell("acknowledgeState", "bob", version=1)["players"] == ["Bob", "alice"]
    assert tell("acknowledgeState", "bob", version=2)["players"] == ["Bob"]
    assert "There is no version 3" in tell("acknowledgeState", "bob", version=3)["message"]
    invoke(event("$disconnect", "alice"), folder=tmp_path)
    assert tell("updatePlayers", "bob") == {"players": ["Bob"]}


# --- the command itself -------------------------------------------------------------------------


def test_the_route_is_the_events_own_unless_it_is_named(tmp_path: Path) -> None:
    hello = {"requestContext": {"routeKey": "hello", "authorizer": {"username": "ada"}}}
    assert invoke(hello, folder=tmp_path) == (0, {"statusCode": 200, "body": "Hello, ada!"})
    told = invoke(hello, "--route", "sendState", folder=tmp_path)
    assert told[1]["body"] == "Missing connectionId"


def test_an_event_is_read_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    out = StringIO()
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(event("receiveState"))))
    call_command("invoke_route", "--event", "-", stdout=out)
    assert json.loads(out.getvalue())["statusCode"] == 200


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "event.json is no JSON: "),
        ("[]", "event.json must be a JSON object."),
        ("{}", "The event names no route; use --route. Mounted: hello, updatePlayers, "),
        ('{"requestContext": {"routeKey": "nope"}}', "There is no route nope. Mounted: hello, "),
    ],
)
def test_what_cannot_be_called_is_refused_in_a_sentence(
    tmp_path: Path, text: str, sentence: str
) -> None:
    file = tmp_path / "event.json"
    file.write_text(text)
    with pytest.raises(CommandError) as refusal:
        call_command("invoke_route", "--event", str(file))
    assert sentence in str(refusal.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        call_command("invoke_route", "--event", str(tmp_path / "nothing"))


def test_routes_that_cannot_be_mounted_are_refused(settings: Settings, tmp_path: Path) -> None:
    settings.ROUTES = ["hello=examples.nothing.handler"]
    with pytest.raises(CommandError, match="The route hello cannot be mounted"):
        invoke({}, folder=tmp_path)


def test_a_failing_handler_is_an_internal_server_error(
    settings: Settings, tmp_path: Path, world: World
) -> None:
    (tmp_path / "fail.py").write_text("def handler(event, context): return 1 / 0\n")
    settings.ROUTES_DIR = str(tmp_path)
    told = invoke({}, "--route", "fail", folder=tmp_path)
    assert told == (5, {"statusCode": 500, "body": {"message": "Internal server error"}})


def test_from_a_shell_the_exit_status_tells_how_it_went(tmp_path: Path) -> None:
    (tmp_path / "teapot.py").write_text(
        "def handler(event, context): return {'statusCode': event['is'], 'body': 'told'}\n"
    )
    for status, exit_status in ((204, 0), (418, 4), (503, 5)):
        done = subprocess.run(
            [sys.executable, "manage.py", "invoke_route", "--event", "-", "--route", "teapot"],
            cwd=ROOT,
            input=json.dumps({"is": status}),
            env={"DEBUG": "1", "DATA_DIR": str(tmp_path), "ROUTES_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == exit_status, done.stderr
        assert json.loads(done.stdout) == {"statusCode": status, "body": "told"}


# --- the admin's page ---------------------------------------------------------------------------


def test_the_admin_lists_what_is_mounted(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    client.force_login(User.objects.create_superuser("caretaker"))
    assert "None." in client.get("/admin/chat/lease/routes/").content.decode()
    for route in load():
        monkeypatch.setitem(mounted, route.key, route)
    page = client.get("/admin/chat/lease/routes/").content.decode()
    for key in ("hello", "$connect", "sendState"):
        assert f"<code>{key}</code>" in page
    assert HANDLER in page
    assert "/admin/chat/lease/routes/" in client.get("/admin/chat/lease/").content.decode()


def test_the_admins_list_of_routes_is_for_staff(client: Client, world: World) -> None:
    assert client.get("/admin/chat/lease/routes/").status_code == 302
    for person, status in ((world.alice, 302), (User.objects.create(username="aide"), 403)):
        person.is_staff = status == 403
        person.save()
        client.force_login(person)
        assert client.get("/admin/chat/lease/routes/").status_code == status
