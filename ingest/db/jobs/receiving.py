"""Store a job while its body arrives: begin it, append its blocks, and accept it once the body is whole.

Only the last of these waits for the disk: it commits after the others, so it takes them with it, and it counts them.
"""

from collections.abc import Sequence
from uuid import UUID

from ingest.db.connection.pool import Connection
from ingest.db.jobs.acceptance import CALLER_HOLDS, NewJob, values_of
from ingest.db.tenants import idempotency
from ingest.errors import KeyInProgress
from ingest.intake.blocks import Block

# A request that reads a body touches its job at least this often, and the sweeper removes a job that was not touched
# for longer than the second of these: its request is gone.
TOUCH_SECONDS = 10
ABANDONED_SECONDS = 40

# ON CONFLICT: as where a whole batch is accepted (`ingest.db.jobs.acceptance`).
_BEGIN_DURABLY = f"""
INSERT INTO jobs (id, tenant_id, kind, merge, template_id, after_job_id, after_any, ordered, request_id,
                  traceparent, awaited, strict, options, status, total, unprocessed, blocks_open)
SELECT %(id)s, %(tenant_id)s, %(kind)s, %(merge)s, %(template_id)s::integer, %(after_job_id)s::uuid, %(after_any)s,
       %(ordered)s, %(request_id)s, %(traceparent)s::text, %(awaited)s, %(strict)s, %(options)s::jsonb,
       'receiving', 0, 0, 0
WHERE {CALLER_HOLDS}
ON CONFLICT DO NOTHING
"""
_BEGIN = _BEGIN_DURABLY.replace("WHERE", "FROM set_config('synchronous_commit', 'off', true)\nWHERE", 1)
_IS_THERE = "SELECT FROM jobs WHERE id = %s"


def begin(conn: Connection, job: NewJob, *, durable: bool = False) -> bool:
    """Store a job without any block, as RECEIVING. Where it is there already, nothing happens.

    Args:
        conn: a connection, in a transaction or not.
        job: what the request decided.
        durable: the commit waits for the disk, because the client is told of it before the body has come.

    Returns:
        True if the job is stored. False if the cached caller is out of date: this call did nothing then.
    """
    statement = _BEGIN_DURABLY if durable else _BEGIN
    return conn.execute(statement, values_of(job)).rowcount > 0 or conn.execute(_IS_THERE, (job.id,)).rowcount > 0


# A repetition of an attempt that has landed finds the block there, and counts it no second time.
_APPEND = """
WITH counted AS (
    UPDATE jobs SET total = total + %(items)s, unprocessed = unprocessed + %(items)s, blocks_open = blocks_open + 1,
        progressed_at = clock_timestamp()
    FROM set_config('synchronous_commit', 'off', true)
    WHERE id = %(job_id)s AND status || '' = 'receiving' AND blocks_open = %(no)s
    RETURNING id, tenant_id
)
INSERT INTO job_blocks (tenant_id, job_id, no, first_index, items, payload, first_line)
SELECT tenant_id, id, %(no)s, %(first_index)s, %(items)s, %(payload)s, %(first_line)s FROM counted
"""
_HAS_BLOCK = "SELECT FROM job_blocks WHERE job_id = %s AND no = %s"


def append(conn: Connection, job_id: UUID, no: int, block: Block) -> bool:
    """Append a block to a job that is RECEIVING. Where it has that block already, nothing happens.

    Args:
        conn: a connection, in a transaction or not.
        job_id: the job's.
        no: the block's number, from 0, one more than that of the block before.
        block: the block.

    Returns:
        True if the block is stored. False if the sweeper has removed the job.
    """
    values = {
        "job_id": job_id,
        "no": no,
        "first_index": block.first_index,
        "items": block.items,
        "payload": block.payload,
        "first_line": block.first_line,
    }
    return conn.execute(_APPEND, values).rowcount > 0 or conn.execute(_HAS_BLOCK, (job_id, no)).rowcount > 0


_TOUCH = """
UPDATE jobs SET progressed_at = clock_timestamp() FROM set_config('synchronous_commit', 'off', true)
WHERE id = %s AND status || '' = 'receiving'
"""


