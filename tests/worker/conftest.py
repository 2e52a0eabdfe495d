"""Real worker and sweep processes on the test's own database and Redis."""

from collections.abc import Iterator

import pytest

from ingest.settings import Settings
from tests.support.processes import Start, Watch


@pytest.fixture
def start(settings: Settings) -> Iterator[Start]:
    starter = Start(settings)
    yield starter
    for process in starter.processes:
        process.kill()
        print(f"--- {process.name}", *process.lines, sep="\n")  # noqa: T201 # pytest shows it where the test failed


@pytest.fixture
def watch(database_url: str) -> Iterator[Watch]:
    watching = Watch(database_url)
    yield watching
    watching.conn.close()
