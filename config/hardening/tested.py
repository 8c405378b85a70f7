"""The refusal to start on a server that the hardening was not tested with."""

from collections.abc import Iterable, Mapping
from importlib.metadata import version

Name = tuple[object, str]


class UnsupportedServer(RuntimeError):
    """The installed server is not one the hardening was tested with; the message says what is."""


def require(versions: Mapping[str, str], names: Iterable[Name]) -> None:
    """Raise `UnsupportedServer` unless every version starts as given and every name exists.

    `names` are pairs of an object and an attribute of it.
    """
    found = {package: version(package) for package in versions}
    wanted = ", ".join(f"{package} {start}*" for package, start in versions.items())
    for package, start in versions.items():
        if not found[package].startswith(start):
            raise UnsupportedServer(
                f"PictureGram is tested with {wanted}; this is {package} {found[package]}. "
                "Install what requirements/base.txt names."
            )
    for owner, name in names:
        if not hasattr(owner, name):
            where = getattr(owner, "__qualname__", None) or getattr(owner, "__name__", owner)
            raise UnsupportedServer(
                f"PictureGram relies on {where}.{name}, which is not there. It is tested with "
                f"{wanted}; install what requirements/base.txt names."
            )
