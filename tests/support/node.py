"""The tools of the TypeScript client: Node.js, and what `make test` installs of its package-lock.json."""

import shutil
import subprocess
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[2] / "clients" / "typescript"
_TOOLS = CLIENT / "node_modules"
_OLDEST = 20


def missing() -> str | None:
    """Return the reason why the client cannot be built here, or None."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return f"there is no Node.js here: the TypeScript client needs {_OLDEST} or newer"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S607
    if int(version.removeprefix("v").partition(".")[0]) < _OLDEST:
        return f"Node.js here is {version.strip()}: the TypeScript client needs {_OLDEST} or newer"
    if not (_TOOLS / ".installed").exists():
        return "the TypeScript client's tools are not installed: `make node-tools`, where npm reaches its registry"
    return None


needs_node = pytest.mark.skipif(missing() is not None, reason=str(missing()))


def tool(name: str) -> str:
    """Return the path of a tool."""
    return str(_TOOLS / ".bin" / name)


def run(*command: str | Path, cwd: Path = CLIENT, **options: object) -> str:
    """Run a command, and return what it prints.

    Raises:
        AssertionError: it failed; with all that it said.
    """
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)
