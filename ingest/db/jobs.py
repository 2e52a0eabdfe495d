"""Jobs in Postgres: accepted, begun, moved on and ended. A finishing write names the state that it expects."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate, chain
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg.rows import dict_row

from ingest.db import binary
from ingest.db.binary import Array, IntegerArray, TextArray, UuidArray
from ingest.db.blocks import OpenBlock, Results
from ingest.db.keys import Caller
from ingest.db.pool import Connection
from ingest.intake import Block
from ingest.jobs import Effect, Job, JobState

# What is carried out in one transaction together, at most: so many items, which is over in a tenth of a second; so many
# bytes as they are stored, since all of them are fetched at once; and so many jobs as sweep rings for at once, should
# the process be killed with them (ingest/queue.py).
MOST_ITEMS = 5_000
MOST_JOBS = 50
_MOST_BYTES = 1024 * 1024

_COLUMNS = """j.id, j.tenant_id, j.kind, j.merge, j.template_id, j.after_job_id, j.request_id, j.awaited, j.status,
       j.total, j.created, j.updated, j.unchanged, j.duplicate, j.failed, j.unprocessed, j.attempts, j.error_code,
       j.error_message, j.created_at, j.started_at, j.progressed_at, j.ended_at"""


@dataclass(frozen=True, slots=True)
class NewJob:
    """What a request decides of a job. See `ingest.jobs.Job`.

    Attributes:
        unproven: who calls, where that was remembered: the job is stored only if it all still holds.
    """

    id: UUID
    tenant_id: int
    kind: str
    merge: bool
    template_id: int | None
    after_job_id: UUID | None
    request_id: str
    awaited: bool
    unproven: Caller | None = None


# One statement, so that one round trip stores a batch. The job's id is known before, so that what is stored twice
# stands once: see `ingest.db.commits.surely`. Every change of a row gives it another xmin: where key and tenant have
# the same as before, neither is closed, and both are in all else what the request took them for.
_ACCEPT = """
WITH job AS (
    INSERT INTO jobs (id, tenant_id, kind, merge, template_id, after_job_id, request_id, awaited, total, unprocessed,
                      blocks_open)
    SELECT %(id)s, %(tenant_id)s, %(kind)s, %(merge)s, %(template_id)s, %(after_job_id)s, %(request_id)s, %(awaited)s,
           %(total)s, %(total)s, %(blocks)s
    WHERE %(key_id)s::uuid IS NULL OR (
        SELECT k.xmin::text = %(key_version)s AND t.xmin::text = %(tenant_version)s
               AND (k.expires_at > now()) IS NOT FALSE
        FROM api_keys k JOIN tenants t ON t.id = k.tenant_id WHERE k.id = %(key_id)s
    )
    ON CONFLICT (id) DO NOTHING
    RETURNING id
)
INSERT INTO job_blocks (job_id, no, first_index, items, payload)
SELECT job.id, b.no, b.first_index, b.items, b.payload FROM job, (VALUES {rows}) AS b (no, first_index, items, payload)
"""


_IS_THERE = "SELECT FROM jobs WHERE id = %s"


def accept(conn: Connection, job: NewJob, blocks: Sequence[Block]) -> bool:
    """Store a batch as a job. Once this commits, the batch is safe: the answer may be sent and the bell rung.

    Where a job of that id is there already, nothing happens.

    Args:
        conn: a connection, in a transaction or not.
        job: what the request decided.
        blocks: all of the batch, in order.

    Returns:
        Whether the job is there. It is not where something about its caller has changed: this attempt did nothing then,
        but an earlier one of the same id may still land.
    """
    caller = job.unproven
    values = {
        "id": job.id,
        "tenant_id": job.tenant_id,
        "kind": job.kind,
        "merge": job.merge,
        "template_id": job.template_id,
        "after_job_id": job.after_job_id,
        "request_id": job.request_id,
        "awaited": job.awaited,
        "total": sum(block.items for block in blocks),
        "blocks": len(blocks),
        "key_id": caller and caller.key_id,
        "key_version": caller and caller.key_version,
        "tenant_version": caller and caller.tenant_version,
    }
    rows = []
    for no, block in enumerate(blocks):
        values |= {f"first{no}": block.first_index, f"items{no}": block.items, f"payload{no}": block.payload}
        rows.append(f"({no}, %(first{no})s::integer, %(items{no})s::integer, %(payload{no})b::bytea)")
    statement = _ACCEPT.format(rows=", ".join(rows))
    return conn.execute(statement, values).rowcount > 0 or conn.execute(_IS_THERE, (job.id,)).rowcount > 0


_GET = f"SELECT {_COLUMNS} FROM jobs j WHERE j.id = %s"


def get(conn: Connection, job_id: UUID) -> Job | None:
    """The job of that id, whosever it is: a caller that serves a tenant compares `tenant_id`."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_GET, (job_id,)).fetchone()
    return None if row is None else _job(row)


# The job that it comes after has ended, or is gone. Few come after any: OR keeps this from being a join of all jobs.
_MAY_BEGIN = """(j.after_job_id IS NULL OR NOT EXISTS (
           SELECT FROM jobs a WHERE a.id = j.after_job_id AND a.status IN ('pending', 'processing')))"""

# Nobody has begun them, or whoever did has made room. What was begun and is free all the same was left by somebody who
# died of it, or to whom the database denied it: sweep's ring alone brings that on, or it would come before all others.
_WAITS = """(j.status = 'pending' OR j.status = 'processing' AND j.queued_at > j.progressed_at)
      AND (SELECT b.open FROM job_blocks b WHERE b.job_id = j.id AND b.open LIMIT 1)"""

