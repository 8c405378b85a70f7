"""The command `picturegram`, run as people run it, against a real server."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest

from tests.live.pair import Pair
from tests.live.servers import ROOT
from tests.pictures.drawn import camera_jpeg, photo
from tests.services.server import free_port

PACKAGE = ROOT / "clients" / "python"
DEADLINE_S = 30
COMMAND = [sys.executable, "-m", "picturegram"]


def environment(**variables: str) -> dict[str, str]:
    """Return what a user's shell gives the command; nothing of this project."""
    shell = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return shell | {"PYTHONPATH": str(PACKAGE), "PYTHONUTF8": "1", "TZ": "UTC"} | variables


def run(pair: Pair, name: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    variables = {"PICTUREGRAM_URL": pair.daphne.http_url}
    if name:
        variables["PICTUREGRAM_TOKEN"] = pair.tokens[name]
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(**variables),
        input=text,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )


class Lines:
    """What a running command prints, line by line, each with a deadline."""

    def __init__(self, running: subprocess.Popen[str]) -> None:
        self.running = running
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def next(self) -> str:
        return self._lines.get(timeout=DEADLINE_S)

    def _read(self) -> None:
        assert self.running.stdout is not None
        for line in self.running.stdout:
            self._lines.put(line.rstrip("\n"))


