"""The release has one name."""

import tomllib
from pathlib import Path

from django.conf import settings

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())


def test_the_settings_name_the_release_as_the_project_does() -> None:
    assert PROJECT["project"]["version"] == settings.RELEASE
