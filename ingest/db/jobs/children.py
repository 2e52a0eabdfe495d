"""Children: jobs that send items of another job again, made by one transaction each (docs/contracts/jobs.md section 5).

The lock on the first job of a family keeps its retries apart, so that no item is in two children at once.
"""

from collections.abc import Sequence
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.connection.pool import Connection
from ingest.db.jobs.families import CHILD, IS_RETRY
from ingest.db.jobs.receiving import PENDING
from ingest.intake.blocks import Block
from ingest.jobs import ItemError

# Items of a page: so many, or so many bytes.
_ITEMS_A_PAGE = 1_000
_BYTES_A_PAGE = 4 * 1024 * 1024

_BLOCKS_AT_ONCE = 20

_ROOT = """
WITH RECURSIVE line (id, parent_job_id, steps) AS (
    SELECT id, parent_job_id, 0 FROM jobs WHERE id = %s
    UNION ALL
    SELECT p.id, p.parent_job_id, l.steps + 1 FROM line l CROSS JOIN LATERAL (
        SELECT id, parent_job_id FROM jobs WHERE id = l.parent_job_id LIMIT 1) p
)
SELECT id FROM line ORDER BY steps DESC LIMIT 1
"""
_LOCK = "SELECT id FROM jobs WHERE id = %s FOR NO KEY UPDATE"


def lock_family(conn: Connection, job_id: UUID) -> UUID:
    """Lock the family of a job until this transaction ends. Return the first job of it that retention has left."""
    [(root,)] = conn.execute(_ROOT, (job_id,)).fetchall()
    conn.execute(_LOCK, (root,))
    return root  # type: ignore[return-value] # a uuid


_NOT_FAILED = """
SELECT w.index FROM unnest(%(indexes)b::integer[]) AS w (index)
WHERE NOT EXISTS (
    SELECT FROM (SELECT FROM job_errors WHERE job_id = %(job_id)s AND index = ANY (ARRAY[w.index]) LIMIT 1) e)
ORDER BY w.index LIMIT 1
"""


def not_failed(conn: Connection, job_id: UUID, indexes: Sequence[int]) -> int | None:
    """Return the first of these indexes of which a job has no item error; None where it has one of each."""
    row = conn.execute(_NOT_FAILED, {"job_id": job_id, "indexes": list(indexes)}).fetchone()
    return None if row is None else row[0]  # type: ignore[return-value] # an integer


# An item that a child took is marked, and if it failed there, its newest error is the child's.
_FAILED = f"""
SELECT index, external_id, code, message, line, field, item FROM (
    SELECT found.*, sum(size) OVER (ORDER BY index) - size AS before FROM (
        SELECT *, octet_length(item) AS size FROM job_errors
        WHERE job_id = ANY (%(job_ids)s) AND index > %(after)s AND retried_in IS NULL AND item IS NOT NULL
          AND (%(code)s::text IS NULL OR code = %(code)s)
          AND (%(indexes)s::integer[] IS NULL OR index = ANY (%(indexes)s))
        ORDER BY index LIMIT {_ITEMS_A_PAGE}
    ) found
) counted
WHERE before < {_BYTES_A_PAGE} ORDER BY index
"""


def failed(
    conn: Connection, job_ids: Sequence[UUID], *, after: int, code: str | None, indexes: Sequence[int] | None
) -> list[ItemError]:
    """Return a page of the item errors of a family whose item no child has taken, with the items, in index order.

    Args:
        conn: the transaction that holds the family.
        job_ids: of its jobs.
        after: only those with a greater index.
        code: only those with this one.
        indexes: only those of these items.
    """
    values = {"job_ids": list(job_ids), "after": after, "code": code, "indexes": indexes and list(indexes)}
    with conn.cursor(row_factory=class_row(ItemError)) as cursor:
        return cursor.execute(_FAILED, values).fetchall()


_TAKE = """
UPDATE job_errors SET retried_in = %(child_id)s
WHERE job_id = ANY (%(job_ids)s) AND index = ANY (%(indexes)s) AND retried_in IS NULL
"""


