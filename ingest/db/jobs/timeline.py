"""The timeline of a job: what happened to it, when, and who asked for it (docs/contracts/jobs.md section 4).

The job's own row tells when it was accepted, begun and ended. Rarer things have rows of their own, written by the
transactions that do them, so that a job which simply runs writes nothing here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.bulk import binary
from ingest.db.connection.pool import Connection

# A client may pause and relabel a job as often as it likes: a timeline of so many entries takes a cancellation alone.
MOST_ENTRIES = 1_000

# Part of each statement that steers a job: `moved` has the job, if the statement has changed it.
RECORD: LiteralString = f"""INSERT INTO job_timeline (tenant_id, job_id, what, actor, detail)
    SELECT tenant_id, id, '{{what}}', %(actor)s, {{detail}} FROM moved
    WHERE '{{what}}' = 'cancelled' OR {MOST_ENTRIES} > (
        SELECT count(*) FROM (
            SELECT FROM job_timeline t
            WHERE t.tenant_id = moved.tenant_id AND t.job_id = ANY (ARRAY[moved.id]) LIMIT {MOST_ENTRIES}) t)"""

# A block that no worker gets through is delivered again and again; the first of these tell what there is to tell.
_MOST_DELIVERIES = 100

_RECORD_DELIVERIES: LiteralString = f"""
INSERT INTO job_timeline (tenant_id, job_id, what, detail)
SELECT %(tenant_id)s, d.job_id, 'delivered_again', 'block ' || d.no || ', delivery ' || d.deliveries
FROM unnest(%(job_ids)b, %(nos)b, %(deliveries)b) AS d (job_id, no, deliveries)
CROSS JOIN LATERAL (
    SELECT count(*) AS known FROM (
        SELECT FROM job_timeline t
        WHERE t.tenant_id = %(tenant_id)s AND t.job_id = ANY (ARRAY[d.job_id]) AND t.what = 'delivered_again'
        LIMIT {_MOST_DELIVERIES}) t) k
WHERE k.known < {_MOST_DELIVERIES}
"""


def record_deliveries(conn: Connection, tenant_id: int, deliveries: Sequence[tuple[UUID, int, int]]) -> None:
    """Record that blocks were delivered which had been delivered before; of each job the first 100 times.

    Args:
        conn: a connection, in a transaction or not.
        tenant_id: whose jobs they are.
        deliveries: job, number of the block, and how often it was delivered, this time included.
    """
    values = {
        "tenant_id": tenant_id,
        "job_ids": binary.uuid_array(job_id for job_id, _, _ in deliveries),
        "nos": binary.integer_array(no for _, no, _ in deliveries),
        "deliveries": binary.integer_array(count for _, _, count in deliveries),
    }
    conn.execute(_RECORD_DELIVERIES, values)


# Entries by the words of the wire.
WHAT = (
    *("accepted", "begun", "delivered_again", "paused", "resumed", "relabelled"),
    *("completed", "failed", "cancelled"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened to a job.

    Attributes:
        at: when.
        no: tells it from others of the same time.
        what: one of WHAT.
        actor: who asked for it: the label of an API key, `command` or `sweeper`; None where it is known of nobody.
        detail: the code of a failure, the new label, or which block it was.
    """

    at: datetime
    no: int
    what: str
    actor: str | None
    detail: str | None


# The place of an entry: its time and its number. What the job's row tells of has the first numbers and the last one, so
# that it is accepted before all, and ended after all.
Place = tuple[datetime, int]
_ACCEPTED, _BEGUN, _ENDED = -2, -1, 2**63 - 1

# The codes of failures that the sweeper alone brings about.
_BY_SWEEPER: LiteralString = "('DEADLINE_EXCEEDED', 'JOB_DEADLINE', 'PREDECESSOR_FAILED')"

_ENTRIES: LiteralString = f"""
SELECT at, no, what, actor, detail FROM (
    SELECT e.at, e.no, e.what, e.actor, e.detail FROM jobs j CROSS JOIN LATERAL (VALUES
        (j.created_at, {_ACCEPTED}::bigint, 'accepted', NULL, NULL),
        (j.started_at, {_BEGUN}, 'begun', NULL, NULL),
        -- A cancellation has a row of its own, which knows who asked for it.
        (CASE WHEN j.status <> 'cancelled' THEN j.ended_at END, {_ENDED}, j.status,
         CASE WHEN j.error_code IN {_BY_SWEEPER} THEN 'sweeper' END, j.error_code)
    ) AS e (at, no, what, actor, detail)
    WHERE j.id = %(job_id)s AND e.at IS NOT NULL
      AND (%(at)s::timestamptz IS NULL OR (e.at, e.no) > (%(at)s, %(no)s))
  UNION ALL
    (SELECT t.at, t.no, t.what, t.actor, t.detail FROM job_timeline t
     WHERE t.job_id = %(job_id)s AND (t.at, t.no) > (coalesce(%(at)s, '-infinity'), %(no)s)
     ORDER BY t.at {{order}}, t.no {{order}} LIMIT %(limit)s)
) e
ORDER BY at {{order}}, no {{order}} LIMIT %(limit)s
"""
_PAGE = _ENTRIES.format(order="ASC")
_LAST = _ENTRIES.format(order="DESC")


def page(conn: Connection, job_id: UUID, *, limit: int, after: Place | None = None) -> list[Entry]:
    """Return a page of a job's timeline, in the order of time.

    Args:
        conn: an open transaction.
        job_id: whose.
        limit: the most to return.
        after: only what has a later place.
    """
    at, no = after or (None, 0)
    with conn.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(_PAGE, {"job_id": job_id, "at": at, "no": no, "limit": limit}).fetchall()


def last(conn: Connection, job_id: UUID, *, limit: int) -> list[Entry]:
    """Return the last entries of a job's timeline, in the order of time.

    Args:
        conn: an open transaction.
        job_id: whose.
        limit: the most to return.
    """
    with conn.cursor(row_factory=class_row(Entry)) as cursor:
        found = cursor.execute(_LAST, {"job_id": job_id, "at": None, "no": 0, "limit": limit}).fetchall()
    return found[::-1]
