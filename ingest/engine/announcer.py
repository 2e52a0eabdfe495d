"""Announce the ends of jobs: log each, leave messages for webhooks, wake the request that waits, notify of dependents.

The statement that ends a job puts its end into the outbox (`ingest.db.jobs.outbox`). The process that ended the job
announces it, and the sweeper announces all that is left there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ingest import faultpoints
from ingest.db.connection.pool import Connection
from ingest.db.jobs import claims, holds, outbox
from ingest.db.jobs.outbox import Ended
from ingest.db.webhooks import recording
from ingest.ids import JOB, spell
from ingest.jobs import JobState
from ingest.logs import Logger, get_logger
from ingest.metrics import names
from ingest.notify.job_end import JobEndSignal
from ingest.notify.notifier import Notifier
from ingest.notify.progress import Progress

log: Logger = get_logger("ingest.engine.announcer")


@dataclass(frozen=True, slots=True)
class Announcer:
    """Announces ends that it takes out of the outbox; one that is announced twice does no harm.

    Attributes:
        notifier: notifies workers of the jobs that waited.
        job_end: wakes the requests that wait for a job; None in a request that runs its own.
        progress: tells the requests that watch a job.
    """

    notifier: Notifier
    job_end: JobEndSignal | None
    progress: Progress

    def announce(self, conn: Connection, job_ids: Sequence[UUID], *, claims_next: bool = False) -> None:
        """Announce the ends of these jobs, as far as they have ended and no process has announced them.

        Args:
            conn: in a transaction of this alone, to be committed afterwards: if this process dies before, the sweeper
                announces them.
            job_ids: the jobs'.
            claims_next: this process claims the next job itself, so the jobs that these held up need no notification.
        """
        self._announce(conn, outbox.take(conn, job_ids), claims_next=claims_next)

    def announce_left(self, conn: Connection) -> int:
        """Announce the ends that the processes which ended the jobs did not announce.

        Args:
            conn: as of `announce`.

        Returns:
            The number of ends that it announced, at most 500.
        """
        ends = outbox.take_left(conn)
        self._announce(conn, ends, claims_next=False)
        return len(ends)

    def _announce(self, conn: Connection, ends: Sequence[Ended], *, claims_next: bool) -> None:
        if wanted := [job.id for job in ends if job.is_wanted]:
            recording.record(conn, wanted)
        if ended_on_hold := [job.id for job in ends if job.was_on_hold]:
            holds.release(conn, ended_on_hold)
        for job in ends:
            faultpoints.passing("job.ended")
            _log(job)
            _count(job)
            for dependent in job.dependents:
                self.notifier.notify(dependent)
        awaited = [job.id for job in ends if job.awaited]
        if awaited and self.job_end is not None:
            self.job_end.send(awaited)
        if ends:
            self.progress.moved([job.id for job in ends])
        if ends and not claims_next:
            for freed in claims.freed_by(conn, [job.id for job in ends]):
                self.notifier.notify(freed)


def _log(job: Ended) -> None:
    reason = {} if job.error_code is None else {"code": job.error_code, "message": job.error_message}
    write = log.error if job.status == JobState.FAILED else log.info
    write(
        "job_ended",
        status=job.status,
        total=job.total,
        failed=job.failed,
        **reason,
        job_id=spell(JOB, job.id),
        request_id=job.request_id,
    )


def _count(job: Ended) -> None:
    names.JOBS_ENDED.add(job.kind, job.status)
    names.JOB_DURATION.observe(job.seconds, job.kind)
    if job.wait_seconds is not None:
        names.JOB_WAIT.observe(job.wait_seconds, job.kind)