def take(conn: Connection, job_ids: Sequence[UUID], indexes: Sequence[int], child_id: UUID) -> None:
    """Mark the newest errors of these items as sent again by a child."""
    conn.execute(_TAKE, {"job_ids": list(job_ids), "indexes": list(indexes), "child_id": child_id})


_APPEND = """
INSERT INTO job_blocks (job_id, no, first_index, items, payload, first_line)
VALUES (%(job_id)s, %(no)s, %(first_index)s, %(items)s, %(payload)s, %(first_line)s)
"""


def append(conn: Connection, child_id: UUID, no: int, block: Block) -> None:
    """Append a block to a child that is being made."""
    conn.execute(
        _APPEND,
        {
            "job_id": child_id,
            "no": no,
            "first_index": block.first_index,
            "items": block.items,
            "payload": block.payload,
            "first_line": block.first_line,
        },
    )


_COPY = f"""
INSERT INTO job_blocks (job_id, no, first_index, items, payload, first_line)
SELECT %(child_id)s, %(no)s + row_number() OVER (ORDER BY b.no) - 1, b.first_index, b.items, b.payload, b.first_line
FROM (
    SELECT * FROM job_blocks WHERE job_id = %(job_id)s AND no > %(after)s AND payload <> '' AND (%(closed)s OR open)
    ORDER BY no LIMIT {_BLOCKS_AT_ONCE}
) b
RETURNING items
"""
_LAST_COPIED = f"""
SELECT max(no) FROM (
    SELECT no FROM job_blocks WHERE job_id = %(job_id)s AND no > %(after)s AND payload <> '' AND (%(closed)s OR open)
    ORDER BY no LIMIT {_BLOCKS_AT_ONCE}
) b
"""


def copy_blocks(conn: Connection, job_id: UUID, child_id: UUID, *, closed: bool) -> tuple[int, int]:
    """Give a child that is being made the blocks of a job, as they were stored.

    Args:
        conn: the transaction that holds the family.
        job_id: the job's.
        child_id: the child's.
        closed: all blocks, as of a job that only validated; else those that are open.

    Returns:
        The number of blocks, and of items in them. Blocks whose payload is gone are not among them.
    """
    blocks = items = 0
    after = -1
    while True:
        values = {"job_id": job_id, "child_id": child_id, "no": blocks, "after": after, "closed": closed}
        last = conn.execute(_LAST_COPIED, values).fetchone()
        copied = conn.execute(_COPY, values).fetchall()
        if not copied or last is None:
            return blocks, items
        blocks, items = blocks + len(copied), items + sum(row[0] for row in copied)  # type: ignore[misc] # integers
        after = last[0]  # type: ignore[assignment] # an integer


_FORGET_PAYLOAD = "UPDATE job_blocks SET payload = '' WHERE job_id = %s AND NOT open AND payload <> ''"


def forget_payload(conn: Connection, job_id: UUID) -> None:
    """Empty the blocks of a job that was committed: its child has them now."""
    conn.execute(_FORGET_PAYLOAD, (job_id,))


_FINISH = f"""
UPDATE jobs SET {PENDING}, total = %(items)s, unprocessed = %(items)s, blocks_open = %(blocks)s,
    parent_job_id = %(parent_id)s
WHERE id = %(child_id)s AND status || '' = 'receiving'
"""


def finish(conn: Connection, child_id: UUID, parent_id: UUID, *, blocks: int, items: int) -> None:
    """Move a child from RECEIVING to PENDING; nobody has seen it before this transaction commits."""
    conn.execute(_FINISH, {"child_id": child_id, "parent_id": parent_id, "blocks": blocks, "items": items})


_COMMITTED = f"""
SELECT j.id FROM jobs j
WHERE {CHILD.format("%(job_id)s::uuid")} AND ({IS_RETRY}) IS NOT TRUE ORDER BY j.parent_job_id, j.id LIMIT 1
"""


def committed(conn: Connection, job_id: UUID) -> UUID | None:
    """Return the child that commits a job that only validated; None where there is none."""
    row = conn.execute(_COMMITTED, {"job_id": job_id}).fetchone()
    return None if row is None else row[0]  # type: ignore[return-value] # a uuid
