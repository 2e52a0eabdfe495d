"""Blocks: the row lock on a block is the lease on its work."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.bulk import binary
from ingest.db.connection.pool import TRANSACTION_TIMEOUT_SINCE, WORKER, Connection


@dataclass(frozen=True, slots=True)
class OpenBlock:
    """An open block, as read before any lock; its payload never changes while it is open.

    Its fields, but for the number and the deliveries, are those of `ingest.intake.blocks.Block`.
    """

    no: int
    first_index: int
    items: int
    payload: bytes
    deliveries: int
    first_line: int | None = None


_NEXT = """
SELECT no, first_index, items, payload, deliveries, first_line FROM job_blocks
WHERE job_id = %s AND open AND no > %s ORDER BY no LIMIT 1
"""


def next_open(conn: Connection, job_id: UUID, *, after: int = -1) -> OpenBlock | None:
    """Return the first open block of a job, without a lock; None where all are closed.

    Args:
        conn: a connection, in a transaction or not.
        job_id: whose.
        after: the number of a block, if only those behind it count.
    """
    with conn.cursor(row_factory=class_row(OpenBlock)) as cursor:
        return cursor.execute(_NEXT, (job_id, after)).fetchone()


_NEXT_TO_RUN = """
SELECT b.no, b.first_index, b.items, b.payload, b.deliveries, b.first_line
FROM jobs j CROSS JOIN LATERAL (
    SELECT * FROM job_blocks WHERE job_id = j.id AND open ORDER BY no LIMIT 1) b
WHERE j.id = %s AND j.status || '' = 'processing'
"""


def next_to_run(conn: Connection, job_id: UUID) -> OpenBlock | None:
    """Return the first open block of a job, without a lock; None where all are closed, or the job is paused or ended.

    Args:
        conn: a connection, in a transaction or not.
        job_id: whose.
    """
    with conn.cursor(row_factory=class_row(OpenBlock)) as cursor:
        return cursor.execute(_NEXT_TO_RUN, (job_id,)).fetchone()


_COUNT_OPEN = "SELECT count(*) FROM job_blocks WHERE job_id = %s AND open"


def count_open(conn: Connection, job_id: UUID) -> int:
    """Return how many blocks of a job are open."""
    return conn.execute(_COUNT_OPEN, (job_id,)).fetchall()[0][0]  # type: ignore[return-value] # a bigint


_STILL_OPEN = """
SELECT no, first_index, items, payload, deliveries, first_line FROM job_blocks
WHERE job_id = %s AND no = %s AND open
"""


def still_open(conn: Connection, job_id: UUID, no: int) -> OpenBlock | None:
    """Return a block of a job, without a lock; None where it is closed."""
    with conn.cursor(row_factory=class_row(OpenBlock)) as cursor:
        return cursor.execute(_STILL_OPEN, (job_id, no)).fetchone()


# The subquery pins each block to the first open one of its job: a plain ORDER BY no LIMIT 1 SKIP LOCKED would jump over
# a block that another worker holds, and break the order.
_LOCK: LiteralString = """
SELECT FROM unnest(%(job_ids)b, %(nos)b) AS w (job_id, no)
JOIN job_blocks b ON b.job_id = ANY (ARRAY[w.job_id]) AND b.no = w.no
WHERE b.open {in_order}
FOR UPDATE OF b {skip}
"""
_LOCK_IN_ORDER = _LOCK.format(
    in_order="AND b.no = (SELECT min(no) FROM job_blocks WHERE job_id = w.job_id AND open)", skip="SKIP LOCKED"
)
# Wait for the lock: a claim of another worker that has just lost this block to us may hold it for its statement, since
# Postgres keeps a lock on a row that a recheck then rejects.
_LOCK_ANY = _LOCK.format(in_order="", skip="")


def lock(conn: Connection, wanted: Sequence[tuple[UUID, int]], *, in_order: bool = True) -> bool:
    """Take the lease on blocks until this transaction ends, however it ends.

    Args:
        conn: an open transaction.
        wanted: the job and the number of each, no two of the same job.
        in_order: only the first open block of a job may be locked.

    Returns:
        False where another worker holds one of them, or has closed it; the others may be held all the same.
    """
    values = {
        "job_ids": binary.uuid_array(job_id for job_id, _ in wanted),
        "nos": binary.integer_array(no for _, no in wanted),
    }
    return conn.execute(_LOCK_IN_ORDER if in_order else _LOCK_ANY, values).rowcount == len(wanted)


# Each delivery without progress doubles the lease time, up to 320 s: a block that is merely slow gets its time, and one
# that hangs does not keep a session for long. A transaction of several blocks has the lease time of each.
_LEASE_SECONDS = 10
_MOST_DOUBLINGS = 5
_LONGEST_LEASE_SECONDS = 320


def lease_seconds(deliveries: int, of_blocks: int = 1) -> int:
    """Return the lease time: how long a transaction may work on a block that was delivered so often.

    Args:
        deliveries: this one included.
        of_blocks: how many blocks the transaction works on.
    """
    seconds = max(of_blocks, 1) * _LEASE_SECONDS << min(max(deliveries - 1, 0), _MOST_DOUBLINGS)
    return min(seconds, _LONGEST_LEASE_SECONDS)


def extend_lease(conn: Connection, deliveries: int, of_blocks: int = 1) -> None:
    """Give this transaction the time that its block's deliveries have earned; the first one has the session's own.

    Args:
        conn: the transaction.
        deliveries: as of `lease_seconds`, like `of_blocks`.
        of_blocks: likewise; a single statement, and a pause, have the time of one block all the same.
    """
    seconds, of_one = lease_seconds(deliveries, of_blocks), lease_seconds(deliveries)
    if seconds == _LEASE_SECONDS:
        return
    conn.execute(
        "SELECT set_config('application_name', %(name)s, true), set_config('statement_timeout', %(timeout)s, true),"
        " set_config('idle_in_transaction_session_timeout', %(timeout)s, true)",
        {"name": f"{WORKER}:{seconds}", "timeout": f"{of_one - 2}s"},
    )
    if conn.info.server_version >= TRANSACTION_TIMEOUT_SINCE:
        # A timer that runs keeps its end whatever is set; it must be stopped for another to start.
        conn.execute("SET LOCAL transaction_timeout = 0")
        conn.execute("SELECT set_config('transaction_timeout', %s, true)", (f"{seconds - 1}s",))
