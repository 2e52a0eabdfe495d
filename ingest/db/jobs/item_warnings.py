"""Warnings of a job's items: recorded by the transaction that ran them, and read by pages."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from ingest.db.connection.pool import Connection
from ingest.db.jobs.item_errors import storable
from ingest.jobs import MOST_WARNINGS_KEPT, ItemWarning

# The rows of the jobs are this transaction's already.
_WARN = f"""
WITH counted AS (
    UPDATE jobs j SET warnings = j.warnings + c.count
    FROM unnest(%(counted)b::uuid[], %(counts)b::integer[]) AS c (job_id, count) WHERE j.id = ANY (ARRAY[c.job_id])
    RETURNING j.id, j.tenant_id, j.warnings - c.count AS before
)
INSERT INTO job_warnings (tenant_id, job_id, index, no, code, message, field, line)
SELECT counted.tenant_id, w.job_id, w.index,
       row_number() OVER (PARTITION BY w.job_id, w.index ORDER BY w.place) - 1, w.code, w.message, w.field, w.line
FROM unnest(%(job_ids)b::uuid[], %(places)b::integer[], %(indexes)b::integer[], %(codes)b::text[], %(messages)b::text[],
            %(fields)b::text[], %(lines)b::bigint[]) AS w (job_id, place, index, code, message, field, line)
JOIN counted ON counted.id = w.job_id
WHERE counted.before + w.place <= {MOST_WARNINGS_KEPT}
"""


def record(conn: Connection, warnings: Mapping[UUID, Sequence[ItemWarning]], *, more: int = 0) -> None:
    """Count what the senders of good items should know, and keep the first of it.

    Args:
        conn: the transaction that moved the jobs on.
        warnings: of each job, in the order of their indexes.
        more: how many each job has behind them, which need only be counted.
    """
    if not any(warnings.values()):
        return
    kept = [
        (job_id, place, warning)
        for job_id, found in warnings.items()
        for place, warning in enumerate(found[:MOST_WARNINGS_KEPT], 1)
    ]
    columns = {
        "counted": list(warnings),
        "counts": [len(found) + more for found in warnings.values()],
        "job_ids": [job_id for job_id, _, _ in kept],
        "places": [place for _, place, _ in kept],
        "indexes": [warning.index for _, _, warning in kept],
        "codes": [warning.code for _, _, warning in kept],
        "messages": [storable(warning.message) for _, _, warning in kept],
        "fields": [None if warning.field is None else storable(warning.field) for _, _, warning in kept],
        "lines": [warning.line for _, _, warning in kept],
    }
    conn.execute(_WARN, columns)


_WARNINGS = """
SELECT no, index, code, message, field, line FROM job_warnings
WHERE job_id = %(job_id)s AND (index, no) > (%(index)s, %(no)s) ORDER BY index, no LIMIT %(limit)s
"""


# The place at which a page of warnings ended: an index, and the number of the warning among the item's.
Place = tuple[int, int]


def of_job(conn: Connection, job_id: UUID, *, limit: int, after: Place = (-1, -1)) -> list[tuple[Place, ItemWarning]]:
    """Return a page of a job's warnings, in index order, each with its place.

    Args:
        conn: an open transaction.
        job_id: whose.
        limit: the most to return.
        after: only those with a greater place.
    """
    values = {"job_id": job_id, "index": after[0], "no": after[1], "limit": limit}
    rows = conn.execute(_WARNINGS, values)
    return [((warning[0], no), ItemWarning(*warning)) for no, *warning in rows]  # type: ignore[misc,arg-type] # as selected
