"""Rescue workers: children of the sweeper that run the jobs which no worker took, so that jobs end with no broker."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NoReturn
from uuid import UUID

from ingest import faultpoints
from ingest.db.connection.pool import Pool, transaction
from ingest.db.jobs import claims, rescue
from ingest.engine.composition import make_executor
from ingest.logs import Logger, get_logger
from ingest.machine.parent import die_with_parent
from ingest.metrics import process as measuring
from ingest.notify.broker import celery_app
from ingest.notify.notifier import Notifier
from ingest.settings import Settings
from ingest.traces import process as tracing
from worker.watchdog import watchdog

# Few, since they share the machine with the cause that keeps the workers from working.
_MOST_CHILDREN = 2
_RUN_SECONDS = 5.0
_ALARM_SECONDS = 60

log: Logger = get_logger("worker.rescue")


class RescueWorkers:
    """Starts children that run jobs, at most two at a time.

    Args:
        settings: for the connections that each child opens for itself.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._children: set[int] = set()

    def start(self, job_ids: Sequence[UUID]) -> int:
        """Start a child that runs these jobs, if there is room for one; do not wait for it.

        Returns:
            The number of jobs that the child was given.
        """
        self._reap()
        if not job_ids or len(self._children) >= _MOST_CHILDREN:
            return 0
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            die_with_parent(signal.SIGKILL, parent)
            measuring.end()
            self._work(job_ids)
        self._children.add(child)
        return len(job_ids)

    def _reap(self) -> None:
        self._children = {child for child in self._children if os.waitpid(child, os.WNOHANG) == (0, 0)}

    def _work(self, job_ids: Sequence[UUID]) -> NoReturn:
        """Run the jobs in the child. A hard alarm bounds it, whatever locks its parent's threads held at the fork."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.alarm(_ALARM_SECONDS)
        try:
            if self._settings.traces:
                tracing.begin("sweep", self._settings.traces_ratio)
            executor = make_executor(
                self._settings,
                Notifier(celery_app(self._settings.redis_url), self._settings.redis_url),
                watchdog=watchdog,
            )
            until = time.monotonic() + _RUN_SECONDS
            faultpoints.passing("rescue.begun")
            for job_id in chain(job_ids, _heads(executor.pool)):
                executor.run(job_id, seconds=max(0.0, until - time.monotonic()))
                with transaction(executor.pool) as conn:
                    rescue.mark_swept(conn, job_id)
                if time.monotonic() > until:
                    break
            tracing.end()
        except BaseException:
            log.exception("rescue_crashed")
            os._exit(1)
        os._exit(0)


def _heads(pool: Pool) -> Iterator[UUID]:
    """Yield the jobs that waited for those which no worker took: no worker comes for these either."""
    last = None
    while True:
        with transaction(pool) as conn:
            head = claims.next_head(conn)
        if head is None or head == last:
            return
        yield head
        last = head
