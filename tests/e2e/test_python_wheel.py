"""The Python client as its users have it: built, installed in an environment of its own, and used from there."""

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from uuid import uuid4
from zipfile import ZipFile

import pytest
from sluice_client.version import VERSION

from tests.e2e.running import environment

SOURCE = Path(__file__).parents[2] / "clients" / "python"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
PROGRAM = """
import json, sluice_client
item = {"entityType": "player", "externalId": "of-the-wheel", "data": {"email": "a@example.com"}}
with sluice_client.Client() as client:
    report = client.entities.load(iter([item]))
print(json.dumps([sluice_client.__file__, sluice_client.__version__, report.total]))
"""


def run(*command, cwd, **settings):
    done = subprocess.run(command, cwd=cwd, env=environment(**settings), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    build = ("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, folder / "source")
    run(*PIP, *build, cwd=folder)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel):
    """Return the programs of an environment that has the wheel, and of this one only what the wheel needs."""
    home = wheel.parent / "environment"
    venv.create(home, symlinks=True)
    run(*PIP, f"--python={home / 'bin' / 'python'}", "install", "--no-deps", "--no-index", wheel, cwd=wheel.parent)
    [packages] = home.glob("lib/*/site-packages")
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib"))  # whose own .pth files are not heeded
    return home / "bin"


def test_the_wheel_has_types_and_readme_and_nothing_of_tests(wheel):
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        [metadata] = [archive.read(name).decode() for name in names if name.endswith("/METADATA")]
    assert "sluice_client/py.typed" in names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"sluice_client"}
    assert (SOURCE / "README.md").read_text(encoding="utf-8").strip() in metadata


def test_a_program_elsewhere_loads_items_with_the_wheel(installed, stack, client_key, tmp_path):
    at = {"SLUICE_URL": stack.api, "SLUICE_KEY": client_key}
    module, version, total = json.loads(run(installed / "python", "-c", PROGRAM, cwd=tmp_path, **at))
    assert Path(module).is_relative_to(installed.parent)
    assert (version, total) == (VERSION, 1)


def test_the_command_of_the_wheel_loads_a_file(installed, stack, client_key, tmp_path):
    (tmp_path / "players.csv").write_text(f"externalId,email\n{uuid4().hex},a@example.com\n")
    command = (installed / "sluice-client", "load", "--kind", "entities", "--type", "player", "--json", "players.csv")
    report = json.loads(run(*command, cwd=tmp_path, SLUICE_URL=stack.api, SLUICE_KEY=client_key))
    assert report["effects"]["created"] == 1
