"""Jobs in Postgres: accepted, begun, moved on and ended. A finishing write names the state that it expects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from ingest.db.blocks import OpenBlock
from ingest.db.keys import Caller
from ingest.db.pool import Connection
from ingest.intake import Block
from ingest.jobs import Effect, Job, JobState

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
        Whether the job is there. It is not, and nothing has happened, where something about its caller has changed.
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

# One statement counts this delivery once, on the first open block if nobody works on it, and moves the job on if it is
# the first. A job that waits for another to end is left as it is. SKIP LOCKED: a delivery never waits for another.
# The job's row comes first, since a row that is locked and then found to have changed stays locked for the statement:
# on the block, that would make the one who has just begun it believe that somebody else is at it.
# What is counted is a hint, and a job that is pending again begins again: that may be lost in a crash, so this commit
# waits for no disk.
_BEGIN = f"""
WITH job AS (
    SELECT j.id FROM jobs j
    WHERE {{which}}
      AND {_MAY_BEGIN}
    ORDER BY j.queued_at LIMIT 1 FOR NO KEY UPDATE OF j SKIP LOCKED
), block AS (
    SELECT b.job_id, b.no FROM job JOIN job_blocks b ON b.job_id = job.id AND b.open
    WHERE b.no = (SELECT min(no) FROM job_blocks WHERE job_id = job.id AND open)
    FOR UPDATE OF b SKIP LOCKED
), delivered AS (
    UPDATE job_blocks b SET deliveries = deliveries + 1 FROM block
    WHERE b.job_id = block.job_id AND b.no = block.no
    RETURNING b.job_id, b.no, b.first_index, b.items, b.payload, b.deliveries
)
UPDATE jobs j
SET status = 'processing', attempts = attempts + 1, started_at = coalesce(started_at, now()),
    progressed_at = CASE WHEN status = 'pending' THEN now() ELSE progressed_at END,
    queued_at = least(queued_at, progressed_at)
FROM delivered d, set_config('synchronous_commit', 'off', true)
WHERE j.id = d.job_id
RETURNING d.no, d.first_index, d.items, d.payload, d.deliveries, {_COLUMNS}
"""
_BEGIN_ONE = _BEGIN.format(which="j.id = %(job_id)s AND j.status IN ('pending', 'processing')")
# Nobody has begun them, or whoever did has made room. What was begun and is free all the same was left by somebody who
# died of it, or to whom the database denied it: sweep's ring alone brings that on, or it would come before all others.
_WAITS = """(j.status = 'pending' OR j.status = 'processing' AND j.queued_at > j.progressed_at)
      AND (SELECT b.open FROM job_blocks b WHERE b.job_id = j.id AND b.open LIMIT 1)"""
_BEGIN_NEXT = _BEGIN.format(which=_WAITS)


@dataclass(frozen=True, slots=True)
class Begun:
    """A job that a delivery has begun, and its first open block, which is not locked."""

    job: Job
    block: OpenBlock


def begin(conn: Connection, job_id: UUID) -> Begun | None:
    """PENDING to PROCESSING, and count a delivery.

    Args:
        conn: in a transaction of this alone, so that the count survives a worker that dies of the work.
        job_id: as the message named it.

    Returns:
        None where this delivery has nothing to do: the job is unknown, ended, waits for another job, or someone else is
        at its first open block.
    """
    return _begun(conn, _BEGIN_ONE, {"job_id": job_id})


def begin_next(conn: Connection) -> Begun | None:
    """Like `begin`, for the job that has waited longest since it came or made room; None where there is none."""
    return _begun(conn, _BEGIN_NEXT, {})


def _begun(conn: Connection, statement: LiteralString, values: Mapping[str, object]) -> Begun | None:
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(statement, values).fetchone()
    if row is None:
        return None
    block = OpenBlock(**{name: row.pop(name) for name in _BLOCK_COLUMNS})
    return Begun(_job(row), block)


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


# PROCESSING to PROCESSING, or to COMPLETED by the transaction that closes the last block. Zero rows: the job was ended
# meanwhile, so the caller's block must not stand.
_MOVE_ON = """
UPDATE jobs
SET created = created + %(created)s, updated = updated + %(updated)s, unchanged = unchanged + %(unchanged)s,
    duplicate = duplicate + %(duplicate)s, failed = failed + %(failed)s, unprocessed = unprocessed - %(items)s,
    blocks_open = blocks_open - 1, progressed_at = clock_timestamp(),
    queued_at = CASE WHEN %(makes_room)s THEN clock_timestamp() + interval '1 millisecond' ELSE queued_at END,
    status = CASE WHEN blocks_open = 1 THEN 'completed' ELSE status END,
    ended_at = CASE WHEN blocks_open = 1 THEN clock_timestamp() END
WHERE id = %(job_id)s AND status = 'processing'
RETURNING status
"""


def move_on(
    conn: Connection, job_id: UUID, effects: Mapping[Effect, int], *, makes_room: bool = False
) -> JobState | None:
    """Count a closed block's effects; the last one completes the job.

    Args:
        conn: the transaction that wrote the block.
        job_id: whose block it is.
        effects: how many of the block's items had each; UNPROCESSED is not among them.
        makes_room: send the job to the end of those that wait, since this delivery leaves it.

    Returns:
        The state that the job is in now, or None where it was no longer PROCESSING.
    """
    counts = {effect.value: effects.get(effect, 0) for effect in Effect if effect is not Effect.UNPROCESSED}
    values = {**counts, "items": sum(counts.values()), "job_id": job_id, "makes_room": makes_room}
    row = conn.execute(_MOVE_ON, values).fetchone()
    return None if row is None else JobState(str(row[0]))


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


_ENDED = f"""
SELECT ARRAY(SELECT w.id FROM jobs w WHERE w.after_job_id = j.id AND w.status = 'pending' ORDER BY w.id LIMIT 1000)
           AS waiting,
       {_COLUMNS}
FROM jobs j WHERE j.id = %s AND j.status IN ('completed', 'failed', 'cancelled')
"""


def ended(conn: Connection, job_id: UUID) -> tuple[Job, list[UUID]] | None:
    """A job that has ended, and the jobs that may begin now: at most 1,000, for sweep rings for any further ones.

    None where it has not ended, or is gone.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_ENDED, (job_id,)).fetchone()
    if row is None:
        return None
    waiting: list[UUID] = row.pop("waiting")
    return _job(row), waiting


def _job(row: dict[str, Any]) -> Job:
    effects = {effect: row.pop(effect.value) for effect in Effect}
    return Job(**{**row, "status": JobState(row["status"]), "effects": effects})
