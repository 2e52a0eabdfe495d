"""Errors of a job's items: recorded by the transaction that ran them, and the first ones of an answer."""

from collections.abc import Sequence
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.connection.pool import Connection
from ingest.jobs import ItemError

_RECORD = """
INSERT INTO job_errors (tenant_id, job_id, index, external_id, code, message, line, field, item, patched, sealed_for)
SELECT %(tenant_id)s, e.job_id, e.index, e.external_id, e.code, e.message, e.line, e.field, e.item, e.patched,
       CASE WHEN e.sealed THEN %(tenant_id)s END
FROM unnest(%(job_ids)b::uuid[], %(indexes)b::integer[], %(ids)b::text[], %(codes)b::text[], %(messages)b::text[],
            %(lines)b::bigint[], %(fields)b::text[], %(items)b::bytea[],
            %(patched)b::boolean[], %(sealed)b::boolean[])
     AS e (job_id, index, external_id, code, message, line, field, item, patched, sealed)
"""


def record(conn: Connection, tenant_id: int, errors: Sequence[tuple[UUID, ItemError]]) -> None:
    """Keep what was wrong with bad items, each beside its job, and their texts.

    Args:
        conn: an open transaction.
        tenant_id: whose jobs they are.
        errors: of these jobs.
    """
    if not errors:
        return
    columns = {
        "job_ids": [job_id for job_id, _ in errors],
        "indexes": [error.index for _, error in errors],
        "ids": [None if error.external_id is None else storable(error.external_id) for _, error in errors],
        "codes": [error.code for _, error in errors],
        "messages": [storable(error.message) for _, error in errors],
        "lines": [error.line for _, error in errors],
        "fields": [None if error.field is None else storable(error.field) for _, error in errors],
        "items": [error.item for _, error in errors],
        "patched": [error.patched for _, error in errors],
        "sealed": [error.sealed for _, error in errors],
        "tenant_id": tenant_id,
    }
    conn.execute(_RECORD, columns)


_ERRORS = """
SELECT index, external_id, code, message, line, field FROM job_errors
WHERE job_id = %(job_id)s AND index > %(after)s ORDER BY index LIMIT %(limit)s
"""


def of_job(conn: Connection, job_id: UUID, *, limit: int, after: int = -1) -> list[ItemError]:
    """Return a page of a job's item errors, in index order.

    Args:
        conn: an open transaction.
        job_id: whose.
        limit: the most to return.
        after: only those with a greater index.
    """
    with conn.cursor(row_factory=class_row(ItemError)) as cursor:
        return cursor.execute(_ERRORS, {"job_id": job_id, "after": after, "limit": limit}).fetchall()


# Postgres stores no NUL and no lone surrogate. The item that had one was refused for it; here it is only told apart.
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# An item's error quotes what was sent: a field's name may be megabytes long.
_LONGEST_MESSAGE = 2_000


def storable(text: str) -> str:
    """Return a text as Postgres can store it, and not too long."""
    if len(text) > _LONGEST_MESSAGE:
        text = f"{text[:_LONGEST_MESSAGE]}…"
    return text.replace("\0", _REPLACEMENT).encode("utf-8", "replace").decode()
