"""What is committed says nothing about the machine it was made on."""

import re
import subprocess
from pathlib import Path

from tests.check import GROUPS

ROOT = Path(__file__).parents[2]
ADDRESSES = re.compile(
    r"--(?:extra-)?index.url|--find-links|\"resolved\": *\"http|/simple[/]?(?=[\"'\s])"
    r"|registry\.(?:npmjs|yarnpkg)|pypi\.org/simple|file:///"
)
# Absolute, and below a folder that belongs to somebody.
PATHS = re.compile(r"(?<![\w./~-])/(?:root|work|home/\w+|Users/\w+)/\w")


def committed_texts() -> dict[str, str]:
    try:
        listing = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True)
        names = [ROOT / name for name in listing.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive, or no git
        names = [*ROOT.glob("*"), *ROOT.glob("[a-z]*/**/*"), *ROOT.glob(".ci/*")]
        names = [
            path for path in names if not {"var", "node_modules", "__pycache__"} & set(path.parts)
        ]
    texts = {}
    for path in names:
        if path.is_file() and path != Path(__file__):
            texts[str(path.relative_to(ROOT))] = path.read_text(errors="ignore")
    return texts


def findings(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}: {match[0]}"
        for name, text in committed_texts().items()
        for match in pattern.finditer(text)
    ]


def test_every_test_is_in_a_folder_that_make_test_runs() -> None:
    run = {path for check in GROUPS["tests"] for path in check.paths}
    tests = [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("tests/**/*.test.*js")]
    folders = {"/".join(path.relative_to(ROOT).parts[:2]) for path in tests}
    assert folders <= run


def test_no_index_address_is_committed() -> None:
    assert findings(ADDRESSES) == []


def test_no_path_of_one_machine_is_committed() -> None:
    assert findings(PATHS) == []
