"""The locked requirements agree with pyproject.toml, checked without an index."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
BASE = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"].values()
GROUPS = PROJECT["dependency-groups"].values()
DEV = [*BASE, *(text for part in (*EXTRAS, *GROUPS) for text in part)]


def locked(name: str) -> dict[str, set[str]]:
    """Return the versions that a requirements file pins for each package, by their markers."""
    pins: dict[str, set[str]] = {}
    for block in re.split(r"\n(?=\S)", (ROOT / "requirements" / name).read_text().strip()):
        requirement = block.split("\\\n")[0].strip()
        match = re.fullmatch(r"([\w.-]+)(?:\[[\w,-]+\])?==([\w.+!-]+)(?: ; .+)?", requirement)
        assert match, f"{name} holds something other than pinned packages: {requirement}"
        assert "--hash=sha256:" in block, f"{name} pins {match[1]} without hashes"
        pins.setdefault(canonicalize_name(match[1]), set()).add(match[2])
    return pins


@pytest.mark.parametrize(("name", "direct"), [("base.txt", BASE), ("dev.txt", DEV)])
def test_every_direct_dependency_is_locked_within_its_bounds(name: str, direct: list[str]) -> None:
    pins = locked(name)
    for requirement in map(Requirement, direct):
        versions = pins.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement} is not in {name}: run make lock"
        assert all(requirement.specifier.contains(version) for version in versions), (
            f"{name} locks {requirement.name} {versions}, not within {requirement}: run make lock"
        )


def test_development_environment_contains_the_one_that_is_served() -> None:
    development = locked("dev.txt")
    for package, versions in locked("base.txt").items():
        assert development.get(package) == versions, package
