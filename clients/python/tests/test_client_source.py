"""The package stands alone, and its two clients are one."""

import ast
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from sluice_client.version import VERSION

CLIENT = Path(__file__).parents[1]
PACKAGE = CLIENT / "src" / "sluice_client"


def test_the_synchronous_client_is_the_twin_of_the_other():
    done = subprocess.run(
        [sys.executable, CLIENT / "make_sync.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_package_imports_nothing_of_the_server_nor_what_its_pyproject_lacks():
    allowed = {*sys.stdlib_module_names, "sluice_client", "httpx2", "msgspec"}
    extras = {
        "zstandard",
        "narwhals",
        "rich",
        "typing_extensions",
    }  # imported where it is needed; for type checkers alone
    found = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names.append(node.module)
            found |= {name.partition(".")[0] for name in names}
    assert found - allowed - extras == set()


def test_the_version_stands_once_and_is_that_of_the_package():
    assert metadata.version("sluice-client") == VERSION
    assert VERSION not in (CLIENT / "pyproject.toml").read_text(encoding="utf-8")
