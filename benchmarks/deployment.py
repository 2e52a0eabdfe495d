"""The whole product as it runs in production, on one of the databases: web, workers, sweep, flower."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch  # of the environment, for the processes that start here

from benchmarks.clients import post
from benchmarks.database import Database, choose_plain_template
from cli.stack.running import Stack, running_stack
from ingest.db.connection.pool import connect
from ingest.db.tenants import keys, tenants

RATE = "100000000/minute"  # what is measured is the work, not its limit
RATES = {f"SLUICE_RATE_{scope}": RATE for scope in ("ENTITIES", "EVENTS", "STATES", "BATCH", "READ")}

_TIMEOUT_SECONDS = 120.0
_POLL_SECONDS = 0.002  # a five-hundredth of the shortest run
_LEFT = "SELECT count(*) FROM jobs WHERE status IN ('pending', 'processing')"


@dataclass(frozen=True)
class Deployment:
    """A running stack and its database."""

    stack: Stack
    database: Database

    def batch(self, kind: str, items: Any, query: str = "") -> bytes:
        """The request that sends a batch."""
        return batch(self.stack.api, self.stack.key, kind, items, query)

    def another_key(self, tenant: str) -> str:
        """The key of a new tenant, which sends what the first one may."""
        with connect(self.database.url, "sluice-cli") as conn, conn.transaction():
            made = tenants.create(conn, tenant)
            choose_plain_template(conn, made.id)
            return keys.create(conn, made.id, "oh_live", "bench")[1]

    def until_done(self, jobs: int) -> None:
        """Return once so many jobs are there and all have ended."""
        until = time.monotonic() + _TIMEOUT_SECONDS
        while self.database.admin.execute(_LEFT).fetchone() != (0,):
            if time.monotonic() > until:
                raise RuntimeError(f"jobs do not end: see {self.stack.log}")
            self.stack.poll(_POLL_SECONDS)
        self.database.expect("jobs", jobs)


def batch(api: str, key: str, kind: str, items: Any, query: str = "") -> bytes:
    """The request that sends a batch to the operator API."""
    return post(api, f"/operator-data-api/batch/{kind}{query}", items, {"Authorization": f"Bearer {key}"})


@contextmanager
def deployed(database: Database, redis_url: str, folder: Path, workers: int) -> Iterator[Deployment]:
    """Run it, with default settings but for the rate limits."""
    with (
        patch.dict(os.environ, {"DATABASE_URL": database.url, "REDIS_URL": redis_url, **RATES}),
        running_stack(folder, port=None, flower_port=None, workers=workers) as stack,
    ):
        with connect(database.url, "sluice-cli") as conn, conn.transaction():
            for tenant in tenants.everyone(conn):
                choose_plain_template(conn, tenant.id)
        yield Deployment(stack, database)
