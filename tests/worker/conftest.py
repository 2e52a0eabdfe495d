"""Real worker and sweep processes on the test's own database and Redis."""

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from ingest.db.connection.pool import Pool, connect
from ingest.db.tenants.tenants import Tenant
from ingest.engine.executor import Executor
from ingest.settings import Settings
from ingest.webhooks.message import EVENTS
from tests.support.factories import entity
from tests.support.processes import Start, Watch
from tests.support.receiver import Receiver, receiving
from tests.worker.delivering import Hook, Process, create


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


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def process(settings: Settings) -> Iterator[Process]:
    with connect(settings.database_url, "sluice-webhooks") as conn:
        running = Process(settings, conn)
        yield running
        running.webhooks.close()


@pytest.fixture
def hook(pool: Pool, owner: Tenant, settings: Settings) -> Hook:
    """Makes a webhook of the owner's, and returns it with its secret."""
    return lambda url, events=EVENTS: create(pool, owner, settings, url, events)


@pytest.fixture
def end(submit: Callable[..., UUID], executor: Executor) -> Callable[[], UUID]:
    """Runs a job to its end."""

    def run() -> UUID:
        job_id = submit("entities", [entity(1), entity(2, entityType="none")])
        executor.run(job_id, seconds=60)
        return job_id

    return run
