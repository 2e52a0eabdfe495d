"""Turns: which jobs a delivery begins, and how the blocks that it has carried out move them on, to their end too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate, chain
from typing import LiteralString, NamedTuple
from uuid import UUID

from psycopg.rows import dict_row

from ingest.db import binary
from ingest.db.binary import Array, TextArray, UuidArray
from ingest.db.blocks import OpenBlock, Results
from ingest.db.jobs import COLUMNS, job_of
from ingest.db.pool import Connection
from ingest.jobs import Effect, Job, JobState

# What is carried out in one transaction together, at most: so many items, which is over in a tenth of a second; so many
# bytes as they are stored, since all of them are fetched at once; and so many jobs as sweep rings for at once, should
# the process be killed with them (ingest/queue.py).
MOST_ITEMS = 5_000
MOST_JOBS = 50
_MOST_BYTES = 1024 * 1024

# On plans, here and in blocks.py and jobs.py: one that was made while a table was all but empty is kept, and must not
# read all of it for each job once it has grown. A join by `=` may do that, by reading the whole index in its order, and
# an EXISTS, by hashing what it reads; by `= ANY (ARRAY[…])` both can only look up. And a status that is spelt as a
# partial index has it, has that index read.

# The job that it comes after has ended, or is gone. Few come after any: OR keeps this from being a join of all jobs.
_MAY_BEGIN = """(j.after_job_id IS NULL OR NOT EXISTS (
           SELECT FROM jobs a WHERE a.id = ANY (ARRAY[j.after_job_id]) AND a.ended_at IS NULL))"""

# Nobody has begun them, or whoever did has made room. What was begun and is free all the same was left by somebody who
# died of it, or to whom the database denied it: sweep's ring alone brings that on, or it would come before all others.
_WAITS = """(j.status = 'pending' OR j.status = 'processing' AND j.queued_at > j.progressed_at)
      AND (SELECT b.open FROM job_blocks b WHERE b.job_id = j.id AND b.open LIMIT 1)"""

_ONE = f"""
chosen AS (
    SELECT j.id, 1 AS place FROM jobs j
    WHERE j.id = %(job_id)s AND j.status || '' IN ('pending', 'processing')
      AND {_MAY_BEGIN}
    FOR NO KEY UPDATE OF j SKIP LOCKED
)"""

# The longest waiting, and of those next behind it the ones that are like it and fit into its transaction. Their payload
# is counted as it is stored, compressed.
_NEXT = f"""
first AS (
    SELECT j.id, j.tenant_id, j.kind, j.merge, j.template_id, j.status, j.blocks_open, j.total, j.queued_at FROM jobs j
    WHERE {_WAITS}
      AND {_MAY_BEGIN}
    ORDER BY j.queued_at LIMIT 1 FOR NO KEY UPDATE OF j SKIP LOCKED
), alike AS (
    SELECT j.id, j.queued_at,
           first.total + sum(j.total) OVER so_far AS items, sum(octet_length(b.payload)) OVER so_far AS bytes
    FROM first
    CROSS JOIN LATERAL (
        SELECT id, tenant_id, kind, merge, template_id, after_job_id, blocks_open, total, queued_at FROM jobs
        WHERE queued_at >= first.queued_at AND status = 'pending' ORDER BY queued_at LIMIT {MOST_JOBS}) j
    CROSS JOIN LATERAL (SELECT payload FROM job_blocks WHERE job_id = j.id AND open LIMIT 1) b
    WHERE first.status = 'pending' AND first.blocks_open = 1 AND j.blocks_open = 1 AND j.id <> first.id
      AND (j.tenant_id, j.kind, j.merge) = (first.tenant_id, first.kind, first.merge)
      AND j.template_id IS NOT DISTINCT FROM first.template_id
      AND {_MAY_BEGIN}
    WINDOW so_far AS (ORDER BY j.queued_at, j.id)
), behind AS (
    SELECT j.id, j.queued_at FROM alike JOIN jobs j ON j.id = ANY (ARRAY[alike.id])
    WHERE alike.items <= {MOST_ITEMS} AND alike.bytes <= {_MOST_BYTES} AND j.status || '' = 'pending'
    FOR NO KEY UPDATE OF j SKIP LOCKED
), chosen AS (
    SELECT id, 1 AS place FROM first UNION ALL
    SELECT id, 1 + row_number() OVER (ORDER BY queued_at, id) FROM behind
)"""

# One statement counts a delivery of each job once, on its first open block if nobody works on that, and moves the job
# on if it is the first delivery. A job that waits for another to end is left as it is. SKIP LOCKED: a delivery never
# waits for another.
# The job's row comes first, since a row that is locked and then found to have changed stays locked for the statement:
# on the block, that would make the one who has just begun it believe that somebody else is at it.
# What is counted is a hint, and a job that is pending again begins again: that may be lost in a crash, so this commit
# waits for no disk.
_BEGIN = f"""
WITH {{chosen}}, block AS (
    SELECT b.job_id, b.no, chosen.place FROM chosen JOIN job_blocks b ON b.job_id = ANY (ARRAY[chosen.id]) AND b.open
    WHERE b.no = (SELECT min(no) FROM job_blocks WHERE job_id = chosen.id AND open)
    FOR UPDATE OF b SKIP LOCKED
), delivered AS (
    UPDATE job_blocks b SET deliveries = deliveries + 1 FROM block
    WHERE b.job_id = ANY (ARRAY[block.job_id]) AND b.no = block.no
    RETURNING b.job_id, b.no, b.first_index, b.items, b.payload, b.deliveries, block.place
)
UPDATE jobs j
SET status = 'processing', attempts = attempts + 1, started_at = coalesce(started_at, now()),
    progressed_at = CASE WHEN status = 'pending' THEN now() ELSE progressed_at END,
    queued_at = least(queued_at, progressed_at)
