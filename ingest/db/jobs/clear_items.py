"""Texts in the clear of one entity's items that failed, in all jobs of its tenant.

`failed_items` has the encrypted ones. No index finds these by their entity: the errors of each job that has any are
read, some thousands a statement.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from ingest.db.connection.pool import Connection
from ingest.db.jobs.failed_items import FailedItem
from ingest.db.jobs.kept import NO_JOB, SINCE

_JOBS_LOOKED_AT = 500
_ERRORS_LOOKED_AT = 5_000

# The tenant's jobs in the order of their ids, as their list has them (0039_indexes_of_lists.sql).
_JOBS: LiteralString = f"""
SELECT id, kind, failed > 0 AND {SINCE} FROM jobs
WHERE tenant_id::bigint = ANY (ARRAY[%(tenant_id)s::bigint]) AND id > %(after)s
ORDER BY tenant_id::bigint, id LIMIT {_JOBS_LOOKED_AT}
"""


def jobs(
    conn: Connection, tenant_id: int, *, after: UUID = NO_JOB, since: datetime | None = None
) -> tuple[Sequence[tuple[UUID, str]], UUID | None]:
    """Return those of a tenant's next jobs that have errors.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        after: where the page before has ended.
        since: only jobs that had not ended then; None for all.

    Returns:
        Their ids and kinds, and where this page has ended; None: there are no more.
    """
    looked: Any = conn.execute(_JOBS, {"tenant_id": tenant_id, "after": after, "since": since}).fetchall()
    last = looked[-1][0] if len(looked) == _JOBS_LOOKED_AT else None
    return [(job_id, kind) for job_id, kind, failed in looked if failed], last


# The texts of others are not read.
_NEXT: LiteralString = f"""
SELECT index, code, message, CASE WHEN external_id = %(external_id)s AND sealed_for IS NULL THEN item END
FROM job_errors WHERE job_id = %(job_id)s AND index > %(after)s ORDER BY index LIMIT {_ERRORS_LOOKED_AT}
"""


def next_items(
    conn: Connection, job: tuple[UUID, str], external_id: str, *, after: int
) -> tuple[Sequence[FailedItem], int | None]:
    """Return the entity's items among a job's next errors.

    Args:
        conn: an open transaction.
        job: its id and kind.
        external_id: the entity's.
        after: where the page before has ended; -1 before the first.

    Returns:
        The items, their texts in the clear, and where this page has ended; None: there are no more.
    """
    values = {"job_id": job[0], "external_id": external_id, "after": after}
    looked: Any = conn.execute(_NEXT, values).fetchall()
    last = looked[-1][0] if len(looked) == _ERRORS_LOOKED_AT else None
    return [FailedItem(*job, *row) for row in looked if row[-1] is not None], last
