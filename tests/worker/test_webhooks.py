"""Messages reach a real receiver at least once, in order of tries, whatever the receiver does."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

import httpcore2
import pytest

from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection, Pool, connect, transaction
from ingest.db.tenants.tenants import Tenant
from ingest.db.webhooks import deliveries
from ingest.db.webhooks.registry import Webhook
from ingest.engine import webhooks as engine
from ingest.engine.executor import Executor
from ingest.settings import Settings
from ingest.webhooks.message import EVENTS
from ingest.webhooks.sending import Sender
from tests.support.factories import entity
from tests.support.receiver import Receiver, receiving
from worker.webhooks import Webhooks


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


class Process:
    """The process `webhooks`, round by round."""

    def __init__(self, settings: Settings, conn: Connection, **sender: Any) -> None:
        self.conn = conn
        self.webhooks = Webhooks(settings, Sender(True, httpcore2.default_ssl_context(), **sender))

    def run(self) -> int:
        """Run rounds until nothing is due and nothing under way. Return how many tries there were."""
        begun = 0
        while True:
            counts = self.webhooks.run_once(self.conn)
            begun += counts["begun"]
            if self.webhooks.under_way:
                self.webhooks.moved.wait()
            elif not counts["begun"]:
                return begun


@pytest.fixture
def process(settings: Settings) -> Iterator[Process]:
    with connect(settings.database_url, "sluice-webhooks") as conn:
        running = Process(settings, conn)
        yield running
        running.webhooks.close()


@pytest.fixture
def hook(pool: Pool, owner: Tenant, settings: Settings) -> Callable[..., tuple[Webhook, str]]:
    """Makes a webhook of the owner's, and returns it with its secret."""

    def create(url: str, events: Sequence[str] = EVENTS) -> tuple[Webhook, str]:
        keys = MasterKeys.parse(settings.master_keys)
        with transaction(pool) as conn:
            return engine.create(conn, keys, owner.id, url=url, events=events, description=None, allow_private=True)

    return create


def test_the_end_of_a_job_is_told_signed_and_without_errors(
    process: Process,
    receiver: Receiver,
    hook: Callable[..., tuple[Webhook, str]],
    submit: Callable[..., UUID],
    executor: Executor,
) -> None:
    webhook, secret = hook(receiver.url)
    job_id = submit("entities", [entity(1), entity(2, entityType="none")])
    executor.run(job_id, seconds=60)
    assert process.run() == 1
    [message] = receiver.messages
    message.verify(secret)
    assert message.said["type"] == "job.completed"
    with process.conn.transaction():
        [delivery] = deliveries.page(process.conn, webhook.id, limit=10)
    assert delivery.status == "delivered"
