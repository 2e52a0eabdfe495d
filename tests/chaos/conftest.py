"""A site a test, whose seed is printed; CHAOS_SEED and CHAOS_SECONDS choose it and the length of the random runs."""

import os
import secrets
from collections.abc import Iterator

import pytest

from ingest.config import Settings
from tests.broker import Broker
from tests.chaos import recoveries
from tests.chaos.cluster import Cluster, running_cluster
from tests.chaos.site import Site
from tests.worker.conftest import Start, start

__all__ = ["start"]


_SEED = os.environ.setdefault("CHAOS_SEED", secrets.token_hex(4))  # in the environment: parallel runs share it


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Broker]]:
    """The last of the list is the present one."""
    brokers = [Broker(tmp_path_factory.mktemp("b") / "v.sock")]
    yield brokers
    brokers[-1].kill()


@pytest.fixture
def site(settings: Settings, start: Start) -> Iterator[Site]:
    print(f"CHAOS_SEED={_SEED}")  # noqa: T201 # pytest shows it where the test failed
    made = Site(settings, start, _SEED)
    yield made
    made.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"CHAOS_SEED={_SEED}")
    lines = recoveries.table()
    if lines:
        terminalreporter.section("recovery times, the slowest of each")
        for line in lines:
            terminalreporter.write_line(line)
