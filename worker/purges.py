"""Deletes what nobody needs any more, in each round of the sweeper: a bounded statement a kind, each a transaction."""

import time
from collections.abc import Callable, Mapping

from ingest.db.connection.pool import Connection
from ingest.db.data import retention
from ingest.db.jobs import drafts, gone, parts, receiving, uploads
from ingest.db.tenants import audit, sessions
from ingest.db.webhooks import purging
from ingest.settings import Settings
from worker.retention import RetentionScan

# Nobody comes back to an edit that was left for so long; its item stays as long as its job.
_DRAFT_DAYS = 30

# A purge of template versions reads all jobs.
_VERSIONS_REST_SECONDS = 3600.0
_MOST_VERSIONS = 10_000

# Rows beyond the bound of a statement wait for the next round, a second later.
_PURGES: Mapping[str, Callable[[Connection, Settings], int]] = {
    # Each part has up to 32 MiB, each unfinished job up to SLUICE_MAX_JOB_BYTES of blocks.
    "parts_removed": lambda conn, _: parts.remove_abandoned(conn, limit=20),
    "uploads_expired": lambda conn, _: uploads.expire(conn, limit=5),
    "uploads_forgotten": lambda conn, _: uploads.forget(conn, limit=1_000),
    "unfinished_removed": lambda conn, _: receiving.remove_abandoned(conn, limit=5),
    # Each job has up to 5,000 item errors.
    "jobs_purged": lambda conn, settings: retention.purge_jobs(conn, days=settings.job_retention_days, limit=20),
    # More ids than a round can add, and more keys than requests can store in a second.
    "ids_forgotten": lambda conn, _: gone.forget(conn, limit=1_000),
    "idempotency_keys_purged": lambda conn, _: retention.purge_idempotency_keys(conn, limit=10_000),
    "audit_entries_purged": lambda conn, settings: audit.purge(conn, days=settings.audit_retention_days, limit=1_000),
    "console_sessions_purged": lambda conn, _: sessions.purge(conn, limit=1_000),
    "drafts_purged": lambda conn, _: drafts.purge(conn, days=_DRAFT_DAYS, limit=1_000),
    # Each delivery has up to 100 tries.
    "deliveries_purged": lambda conn, _: purging.purge_deliveries(conn, limit=500),
    "webhook_tests_purged": lambda conn, settings: purging.purge_tests(
        conn, days=settings.job_retention_days, limit=500
    ),
    "webhooks_purged": lambda conn, _: purging.purge_webhooks(conn, limit=100),
}


class Purges:
    """Purges by the retention that the settings give.

    Args:
        settings: of this process.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._retention_scan = RetentionScan()
        self._versions_due = 0.0

    def run_once(self, conn: Connection) -> dict[str, int]:
        """Run each purge once, and commit it.

        Returns:
            The number that each has deleted, by its name.
        """
        counts: dict[str, int] = {}
        for name, purge in _PURGES.items():
            counts[name] = purge(conn, self._settings)
            conn.commit()
        if time.monotonic() >= self._versions_due:
            self._versions_due = time.monotonic() + _VERSIONS_REST_SECONDS
            counts["template_versions_purged"] = retention.purge_template_versions(conn, limit=_MOST_VERSIONS)
            conn.commit()
        counts["rows_purged"] = self._retention_scan.step(conn)
        conn.commit()
        return counts
