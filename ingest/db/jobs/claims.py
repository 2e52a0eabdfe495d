"""Claims: which job a worker runs next, in the order that was promised, and tenants in turn.

Jobs of a tenant take effect in the order in which they were accepted, `jobs.seq` (docs/contracts/operator.md section
4). An ordered job is blocked while an earlier job of a kind that it waits for (`ingest.jobs.WAITS_FOR`) has not ended
and is not on hold (`ingest.db.jobs.holds`). An end is for ever, and a job that is resumed does not call back those that
went before it meanwhile; so a claim that finds a job unblocked stays right, whatever others claim at the same time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import LiteralString, NamedTuple
from uuid import UUID

from psycopg.rows import dict_row

from ingest.db.bulk import binary
from ingest.db.connection.pool import Connection
from ingest.db.jobs.blocks import OpenBlock
from ingest.db.jobs.lookup import COLUMNS, job_of
from ingest.jobs import TRIAL, WAITS_FOR, Job, JobState

# The most that one claim returns. So many items take a fifth of a second. Their payload is counted as it is stored,
# since all of it is fetched at once.
MOST_ITEMS = 20_000
MOST_JOBS = 50
_MOST_BYTES = 1024 * 1024

# A claim looks at the jobs of so many tenants; other workers may be claiming those of the first ones just now.
_TENANTS = 4

# A claim steps over so many jobs of a kind that wait for others by `?after=`. Those behind more of them wait, too, or
# one tenant could make each claim of all tenants slow.
_MOST_PASSED_OVER = 100

# The sweeper sees to so many tenants a round.
MOST_HEADS = 200

_NO_TENANT = 0  # identities count from 1
_LAST_SEQ: LiteralString = "9223372036854775807"  # of a bigint

# The spelling of joins and of the status, here and in other statements: docs/explanation/how-it-works.md, "Plans that
# are kept". A status that is compared with a column, beside the list of the index `jobs_open_idx`, has that index
# looked up by it.

# The kinds and states of the earlier jobs that a job of a kind waits for: each costs one look at the index.
_WAITS: LiteralString = ", ".join(
    f"('{kind}', '{earlier}', '{status}')"
    for kind, kinds in WAITS_FOR.items()
    for earlier in kinds
    for status in ("pending", "processing")
)
_KINDS: LiteralString = ", ".join(f"('{kind}')" for kind in WAITS_FOR)
_BEGUN_KINDS: LiteralString = ", ".join(f"('{kind}', 'processing')" for kind in (*WAITS_FOR, TRIAL))

_EARLIER: LiteralString = """
            SELECT e.id, e.status, e.seq FROM jobs e
            WHERE e.tenant_id = j.tenant_id AND e.status = w.status AND e.status IN ('pending', 'processing')
              AND e.kind = w.earlier AND e.seq < j.seq AND e.on_hold_since IS NULL
            ORDER BY e.seq LIMIT 1"""

# The job `j` waits for an earlier one. The one that it comes after has an earlier seq too, so no two wait for each
# other.
BLOCKED: LiteralString = f"""(j.ordered AND EXISTS (
        SELECT FROM (VALUES {_WAITS}) AS w (kind, earlier, status)
        CROSS JOIN LATERAL ({_EARLIER}) e
        WHERE w.kind = j.kind))"""

# The job that `j` comes after has not ended, or has not completed and had to. OR keeps this from being a join of all
# jobs.
HELD_BACK: LiteralString = """(j.after_job_id IS NOT NULL AND EXISTS (
        SELECT FROM jobs a WHERE a.id = ANY (ARRAY[j.after_job_id])
          AND (a.ended_at IS NULL OR NOT j.after_any AND a.status <> 'completed')))"""

# The end of the last job that `j` may have waited for, or its coming on hold: before it, `j` was not late.
FREE_SINCE: LiteralString = """greatest(j.created_at, (
        SELECT e.ended_at FROM jobs e
        WHERE e.tenant_id = j.tenant_id AND e.seq < j.seq AND e.ended_at IS NOT NULL AND e.ended_at > j.created_at
        ORDER BY e.ended_at DESC LIMIT 1), (
        SELECT max(e.on_hold_since) FROM jobs e
        WHERE e.tenant_id = j.tenant_id AND e.seq < j.seq
          AND e.status IN ('pending', 'paused') AND e.on_hold_since IS NOT NULL))"""

_HAS_OPEN_BLOCK: LiteralString = "(SELECT b.open FROM job_blocks b WHERE b.job_id = j.id AND b.open LIMIT 1)"

# The blocks of the job `j` are run one after the other. All of an atomic one are, in one transaction.
IN_ORDER: LiteralString = "(j.ordered OR j.options ? 'atomic' IS TRUE)"

# The `queued_at` of an unordered job whose items a worker could not decrypt (`ingest.db.jobs.unreadable`).
NOT_BEFORE_NOTIFIED: LiteralString = "'infinity'"

# A worker put the job down after a block, or the sweeper found it abandoned behind another one; or it is unordered, was
# not put off, and has blocks that no worker was given yet. A processing job whose block is unlocked was abandoned
# otherwise (crash or database error). Only the sweeper requeues it, or it would always be claimed first.
_TO_GO_ON: LiteralString = f"""(j.ordered AND j.queued_at > j.progressed_at AND j.blocks_open > 0
        OR NOT {IN_ORDER} AND j.queued_at < {NOT_BEFORE_NOTIFIED} AND EXISTS (
            SELECT FROM (SELECT FROM job_blocks b WHERE b.job_id = j.id AND b.open AND b.deliveries = 0 LIMIT 1) b))"""

# The job `j` has no option of few jobs that changes how its block is run, so it may share a transaction.
_PLAIN: LiteralString = "(j.options IS NULL OR j.options - ARRAY['label', 'keep_results'] = '{}'::jsonb)"

# The tenants with open jobs from `after_tenant` on, round to it again: one look at the index each, and only as many as
# the query around it asks for. The parameter stands where no estimate hangs on its value, so that one plan serves all.
_TENANTS_IN_TURN: LiteralString = """
tenant AS (
    SELECT a.id AS at, a.id AS last, NULL::integer AS id, false AS wrapped
    FROM (SELECT %(after_tenant)s::integer AS id OFFSET 0) a
    UNION ALL
    SELECT n.at, t.last, n.id, n.wrapped FROM tenant t CROSS JOIN LATERAL (
        (SELECT j.tenant_id AS at, j.tenant_id AS id, t.wrapped FROM jobs j
         WHERE j.status IN ('pending', 'processing') AND j.on_hold_since IS NULL AND j.tenant_id > t.at
         ORDER BY j.tenant_id LIMIT 1)
        UNION ALL
        SELECT 0, NULL::integer, true WHERE NOT t.wrapped
        LIMIT 1) n
    WHERE NOT t.wrapped OR n.at <= t.last
)"""

# The jobs of tenant `t` that may begin, or go on, now: the earliest of each kind, for if that one is blocked, so are
# the later ones; the earliest unordered one; and of those that were put down the earliest of each kind. The one that
# has waited longest comes first. No job of several blocks begins while an earlier one is put down, or a tenant would
# have ever more jobs begun. A trial holds no job up: it waits behind those that wait already after each page.
HEADS: LiteralString = f"""
    SELECT h.id, h.queued_at FROM (
        SELECT j.id, j.queued_at, j.seq, j.blocks_open > 1 AS long, false AS begun FROM (VALUES {_KINDS}) AS k (kind)
        CROSS JOIN LATERAL (
            SELECT j.* FROM (
                SELECT * FROM jobs
                WHERE tenant_id = t.id AND status = 'pending' AND kind = k.kind AND on_hold_since IS NULL
                ORDER BY seq LIMIT {_MOST_PASSED_OVER}) j
            WHERE NOT {HELD_BACK} AND {_HAS_OPEN_BLOCK}
            ORDER BY j.seq LIMIT 1) j
        WHERE NOT {BLOCKED}
      UNION ALL
        (SELECT j.id, j.queued_at, j.seq, j.blocks_open > 1, false FROM (
             SELECT * FROM jobs
             WHERE tenant_id = t.id AND status = 'pending' AND NOT ordered AND on_hold_since IS NULL
             ORDER BY seq LIMIT {_MOST_PASSED_OVER}) j
         WHERE NOT {HELD_BACK} AND {_HAS_OPEN_BLOCK}
         ORDER BY j.seq LIMIT 1)
      UNION ALL
        SELECT j.id, j.queued_at, j.seq, false, k.kind <> '{TRIAL}' FROM (VALUES {_BEGUN_KINDS}) AS k (kind, status)
        CROSS JOIN LATERAL (
            SELECT j.* FROM jobs j
            WHERE j.tenant_id = t.id AND j.status = k.status AND j.status IN ('pending', 'processing')
              AND j.kind = k.kind AND j.on_hold_since IS NULL
              AND {_TO_GO_ON} AND NOT {BLOCKED}
            ORDER BY j.seq LIMIT 1) j
    ) h ORDER BY h.long AND coalesce(h.seq > min(h.seq) FILTER (WHERE h.begun) OVER (), false), h.queued_at, h.seq
    LIMIT 1"""

_ONE: LiteralString = f"""
chosen AS (
    SELECT j.id, {IN_ORDER} AS in_order, 1 AS place FROM jobs j
    WHERE j.id = %(job_id)s AND j.status || '' IN ('pending', 'processing') AND j.on_hold_since IS NULL
      AND NOT {HELD_BACK} AND NOT {BLOCKED}
    FOR NO KEY UPDATE OF j SKIP LOCKED
)"""

# The first of a tenant's jobs, and of those right behind it the ones that are like it and fit into its transaction. An
# ordered one among them may wait for nothing but what the transaction itself holds before it.
_NEXT: LiteralString = f"""
{_TENANTS_IN_TURN}, head AS MATERIALIZED (
    SELECT h.id, row_number() OVER () AS place FROM (
        SELECT h.id FROM tenant t CROSS JOIN LATERAL ({HEADS}) h WHERE t.id IS NOT NULL LIMIT {_TENANTS}) h
), first AS (
    SELECT j.id, j.tenant_id, j.kind, j.merge, j.template_id, j.status, j.blocks_open, j.total, j.seq,
           {IN_ORDER} AS in_order, {_PLAIN} AS plain
    FROM head JOIN jobs j ON j.id = ANY (ARRAY[head.id])
    WHERE (j.status || '' = 'pending' OR j.status || '' = 'processing' AND {_TO_GO_ON}) AND j.on_hold_since IS NULL
    ORDER BY head.place LIMIT 1 FOR NO KEY UPDATE OF j SKIP LOCKED
), barrier AS (
    SELECT min(e.seq) AS seq FROM first
    JOIN (VALUES {_WAITS}) AS w (kind, earlier, status) ON w.kind = first.kind
    CROSS JOIN LATERAL (
        SELECT {_LAST_SEQ} AS seq, first.tenant_id WHERE w.status = 'processing' OR w.earlier <> first.kind
        UNION ALL
        SELECT first.seq, first.tenant_id WHERE w.status = 'pending' AND w.earlier = first.kind) j
    CROSS JOIN LATERAL ({_EARLIER}) e
), alike AS (
    SELECT j.id, j.seq,
           first.total + sum(j.total) OVER so_far AS items, sum(octet_length(b.payload)) OVER so_far AS bytes,
           bool_and(j.blocks_open = 1 AND {_PLAIN} AND j.merge = first.merge
                    AND j.template_id IS NOT DISTINCT FROM first.template_id
                    AND (NOT j.ordered OR j.seq < coalesce(barrier.seq, j.seq + 1))
                    AND NOT {HELD_BACK}) OVER so_far AS fits,
           1 + row_number() OVER so_far AS place
    FROM first CROSS JOIN barrier
    CROSS JOIN LATERAL (
        SELECT * FROM jobs
        WHERE tenant_id = first.tenant_id AND status = 'pending' AND kind = first.kind AND seq > first.seq
          AND on_hold_since IS NULL
        ORDER BY seq LIMIT {MOST_JOBS - 1}) j
    CROSS JOIN LATERAL (SELECT payload FROM job_blocks WHERE job_id = j.id AND open LIMIT 1) b
    WHERE first.status = 'pending' AND first.blocks_open = 1 AND first.plain
    WINDOW so_far AS (ORDER BY j.seq)
), behind AS (
    SELECT j.id, j.ordered AS in_order, alike.place FROM alike JOIN jobs j ON j.id = ANY (ARRAY[alike.id])
    WHERE alike.fits AND alike.items <= {MOST_ITEMS} AND alike.bytes <= {_MOST_BYTES} AND j.status || '' = 'pending'
      AND j.on_hold_since IS NULL
    FOR NO KEY UPDATE OF j SKIP LOCKED
), chosen AS (
    SELECT id, in_order, 1 AS place FROM first UNION ALL
    SELECT id, in_order, place FROM behind
)"""

# One statement counts a delivery of each job once, on its first open block if no worker holds that, and moves the job
# on if it is the first delivery. SKIP LOCKED: a claim never waits for another. Lock the job row before the block row.
# Postgres keeps a lock on a row that a recheck then rejects; on the block, that would make its rightful worker think it
# is taken. Of several jobs only those are claimed that have no gap before them, or a later one would overtake an
# earlier one. The count is a hint, and a job that is pending again is claimed again: that may be lost in a crash, so
# this commit waits for no disk.
_CLAIM: LiteralString = f"""
WITH RECURSIVE {{chosen}}, block AS (
    SELECT chosen.id AS job_id, b.no, chosen.place FROM chosen
    CROSS JOIN LATERAL (
        SELECT b.no FROM job_blocks b
        WHERE b.job_id = chosen.id AND b.open
          AND CASE WHEN chosen.in_order THEN b.no = (SELECT min(no) FROM job_blocks WHERE job_id = chosen.id AND open)
              ELSE {{unordered}} END
        ORDER BY b.no LIMIT 1 FOR UPDATE SKIP LOCKED) b
), in_a_row AS (
    SELECT job_id, no, place FROM (SELECT *, row_number() OVER (ORDER BY place) AS row FROM block) b WHERE place = row
), delivered AS (
    UPDATE job_blocks b SET deliveries = deliveries + 1 FROM in_a_row r
    WHERE b.job_id = ANY (ARRAY[r.job_id]) AND b.no = r.no
    RETURNING b.job_id, b.no, b.first_index, b.items, b.payload, b.deliveries, b.first_line, r.place
)
UPDATE jobs j
SET status = 'processing', attempts = attempts + 1, started_at = coalesce(started_at, now()),
    progressed_at = CASE WHEN status = 'pending' THEN now() ELSE progressed_at END,
    -- The sweeper may have put off its check of a job that waited; a job that begins is checked soon.
    check_at = CASE WHEN status = 'pending' THEN now() + interval '1.5 seconds' ELSE check_at END,
    queued_at = least(queued_at, progressed_at)
