"""The JavaScript client, packed and installed as others would, in Node against real servers."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest

from tests import node
from tests.live.pair import Pair
from tests.live.servers import ROOT, AppServer
from tests.pictures.drawn import camera_jpeg, photo
from tests.readme import example
from tests.services.server import free_port

DEADLINE_S = 30
PACKAGE = ROOT / "clients" / "javascript"
CONSUMER = """
import { connect, RefusedError, type Client } from 'picturegram-client';

declare const WebSocket: new (url: string, protocols: string[]) => globalThis.WebSocket;

const client: Client = await connect('https://example.org', { token: 'pgk_', WebSocket });
await client.subscribe(['lobby'], { topics: 'race/7', after: { lobby: { epoch: 'k3', seq: 42 } } });
const { topic, offset } = await client.publish('race/7', 'NESClick', { color: 'blue' });
const text: string = `${topic}: ${offset + 1}`;
for await (const post of client.stream('history', { room: 'lobby' })) console.log(post, text);
// @ts-expect-error A room is named by its slug.
await client.post(7, 'Hello');
const code: string = new RefusedError({ code: 'invalid', message: '' }).code;
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of somebody's project that has installed the client and `ws`."""
    folder = tmp_path_factory.mktemp("project")
    modules = node.packages()
    pack = [*node.npm(), "pack", "--silent", "--pack-destination", str(folder)]
    subprocess.run(pack, cwd=PACKAGE, check=True, stdout=subprocess.DEVNULL)
    (tarball,) = folder.glob("picturegram-client-*.tgz")
    target = folder / "node_modules"
    target.mkdir()
    shutil.unpack_archive(tarball, target, format="gztar")
    (target / "package").rename(target / "picturegram-client")
    (target / "ws").symlink_to(modules / "ws")
    (folder / "package.json").write_text('{"type": "module"}')
    shutil.copy(ROOT / "tests" / "js" / "driven-program.js", folder)
    (folder / "consumer.ts").write_text(CONSUMER)
    return folder


class Program:
    """A running Node program: what it is told, and what it prints."""

    def __init__(self, running: subprocess.Popen[str]) -> None:
        self.running = running
        self._lines: Queue[dict[str, Any]] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def tell(self, method: str, *arguments: Any) -> None:
        assert self.running.stdin is not None
        self.running.stdin.write(json.dumps([method, *arguments]) + "\n")
        self.running.stdin.flush()

    def ask(self, method: str, *arguments: Any) -> Any:
        self.tell(method, *arguments)
        return self.next()["answer"]

    def next(self) -> dict[str, Any]:
        return self._lines.get(timeout=DEADLINE_S)

    def texts(self, count: int) -> list[str]:
        """Return the texts of the next posts; anything else on the way is an error."""
        return [self.next()["event"]["data"]["text"] for _ in range(count)]

    def _read(self) -> None:
        assert self.running.stdout is not None
        for line in self.running.stdout:
            self._lines.put(json.loads(line))


