"""Payloads of open uploads: parts that were stored, of jobs whose batch is not complete."""

from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.connection.pool import Connection
from ingest.db.jobs.kept import KeptBlock
from ingest.db.jobs.uploads import MOST_OPEN

# Requests that come at once may begin a few more than a tenant may have.
_IDS: LiteralString = f"SELECT id FROM uploads WHERE tenant_id = %s AND status = 'open' LIMIT {2 * MOST_OPEN}"


def ids(conn: Connection, tenant_id: int) -> list[UUID]:
    """Return the ids of a tenant's open uploads, oldest first."""
    found: Any = conn.execute(_IDS, (tenant_id,)).fetchall()
    return sorted(row[0] for row in found)


# Lower than the number of any block: those of parts are below zero (`ingest.db.jobs.parts`).
FIRST = -(2**31)

_NEXT = """
SELECT no, first_index, items, payload, first_line FROM job_blocks
WHERE job_id = %s AND no > %s AND payload <> '' ORDER BY no LIMIT 1
"""


def next_block(conn: Connection, job_id: UUID, *, after: int = FIRST) -> KeptBlock | None:
    """Return the next block of a job that has a payload; None where there is none.

    It takes no lock: parts of an upload arrive meanwhile, and workers run the blocks of other jobs.

    Args:
        conn: an open transaction.
        job_id: the job's.
        after: the number of the block before.
    """
    with conn.cursor(row_factory=class_row(KeptBlock)) as cursor:
        return cursor.execute(_NEXT, (job_id, after)).fetchone()
