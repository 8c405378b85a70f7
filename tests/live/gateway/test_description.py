"""A stranger has nothing but what the server says of itself: its document, its page's examples."""

import html
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from threading import Timer
from typing import Any

import httpx
import pytest
from jsonschema import Draft7Validator
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests import node
from tests.live.servers import ROOT, AppServer, Site

DEADLINE_S = 30
Document = dict[str, Any]

# What the examples are about; see tests/socket/test_contract.py.
SET_UP = """
import json
from chat.models import AccessKey, Membership, Room, User
from posts.models import Post
alice, ada = (User.objects.create(username=name) for name in ("alice", "ada"))
User.objects.filter(pk=alice.pk).update(is_staff=True)
lobby = Room.objects.create(slug="lobby", title="Lobby", visibility="public")
Membership.objects.create(room=lobby, user=alice, role="owner")
Membership.objects.create(room=lobby, user=ada)
post_id = "01956f3c-8a51-7c3e-9b1f-2f6f0c9d1e11"
Post.objects.create(id=post_id, room=lobby, author=ada, text="Sunset", client_id="c-1")
alice.refresh_from_db()
issue = AccessKey.objects.issue
ada_key, ada_token = issue(ada, scopes=["read", "post", "publish"])
staff_key, staff_token = issue(alice, scopes=["connections"])
print(json.dumps({"ada": ada_token, "staff": staff_token, "staff id": f"pgk_{staff_key.pk}"}))
"""
# After these the others would find nothing.
LAST = ("post.delete", "unsubscribe", "room.leave")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("description")
    site = Site(folder, f"sqlite:///{folder / 'db.sqlite3'}")
    site.migrate()
    return site


@pytest.fixture(scope="module")
def tokens(site: Site) -> dict[str, str]:
    printed = site.run("manage.py", "shell", "--verbosity", "0", "-c", SET_UP)
    found: dict[str, str] = json.loads(printed)
    return found


@pytest.fixture(scope="module")
def server(site: Site, tokens: dict[str, str]) -> Iterator[AppServer]:
    with site.serving("daphne") as server:
        yield server


@pytest.fixture(scope="module")
def document(server: AppServer) -> Document:
    answer = httpx.get(f"{server.http_url}/api/asyncapi.json")
    assert answer.headers["content-type"] == "application/json"
    found: Document = answer.json()
    return found


@pytest.fixture(scope="module")
def page(server: AppServer) -> str:
    return httpx.get(f"{server.http_url}/api/docs/socket/").raise_for_status().text


# --- the document -------------------------------------------------------------------------------


def address(document: Document) -> str:
    """Where the document says that the gateway is."""
    server = document["servers"]["site"]
    return f"{server['protocol']}://{server['host']}{document['channels']['gateway']['address']}"


def open_gateway(document: Document, token: str) -> ClientConnection:
    dialect = document["channels"]["gateway"]["bindings"]["ws"]["headers"]
    name = dialect["properties"]["Sec-WebSocket-Protocol"]["enum"][0]
    headers = {"Authorization": f"Bearer {token}"}
    return connect(address(document), subprotocols=[Subprotocol(name)], additional_headers=headers)


def problems(document: Document, name: str, frame: Document) -> list[str]:
    payload = document["components"]["messages"][name]["payload"]
    schema = {**payload, "components": document["components"]}
    return [
        f"{name}: {error.json_path}: {error.message}"
        for error in Draft7Validator(schema).iter_errors(frame)
    ]


def test_every_request_of_the_document_is_answered_as_it_says(
    document: Document, tokens: dict[str, str]
) -> None:
    operations = document["operations"]
    asked = [name for name in operations if f"{name}.request" in document["components"]["messages"]]
    asked.sort(key=lambda name: LAST.index(name) if name in LAST else -1)
    found: list[str] = []
    with open_gateway(document, tokens["ada"]) as socket:
        found += problems(document, "hello", json.loads(socket.recv(DEADLINE_S)))
        for name in asked:
            for example in document["components"]["messages"][f"{name}.request"]["examples"]:
                found += exchange(document, socket, name, example["payload"])
    assert found == []


def test_what_is_for_a_route_is_refused_where_there_is_none(
    document: Document, tokens: dict[str, str]
) -> None:
    (example,) = document["components"]["messages"]["route.request"]["examples"]
    with open_gateway(document, tokens["ada"]) as socket:
        socket.recv(DEADLINE_S)
        (told,) = exchange(document, socket, "route", example["payload"])
    assert "unknown_action" in told


