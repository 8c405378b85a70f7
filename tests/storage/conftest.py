"""Who and where the tests of this folder are."""

from tests.people import world

__all__ = ["world"]
