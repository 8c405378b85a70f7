"""The examples of the README and of other pages, as their readers would copy them."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def example(language: str, containing: str, page: Path = README) -> str:
    """Return the one code block of that language that contains a text."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.M | re.S)
    (found,) = [block for block in blocks if containing in block]
    return str(found)