@contextmanager
def program(project: Path, url: str, token: str) -> Iterator[Program]:
    running = subprocess.Popen(
        [node.program(), "driven-program.js"],
        cwd=project,
        env={"SITE": url, "TOKEN": token},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Program(running)
    finally:
        running.kill()
        running.wait()


@contextmanager
def connected(project: Path, pair: Pair, name: str) -> Iterator[Program]:
    with program(project, pair.daphne.http_url, pair.tokens[name]) as running:
        assert running.next() == {"connected": name}
        yield running


def post(pair: Pair, server: AppServer, room: str, text: str) -> None:
    headers = {"Authorization": f"Bearer {pair.tokens['alice']}"}
    url = f"{server.http_url}/api/rooms/{room}/posts/"
    httpx.post(url, json={"text": text}, headers=headers, trust_env=False).raise_for_status()


def test_its_types_say_what_it_takes_and_gives(project: Path) -> None:
    options = ["--noEmit", "--strict", "--target", "es2023", "--module", "nodenext"]
    compiler = [node.program(), str(node.TYPESCRIPT), *options, "--types", "", "consumer.ts"]
    done = subprocess.run(compiler, cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_program_subscribes_posts_and_hears_itself(project: Path, pair: Pair) -> None:
    with connected(project, pair, "alice") as alice:
        alice.ask("subscribe", "lobby")
        created = alice.ask("post", "lobby", "Hello from Node")
        alice.tell("listen")
        assert alice.next()["event"]["data"] == created
        items = alice.ask("stream", "history", {"room": "lobby", "limit": 1})
        assert items == [created]


def test_the_example_of_its_readme_does_what_it_says(project: Path, pair: Pair) -> None:
    source = example("js", "connect", page=PACKAGE / "README.md")
    source = source.replace("http://127.0.0.1:8000", pair.daphne.http_url)
    (project / "example.js").write_text(source.replace("pgk_…", pair.tokens["alice"]))
    running = subprocess.Popen(
        [node.program(), "example.js"], cwd=project, stdout=subprocess.PIPE, text=True
    )
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == "post.created Hello from a program\n"
    finally:
        running.kill()
        running.wait()


def test_a_killed_server_costs_no_event_and_no_post(project: Path, pair: Pair) -> None:
    with connected(project, pair, "bob") as bob:
        bob.ask("subscribe", ["lobby", "studio"])
        bob.tell("listen")
        post(pair, pair.uvicorn, "studio", "before")
        assert bob.texts(1) == ["before"]
        pair.daphne.kill()
        post(pair, pair.uvicorn, "studio", "while away")
        bob.tell("post", "lobby", "said while the server was away")
        pair.daphne.start()
        assert bob.texts(1) == ["while away"]
        news = [bob.next(), bob.next()]
        (answer,) = [line["answer"] for line in news if "answer" in line]
        (event,) = [line["event"] for line in news if "event" in line]
        assert event["data"] == answer
        assert answer["text"] == "said while the server was away"


def test_a_reader_that_falls_behind_gets_everything_in_the_end(project: Path, pair: Pair) -> None:
    with connected(project, pair, "alice") as alice:
        alice.ask("subscribe", "garden")
        # More than the ten that may wait.
        for number in range(40):
            alice.ask("post", "garden", f"{number}")
        alice.tell("listen")
        assert alice.texts(40) == [f"{number}" for number in range(40)]


def test_a_position_of_another_log_is_answered_with_a_gap(project: Path, pair: Pair) -> None:
    with connected(project, pair, "alice") as alice:
        after = {"lobby": {"epoch": "other", "seq": 1}}
        alice.ask("subscribe", "lobby", {"after": after})
        alice.tell("listen")
        gap = alice.next()["event"]
        assert (gap["type"], gap["room"], gap["reason"]) == ("gap", "lobby", "epoch_changed")
        alice.tell("post", "lobby", "and on")
        texts = [
            line["event"]["data"]["text"]
            for line in (alice.next(), alice.next())
            if "event" in line
        ]
        assert texts == ["and on"]


def test_a_picture_goes_over_rest(project: Path, pair: Pair) -> None:
    (project / "a.jpg").write_bytes(camera_jpeg(photo(320, 240), 6))
    with connected(project, pair, "alice") as alice:
        created = alice.ask("picture", "lobby", "a.jpg")
        assert [image["alt"] for image in created["images"]] == ["Evening light"]


def test_a_topic_is_published_to_and_resumed_over_a_crash(project: Path, pair: Pair) -> None:
    printed = pair.site.run("manage.py", "access_key", "alice", "--scope", "publish")
    with (
        connected(project, pair, "bob") as bob,
        program(project, pair.uvicorn.http_url, printed.split()[-1]) as alice,
    ):
        assert alice.next() == {"connected": "alice"}
        wanted = {"event_type": "DashClick", "filter_field": "color", "filter_expr": "blue"}
        bob.ask("subscribe", [], {"topics": ["race/7"], "filters": [wanted]})
        bob.tell("listen")
        first = alice.ask("publish", "race/7", "NESClick", {"color": "blue"})
        assert bob.next()["event"]["offset"] == first["offset"]
        pair.daphne.kill()
        for number in range(5):
            alice.ask("publish", "race/7", "NESClick", {"number": number})
        pair.daphne.start()
        payloads = [json.loads(bob.next()["event"]["payload"]) for _ in range(5)]
        assert payloads == [{"number": number} for number in range(5)]
        # Behind this answer the filter holds again.
        bob.ask("request", "ping")
        alice.ask("publish", "race/8", "DashClick", {"color": "red"})
        alice.ask("publish", "race/8", "DashClick", {"color": "blue"})
        assert json.loads(bob.next()["event"]["payload"]) == {"color": "blue"}


def test_a_stranger_is_refused(project: Path, pair: Pair) -> None:
    with connected(project, pair, "charlie") as charlie:
        charlie.tell("subscribe", ["lobby", "studio"])
        assert charlie.next()["error"]["code"] == "not_found"
        charlie.tell("post", "lobby", "May I?")
        assert charlie.next()["error"]["code"] == "forbidden"


def test_a_bad_token_and_a_wrong_address_are_told_apart(project: Path, pair: Pair) -> None:
    with program(project, pair.daphne.http_url, "pgk_0_wrong") as refused:
        error = refused.next()["error"]
        assert (error["name"], error["code"]) == ("StoppedError", 401)
        assert refused.running.wait(DEADLINE_S) == 0
    with program(project, f"127.0.0.1:{free_port()}", "") as lonely:
        error = lonely.next()["error"]
        assert error["name"] == "NoAnswerError"
        assert "ECONNREFUSED" in error["message"]


def test_a_closed_client_lets_the_program_end(project: Path, pair: Pair) -> None:
    with connected(project, pair, "alice") as alice:
        alice.tell("listen")
        alice.tell("close")
        assert {"end": True} in (alice.next(), alice.next())
        assert alice.running.stdin is not None
        alice.running.stdin.close()
        assert alice.running.wait(DEADLINE_S) == 0
