"""Sweep: looks every second after what got lost. `python -m worker.sweep`; two copies are fine, none leads.

`run_once` does one bounded round; the rest is a dull loop around it. It publishes by the notifier's thread, never in
line: a broker that refuses would block it for seconds.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from types import FrameType
from typing import NoReturn
from uuid import UUID

import structlog

from ingest import faultpoints, logs
from ingest.broker import celery_app
from ingest.config import Settings
from ingest.db import claims, retention, upkeep
from ingest.db.blocks import lease_seconds
from ingest.db.errors import translated
from ingest.db.pool import Connection, Pool, connect, transaction
from ingest.db.upkeep import Need
from ingest.errors import DatabaseError, Unavailable
from ingest.executor import make_executor
from ingest.ids import JOB, spell
from ingest.notifier import Notifier
from ingest.parent import die_with_parent
from worker.watchdog import watchdog

_ROUND_SECONDS = 1.0

# A round's bounds: what is over them waits for the next one, a second later.
_MOST_LOOKED_AT = 500
_MOST_JOBS_PURGED = 20  # in one statement, each with up to 5,000 item errors
_MOST_BLOCKS_EMPTIED = 500
_PAGES_A_ROUND = 256
_MOST_VERSIONS_PURGED = 10_000

# Hands of its own: few, since they share the machine with whatever keeps the workers from working.
_MOST_HANDS = 2
_HANDS_SECONDS = 5.0
_HANDS_ALARM_SECONDS = 60

# After a whole crawl through the tables there is nothing to purge for long: days are the unit. To purge template
# versions, all jobs are read.
_CRAWL_REST_SECONDS = 3600.0
_VERSIONS_REST_SECONDS = 3600.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("worker.sweep")


class Hands:
    """Children that run the jobs that no worker took, so that work gets done with no broker at all.

    Args:
        settings: for the connections that each child opens for itself.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._children: set[int] = set()

    def take(self, job_ids: Sequence[UUID]) -> int:
        """Give jobs to a child, if one is free; not waited for.

        Returns:
            How many jobs were taken on.
        """
        self._reap()
        if not job_ids or len(self._children) >= _MOST_HANDS:
            return 0
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            die_with_parent(signal.SIGKILL, parent)
            self._work(job_ids)
        self._children.add(child)
        return len(job_ids)

    def _reap(self) -> None:
        self._children = {child for child in self._children if os.waitpid(child, os.WNOHANG) == (0, 0)}

    def _work(self, job_ids: Sequence[UUID]) -> NoReturn:
        """The child: a hard alarm bounds it, whatever its parent's threads held when it was forked."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.alarm(_HANDS_ALARM_SECONDS)
        try:
            executor = make_executor(
                self._settings,
                Notifier(celery_app(self._settings.redis_url), self._settings.redis_url),
                watchdog=watchdog,
            )
            until = time.monotonic() + _HANDS_SECONDS
            faultpoints.passing("hands.begun")
            for job_id in chain(job_ids, _heads(executor.pool)):
                executor.run(job_id, seconds=max(0.0, until - time.monotonic()))
                with transaction(executor.pool) as conn:
                    upkeep.mark_swept(conn, job_id)
                if time.monotonic() > until:
                    break
        except BaseException:
            log.exception("hands_crashed")
            os._exit(1)
        os._exit(0)


def _heads(pool: Pool) -> Iterator[UUID]:
    """The jobs that waited for those that no worker took: none comes for these either."""
    last = None
    while True:
        with transaction(pool) as conn:
            head = claims.next_head(conn)
        if head is None or head == last:
            return
        yield head
        last = head


class Crawl:
    """Goes through the tables a range of pages at a time, purging what is past its tenant's retention."""

    def __init__(self) -> None:
        self._table = 0
        self._page = 0
        self._rest_until = 0.0

    def step(self, conn: Connection) -> int:
        """Purge the next range; returns how many rows were deleted."""
        if time.monotonic() < self._rest_until or not retention.wanted(conn):
            return 0
        table = retention.TABLES[self._table]
        purged = retention.purge_pages(conn, table, first=self._page, pages=_PAGES_A_ROUND)
        self._page += _PAGES_A_ROUND
        if self._page >= retention.pages_of(conn, table):
            self._page, self._table = 0, self._table + 1
        if self._table == len(retention.TABLES):
            self._table = 0
            self._rest_until = time.monotonic() + _CRAWL_REST_SECONDS
        return purged