FROM delivered d, set_config('synchronous_commit', 'off', true)
WHERE j.id = ANY (ARRAY[d.job_id])
RETURNING d.place, d.no, d.first_index, d.items, d.payload, d.deliveries, {COLUMNS}
"""
_BEGIN_ONE = _BEGIN.format(chosen=_ONE)
_BEGIN_NEXT = _BEGIN.format(chosen=_NEXT)


class Begun(NamedTuple):
    """A job that a delivery has begun, and its first open block, which is not locked."""

    job: Job
    block: OpenBlock


def begin(conn: Connection, job_id: UUID) -> list[Begun]:
    """PENDING to PROCESSING, and count a delivery.

    Args:
        conn: in a transaction of this alone, so that the count survives a worker that dies of the work.
        job_id: as the message named it.

    Returns:
        That job; empty where this delivery has nothing to do: the job is unknown, ended, waits for another job, or
        someone else is at its first open block.
    """
    return _begun(conn, _BEGIN_ONE, {"job_id": job_id})


def begin_next(conn: Connection) -> list[Begun]:
    """Like `begin`, for the job that has waited longest since it came or made room, and for those behind it.

    Returns:
        That job; and where it is a single block, not begun before, jobs like it of a single block each, in the order in
        which they came: of the same tenant, kind, mode and template, at most MOST_ITEMS items and MOST_JOBS jobs in
        all. Empty where none waits.
    """
    return _begun(conn, _BEGIN_NEXT, {})


def _begun(conn: Connection, statement: LiteralString, values: Mapping[str, object]) -> list[Begun]:
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = sorted(cursor.execute(statement, values).fetchall(), key=lambda row: row.pop("place"))
    return [Begun(block=OpenBlock(**{name: row.pop(name) for name in _BLOCK_COLUMNS}), job=job_of(row)) for row in rows]


_BLOCK_COLUMNS = tuple(field.name for field in fields(OpenBlock))

_WAITING = f"""
SELECT j.id FROM jobs j
WHERE {_WAITS}
  AND {_MAY_BEGIN}