FROM delivered d, set_config('synchronous_commit', 'off', true)
WHERE j.id = ANY (ARRAY[d.job_id])
RETURNING d.place, d.no, d.first_index, d.items, d.payload, d.deliveries, d.first_line, {COLUMNS}
"""
_CLAIM_ONE: LiteralString = _CLAIM.format(chosen=_ONE, unordered="true")
_CLAIM_NEXT: LiteralString = _CLAIM.format(chosen=_NEXT, unordered="b.deliveries = 0")


class Claim(NamedTuple):
    """A job that a delivery has claimed, and the block to begin with, which is not locked."""

    job: Job
    block: OpenBlock


def claim(conn: Connection, job_id: UUID) -> list[Claim]:
    """Move a job from PENDING to PROCESSING, or leave it there, and count a delivery.

    Args:
        conn: in a transaction of this alone, so that the count survives a worker that dies of the work.
        job_id: as the message named it.

    Returns:
        That job; empty where this delivery has nothing to do: the job is unknown, ended or waits for another one, or
        other workers hold its block (an unordered job: all of its blocks).
    """
    return _claimed(conn, _CLAIM_ONE, {"job_id": job_id})


def claim_next(conn: Connection, *, after_tenant: int = _NO_TENANT) -> list[Claim]:
    """Claim as `claim` does, but the job that has waited longest of the next tenant, and those behind it.

    Args:
        conn: in a transaction of this alone.
        after_tenant: whose job this worker ran last; tenants take turns in the order of their ids.

    Returns:
        That job; and where it is a single block, not begun before, with no option but a label or kept results, the jobs
        right behind it that are like it and a single block each, in the order in which they were accepted: of the same
        tenant, kind, mode and template, at most MOST_ITEMS items and MOST_JOBS jobs in all. Empty where no job may
        begin, or other workers are claiming.
    """
    return _claimed(conn, _CLAIM_NEXT, {"after_tenant": after_tenant})


def _claimed(conn: Connection, statement: LiteralString, values: Mapping[str, object]) -> list[Claim]:
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = sorted(cursor.execute(statement, values).fetchall(), key=lambda row: row.pop("place"))
    return [Claim(block=OpenBlock(**{name: row.pop(name) for name in _BLOCK_COLUMNS}), job=job_of(row)) for row in rows]


_BLOCK_COLUMNS = tuple(field.name for field in fields(OpenBlock))

_HEADS_OF_TENANTS: LiteralString = f"""
WITH RECURSIVE {_TENANTS_IN_TURN}
SELECT t.id, h.id FROM tenant t CROSS JOIN LATERAL ({HEADS}) h WHERE t.id IS NOT NULL LIMIT {{limit}}
"""
_HEAD_OF_ONE = _HEADS_OF_TENANTS.format(limit="1")
_HEADS_OF_MANY = _HEADS_OF_TENANTS.format(limit=f"{MOST_HEADS}")


class Head(NamedTuple):
    """A job that a worker could claim now: the one of its tenant that has waited longest."""

    tenant_id: int
    job_id: UUID


def heads(conn: Connection, *, after_tenant: int = _NO_TENANT) -> list[Head]:
    """Return the heads of at most MOST_HEADS tenants, in turn from the one behind `after_tenant`."""
    rows = conn.execute(_HEADS_OF_MANY, {"after_tenant": after_tenant})
    return [Head(*row) for row in rows]  # type: ignore[arg-type] # (integer, uuid)


def next_head(conn: Connection, *, after_tenant: int = _NO_TENANT) -> UUID | None:
    """Return the job that `claim_next` would claim."""
    row = conn.execute(_HEAD_OF_ONE, {"after_tenant": after_tenant}).fetchone()
    return None if row is None else row[1]  # type: ignore[return-value] # a uuid


# True if a job of a tenant other than `tenant_id` could be claimed now.
ANOTHER_TENANT_WAITS: LiteralString = f"""
EXISTS (
    WITH RECURSIVE {_TENANTS_IN_TURN.replace("%(after_tenant)s", "%(tenant_id)s")}
    SELECT FROM tenant t CROSS JOIN LATERAL ({HEADS}) h WHERE t.id <> %(tenant_id)s LIMIT 1)"""

_BLOCKER: LiteralString = f"""
SELECT b.id, b.status FROM jobs j CROSS JOIN LATERAL (
    SELECT e.id, e.status, e.seq FROM (VALUES {_WAITS}) AS w (kind, earlier, status)
    CROSS JOIN LATERAL ({_EARLIER}) e
    WHERE w.kind = j.kind AND j.ordered
    UNION ALL
    SELECT a.id, a.status, a.seq FROM jobs a WHERE a.id = j.after_job_id AND a.ended_at IS NULL
    ORDER BY seq LIMIT 1) b
