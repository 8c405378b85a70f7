"""The page names its scripts in advance: all of them, and no other."""

import re
from pathlib import Path

from posts.templatetags.page_modules import ROOM_PAGE

JS = Path(__file__).parents[2] / "static" / "js"
IMPORT = re.compile(r"^(?:import|export)\b[^;]*?from '(\.[^']+)'|^import '(\.[^']+)'", re.MULTILINE)


def imported(module: Path, found: set[Path]) -> set[Path]:
    for match in IMPORT.finditer(module.read_text()):
        path = (module.parent / (match[1] or match[2])).resolve()
        if path not in found:
            found.add(path)
            imported(path, found)
    return found


def test_every_module_that_the_room_page_imports_is_preloaded() -> None:
    modules = imported(JS / "room-page.js", set())

    assert sorted(str(module.relative_to(JS)) for module in modules) == sorted(ROOM_PAGE)