def touch(conn: Connection, job_id: UUID) -> bool:
    """Say that the body of a RECEIVING job still arrives. Return False if the sweeper has removed the job."""
    return conn.execute(_TOUCH, (job_id,)).rowcount > 0


# A job takes its place among the tenant's jobs when it is accepted.
PENDING = """status = 'pending', seq = nextval(pg_get_serial_sequence('jobs', 'seq')), queued_at = now(),
    progressed_at = now(), check_at = now() + interval '1.5 seconds',
    deadline_at = now() + make_interval(secs => (options ->> 'deadline_seconds')::integer)"""

# Blocks commit without waiting for the disk, so a server that crashes may lose the last ones after it confirmed them: a
# job that has fewer blocks than were appended is not accepted.
_WHOLE = "id = %(id)s AND status || '' = 'receiving' AND blocks_open = %(blocks)s"
_ACCEPT = """
{key}UPDATE jobs SET {pending}
{source}WHERE {whole}
"""
_ACCEPT_WITHOUT_KEY = _ACCEPT.format(pending=PENDING, whole=_WHOLE, key="", source="")
# A key is stored if its job is there, and the job is accepted if its key is stored.
_ACCEPT_WITH_KEY = _ACCEPT.format(
    pending=PENDING,
    whole=_WHOLE,
    key=f"WITH key AS ({idempotency.STORE} RETURNING job_id)\n".format(
        answer="%(id)s, NULL, NULL",
        condition=f"EXISTS (SELECT FROM jobs WHERE {_WHOLE}) AND {idempotency.TRY_LOCK}",
    ),
    source="FROM key ",
)
_STANDS = "SELECT status <> 'receiving', blocks_open = %(blocks)s FROM jobs WHERE id = %(id)s"


def accept(conn: Connection, job: NewJob, blocks: int) -> bool:
    """Move a job from RECEIVING to PENDING. Once this commits, the batch is safe.

    Args:
        conn: a connection, in a transaction or not.
        job: the job; with the fingerprint of its request, if it has a key.
        blocks: how many were appended, at least one.

    Returns:
        True if this call or an earlier one accepted the job. False if the sweeper has removed it, or the server has
        crashed and lost a block.

    Raises:
        KeyInProgress: another request with the job's key is storing its own write, or has just done so.
    """
    values = {**values_of(job), "blocks": blocks}
    if conn.execute(_ACCEPT_WITH_KEY if job.key else _ACCEPT_WITHOUT_KEY, values).rowcount > 0:
        return True
    is_accepted, is_whole = conn.execute(_STANDS, values).fetchone() or (False, False)
    if is_whole and not is_accepted and job.key:
        raise KeyInProgress
    return bool(is_accepted)


_REMOVE = "DELETE FROM jobs WHERE id = ANY (%s) AND status || '' = 'receiving'"


def remove(conn: Connection, job_ids: Sequence[UUID]) -> int:
    """Remove jobs that are still RECEIVING, and their blocks. Return their number."""
    return conn.execute(_REMOVE, (list(job_ids),)).rowcount


# An upload may rest between two parts; once it is gone, its job is like any other whose request has died.
_ABANDONED = """
SELECT j.id FROM jobs j WHERE j.status = 'receiving' AND j.progressed_at < now() - make_interval(secs => %(seconds)s)
  AND NOT EXISTS (SELECT FROM uploads u WHERE u.job_id = j.id)
ORDER BY j.created_at LIMIT %(limit)s FOR UPDATE OF j SKIP LOCKED
"""


def remove_abandoned(conn: Connection, *, limit: int, seconds: float = ABANDONED_SECONDS) -> int:
    """Remove jobs whose request has died while it read their body.

    Args:
        conn: an open transaction.
        limit: the most to remove.
        seconds: since the request touched them last.

    Returns:
        The number of jobs that it removed.
    """
    rows = conn.execute(_ABANDONED, {"limit": limit, "seconds": seconds}).fetchall()
    return remove(conn, [row[0] for row in rows]) if rows else 0  # type: ignore[misc] # a uuid column
