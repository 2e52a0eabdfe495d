"""The units of systemd start what the Procfile starts, with the time that docker-compose gives it to stop."""

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

_ROOT = Path(__file__).parents[2]
_UNITS = _ROOT / "deploy" / "systemd"
_PROCESSES = ("web", "worker", "sweep", "webhooks")  # flower is a tool for people, on loopback


def _unit(name):
    parser = configparser.RawConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read(_UNITS / name, encoding="utf-8")
    return parser


@pytest.mark.parametrize("process", _PROCESSES)
def test_a_unit_starts_the_line_of_the_procfile(process):
    [line] = re.findall(rf"^{process}: (.+)$", (_ROOT / "Procfile").read_text(), re.MULTILINE)
    command = shlex.split(_unit(f"sluice-{process}.service")["Service"]["ExecStart"])
    assert [command[0].removeprefix("/opt/sluice/.venv/bin/"), *command[1:]] == shlex.split(line)


@pytest.mark.parametrize("process", _PROCESSES)
def test_a_unit_gives_as_much_time_to_stop_as_docker_compose(process):
    compose = yaml.safe_load((_ROOT / "docker-compose.yml").read_text())["services"]
    stop = compose[process].get("stop_grace_period", "20s")
    assert f"{_unit(f'sluice-{process}.service')['Service']['TimeoutStopSec']}s" == stop


def test_every_unit_of_a_process_is_begun_and_ended_with_the_target():
    for process in _PROCESSES:
        unit = _unit(f"sluice-{process}.service")
        assert unit["Install"]["WantedBy"] == unit["Unit"]["PartOf"] == "sluice.target"
        assert unit["Unit"]["Requires"] == "sluice-migrate.service"
        assert unit["Service"]["RestartPreventExitStatus"] == "78"


def test_systemd_finds_no_fault_in_the_units(tmp_path):
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not here")
    for unit in _UNITS.iterdir():  # the programs of the real place are not here
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/sluice/.venv/bin/", "/bin/true "))
    done = subprocess.run(
        [verify, "verify", "--man=no", *sorted(tmp_path.iterdir())], capture_output=True, text=True, check=False
    )
    assert [line for line in done.stderr.splitlines() if "sluice" in line] == []