WHERE j.id = %s AND j.ended_at IS NULL
"""


class Blocker(NamedTuple):
    """The earliest job that another one waits for."""

    id: UUID
    status: JobState


def blocker(conn: Connection, job_id: UUID) -> Blocker | None:
    """Return the earliest job that a job waits for; None where it waits for none, has ended, or is unknown."""
    row = conn.execute(_BLOCKER, (job_id,)).fetchone()
    return None if row is None else Blocker(row[0], JobState(row[1]))  # type: ignore[arg-type] # (uuid, text)


_FREED: LiteralString = f"""
SELECT DISTINCT b.id FROM unnest(%(job_ids)b) AS f (id) JOIN jobs j ON j.id = ANY (ARRAY[f.id])
JOIN (VALUES {_WAITS}) AS w (kind, earlier, status) ON w.earlier = j.kind AND w.status = 'pending'
CROSS JOIN LATERAL (
    SELECT b.id FROM jobs b
    WHERE b.tenant_id = j.tenant_id AND b.status = 'pending' AND b.kind = w.kind AND b.seq > j.seq
      AND b.on_hold_since IS NULL
    ORDER BY b.seq LIMIT 1) b
WHERE j.status NOT IN ('pending', 'processing') OR j.on_hold_since IS NOT NULL
"""


def freed_by(conn: Connection, job_ids: Sequence[UUID]) -> list[UUID]:
    """Return the first job of each kind that waited for one of these; it may wait for another still.

    Args:
        conn: a connection, in a transaction or not.
        job_ids: of jobs; those that have neither ended nor are on hold free none.
    """
    rows = conn.execute(_FREED, {"job_ids": binary.uuid_array(job_ids)})
    return [row[0] for row in rows]  # type: ignore[misc] # a uuid column
