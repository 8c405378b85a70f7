"""The README's examples, as its readers would copy them."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def example(language: str, containing: str) -> str:
    """Return the one code block of that language that contains a text."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.M | re.S)
    (found,) = [block for block in blocks if containing in block]
    return str(found)
