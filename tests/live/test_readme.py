"""A stranger copies the README's examples into a shell; only port and key are theirs."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.live.servers import ROOT, AppServer, Site
from tests.pictures.drawn import camera_jpeg, photo
from tests.readme import README, example

DEADLINE_S = 30


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("readme")
    site = Site(folder, f"sqlite:///{folder / 'db.sqlite3'}")
    site.migrate()
    site.populate(["ada"], {"lobby": {"owner": "ada"}})
    return site


@pytest.fixture(scope="module")
def server(site: Site) -> Iterator[AppServer]:
    with site.serving("daphne") as server:
        yield server


@pytest.fixture(scope="module")
def key(site: Site) -> str:
    """What the README's command for a key prints."""
    command = example("sh", "access_key").replace("DEBUG=1 .venv/bin/python", sys.executable)
    done = subprocess.run(
        command.split(), cwd=ROOT, env=site.environment, capture_output=True, text=True, check=True
    )
    (token,) = [word for word in done.stdout.split() if word.startswith("pgk_")]
    return token


def texts(server: AppServer) -> list[str]:
    page = httpx.get(f"{server.http_url}/api/rooms/lobby/posts/").json()
    return [post["text"] for post in page["results"]]


def test_curl_posts_a_text_and_a_picture(server: AppServer, key: str, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(camera_jpeg(photo(1200, 900), 6))
    command = example("sh", "curl").replace("KEY=pgk_…", f"KEY={key}")
    command = command.replace("http://127.0.0.1:8000", server.http_url)
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert done.returncode == 0, f"curl is needed for this test: {done.stderr}"
    assert '"alt":"Evening light"' in done.stdout
    assert "Hello from curl" in texts(server)


def test_python_posts_and_hears_itself(server: AppServer, key: str) -> None:
    program = example("python", "websockets").replace("pgk_…", key)
    program = program.replace("ws://127.0.0.1:8000", server.ws_url)
    running = subprocess.Popen(
        [sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, text=True
    )
    try:
        assert running.stdout is not None
        heard = next(line for line in running.stdout if "Hello from Python" in line)
        assert "Hello from Python" in heard
    finally:
        running.kill()
        running.wait()


@pytest.mark.parametrize("command", ["run", "check", "test", "help"])
def test_make_has_the_commands_that_the_readme_names(command: str) -> None:
    assert f"make {command}" in README.read_text()
    done = subprocess.run(["make", "-n", command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_readme_names_only_files_that_exist() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README.read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
