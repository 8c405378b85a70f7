"""A stranger copies the examples of docs/connections.md; only address, key and id are theirs."""

import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from tests.live.pair import Pair
from tests.live.programs import NOBODY, KeyPair, Target, make_keys
from tests.live.servers import ROOT, AppServer
from tests.readme import example

PAGE = ROOT / "docs" / "connections.md"
DEADLINE_S = 30


@pytest.fixture(scope="module")
def key(shared_pair: Pair) -> KeyPair:
    """What the page's command for a key prints, for alice."""
    make_keys(shared_pair.site)
    command = example("sh", "access_key", PAGE).removeprefix("python ").replace("admin", "alice")
    words = shared_pair.site.run(*command.split()).split()
    printed = dict(zip(words[::2], words[1::2], strict=True))
    return KeyPair(printed["id"], printed["token"])


@pytest.fixture
async def target(pair: Pair) -> AsyncIterator[Target]:
    async with await Target.connect(pair.uvicorn, pair.tokens["bob"]) as target:
        yield target


def filled_in(text: str, server: AppServer, key: KeyPair, target: Target) -> str:
    """Put in what the reader has to, once each."""
    for blank, value in {
        "http://127.0.0.1:8000": server.http_url,
        NOBODY: target.id,
        '"pgk_…"': repr(f"pgk_{key.id}"),
        '"pgk_…_…"': repr(key.secret),
        "KEY=pgk_…": f"KEY={key.secret}",
    }.items():
        text = text.replace(blank, value)
    assert "…" not in text
    return text


def output(*command: str) -> list[str]:
    """Run a command that neither fails nor complains, and return the lines that it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


async def test_curl_sends_inspects_and_drops(pair: Pair, key: KeyPair, target: Target) -> None:
    script = filled_in(example("sh", "curl", PAGE), pair.daphne, key, target)
    # curl ends no line of its own.
    (answers,) = output("sh", "-ec", script)
    assert answers.startswith('{}{"connectedAt":"20')
    assert await target.received() == '{"type": "greeting"}'
    assert await target.closed() == (4012, "Please stop")


async def test_boto3_does_the_same(pair: Pair, key: KeyPair, target: Target) -> None:
    program = filled_in(example("python", "post_to_connection", PAGE), pair.daphne, key, target)
    (line,) = output(sys.executable, "-c", program)
    assert line.startswith("there since 20")
    assert line.endswith("from 127.0.0.1")
    assert await target.received() == '{"type": "greeting"}'
    assert await target.closed() == (1000, "normal")
    assert output(sys.executable, "-c", program) == ["not there any more"]


async def test_boto3_drops_for_a_reason(pair: Pair, key: KeyPair, target: Target) -> None:
    program, _, _ = example("python", "post_to_connection", PAGE).partition("try:")
    program += example("python", "before-sign", PAGE)
    assert output(sys.executable, "-c", filled_in(program, pair.daphne, key, target)) == []
    assert await target.closed() == (4012, "Please stop")


async def test_curl_can_sign(pair: Pair, key: KeyPair, target: Target) -> None:
    url = f"{pair.uvicorn.http_url}/prod/@connections/{target.id}"
    signing = ("--aws-sigv4", "aws:amz:local:execute-api", "--user", f"{key.id}:{key.secret}")
    assert output("curl", "-sS", *signing, "--data-binary", "signed", url) == ["{}"]
    assert await target.received() == "signed"
