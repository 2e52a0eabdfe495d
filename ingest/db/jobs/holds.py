"""Holds: a paused job is on hold, and so is each pending job that waits for one on hold by `?after=`.

No claim sees a job on hold, and no later job waits for it (docs/contracts/jobs.md section 1, `ordered`). The statements
that pause and resume a job mark those that wait for it. The sweeper settles all that they left: jobs beyond their
bound, and jobs that were accepted, or locked, at the same moment.
"""

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from ingest.db.bulk import binary
from ingest.db.connection.pool import Connection

# One statement marks so many jobs; the sweeper sees to those beyond, and looks at so many jobs on hold a round.
_MOST = 500

# The jobs that wait for these, and those that wait for them, as far as each is to change. A job that another
# transaction has locked is left to the sweeper, so that no two transactions wait for each other's jobs.
_WAITING: LiteralString = f"""
WITH RECURSIVE first AS MATERIALIZED ({{first}}), waiting AS (
    SELECT id FROM first
    UNION ALL
    SELECT j.id FROM waiting w CROSS JOIN LATERAL (
        SELECT j.id FROM jobs j
        WHERE j.after_job_id = ANY (ARRAY[w.id]) AND j.after_job_id IS NOT NULL
          AND j.status || '' = 'pending' AND j.on_hold_since IS {{now}}
        LIMIT {_MOST}) j
)
UPDATE jobs SET on_hold_since = {{then}}
WHERE id = ANY (ARRAY(
    SELECT j.id FROM waiting w JOIN jobs j ON j.id = ANY (ARRAY[w.id])
    WHERE j.status || '' = 'pending' AND j.on_hold_since IS {{now}}
    LIMIT {_MOST} FOR NO KEY UPDATE OF j SKIP LOCKED))
  AND status || '' = 'pending'
RETURNING id
"""
# A job that was resumed, or ended, since it was seen on hold puts nothing on hold; and one that is locked here is
# resumed behind this transaction, by a statement that sees what it marked.
_HOLD: LiteralString = _WAITING.format(
    first="""
    SELECT j.id FROM unnest(%(job_ids)b) AS f (id) JOIN jobs j ON j.id = ANY (ARRAY[f.id])
    WHERE j.status || '' IN ('pending', 'paused') AND j.on_hold_since IS NOT NULL FOR SHARE OF j SKIP LOCKED""",
    now="NULL",
    then="clock_timestamp()",
)
_RELEASE: LiteralString = _WAITING.format(
    first="SELECT id FROM unnest(%(job_ids)b) AS f (id)",
    # The time on hold counts as no delay of theirs.
    now="NOT NULL",
    then="NULL, progressed_at = clock_timestamp(), check_at = clock_timestamp()",
)


def hold(conn: Connection, job_ids: Sequence[UUID]) -> list[UUID]:
    """Put the jobs on hold that wait for these by `?after=`, whatever lies between.

    Args:
        conn: an open transaction.
        job_ids: of jobs on hold, fewer than 500.

    Returns:
        The ids of those that are on hold now and were not before, at most 500.
    """
    return _mark(conn, _HOLD, job_ids)


def release(conn: Connection, job_ids: Sequence[UUID]) -> list[UUID]:
    """Take these pending jobs off hold, and those that wait for them by `?after=`, up to the next paused one.

    Args:
        conn: an open transaction.
        job_ids: of jobs that are paused no more and wait for none on hold, fewer than 500.

    Returns:
        The ids of those that are off hold now, at most 500.
    """
    return _mark(conn, _RELEASE, job_ids)


def _mark(conn: Connection, statement: LiteralString, job_ids: Sequence[UUID]) -> list[UUID]:
    rows = conn.execute(statement, {"job_ids": binary.uuid_array(job_ids)})
    return [row[0] for row in rows]  # type: ignore[misc] # a uuid column


# The job `j` comes after one on hold.
AFTER_ONE_ON_HOLD: LiteralString = """EXISTS (
        SELECT FROM jobs a WHERE a.id = ANY (ARRAY[j.after_job_id])
          AND a.status || '' IN ('pending', 'paused') AND a.on_hold_since IS NOT NULL)"""

# Thousands of jobs may wait for one: a round goes on with a page of jobs on hold, so often at most.
_STATEMENTS_A_ROUND = 10

Place = tuple[int, int]
FIRST: Place = (0, 0)

_ON_HOLD = f"""
SELECT j.tenant_id, j.seq, j.id, j.status = 'paused' OR {AFTER_ONE_ON_HOLD} AS rightly
FROM jobs j
WHERE j.status IN ('pending', 'paused') AND j.on_hold_since IS NOT NULL AND (j.tenant_id, j.seq) > (%s, %s)
ORDER BY j.tenant_id, j.seq LIMIT {_MOST - 1}
"""


_WRONGLY = f"""
SELECT j.id FROM unnest(%(job_ids)b) AS f (id) JOIN jobs j ON j.id = ANY (ARRAY[f.id])
WHERE j.status || '' = 'pending' AND j.on_hold_since IS NOT NULL AND NOT {AFTER_ONE_ON_HOLD}
"""


def settle(conn: Connection, *, after: Place = FIRST) -> tuple[int, Place]:
    """Put on hold what waits for a job on hold, and release what waits for none; of some jobs on hold a round.

    Args:
        conn: an open transaction.
        after: where the round before this one stopped.

    Returns:
        The number of jobs that it marked, and where this round stopped.
    """
    page = conn.execute(_ON_HOLD, after).fetchall()
    rightly = [row[2] for row in page if row[3]]
    wrongly = [row[2] for row in page if not row[3]]
    marked = _hold_all(conn, rightly) if rightly else 0  # type: ignore[arg-type] # uuids
    if wrongly:
        # Some may wait for what has just come on hold.
        still = conn.execute(_WRONGLY, {"job_ids": binary.uuid_array(wrongly)}).fetchall()  # type: ignore[arg-type] # uuids
        marked += len(release(conn, [row[0] for row in still]))  # type: ignore[misc] # uuids
    return marked, page[-1][:2] if len(page) == _MOST - 1 else FIRST  # type: ignore[return-value] # as selected


def _hold_all(conn: Connection, job_ids: Sequence[UUID]) -> int:
    """Put on hold what waits for these jobs: as many as a round marks. Return their number."""
    marked = 0
    for _ in range(_STATEMENTS_A_ROUND):
        count = len(hold(conn, job_ids))
        marked += count
        if count < _MOST:
            break
    return marked
