"""Store a batch as a job: one statement, so that one round trip accepts it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from uuid import UUID

import msgspec

from ingest.db.connection.pool import Connection
from ingest.db.connection.prepared import Prepared
from ingest.db.tenants import idempotency
from ingest.db.tenants.idempotency import Key
from ingest.db.tenants.keys import Caller
from ingest.errors import KeyInProgress
from ingest.intake.blocks import Block
from ingest.jobs import NO_OPTIONS, JobOptions


@dataclass(frozen=True, slots=True)
class NewJob:
    """The fields of a new job that its request sets. See `ingest.jobs.Job`.

    Attributes:
        cached_caller: the caller, if it comes from a cache: the job is stored only if all of it still holds.
        options: what few jobs have.
        key: the idempotency key of its request, where that has one: it is stored together with the job.
        fingerprint: of the request, as of `ingest.db.tenants.idempotency.Stored`, where there is a key.
        traceparent: names the span of its request, if that has one.
    """

    id: UUID
    tenant_id: int
    kind: str
    merge: bool
    template_id: int | None
    after_job_id: UUID | None
    request_id: str
    awaited: bool
    cached_caller: Caller | None = None
    after_any: bool = False
    ordered: bool = True
    strict: bool = False
    options: JobOptions = NO_OPTIONS
    key: Key | None = None
    fingerprint: bytes = b""
    traceparent: str | None = None


_OF_JOB = {
    "id": UUID,
    "tenant_id": int,
    "kind": str,
    "merge": bool,
    "template_id": int,
    "after_job_id": UUID,
    "after_any": bool,
    "ordered": bool,
    "request_id": str,
    "traceparent": str,
    "awaited": bool,
    "strict": bool,
    "options": str,
    "deadline_seconds": int,
    "total": int,
    "blocks": int,
    "key_id": UUID,
    "key_version": str,
    "tenant_version": str,
}
_OF_KEY = {"endpoint": str, "key_hash": bytes, "fingerprint": bytes}
_OF_BLOCK = {"first_index": int, "items": int, "payload": bytes}

# Every change of a row gives it another xmin: where key and tenant have the same as before, neither is closed, and both
# are in all else what the request took them for.
CALLER_HOLDS = """(%(key_id)s::uuid IS NULL OR (
        SELECT k.xmin::text = %(key_version)s AND t.xmin::text = %(tenant_version)s
               AND (k.expires_at > now()) IS NOT FALSE
        FROM api_keys k JOIN tenants t ON t.id = k.tenant_id WHERE k.id = %(key_id)s
    ))"""

# One statement, so that one round trip stores a batch. The job's id is known before, so that a repeated statement
# stores one job: see `ingest.db.connection.confirmed.retry_until_known`. ON CONFLICT names no key: until jobs_id_key
# goes, two unique indexes have the id, and a repetition at the same time might break the one that was not named.
_ACCEPT = """
WITH {key}job AS (
    INSERT INTO jobs (id, tenant_id, kind, merge, template_id, after_job_id, after_any, ordered, request_id,
                      traceparent, awaited, strict, options, deadline_at, total, unprocessed, blocks_open)
    SELECT %(id)s, %(tenant_id)s, %(kind)s, %(merge)s, %(template_id)s, %(after_job_id)s, %(after_any)s, %(ordered)s,
           %(request_id)s, %(traceparent)s, %(awaited)s, %(strict)s, %(options)s::jsonb,
           now() + make_interval(secs => %(deadline_seconds)s), %(total)s, %(total)s, %(blocks)s
    {condition}
    ON CONFLICT DO NOTHING
    RETURNING id, tenant_id
)
INSERT INTO job_blocks (tenant_id, job_id, no, first_index, items, payload)
SELECT job.tenant_id, job.id, b.no, b.first_index, b.items, b.payload
FROM job, (VALUES {rows}) AS b (no, first_index, items, payload)
"""


# A job that its request gave a key is stored if its key is, and a key if its job is.
_STORE_KEY = idempotency.STORE.format(
    answer="%(id)s, NULL, NULL", condition=f"{idempotency.TRY_LOCK} AND {CALLER_HOLDS}"
)


@cache
def _accepting(blocks: int, *, with_key: bool) -> Prepared:
    """Return the statement for so many blocks."""
    rows = (f"({no}, %(first_index{no})s, %(items{no})s, %(payload{no})s)" for no in range(blocks))
    of_blocks = {f"{name}{no}": value_type for no in range(blocks) for name, value_type in _OF_BLOCK.items()}
    if with_key:
        key, condition = f"key AS ({_STORE_KEY} RETURNING job_id), ", "FROM key"
    else:
        key, condition = "", f"WHERE {CALLER_HOLDS}"
    text = _ACCEPT.format(key=key, condition=condition, rows=", ".join(rows))
    parameters = {**_OF_JOB, **(_OF_KEY if with_key else {}), **of_blocks}
    return Prepared(f"accept_{blocks}{'_with_key' if with_key else ''}", text, parameters)


_IS_THERE = "SELECT FROM jobs WHERE id = %s"


def accept(conn: Connection, job: NewJob, blocks: Sequence[Block]) -> bool:
    """Store a batch as a job. Once this commits, the batch is safe: the answer may be sent and workers notified.

    Where a job of that id is there already, nothing happens.

    Args:
        conn: a connection, in a transaction or not.
        job: what the request decided.
        blocks: all of the batch, in order.

    Returns:
        True if the job is stored. False if the cached caller is out of date: this attempt did nothing then, but an
        earlier one of the same id may still land.

    Raises:
        KeyInProgress: another request with the job's key is storing its own write, or has just done so; or an earlier
            attempt of this one is.
    """
    values = {
        **values_of(job),
        "total": sum(block.items for block in blocks),
        "blocks": len(blocks),
    }
    for no, block in enumerate(blocks):
        values |= {f"first_index{no}": block.first_index, f"items{no}": block.items, f"payload{no}": block.payload}
    statement = _accepting(len(blocks), with_key=job.key is not None)
    if statement.execute(conn, values) > 0 or conn.execute(_IS_THERE, (job.id,)).rowcount > 0:
        return True
    # A cached caller may be the reason as well: the next attempt, with a fresh one, tells the two apart.
    if job.key and job.cached_caller is None:
        raise KeyInProgress
    return False


def values_of(job: NewJob) -> dict[str, object]:
    """Return a new job's fields as parameters, with those of CALLER_HOLDS and of its key."""
    caller = job.cached_caller
    return {
        "id": job.id,
        "tenant_id": job.tenant_id,
        "kind": job.kind,
        "merge": job.merge,
        "template_id": job.template_id,
        "after_job_id": job.after_job_id,
        "after_any": job.after_any,
        "ordered": job.ordered,
        "request_id": job.request_id,
        "traceparent": job.traceparent,
        "awaited": job.awaited,
        "strict": job.strict,
        "options": None if job.options == NO_OPTIONS else msgspec.json.encode(job.options).decode(),
        "deadline_seconds": job.options.deadline_seconds,
        "key_id": caller and caller.key_id,
        "key_version": caller and caller.key_version,
        "tenant_version": caller and caller.tenant_version,
        "endpoint": job.key and job.key.endpoint,
        "key_hash": job.key and job.key.hash,
        "fingerprint": job.fingerprint,
    }