@contextmanager
def tail(pair: Pair, name: str, *arguments: str) -> Iterator[Lines]:
    """Run `picturegram tail`; it has subscribed when the block begins."""
    token = pair.tokens[name]
    running = subprocess.Popen(
        [*COMMAND, "tail", "--url", pair.daphne.ws_url, "--token", token, *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stderr is not None
        assert "Following" in running.stderr.readline()
        yield Lines(running)
    finally:
        running.kill()
        running.communicate()


def post(pair: Pair, room: str, text: str) -> dict[str, Any]:
    """Post as alice, over the other server."""
    answer = httpx.post(
        f"{pair.uvicorn.http_url}/api/rooms/{room}/posts/",
        json={"text": text},
        headers={"Authorization": f"Bearer {pair.tokens['alice']}"},
        trust_env=False,
    )
    created: dict[str, Any] = answer.raise_for_status().json()
    return created


def newest(pair: Pair, room: str) -> dict[str, Any]:
    url = f"{pair.uvicorn.http_url}/api/rooms/{room}/posts/?limit=1"
    page = httpx.get(url, trust_env=False).raise_for_status().json()
    found: dict[str, Any] = page["results"][0]
    return found


def test_tail_prints_lines_and_goes_on_after_a_crash_of_the_server(pair: Pair) -> None:
    with tail(pair, "bob", "lobby", "studio") as lines:
        post(pair, "lobby", "first")
        assert re.fullmatch(r"\d\d:\d\d:\d\d lobby alice: first", lines.next())
        pair.daphne.kill()
        post(pair, "studio", "while it was away")
        pair.daphne.start()
        assert lines.next().endswith("studio alice: while it was away")


def test_tail_prints_the_frames_themselves_as_json(pair: Pair) -> None:
    with tail(pair, "bob", "lobby", "--json") as lines:
        created = post(pair, "lobby", "schön")
        line = lines.next()
        assert json.loads(line)["data"] == created
        assert "schön" in line


def test_tail_lets_no_text_reach_into_the_terminal(pair: Pair) -> None:
    with tail(pair, "bob", "lobby") as lines:
        post(pair, "lobby", "\x1b[2Jcleared\nsecond line \u202e reversed")
        assert lines.next().endswith("alice: \ufffd[2Jcleared ⏎ second line \ufffd reversed")


def test_tail_ends_quietly_when_its_reader_has_seen_enough(pair: Pair) -> None:
    token = pair.tokens["bob"]
    command = f"{' '.join(COMMAND)} tail lobby | head -n 1"
    running = subprocess.Popen(
        ["sh", "-c", command],
        env=environment(PICTUREGRAM_URL=pair.daphne.http_url, PICTUREGRAM_TOKEN=token),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stderr is not None
    assert "Following" in running.stderr.readline()
    # head ends after the first line, the command when it prints the second or the third.
    for number in range(3):
        post(pair, "lobby", f"line {number}")
    shown, said = running.communicate(timeout=DEADLINE_S)
    assert shown.count("\n") == 1
    assert said == ""


def test_post_says_where_the_post_is(pair: Pair) -> None:
    done = run(pair, "alice", "post", "lobby", "Hello from a shell")
    created = newest(pair, "lobby")
    assert done.stdout == f"Posted to lobby: {created['id']}\n", done.stderr
    assert created["text"] == "Hello from a shell"


def test_post_reads_its_text_from_standard_input(pair: Pair) -> None:
    done = run(pair, "alice", "post", "lobby", "-", "--json", text="piped\n")
    assert json.loads(done.stdout) == newest(pair, "lobby"), done.stderr
    assert newest(pair, "lobby")["text"] == "piped"


def test_post_takes_pictures_with_their_descriptions(pair: Pair, tmp_path: Path) -> None:
    for name in ("a.jpg", 'odd "näme".jpg'):
        (tmp_path / name).write_bytes(camera_jpeg(photo(320, 240), 6))
    images = ["--image", str(tmp_path / "a.jpg"), "--alt", "Evening light"]
    images += ["--image", str(tmp_path / 'odd "näme".jpg')]
    done = run(pair, "alice", "post", "lobby", "hi", *images)
    assert done.returncode == 0, done.stderr
    assert [image["alt"] for image in newest(pair, "lobby")["images"]] == ["Evening light", ""]


def test_publish_reaches_whoever_tails_the_topic(pair: Pair) -> None:
    key = pair.site.run("manage.py", "access_key", "alice", "--scope", "publish")
    with tail(pair, "bob", "race/7") as lines:
        event = ["race/7", "NESClick", '{"color": "blue"}']
        done = run(pair, "alice", "publish", *event, "--token", key.split()[-1])
        assert done.stdout.startswith("Published to race/7: "), done.stderr
        assert lines.next().endswith('race/7 NESClick {"color":"blue"}')
    done = run(pair, "alice", "publish", *event)
    assert (done.returncode, "publish" in done.stderr) == (1, True)


def test_a_stranger_is_told_why_not(pair: Pair) -> None:
    done = run(pair, "charlie", "post", "lobby", "May I?")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "picturegram: Join the room first.\n"
    done = run(pair, "charlie", "tail", "studio", "--json")
    assert done.returncode == 1
    assert json.loads(done.stderr)["error"]["code"] == "not_found"


def test_without_a_token_it_says_how_to_give_one(pair: Pair) -> None:
    done = run(pair, "", "post", "lobby", "Anonymous")
    assert done.returncode == 1
    assert "PICTUREGRAM_TOKEN" in done.stderr
    done = run(pair, "", "tail", "lobby", "--token", "pgk_0_wrong")
    assert done.returncode == 1
    assert "PICTUREGRAM_TOKEN" in done.stderr


def test_a_wrong_address_is_told_with_a_code_of_its_own(pair: Pair) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    for arguments in (["tail", "lobby"], ["post", "lobby", "hi"]):
        done = run(pair, "alice", *arguments, "--url", nowhere)
        assert done.returncode == 3
        assert "PICTUREGRAM_URL" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["post", "lobby", "hi", "--image", "no-such.jpg"], "no-such.jpg"),
        (["post", "lobby", "hi", "--alt", "of nothing"], "--alt"),
        (["post", "lobby", "hi", "--url", "ftp://example.org"], "ftp://example.org"),
        (["publish", "race/7", "NESClick", "{color: blue}"], "no JSON"),
        (["publish", "race/7", "NESClick", "7"], "object"),
        (["tail"], "ROOM|TOPIC"),
        (["dance"], "dance"),
    ],
)
def test_wrong_usage_is_explained(pair: Pair, arguments: list[str], complaint: str) -> None:
    done = run(pair, "alice", *arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_the_package_needs_nothing_but_websockets() -> None:
    imported = set()
    for module in PACKAGE.glob("picturegram/*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
    assert imported - sys.stdlib_module_names == {"picturegram", "websockets"}


def test_the_package_installs_with_its_command_and_types(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", "77", reason="it builds the package")
    source, target = tmp_path / "source", tmp_path / "target"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, *offline, "--target", str(target), str(source)], check=True)
    assert (target / "picturegram" / "py.typed").exists()
    done = subprocess.run(
        [str(target / "bin" / "picturegram"), "--help"],
        env=environment(PYTHONPATH=str(target)),
        capture_output=True,
        text=True,
    )
    assert "tail" in done.stdout, done.stderr
