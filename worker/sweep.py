"""The sweeper rescues and prunes jobs, a round a second. `python -m worker.sweep`; two copies are fine, none leads.

`run_once` does one bounded round; the rest is a dull loop around it. It notifies by the notifier's thread, never in
line: a broker that refuses would block it for seconds. Only the signal to a request that waits is sent in line.
"""

import signal
import threading
import time
from collections.abc import Mapping
from types import FrameType
from uuid import UUID

from ingest import faultpoints, logs
from ingest.db.connection.errors import translated
from ingest.db.connection.pool import Connection, connect
from ingest.db.data import retention
from ingest.db.jobs import claims, drafts, failures, gone, holds, parts, receiving, rescue, uploads
from ingest.db.jobs.blocks import lease_seconds
from ingest.db.jobs.rescue import Finding
from ingest.db.tenants import audit, sessions
from ingest.db.webhooks import purging
from ingest.engine.announcer import Announcer
from ingest.errors import DatabaseError, Unavailable
from ingest.logs import Logger, get_logger
from ingest.metrics import names
from ingest.metrics import process as measuring
from ingest.notify.broker import celery_app
from ingest.notify.job_end import JobEndSignal
from ingest.notify.notifier import Notifier
from ingest.notify.progress import Progress
from ingest.settings import Settings
from worker.rescue import RescueWorkers
from worker.retention import RetentionScan

_ROUND_SECONDS = 1.0

# The bounds of a round: all that exceeds them waits for the next one, a second later.
_MOST_CHECKED = 500
_MOST_UNFINISHED_REMOVED = 5  # each with up to SLUICE_MAX_JOB_BYTES of blocks
_MOST_PARTS_REMOVED = 20  # each of up to 32 MiB
_MOST_UPLOADS_FORGOTTEN = 1_000
_MOST_JOBS_PURGED = 20  # in one statement, each with up to 5,000 item errors
_MOST_IDS_FORGOTTEN = 1_000  # more than a round can add
_MOST_AUDIT_ENTRIES_PURGED = 1_000
_MOST_SESSIONS_PURGED = 1_000
_MOST_DRAFTS_PURGED = 1_000
_MOST_KEYS_PURGED = 10_000  # more than requests with a key can store in a second
_MOST_VERSIONS_PURGED = 10_000
_MOST_DELIVERIES_PURGED = 500  # each with up to 100 tries
_MOST_WEBHOOKS_PURGED = 100

# Nobody comes back to an edit that was left for so long; its item stays as long as its job.
_DRAFT_DAYS = 30

# A purge of template versions reads all jobs.
_VERSIONS_REST_SECONDS = 3600.0

log: Logger = get_logger("worker.sweep")


