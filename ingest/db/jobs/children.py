"""Children: jobs that send items of another job again, made by one transaction each (docs/contracts/jobs.md)."""

from uuid import UUID

from ingest.db.connection.pool import Connection
from ingest.db.jobs.families import CHILD, IS_RETRY
from ingest.db.jobs.receiving import PENDING
from ingest.intake.blocks import Block

# A statement moves so many blocks.
_BLOCKS_AT_ONCE = 200

_APPEND = """
INSERT INTO job_blocks (tenant_id, job_id, no, first_index, items, payload, first_line)
VALUES (%(tenant_id)s, %(job_id)s, %(no)s, %(first_index)s, %(items)s, %(payload)s, %(first_line)s)
"""


def append(conn: Connection, tenant_id: int, child_id: UUID, no: int, block: Block) -> None:
    """Append a block to a child that is being made."""
    conn.execute(
        _APPEND,
        {
            "tenant_id": tenant_id,
            "job_id": child_id,
            "no": no,
            "first_index": block.first_index,
            "items": block.items,
            "payload": block.payload,
            "first_line": block.first_line,
        },
    )


# The child takes the rows over, so that no payload is copied: a gigabyte of them moves as fast as it is listed. Rows of
# the same places stay with the job, with the results of its items. They can be put in once the others have left.
_MOVE = f"""
WITH found AS MATERIALIZED (
    SELECT tenant_id, job_id, no, first_index, items, first_line, deliveries,
           result_indexes, result_effects, result_ids, result_lines,
           %(no)s + row_number() OVER (ORDER BY no) - 1 AS child_no
    FROM job_blocks
    WHERE job_id = %(job_id)s AND no > %(after)s AND payload <> '' ORDER BY no LIMIT {_BLOCKS_AT_ONCE}
), moved AS (
    UPDATE job_blocks b SET job_id = %(child_id)s, no = found.child_no, open = true, deliveries = 0,
           result_indexes = NULL, result_effects = NULL, result_ids = NULL, result_lines = NULL
    FROM found
    WHERE b.tenant_id = found.tenant_id AND b.job_id = ANY (ARRAY[found.job_id]) AND b.no = found.no
    RETURNING found.*
), left_behind AS (
    INSERT INTO job_blocks (tenant_id, job_id, no, first_index, items, first_line, deliveries,
                            result_indexes, result_effects, result_ids, result_lines, payload, open)
    SELECT tenant_id, job_id, no, first_index, items, first_line, deliveries,
           result_indexes, result_effects, result_ids, result_lines, '', false
    FROM moved
)
SELECT count(*), sum(items), max(no) FROM found
"""


def move_blocks(conn: Connection, job_id: UUID, child_id: UUID) -> tuple[int, int]:
    """Give a child that is being made the blocks of a job that only validated, a few a statement.

    Args:
        conn: the transaction that holds the family.
        job_id: the job's; it keeps its blocks, without their payload.
        child_id: the child's.

    Returns:
        The number of blocks, and of items in them. Blocks whose payload is gone are not among them.
    """
    blocks = items = 0
    after: object = -1
    while True:
        values = {"job_id": job_id, "child_id": child_id, "no": blocks, "after": after}
        [(count, found, last)] = conn.execute(_MOVE, values).fetchall()
        if not count:
            return blocks, items
        blocks, items, after = blocks + count, items + found, last  # type: ignore[operator] # integers


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
