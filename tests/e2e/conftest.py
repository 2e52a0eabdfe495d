"""Stacks: one that many tests look at, and those that a test starts and ends itself."""

import pytest

from tests.e2e.running import Up
from tests.factories import STRAYS


@pytest.fixture
def up(tmp_path):
    """Starts `sluice up`, as often as the test wants."""
    started = []

    def start(*options, data_dir=tmp_path / "data", **settings):
        started.append(Up(data_dir, *options, **settings))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    """One that is ready, for the tests that only look at it; variables of other programs change nothing about it."""
    running = Up(tmp_path_factory.mktemp("stack") / "data", "--workers", "1", **STRAYS)
    try:
        yield running.ready()
    finally:
        running.close()
