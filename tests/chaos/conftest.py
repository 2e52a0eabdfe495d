"""Give each test a deployment, and print its seed; CHAOS_SEED sets it, CHAOS_SECONDS the duration of random runs.

At the end the recovery times are printed, and what befell loads; CHAOS_JSON names a file for the times.
"""

import dataclasses
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.settings import Settings
from tests.chaos import recoveries
from tests.chaos.cluster import Cluster, running_cluster
from tests.chaos.deployment import Deployment
from tests.chaos.recoveries import Recovery
from tests.support.broker import Broker
from tests.support.processes import Start
from tests.worker.conftest import start

__all__ = ["start"]


_SEED = os.environ.setdefault("CHAOS_SEED", secrets.token_hex(4))  # in the environment: parallel runs share it


@pytest.fixture(scope="session")
def cluster(data_folder: Path) -> Iterator[Cluster]:
    folder = data_folder / "cluster"
    folder.mkdir()
    with running_cluster(folder) as running:
        yield running


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Broker]]:
    """The last of the list is the present one."""
    brokers = [Broker(tmp_path_factory.mktemp("b") / "v.sock")]
    yield brokers
    brokers[-1].kill()


@pytest.fixture
def deployment(settings: Settings, start: Start) -> Iterator[Deployment]:
    print(f"CHAOS_SEED={_SEED}")  # noqa: T201 # pytest shows it where the test failed
    made = Deployment(settings, start, _SEED)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _recoveries(request: pytest.FixtureRequest) -> Iterator[None]:
    """Attach the recoveries that a test measures to its report, so that parallel runs print them too."""
    recoveries.MEASURED.clear()
    yield
    request.node.user_properties += [("recovery", dataclasses.astuple(recovery)) for recovery in recoveries.MEASURED]


_reported: list[Recovery] = []
_loads: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "teardown":
        _reported.extend(Recovery(*value) for name, value in report.user_properties if name == "recovery")
        _loads.extend(str(value) for name, value in report.user_properties if name == "loads")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"CHAOS_SEED={_SEED}")
    if _reported:
        terminalreporter.section("recovery times, the slowest of each")
        for line in recoveries.table(_reported):
            terminalreporter.write_line(line)
    for line in _loads:
        terminalreporter.write_line(line)
    if path := os.environ.get("CHAOS_JSON"):
        told = {"seed": _SEED, "recoveries": recoveries.summary(_reported)}
        Path(path).write_text(json.dumps(told, indent=2), encoding="utf-8")