ORDER BY j.queued_at LIMIT %s
"""


def waiting(conn: Connection, *, limit: int) -> list[UUID]:
    """The jobs that have waited longest for somebody to begin them, or to go on with them after they made room."""
    return [row[0] for row in conn.execute(_WAITING, (limit,)).fetchall()]  # type: ignore[misc] # a uuid column


@dataclass(frozen=True, slots=True)
class Closing:
    """A block of which every item has its effect now.

    Attributes:
        effects: how many of its items had each; UNPROCESSED is not among them.
        results: of the items that were taken; None where the kind keeps none.
    """

    job_id: UUID
    no: int
    effects: Mapping[Effect, int]
    results: Results | None = None


_EFFECTS = [effect for effect in Effect if effect is not Effect.UNPROCESSED]
_COUNTED = [effect.value for effect in _EFFECTS]

# A block's payload is forgotten as it is closed. Of the jobs: PROCESSING to PROCESSING, or to COMPLETED by the
# transaction that closes the last block. One that is not returned was ended meanwhile, so its block must not stand.
_MOVE_ON = f"""
WITH closing AS (
    SELECT * FROM unnest(%(job_ids)b, %(nos)b, %(firsts)b, %(lasts)b, %(items)b,
                         {", ".join(f"%({name})b" for name in _COUNTED)})
             AS c (job_id, no, first, last, items, {", ".join(_COUNTED)})
), closed AS (
    UPDATE job_blocks b
    SET open = false, payload = '',
        result_indexes = (%(result_indexes)b::integer[])[c.first:c.last],
        result_effects = (%(result_effects)b::text[])[c.first:c.last],
        result_ids = (%(result_ids)b::uuid[])[c.first:c.last]
    FROM closing c WHERE b.job_id = ANY (ARRAY[c.job_id]) AND b.no = c.no
)
UPDATE jobs j
SET {", ".join(f"{name} = j.{name} + c.{name}" for name in _COUNTED)}, unprocessed = unprocessed - c.items,
    blocks_open = blocks_open - 1, progressed_at = clock_timestamp(),
    queued_at = CASE WHEN %(makes_room)s THEN clock_timestamp() + interval '1 millisecond' ELSE queued_at END,
    status = CASE WHEN blocks_open = 1 THEN 'completed' ELSE status END,
    ended_at = CASE WHEN blocks_open = 1 THEN clock_timestamp() END
FROM closing c WHERE j.id = ANY (ARRAY[c.job_id]) AND j.status || '' = 'processing'
RETURNING j.id, j.status
"""


def move_on(conn: Connection, closings: Sequence[Closing], *, makes_room: bool = False) -> dict[UUID, JobState]:
    """Close the blocks that this transaction holds and count their effects; its last one completes a job.

    Args:
        conn: the transaction that wrote the blocks.
        closings: no two of the same job.
        makes_room: send the jobs to the end of those that wait, since this delivery leaves them.

    Returns:
        The state that each job is in now; without those that were no longer PROCESSING.
    """
    values = {
        "job_ids": binary.uuid_array(each.job_id for each in closings),
        "nos": binary.integer_array(each.no for each in closings),
        **_results([each.results for each in closings]),
        "items": binary.integer_array(sum(each.effects.values()) for each in closings),
        **{effect.value: binary.integer_array(each.effects.get(effect, 0) for each in closings) for effect in _EFFECTS},
        "makes_room": makes_room,
    }
    return {job_id: JobState(status) for job_id, status in conn.execute(_MOVE_ON, values, binary=True).fetchall()}  # type: ignore[misc,arg-type] # (uuid, text)


def _results(of_blocks: Sequence[Results | None]) -> dict[str, object]:
    """Parameters: the results of all blocks, one after the other, and where each block's begin and end."""
    kept = [results for results in of_blocks if results is not None]
    lasts = list(accumulate(0 if results is None else len(results.indexes) for results in of_blocks))
    columns: list[Array | None] = [None, None, None]
    if kept:
        indexes, effects, ids = (list(chain.from_iterable(column)) for column in zip(*kept, strict=True))
        columns = [
            binary.integer_array(indexes),
            binary.array(TextArray, binary.names(effects)),
            binary.array(UuidArray, binary.uuids(ids)),
        ]
    return {
        "firsts": binary.integer_array(before + 1 for before in [0, *lasts[:-1]]),
        "lasts": binary.integer_array(lasts),
        **dict(zip(("result_indexes", "result_effects", "result_ids"), columns, strict=True)),
    }