class Sweep:
    """Runs one round after the other over one connection.

    Args:
        settings: deadlines, retention, and where the servers are.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._notifier = Notifier(celery_app(settings.redis_url), settings.redis_url)
        self._announcer = Announcer(self._notifier, JobEndSignal(settings.redis_url), Progress(settings.redis_url))
        self._rescue_workers = RescueWorkers(settings)
        self._retention_scan = RetentionScan()
        self._versions_due = 0.0
        self._seen_since = time.monotonic()
        self._last_tenant, self._last_open, self._last_held = 0, failures.FIRST_OPEN, failures.FIRST_HELD
        self._last_on_hold = holds.FIRST

    def lost_the_database(self) -> None:
        """Note that no job can run from now on, so that none is overdue."""
        self._seen_since = time.monotonic()

    def run_once(self, conn: Connection) -> dict[str, int]:
        """Run one round: each step is a transaction of its own, and each statement is bounded.

        Returns:
            Counts of what was done, by name.
        """
        counts = {"sessions_ended": rescue.end_overdue_sessions(conn, seconds=lease_seconds(1))}
        conn.commit()
        counts["jobs_failed"] = len(self._fail(conn))
        counts["holds_settled"], self._last_on_hold = holds.settle(conn, after=self._last_on_hold)
        conn.commit()
        counts["ends_announced"] = self._announcer.announce_left(conn)
        conn.commit()
        due_jobs = rescue.check_due_jobs(conn, heads=self._next_jobs(conn), limit=_MOST_CHECKED)
        conn.commit()
        if due_jobs:
            faultpoints.passing("sweep.checked")
        unsent = self._notifier.take_unsent()
        # Notify of the jobs that rescue workers get, too: it is harmless, and workers that are back can run the rest.
        notified = [job.id for job in due_jobs if job.finding is not Finding.NOTHING]
        for job_id in notified:
            self._notifier.notify(job_id, force_message=True)
        if notified:
            faultpoints.passing("sweep.notified")
        counts["notified"] = len(notified)
        to_rescue = [*unsent, *(job.id for job in due_jobs if job.finding is Finding.RESCUE)]
        counts["rescued"] = self._rescue_workers.start(to_rescue)
        counts["parts_removed"] = parts.remove_abandoned(conn, limit=_MOST_PARTS_REMOVED)
        conn.commit()
        counts["uploads_expired"] = uploads.expire(conn, limit=_MOST_UNFINISHED_REMOVED)
        conn.commit()
        counts["uploads_forgotten"] = uploads.forget(conn, limit=_MOST_UPLOADS_FORGOTTEN)
        conn.commit()
        counts["unfinished_removed"] = receiving.remove_abandoned(conn, limit=_MOST_UNFINISHED_REMOVED)
        conn.commit()
        counts["jobs_purged"] = retention.purge_jobs(
            conn, days=self._settings.job_retention_days, limit=_MOST_JOBS_PURGED
        )
        conn.commit()
        counts["ids_forgotten"] = gone.forget(conn, limit=_MOST_IDS_FORGOTTEN)
        conn.commit()
        counts["idempotency_keys_purged"] = retention.purge_idempotency_keys(conn, limit=_MOST_KEYS_PURGED)
        conn.commit()
        counts["audit_entries_purged"] = audit.purge(
            conn, days=self._settings.audit_retention_days, limit=_MOST_AUDIT_ENTRIES_PURGED
        )
        conn.commit()
        counts |= _purge_console(conn)
        counts["deliveries_purged"] = purging.purge_deliveries(conn, limit=_MOST_DELIVERIES_PURGED)
        conn.commit()
        counts["webhook_tests_purged"] = purging.purge_tests(
            conn, days=self._settings.job_retention_days, limit=_MOST_DELIVERIES_PURGED
        )
        conn.commit()
        counts["webhooks_purged"] = purging.purge_webhooks(conn, limit=_MOST_WEBHOOKS_PURGED)
        conn.commit()
        if time.monotonic() >= self._versions_due:
            self._versions_due = time.monotonic() + _VERSIONS_REST_SECONDS
            counts["template_versions_purged"] = retention.purge_template_versions(conn, limit=_MOST_VERSIONS_PURGED)
            conn.commit()
        counts["rows_purged"] = self._retention_scan.step(conn)
        conn.commit()
        return counts

    def _next_jobs(self, conn: Connection) -> list[UUID]:
        """Return the next jobs of the tenants, of some tenants a round."""
        heads = claims.heads(conn, after_tenant=self._last_tenant)
        if heads:
            self._last_tenant = heads[-1].tenant_id
        return [head.job_id for head in heads]

    def _fail(self, conn: Connection) -> list[UUID]:
        without_blocks, self._last_open = failures.fail_without_blocks(conn, after=self._last_open)
        after_failed, self._last_held = failures.fail_after_failed(conn, after=self._last_held)
        failed = without_blocks + after_failed + failures.fail_late(conn)
        # Count only time in which this process ran: what was down together with the sweeper was not tried.
        deadline = self._settings.job_deadline_seconds
        if time.monotonic() - self._seen_since > deadline:
            failed += failures.fail_stuck(conn, seconds=deadline)
        conn.commit()
        if failed:
            self._announcer.announce(conn, failed)
            conn.commit()
        return failed


def _purge_console(conn: Connection) -> dict[str, int]:
    """Delete what nobody uses of the console any more. Return counts by name."""
    counts = {"console_sessions_purged": sessions.purge(conn, limit=_MOST_SESSIONS_PURGED)}
    conn.commit()
    counts["drafts_purged"] = drafts.purge(conn, days=_DRAFT_DAYS, limit=_MOST_DRAFTS_PURGED)
    conn.commit()
    return counts


class _Watched:
    """Counts what the sweeper does, and reads its gauges, where metrics are on."""

    def __init__(self, settings: Settings) -> None:
        self._gauges = None
        if settings.metrics:
            from worker.gauges import Gauges  # noqa: PLC0415 # costs nothing where metrics are off

            self._gauges = Gauges(settings)
            measuring.serve(measuring.begin_alone("sweep", self._gauges), settings.metrics_address(1))

    def round_ended(self, conn: Connection, counts: Mapping[str, int]) -> None:
        for action, count in counts.items():
            names.SWEEP_ACTIONS.add(action, by=count)
        if self._gauges is not None:
            self._gauges.round_ended(conn)

    def lost_the_database(self) -> None:
        if self._gauges is not None:
            self._gauges.forget()


def main() -> None:
    """Sweep until TERM or INT."""
    settings = Settings.from_env_or_exit()
    logs.configure(settings.log_level, "sweep")
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    sweep = Sweep(settings)
    watched = _Watched(settings)
    log.info("sweep_started")
    while not stopping.is_set():
        try:
            with translated(), connect(settings.database_url, "sluice-sweep") as conn:
                while not stopping.is_set():
                    counts = sweep.run_once(conn)
                    if done := {name: count for name, count in counts.items() if count}:
                        log.info("swept", **done)
                    watched.round_ended(conn, counts)
                    stopping.wait(_ROUND_SECONDS)
        except DatabaseError as error:
            log.warning("sweep_lost_the_database", error=error.message)
            watched.lost_the_database()
            if isinstance(error, Unavailable):
                sweep.lost_the_database()
            stopping.wait(_ROUND_SECONDS)


if __name__ == "__main__":
    main()
