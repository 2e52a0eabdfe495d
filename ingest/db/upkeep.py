"""What sweep asks of the database, each statement bounded, all on the database's clock."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from ingest.db.pool import WORKER, Connection

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
    """End workers' sessions whose transaction is older than its patience, which no timeout of Postgres catches in COPY.

    Args:
        conn: an open transaction.
        seconds: the patience of a first delivery.

    Returns:
        How many were ended.
    """
    return len(conn.execute(_END_OVERDUE_SESSIONS, (seconds,)).fetchall())


# Time alone fails no job: only one that was delivered again and again, and moved not once in all that time. Time in
# which the system was down does not count; sweep, which saw it, leaves this out until it has watched for long enough.
_FAIL_STUCK = """
UPDATE jobs SET status = 'failed', ended_at = clock_timestamp(), error_code = 'JOB_DEADLINE',
    error_message = 'No progress within ' || %(seconds)s || ' seconds of trying; see the workers'' log for the reason'
WHERE id IN (
    SELECT j.id FROM jobs j JOIN job_blocks b ON b.job_id = j.id AND b.open AND b.deliveries >= %(deliveries)s
    WHERE j.status = 'processing' AND j.look_at <= now()
      AND j.progressed_at < now() - make_interval(secs => %(seconds)s)
    ORDER BY j.look_at LIMIT 100 FOR UPDATE OF j SKIP LOCKED)
  AND status = 'processing'
RETURNING id
"""
_STUCK_DELIVERIES = 5


def fail_stuck(conn: Connection, *, seconds: int) -> list[UUID]:
    """PROCESSING to FAILED, for jobs that were tried for so long without any progress.

    Returns:
        Their ids, at most 100.
    """
    rows = conn.execute(_FAIL_STUCK, {"seconds": seconds, "deliveries": _STUCK_DELIVERIES})
    return [row[0] for row in rows]  # type: ignore[misc] # a uuid column


# No transaction of Sluice's leaves such a job behind; somebody's hand in the tables might, and every job ends.
_FAIL_HOLLOW = """
UPDATE jobs SET status = 'failed', ended_at = clock_timestamp(), error_code = 'JOB_UNRUNNABLE',
    error_message = 'Items are left, but none of the stored batch is'
WHERE id IN (
    SELECT j.id FROM jobs j
    WHERE j.status IN ('pending', 'processing') AND j.look_at <= now()
      AND NOT EXISTS (SELECT FROM job_blocks b WHERE b.job_id = j.id AND b.open)
    ORDER BY j.look_at LIMIT 100 FOR UPDATE OF j SKIP LOCKED)
  AND status IN ('pending', 'processing')
RETURNING id
"""


def fail_hollow(conn: Connection) -> list[UUID]:
    """PENDING or PROCESSING to FAILED, for jobs of which no block is left that could be carried out.

    Returns:
        Their ids, at most 100.
    """
    return [row[0] for row in conn.execute(_FAIL_HOLLOW)]  # type: ignore[misc] # a uuid column


class Need(StrEnum):
    """What a job that was looked at needs.

    Attributes:
        NOTHING: it moves, someone is at it, or it waits for another job.
        RING: its first open block is free, and no worker seems to know.
        HANDS: it was rung for more than once, and no worker came.
    """

    NOTHING = "nothing"
    RING = "ring"
    HANDS = "hands"


@dataclass(frozen=True, slots=True)
class Looked:
    """A job that sweep has looked at."""

    id: UUID
    need: Need


# Looks at the jobs whose time has come, and says when to look again: 1.5 s after the last progress, then 1.5 times
# later with each ring, up to 30 s. Only a ring moves the back-off on, and progress sets it back.
# The lateral lock tells a free block from a held one. A delivery that meets it just then leaves, and the ring makes up.
_LOOK = """
WITH due AS (
    SELECT id, rings, progressed_at, after_job_id FROM jobs
    WHERE status IN ('pending', 'processing') AND look_at <= now()
    ORDER BY look_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), looked AS (
    SELECT due.id,
           CASE WHEN due.progressed_at > now() - interval '1.5 seconds' THEN 'moving'
                WHEN waits.id IS NOT NULL THEN 'waiting'
                WHEN free.no IS NULL THEN 'held'
                WHEN due.rings >= 2 THEN 'hands'
                ELSE 'ring' END AS finding
    FROM due
    LEFT JOIN jobs waits ON waits.id = due.after_job_id AND waits.status IN ('pending', 'processing')
    LEFT JOIN LATERAL (
        SELECT b.no FROM job_blocks b
        WHERE b.job_id = due.id AND b.open AND waits.id IS NULL
          AND due.progressed_at <= now() - interval '1.5 seconds'
          AND b.no = (SELECT min(no) FROM job_blocks WHERE job_id = due.id AND open)
        FOR UPDATE SKIP LOCKED) free ON true
)
UPDATE jobs
SET rings = CASE finding WHEN 'moving' THEN 0 WHEN 'ring' THEN rings + 1 WHEN 'hands' THEN rings + 1 ELSE rings END,
    look_at = CASE WHEN finding IN ('ring', 'hands')
                   THEN now() + least(30, 1.5 * 1.5 ^ least(rings + 1, 20)) * interval '1 second'
                   ELSE now() + interval '1.5 seconds' END
FROM looked WHERE jobs.id = looked.id AND jobs.status IN ('pending', 'processing')
RETURNING jobs.id, CASE WHEN finding IN ('ring', 'hands') THEN finding ELSE 'nothing' END AS need
"""


def look(conn: Connection, *, limit: int) -> list[Looked]:
    """Look at the jobs whose time has come, the longest waiting first, and put off the next look at each.

    Args:
        conn: an open transaction; commit before acting on what it returns.
        limit: the most to look at.
    """
    rows = conn.execute(_LOOK, {"limit": limit})
    return [Looked(job_id, Need(need)) for job_id, need in rows]  # type: ignore[arg-type] # (uuid, text)


_MARK_SWEPT = "UPDATE jobs SET swept = true WHERE id = %s AND ended_at IS NOT NULL AND NOT swept"


def mark_swept(conn: Connection, job_id: UUID) -> None:
    """Note of a job that has ended that the sweeper had to carry it out."""
    conn.execute(_MARK_SWEPT, (job_id,))
