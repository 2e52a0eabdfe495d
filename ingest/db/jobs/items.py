"""Look one item of a job up: its block, and what that keeps of the item."""

from typing import LiteralString, NamedTuple
from uuid import UUID

from ingest.db.connection.pool import Connection
from ingest.intake.blocks import Block
from ingest.jobs import Effect


class StoredItem(NamedTuple):
    """An item of a job, as its block has it.

    Attributes:
        is_open: the block is not closed yet.
        effect: of an item that was taken, where the job keeps results; likewise `public_id` and `line`.
        block: the block, if it is open and was asked for.
    """

    is_open: bool
    effect: Effect | None
    public_id: UUID | None
    line: int | None
    block: Block | None = None


# The number of the block that has an item. A job's blocks follow one another, so it is found by halving their numbers:
# some 14 rows of 10,000.
BLOCK_NO: LiteralString = """
WITH RECURSIVE halved (low, high) AS (
    SELECT 0, (SELECT no FROM job_blocks WHERE job_id = {job_id} ORDER BY no DESC LIMIT 1)
    UNION ALL
    SELECT CASE WHEN b.first_index <= {index} THEN b.no ELSE h.low END,
           CASE WHEN b.first_index <= {index} THEN h.high ELSE b.no - 1 END
    FROM halved h
    CROSS JOIN LATERAL (
        SELECT no, first_index FROM job_blocks WHERE job_id = {job_id} AND no = (h.low + h.high + 1) / 2 LIMIT 1
    ) b
    WHERE h.low < h.high
)
SELECT low FROM halved WHERE low = high
"""

_FIND = f"""
SELECT b.open, r.effect, r.id, coalesce(r.line, b.first_line + r.index - b.first_index),
       b.first_index, b.items, CASE WHEN b.open AND %(with_block)s THEN b.payload END
FROM job_blocks b
LEFT JOIN LATERAL (
    SELECT * FROM unnest(b.result_indexes, b.result_effects, b.result_ids, b.result_lines)
                  AS r (index, effect, id, line)
    WHERE r.index = %(index)s LIMIT 1
) r ON true
WHERE b.job_id = %(job_id)s AND b.no = ({BLOCK_NO.format(job_id="%(job_id)s", index="%(index)s")})
"""


def find(conn: Connection, job_id: UUID, index: int, *, with_block: bool = False) -> StoredItem | None:
    """Return what a job's block says of an item; None where the job has no blocks.

    Args:
        conn: an open transaction.
        job_id: whose.
        index: one that the job has, or one that its blocks may lack, if its items were picked from another job.
        with_block: with the block, if it is open.
    """
    row = conn.execute(_FIND, {"job_id": job_id, "index": index, "with_block": with_block}).fetchone()
    if row is None:
        return None
    is_open, effect, public_id, line, first_index, items, payload = row
    block = None if payload is None else Block(first_index, items, payload)  # type: ignore[arg-type] # as selected
    return StoredItem(bool(is_open), None if effect is None else Effect(effect), public_id, line, block)  # type: ignore[arg-type] # as selected