_ONE = f"""
chosen AS (
    SELECT j.id, 1 AS place FROM jobs j
    WHERE j.id = %(job_id)s AND j.status IN ('pending', 'processing')
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
    SELECT j.id, j.queued_at FROM alike JOIN jobs j ON j.id = alike.id
    WHERE alike.items <= {MOST_ITEMS} AND alike.bytes <= {_MOST_BYTES} AND j.status = 'pending'
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
    SELECT b.job_id, b.no, chosen.place FROM chosen JOIN job_blocks b ON b.job_id = chosen.id AND b.open
    WHERE b.no = (SELECT min(no) FROM job_blocks WHERE job_id = chosen.id AND open)
    FOR UPDATE OF b SKIP LOCKED
), delivered AS (
    UPDATE job_blocks b SET deliveries = deliveries + 1 FROM block
    WHERE b.job_id = block.job_id AND b.no = block.no
    RETURNING b.job_id, b.no, b.first_index, b.items, b.payload, b.deliveries, block.place
)
UPDATE jobs j
SET status = 'processing', attempts = attempts + 1, started_at = coalesce(started_at, now()),
    progressed_at = CASE WHEN status = 'pending' THEN now() ELSE progressed_at END,
    queued_at = least(queued_at, progressed_at)
FROM delivered d, set_config('synchronous_commit', 'off', true)
WHERE j.id = d.job_id
RETURNING d.place, d.no, d.first_index, d.items, d.payload, d.deliveries, {_COLUMNS}
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
    return [Begun(block=OpenBlock(**{name: row.pop(name) for name in _BLOCK_COLUMNS}), job=_job(row)) for row in rows]


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
# The state is spelt so that it matches no partial index: while few jobs are open, the planner would rather read one of
# those through than look each job up, and with plans or statistics of then, a whole backlog later.
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
    FROM closing c WHERE b.job_id = c.job_id AND b.no = c.no
)
UPDATE jobs j
SET {", ".join(f"{name} = j.{name} + c.{name}" for name in _COUNTED)}, unprocessed = unprocessed - c.items,
    blocks_open = blocks_open - 1, progressed_at = clock_timestamp(),
    queued_at = CASE WHEN %(makes_room)s THEN clock_timestamp() + interval '1 millisecond' ELSE queued_at END,
    status = CASE WHEN blocks_open = 1 THEN 'completed' ELSE status END,
    ended_at = CASE WHEN blocks_open = 1 THEN clock_timestamp() END
FROM closing c WHERE j.id = c.job_id AND j.status || '' = 'processing'
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
        "job_ids": _uuids(each.job_id for each in closings),
        "nos": _integers(each.no for each in closings),
        **_results([each.results for each in closings]),
        "items": _integers(sum(each.effects.values()) for each in closings),
        **{effect.value: _integers(each.effects.get(effect, 0) for each in closings) for effect in _EFFECTS},
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
            _integers(indexes),
            binary.array(TextArray, binary.names(effects)),
            binary.array(UuidArray, binary.uuids(ids)),
        ]
    return {
        "firsts": _integers(before + 1 for before in [0, *lasts[:-1]]),
        "lasts": _integers(lasts),
        **dict(zip(("result_indexes", "result_effects", "result_ids"), columns, strict=True)),
    }


_END = """
UPDATE jobs SET status = %(status)s, ended_at = clock_timestamp(), error_code = %(code)s, error_message = %(message)s
WHERE id = %(job_id)s AND status IN ('pending', 'processing')
"""


def fail(conn: Connection, job_id: UUID, code: str, message: str) -> bool:
    """PENDING or PROCESSING to FAILED; a block under way then cannot commit.

    Returns:
        Whether this call ended it.
    """
    values = {"job_id": job_id, "status": JobState.FAILED, "code": code, "message": message}
    return conn.execute(_END, values).rowcount == 1


def cancel(conn: Connection, job_id: UUID) -> bool:
    """PENDING or PROCESSING to CANCELLED; a block under way then cannot commit.

    Returns:
        Whether this call ended it.
    """
    values = {"job_id": job_id, "status": JobState.CANCELLED, "code": None, "message": None}
    return conn.execute(_END, values).rowcount == 1


class Ended(NamedTuple):
    """What there is to tell of a job that has ended.

    Attributes:
        failed: how many of its items.
        behind: the jobs that may begin now: at most 1,000, for sweep rings for any further ones.
    """

    id: UUID
    request_id: str
    awaited: bool
    status: str
    total: int
    failed: int
    behind: list[UUID]


_ENDED = """
SELECT j.id, j.request_id, j.awaited, j.status, j.total, j.failed,
       ARRAY(SELECT b.id FROM jobs b WHERE b.after_job_id = j.id AND b.status = 'pending' ORDER BY b.id LIMIT 1000)
FROM jobs j WHERE j.id = ANY(%(job_ids)b) AND j.status IN ('completed', 'failed', 'cancelled') ORDER BY j.id
"""


def ended(conn: Connection, job_ids: Sequence[UUID]) -> list[Ended]:
    """Those of these jobs that have ended."""
    return [Ended(*row) for row in conn.execute(_ENDED, {"job_ids": _uuids(job_ids)}, binary=True).fetchall()]  # type: ignore[arg-type] # as selected


def _uuids(ids: Iterable[UUID]) -> Array:
    return binary.array(UuidArray, binary.uuids(each.bytes for each in ids))


def _integers(numbers: Iterable[int]) -> Array:
    return binary.array(IntegerArray, binary.integers(numbers))


def _job(row: dict[str, Any]) -> Job:
    effects = {effect: row.pop(effect.value) for effect in Effect}
    return Job(**{**row, "status": JobState(row["status"]), "effects": effects})