def exchange(
    document: Document, socket: ClientConnection, name: str, request: Document
) -> list[str]:
    """Send a request; return what is wrong with what comes up to the end of the answer."""
    socket.send(json.dumps(request))
    found: list[str] = []
    while True:
        frame = json.loads(socket.recv(DEADLINE_S))
        if frame.get("request_id") != request["request_id"]:
            found += problems(document, frame["type"], frame)
            continue
        if "error" in frame:
            return [*found, f"{name}: {frame['error']}"]
        if "done" in frame:
            return [*found, *problems(document, "done", frame)]
        kind = "reply" if "ok" in frame else "item"
        found += problems(document, f"{name}.{kind}", frame)
        if kind == "reply":
            return found


# --- the page -----------------------------------------------------------------------------------


def snippet(page: str, name: str) -> str:
    """Return an example as who copies it has it."""
    (found,) = re.findall(rf'data-snippet="{name}"><code>(.*?)</code></pre>', page, re.DOTALL)
    return html.unescape(found)


def heard(command: list[str], text: str, client: httpx.Client) -> bool:
    """Run a program that looks on; post once it is there, and tell whether it says so."""
    running = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    deadline = Timer(DEADLINE_S, running.kill)
    deadline.start()
    said = ""
    try:
        assert running.stdout is not None
        for line in running.stdout:
            # The first line shows that it has arrived.
            if not said:
                client.post("rooms/lobby/posts/", json={"text": text}).raise_for_status()
            said += line
            if text in line:
                return True
        raise AssertionError(said)
    finally:
        deadline.cancel()
        running.kill()
        running.wait()


@pytest.fixture(scope="module")
def alice(site: Site, server: AppServer) -> Iterator[httpx.Client]:
    """Somebody who posts from elsewhere, and stays in the lobby."""
    (token,) = site.populate(["alice"], {}).values()
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{server.http_url}/api/", headers=headers) as client:
        yield client


def test_python_looks_on(page: str, tokens: dict[str, str], alice: httpx.Client) -> None:
    program = snippet(page, "python").replace("pgk_…", tokens["ada"])
    assert heard([sys.executable, "-u", "-c", program], "for Python", alice)


def test_node_looks_on(page: str, tokens: dict[str, str], alice: httpx.Client) -> None:
    node.packages()
    program = snippet(page, "node").replace("pgk_…", tokens["ada"])
    command = [node.program(), "--input-type=module", "--eval", program]
    assert heard(command, "for Node", alice)


def test_curl_looks_on(page: str, tokens: dict[str, str], alice: httpx.Client) -> None:
    command = snippet(page, "curl").replace("pgk_…", tokens["ada"]).replace("curl", "curl -s")
    assert heard(["sh", "-c", command], "for curl", alice)


def test_curl_publishes(document: Document, page: str, tokens: dict[str, str]) -> None:
    command = snippet(page, "publish").replace("pgk_…", tokens["ada"])
    with open_gateway(document, tokens["ada"]) as socket:
        socket.recv(DEADLINE_S)
        socket.send('{"action": "subscribe", "request_id": 1, "id": "race/7"}')
        socket.recv(DEADLINE_S)
        subprocess.run(["sh", "-c", command], check=True, capture_output=True, timeout=DEADLINE_S)
        event = json.loads(socket.recv(DEADLINE_S))
    assert (event["type"], event["payload"]) == ("event", '{"color":"blue"}')
    assert problems(document, "event", event) == []


def test_boto3_reaches_a_socket(document: Document, page: str, tokens: dict[str, str]) -> None:
    with open_gateway(document, tokens["ada"]) as socket:
        connection_id = json.loads(socket.recv(DEADLINE_S))["connection_id"]
        program = snippet(page, "boto3").replace("Ecrmfdd1oAMAdhQ=", connection_id)
        program = program.replace("pgk_…_…", tokens["staff"]).replace("pgk_…", tokens["staff id"])
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S)
        assert done.returncode == 0, done.stderr
        assert socket.recv(DEADLINE_S) == '{"type": "greeting"}'
        disconnect = json.loads(socket.recv(DEADLINE_S))
    assert problems(document, "disconnect", disconnect) == []
