"""A site a test, whose seed is printed; CHAOS_SEED and CHAOS_SECONDS choose it and the length of the random runs."""

import os
import secrets
from collections.abc import Iterator

import pytest

from ingest.config import Settings
from tests.chaos import recoveries
from tests.chaos.site import Site
from tests.worker.conftest import Start, start

__all__ = ["start"]


@pytest.fixture(scope="session")
def seed() -> str:
    return os.environ.get("CHAOS_SEED") or secrets.token_hex(4)


@pytest.fixture
def site(settings: Settings, start: Start, seed: str) -> Iterator[Site]:
    print(f"CHAOS_SEED={seed}")  # noqa: T201 # pytest shows it where the test failed
    made = Site(settings, start, seed)
    yield made
    made.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = recoveries.table()
    if lines:
        terminalreporter.section("recovery times, the slowest of each")
        for line in lines:
            terminalreporter.write_line(line)
