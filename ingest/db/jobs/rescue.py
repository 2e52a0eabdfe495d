"""SQL of the sweeper's rescues; each statement is bounded and goes by the database's clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from ingest.db.connection.pool import WORKER, Connection
from ingest.db.jobs.claims import BLOCKED, IN_ORDER

# A worker's session carries the seconds that its block has earned behind a colon; a first delivery carries none.
_END_OVERDUE_SESSIONS = f"""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND application_name ~ '^{WORKER}(:[0-9]{{1,6}})?$'
  AND xact_start < clock_timestamp()
      - make_interval(secs => coalesce(substring(application_name FROM ':([0-9]{{1,6}})$')::integer, %s))
LIMIT 100
"""


def end_overdue_sessions(conn: Connection, *, seconds: int) -> int:
    """End workers' sessions whose transaction outlives its lease time; in COPY no timeout of Postgres catches that.

    Args:
        conn: an open transaction.
        seconds: the lease time of a first delivery.

    Returns:
        The number of sessions that it ended.
    """
    return len(conn.execute(_END_OVERDUE_SESSIONS, (seconds,)).fetchall())


class Finding(StrEnum):
    """The result of a check of a job.

    Attributes:
        NOTHING: it moves, a worker holds its block, or it waits for another job.
        NOTIFY: its first open block is free: notify the workers.
        RESCUE: workers were notified of it more than once, and none came.
    """

    NOTHING = "nothing"
    NOTIFY = "notify"
    RESCUE = "rescue"


@dataclass(frozen=True, slots=True)
class DueJob:
    """A job that was due for a check, and the finding."""

    id: UUID
    finding: Finding


# Check the begun jobs that are due and, of the pending ones, only each tenant's next: once a worker has begun that one,
# it goes on with the others. The next check is due 1.5 s after the last progress, then 1.5 times later with each
# notification, up to 30 s. Only a notification moves this back-off on, and progress sets it back. The lateral lock
# tells a free block from a held one. A delivery that meets that lock leaves, and the notification makes up for it.
#
# A worker that dies leaves up to 50 jobs behind that it ran together. Workers are notified of the first, and the others
# are marked as put down (`claims._TO_GO_ON`), so that the worker that ends one goes on with the next. The mark does no
# harm if the worker lives: the jobs end together, and each is blocked until then.
_CHECK_DUE_JOBS = f"""
WITH begun AS (
    SELECT * FROM jobs
    WHERE status = 'processing' AND check_at <= now()
    ORDER BY check_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), head AS (
    SELECT j.* FROM unnest(%(heads)s::uuid[]) AS h (id) JOIN jobs j ON j.id = h.id
    WHERE j.status || '' = 'pending' AND j.check_at <= now()
    FOR UPDATE OF j SKIP LOCKED
), checked AS (
    SELECT j.id,
           CASE WHEN j.progressed_at > now() - interval '1.5 seconds' THEN 'moving'
                WHEN {BLOCKED} THEN 'waiting'
                WHEN free.no IS NULL THEN 'held'
                WHEN j.notify_attempts >= 2 THEN 'rescue'
                ELSE 'notify' END AS finding
    FROM (SELECT * FROM begun UNION ALL SELECT * FROM head) j
    LEFT JOIN LATERAL (
        SELECT b.no FROM job_blocks b
        WHERE b.job_id = j.id AND b.open AND j.progressed_at <= now() - interval '1.5 seconds'
          AND (NOT {IN_ORDER} OR b.no = (SELECT min(no) FROM job_blocks WHERE job_id = j.id AND open))
          AND NOT {BLOCKED}
        LIMIT 1 FOR UPDATE SKIP LOCKED) free ON true
)
UPDATE jobs
SET notify_attempts = CASE
        WHEN finding IN ('notify', 'rescue') THEN notify_attempts + 1
        WHEN finding = 'held' THEN notify_attempts ELSE 0 END,
    check_at = now() + interval '1 second' * CASE
        WHEN finding IN ('notify', 'rescue') THEN least(30, 1.5 * 1.5 ^ least(notify_attempts + 1, 20)) ELSE 1.5 END,
    queued_at = CASE WHEN finding = 'waiting' THEN progressed_at + interval '1 millisecond' ELSE queued_at END
FROM checked WHERE jobs.id = checked.id AND jobs.status || '' IN ('pending', 'processing')
RETURNING jobs.id, CASE WHEN finding IN ('notify', 'rescue') THEN finding ELSE 'nothing' END AS finding
"""


def check_due_jobs(conn: Connection, *, heads: Sequence[UUID], limit: int) -> list[DueJob]:
    """Check the jobs that are due, and put off the next check of each.

    Args:
        conn: an open transaction; commit before acting on what it returns.
        heads: the tenants' next jobs.
        limit: the most begun jobs to check, the longest waiting first.
    """
    rows = conn.execute(_CHECK_DUE_JOBS, {"heads": list(heads), "limit": limit})
    return [DueJob(job_id, Finding(finding)) for job_id, finding in rows]  # type: ignore[arg-type] # (uuid, text)


_MARK_SWEPT = """
UPDATE jobs SET swept = true WHERE id = %s AND ended_at IS NOT NULL AND NOT swept
"""


def mark_swept(conn: Connection, job_id: UUID) -> None:
    """Note of a job that has ended that the sweeper had to run it."""
    conn.execute(_MARK_SWEPT, (job_id,))