class Sweep:
    """One round after the other over one connection.

    Args:
        settings: deadlines, retention, and where the servers are.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._notifier = Notifier(celery_app(settings.redis_url), settings.redis_url)
        self._hands = Hands(settings)
        self._crawl = Crawl()
        self._versions_due = 0.0
        self._seen_since = time.monotonic()
        self._last_tenant, self._last_open, self._last_held = 0, upkeep.FIRST_OPEN, upkeep.FIRST_HELD

    def lost_the_database(self) -> None:
        """Note that no job can run from now on, so that none is overdue."""
        self._seen_since = time.monotonic()

    def run_once(self, conn: Connection) -> dict[str, int]:
        """One round; every statement of it is bounded, and each step is a transaction of its own.

        Returns:
            What was done, by name.
        """
        counts = {"sessions_ended": upkeep.end_overdue_sessions(conn, seconds=lease_seconds(1))}
        conn.commit()
        counts["jobs_failed"] = len(self._fail(conn))
        looked = upkeep.look(conn, heads=self._next_jobs(conn), limit=_MOST_LOOKED_AT)
        conn.commit()
        if looked:
            faultpoints.passing("sweep.looked")
        unsent = self._notifier.take_unsent()
        # A message beside a hand is harmless, and hands are few: workers that are back shall take what hands cannot.
        notified = [job.id for job in looked if job.need is not Need.NOTHING]
        for job_id in notified:
            self._notifier.notify(job_id, force_message=True)
        if notified:
            faultpoints.passing("sweep.notified")
        counts["notified"] = len(notified)
        counts["taken"] = self._hands.take([*unsent, *(job.id for job in looked if job.need is Need.HANDS)])
        counts["jobs_purged"] = retention.purge_jobs(
            conn, days=self._settings.job_retention_days, limit=_MOST_JOBS_PURGED
        )
        conn.commit()
        counts["payloads_purged"] = retention.purge_cancelled_payloads(conn, limit=_MOST_BLOCKS_EMPTIED)
        conn.commit()
        if time.monotonic() >= self._versions_due:
            self._versions_due = time.monotonic() + _VERSIONS_REST_SECONDS
            counts["template_versions_purged"] = retention.purge_template_versions(conn, limit=_MOST_VERSIONS_PURGED)
            conn.commit()
        counts["rows_purged"] = self._crawl.step(conn)
        conn.commit()
        return counts

    def _next_jobs(self, conn: Connection) -> list[UUID]:
        """The tenants' next jobs, of some tenants a round."""
        heads = claims.heads(conn, after_tenant=self._last_tenant)
        if heads:
            self._last_tenant = heads[-1].tenant_id
        return [head.job_id for head in heads]

    def _fail(self, conn: Connection) -> list[UUID]:
        hollow, self._last_open = upkeep.fail_hollow(conn, after=self._last_open)
        after_failed, self._last_held = upkeep.fail_after_failed(conn, after=self._last_held)
        failed = hollow + after_failed
        # What was down together with sweep was not tried: only time that sweep itself has seen counts.
        deadline = self._settings.job_deadline_seconds
        if time.monotonic() - self._seen_since > deadline:
            failed += upkeep.fail_stuck(conn, seconds=deadline)
        conn.commit()
        for job_id in failed:
            log.error("job_failed", job_id=spell(JOB, job_id))
        return failed


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
    log.info("sweep_started")
    while not stopping.is_set():
        try:
            with translated(), connect(settings.database_url, "sluice-sweep") as conn:
                while not stopping.is_set():
                    done = {name: count for name, count in sweep.run_once(conn).items() if count}
                    if done:
                        log.info("swept", **done)
                    stopping.wait(_ROUND_SECONDS)
        except DatabaseError as error:
            log.warning("sweep_lost_the_database", error=error.message)
            if isinstance(error, Unavailable):
                sweep.lost_the_database()
            stopping.wait(_ROUND_SECONDS)


if __name__ == "__main__":
    main()
