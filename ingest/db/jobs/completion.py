"""Completion: the blocks that a transaction has written are closed, and their jobs advance, to their end too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import accumulate, chain
from typing import LiteralString, NamedTuple
from uuid import UUID

from ingest.db.bulk import binary
from ingest.db.bulk.binary import Array, TextArray, UuidArray
from ingest.db.connection.pool import Connection
from ingest.db.jobs import results
from ingest.db.jobs.claims import ANOTHER_TENANT_WAITS
from ingest.db.jobs.outbox import RECORD_ENDS
from ingest.db.jobs.results import Results
from ingest.jobs import Effect, JobState


@dataclass(frozen=True, slots=True)
class BlockOutcome:
    """A block of which every item has its effect now.

    Attributes:
        effects: how many of its items had each; UNPROCESSED is not among them.
        results: of the items that were taken; None where the job keeps none.
    """

    job_id: UUID
    no: int
    effects: Mapping[Effect, int]
    results: Results | None = None


_EFFECTS = [effect for effect in Effect if effect is not Effect.UNPROCESSED]
_COUNTED = [effect.value for effect in _EFFECTS]

# The job `j` has more failed items than its client accepts, with those of the block `c`.
_TOO_MANY: LiteralString = "j.failed + c.failed > (j.options ->> 'max_errors')::integer"

# A block's payload is forgotten as it is closed, unless it may still be committed. Of the jobs: PROCESSING to
# PROCESSING, to FAILED with too many failed items, or to COMPLETED by the transaction that closes the last block. One
# that was PAUSED meanwhile stays so, or ends likewise. One that is not returned was ended, so its block must not stand.
_CLOSE: LiteralString = f"""
WITH outcome AS (
    SELECT * FROM unnest(%(job_ids)b, %(nos)b, %(firsts)b, %(lasts)b, %(items)b,
                         {", ".join(f"%({name})b" for name in _COUNTED)})
             AS c (job_id, no, first, last, items, {", ".join(_COUNTED)})
), closed AS (
    UPDATE job_blocks b
    SET open = false, written_at = now(), payload = {{payload}},
        result_indexes = (%(result_indexes)b::integer[])[c.first:c.last],
        result_effects = (%(result_effects)b::text[])[c.first:c.last],
        result_ids = (%(result_ids)b::uuid[])[c.first:c.last]
    FROM outcome c WHERE b.job_id = ANY (ARRAY[c.job_id]) AND b.no = c.no
), moved AS (
    UPDATE jobs j
    SET {", ".join(f"{name} = j.{name} + c.{name}" for name in _COUNTED)}, unprocessed = unprocessed - c.items,
        blocks_open = blocks_open - 1, progressed_at = clock_timestamp(), had_errors = had_errors OR c.failed > 0,
        queued_at = CASE WHEN {{yields}} THEN clock_timestamp() + interval '1 millisecond' ELSE queued_at END,
        status = CASE WHEN {_TOO_MANY} THEN 'failed' WHEN blocks_open = 1 THEN 'completed' ELSE status END,
        ended_at = CASE WHEN {_TOO_MANY} OR blocks_open = 1 THEN clock_timestamp() END,
        error_code = CASE WHEN {_TOO_MANY} THEN 'TOO_MANY_ERRORS' END,
        error_message = CASE WHEN {_TOO_MANY} THEN
            'More items failed than ?maxErrors=' || (j.options ->> 'max_errors')
                || ' allows; what was done before stands' END
    FROM outcome c WHERE j.id = ANY (ARRAY[c.job_id]) AND j.status || '' IN ('processing', 'paused')
    RETURNING j.id, j.tenant_id, j.status, j.ended_at, j.queued_at > j.progressed_at AS yielded
), recorded AS (
    {RECORD_ENDS}
)
SELECT id, status, yielded FROM moved
"""


class Yields(Enum):
    """The conditions on which a worker puts a job down after a block, so that others come first."""

    NEVER = "false"
    NOW = "true"
    TO_OTHER_TENANTS = ANOTHER_TENANT_WAITS


@cache
def _closing(yields: Yields, *, keeps_payload: bool) -> LiteralString:
    """Return the statement that closes blocks."""
    return _CLOSE.format(yields=yields.value, payload="b.payload" if keeps_payload else "''")


class Advanced(NamedTuple):
    """The state of a job after a block of it was closed.

    Attributes:
        yielded: the worker puts the job down, behind those that wait already.
    """

    state: JobState
    yielded: bool


def close_blocks(
    conn: Connection,
    outcomes: Sequence[BlockOutcome],
    *,
    tenant_id: int = 0,
    yields: Yields = Yields.NEVER,
    keeps_payload: bool = False,
) -> dict[UUID, Advanced]:
    """Close the blocks that this transaction holds and count their effects; its last one completes a job.

    A job with more failed items than its `max_errors` fails, be it at its last block.

    Args:
        conn: the transaction that wrote the blocks.
        outcomes: no two of the same job.
        tenant_id: whose jobs they are.
        yields: whether the worker goes on with the jobs.
        keeps_payload: the items were only checked, and may be committed later.

    Returns:
        The state of each job now; without those that had ended.
    """
    values = {
        "job_ids": binary.uuid_array(outcome.job_id for outcome in outcomes),
        "nos": binary.integer_array(outcome.no for outcome in outcomes),
        **_results([outcome.results for outcome in outcomes]),
        "items": binary.integer_array(sum(outcome.effects.values()) for outcome in outcomes),
        **{
            effect.value: binary.integer_array(outcome.effects.get(effect, 0) for outcome in outcomes)
            for effect in _EFFECTS
        },
        "tenant_id": tenant_id,
    }
    for outcome in outcomes:
        if outcome.results is not None and outcome.results.lines:
            results.record_lines(conn, outcome.job_id, outcome.no, outcome.results.lines)
    statement = _closing(yields, keeps_payload=keeps_payload)
    rows = conn.execute(statement, values, binary=True).fetchall()
    return {job_id: Advanced(JobState(status), bool(yielded)) for job_id, status, yielded in rows}  # type: ignore[misc,arg-type] # (uuid, text, boolean)


_ABORT: LiteralString = f"""
WITH moved AS (
    UPDATE jobs
    SET status = 'failed', error_code = 'ATOMIC_ABORTED', error_message = %(message)s, ended_at = clock_timestamp(),
        progressed_at = clock_timestamp(), failed = failed + %(failed)s, unprocessed = unprocessed - %(failed)s,
        had_errors = had_errors OR %(failed)s > 0
    WHERE id = %(job_id)s AND status || '' IN ('processing', 'paused')
    RETURNING id, tenant_id, ended_at
)
{RECORD_ENDS}
"""


def abort(conn: Connection, job_id: UUID, *, failed: int, message: str) -> bool:
    """Move an atomic job from PROCESSING or PAUSED to FAILED; its blocks stay open, since nothing of them was written.

    Args:
        conn: the transaction that recorded the errors of its items.
        job_id: the job's.
        failed: how many items have an error; all others stay unprocessed.
        message: the job's own.

    Returns:
        False if it was ended meanwhile, so that the transaction must be rolled back.
    """
    return conn.execute(_ABORT, {"job_id": job_id, "failed": failed, "message": message}).rowcount == 1


def _results(of_blocks: Sequence[Results | None]) -> dict[str, object]:
    """Return the parameters for results: of all blocks, one after the other, and where each block's begin and end."""
    kept = [results for results in of_blocks if results is not None]
    lasts = list(accumulate(0 if results is None else len(results.indexes) for results in of_blocks))
    columns: list[Array | None] = [None, None, None]
    if kept:
        indexes, effects, ids, _ = (list(chain.from_iterable(column)) for column in zip(*kept, strict=True))
        columns = [
            binary.integer_array(indexes),
            binary.array(TextArray, binary.names(effects)),
            binary.array(UuidArray, binary.uuids_or_nulls(ids)) if ids else None,
        ]
    return {
        "firsts": binary.integer_array(before + 1 for before in [0, *lasts[:-1]]),
        "lasts": binary.integer_array(lasts),
        **dict(zip(("result_indexes", "result_effects", "result_ids"), columns, strict=True)),
    }
