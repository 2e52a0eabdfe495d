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
from ingest.db.jobs import claims, failures, holds, rescue
from ingest.db.jobs.blocks import lease_seconds
from ingest.db.jobs.rescue import Finding
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
from worker.outages import Outages
from worker.purges import Purges
from worker.rescue import RescueWorkers

_ROUND_SECONDS = 1.0

# More wait for the next round, a second later.
_MOST_CHECKED = 500

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
        self._purges = Purges(settings)
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
        return counts | self._purges.run_once(conn)

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
    outages = Outages()
    log.info("sweep_started")
    while not stopping.is_set():
        try:
            with translated(), connect(settings.database_url, "sluice-sweep") as conn:
                while not stopping.is_set():
                    counts = sweep.run_once(conn)
                    if done := {name: count for name, count in counts.items() if count}:
                        log.info("swept", **done)
                    watched.round_ended(conn, counts)
                    outages.over()
                    stopping.wait(_ROUND_SECONDS)
        except DatabaseError as error:
            if outages.is_news(error):
                log.warning("sweep_lost_the_database", error=error.message)
            watched.lost_the_database()
            if isinstance(error, Unavailable):
                sweep.lost_the_database()
            stopping.wait(_ROUND_SECONDS)


if __name__ == "__main__":
    main()
