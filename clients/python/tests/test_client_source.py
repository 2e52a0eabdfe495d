"""The package stands alone, and its two clients are one."""

import ast
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import sluice_client
from sluice_client.operations import OPERATOR, PUBLIC
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
    # Imported where they are needed; the last one for type checkers alone.
    extras = {"zstandard", "narwhals", "click", "rich", "typing_extensions"}
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


# The calls that are not repeated once their answer is lost, by the names of their methods.
ONCE = {
    "storeTemplate": "templates.store",
    "createKey": "keys.create",
    "revokeKey": "keys.revoke",
    "deleteUpload": "uploads.delete",
    "createWebhook": "webhooks.create",
    "deleteWebhook": "webhooks.delete",
    "rotateWebhook": "webhooks.rotate",
    "testWebhook": "webhooks.test",
    "replayDelivery": "webhooks.replay",
    "recordEvent": "record_event",
    "recordEvents": "record_events",
    "retryJob": "retry",
    "commitJob": "commit",
}


def test_the_readme_tells_which_calls_are_not_repeated():
    calls = [*OPERATOR.items(), *PUBLIC.items()]
    assert {name for name, operation in calls if operation.repeat == "never"} == {*ONCE}
    [row] = [line for line in (CLIENT / "README.md").read_text(encoding="utf-8").splitlines() if "look first" in line]
    assert {*re.findall("`(.*?)`", row)} == {*ONCE.values(), "send_events"}


# Imported where they are needed: each would cost every program some of the time in which this package is imported.
LATE = {
    *("asyncio", "sluice_client._async.client", "sluice_client.testing", "sluice_client.cli"),
    *("click", "rich", "zstandard", "numpy", "pandas", "polars", "pyarrow", "duckdb", "narwhals"),
}


def test_the_import_of_the_package_imports_nothing_that_few_programs_need():
    program = f"import sys, sluice_client; sluice_client.Client; print(*{LATE} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_every_name_of_the_package_is_there():
    for name in sluice_client.__all__:
        assert getattr(sluice_client, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        sluice_client.Nothing  # noqa: B018 # the reading is what is tested


def test_an_httpx2_that_runs_on_the_oldest_python_is_enough():
    text = (CLIENT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'requires-python = ">=3.10"' in text
    assert '"httpx2>=2.14,<3"' in text  # 2.15 wants Python 3.11
