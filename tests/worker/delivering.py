"""The process `webhooks`, run round by round in the process of the tests, and webhooks for it."""

import ssl
from collections.abc import Callable, Sequence
from typing import Any

from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.tenants.tenants import Tenant
from ingest.db.webhooks import deliveries, registry
from ingest.db.webhooks.deliveries import Delivery
from ingest.db.webhooks.registry import Webhook
from ingest.engine import webhooks as engine
from ingest.settings import Settings
from ingest.webhooks.message import EVENTS
from ingest.webhooks.sending import Sender
from worker.webhooks import Webhooks

Hook = Callable[..., tuple[Webhook, str]]


class Process:
    """The process `webhooks`, round by round."""

    def __init__(self, settings: Settings, conn: Connection, slow_seconds: float = 5.0, **sender: Any) -> None:
        self.conn = conn
        sends = Sender(True, ssl.create_default_context(), **sender)
        self.webhooks = Webhooks(settings, sends, slow_seconds=slow_seconds)

    def close(self) -> None:
        self.webhooks.close()

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

    def deliveries(self, webhook: Webhook) -> list[Delivery]:
        with self.conn.transaction():
            return deliveries.page(self.conn, webhook.id, limit=100)

    def webhook(self, webhook: Webhook) -> Webhook:
        with self.conn.transaction():
            return registry.get(self.conn, webhook.tenant_id, webhook.id)


def create(pool: Pool, tenant: Tenant, settings: Settings, url: str, events: Sequence[str] = EVENTS) -> Any:
    keys = MasterKeys.parse(settings.master_keys)
    with transaction(pool) as conn:
        return engine.create(conn, keys, tenant.id, url=url, events=events, description=None, allow_private=True)


def make_due(observer: Connection) -> None:
    """Have every message that waits be due now."""
    observer.execute("UPDATE webhook_deliveries SET next_at = now() WHERE next_at IS NOT NULL")
