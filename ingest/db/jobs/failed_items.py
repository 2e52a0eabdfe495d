"""The encrypted texts of one entity's items that failed, in all jobs of its tenant: to erase, and to export them.

Texts in the clear, of tenants without personal data, are not among them: no index finds these by their entity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.connection.pool import Connection
from ingest.db.jobs import drafts

# By a hash, as the index has it: the id of an item that failed may be longer than an index can hold.
_OF_ENTITY: LiteralString = """sealed_for = %(tenant_id)s
  AND hashtextextended(external_id, 0) = hashtextextended(%(external_id)s, 0) AND external_id = %(external_id)s"""

_ERASE = f"UPDATE job_errors SET item = NULL, sealed_for = NULL WHERE {_OF_ENTITY} RETURNING job_id, index"

# A statement of its own, whose snapshot has the drafts that the one before has waited for (`drafts.store`).
_UNDO = """
DELETE FROM job_drafts d USING unnest(%s::uuid[], %s::integer[]) AS w (job_id, index)
WHERE d.job_id = ANY (ARRAY[w.job_id]) AND d.index = w.index
"""


def erase(conn: Connection, tenant_id: int, external_id: str) -> int:
    """Erase the texts of an entity's items, of whatever kind, and their drafts; what was wrong with each stays.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        external_id: the entity's.

    Returns:
        The number of texts that it erased.
    """
    erased: Any = conn.execute(_ERASE, {"tenant_id": tenant_id, "external_id": external_id}).fetchall()
    if erased:
        conn.execute(_UNDO, ([job_id for job_id, _ in erased], [index for _, index in erased]))
    return len(erased)


_ERASE_OF_JOB = """
UPDATE job_errors SET item = NULL, sealed_for = NULL
WHERE job_id = %(job_id)s AND index = ANY (%(indexes)s::integer[]) AND item IS NOT NULL
"""


def erase_of_job(conn: Connection, job_id: UUID, indexes: Sequence[int]) -> int:
    """Erase the texts of items of a job, encrypted or not, and their drafts; return how many texts there were."""
    erased = conn.execute(_ERASE_OF_JOB, {"job_id": job_id, "indexes": list(indexes)}).rowcount
    drafts.delete(conn, job_id, indexes)  # after the texts, as above
    return erased


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item that failed; its text is as it is stored, which is encrypted."""

    job_id: UUID
    kind: str
    index: int
    code: str
    message: str
    item: bytes


# A page of the largest items has so many megabytes.
_A_PAGE = 20

FIRST = (UUID(int=0), -1)

_PAGE = f"""
SELECT e.job_id, j.kind, e.index, e.code, e.message, e.item FROM (
    SELECT * FROM job_errors
    WHERE {_OF_ENTITY} AND (job_id, index) > (%(job_id)s, %(index)s) ORDER BY job_id, index LIMIT {_A_PAGE}) e
CROSS JOIN LATERAL (SELECT kind FROM jobs WHERE id = e.job_id LIMIT 1) j
ORDER BY e.job_id, e.index
"""


def page(conn: Connection, tenant_id: int, external_id: str, *, after: tuple[UUID, int] = FIRST) -> list[FailedItem]:
    """Return some of an entity's items that failed, in the order of their jobs and indexes; empty behind the last.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        external_id: the entity's.
        after: job and index of the last one of the page before.
    """
    values = {"tenant_id": tenant_id, "external_id": external_id, "job_id": after[0], "index": after[1]}
    with conn.cursor(row_factory=class_row(FailedItem)) as cursor:
        return cursor.execute(_PAGE, values).fetchall()
