"""The place of a pending job in the queue: what it waits for, how many items come before it, and how long that takes.

All of it is a look at a bounded number of rows, and an estimate: tenants take turns, and jobs come and go meanwhile.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import accumulate
from typing import LiteralString, NamedTuple
from uuid import UUID

from ingest.db.connection.pool import Connection
from ingest.db.jobs.lookup import read_in_order
from ingest.jobs import WAITS_FOR, Job, JobState

# A look counts the items of so many earlier jobs of the tenant, and of so many jobs each of so many other tenants: if
# there are more, at least so many items come before.
_OWN_JOBS = 400
_OTHER_TENANTS = 15
_OTHERS_JOBS = 15

# A tenant that takes its turn runs about so many items before the next one does: a block of entities.
_TURN_ITEMS = 1_000

# The speed at which items are run just now is that of so many jobs that ended last, and of those that are run.
_RECENT_JOBS = 20


class Place(NamedTuple):
    """The place of a job in the queue.

    Attributes:
        blocked_by: the earliest job that it waits for.
        queue_ahead: items of this and of other tenants' jobs that will be run before it; None once it has begun.
        eta_seconds: until its end; None while nothing can be said.
    """

    blocked_by: UUID | None
    queue_ahead: int | None
    eta_seconds: float | None


class Run(NamedTuple):
    """The items that were run of a job, and when."""

    items: int
    began: datetime
    until: datetime


def places_of(conn: Connection, jobs: Sequence[Job]) -> dict[UUID, Place]:
    """Return the places of jobs, by their ids. Only pending ones cost a look at the queue.

    Args:
        conn: an open transaction.
        jobs: of any tenants, as `ingest.db.jobs.lookup.show` returns them.
    """
    places = {job.id: Place(None, None, job.eta_seconds) for job in jobs}
    pending = [job for job in jobs if job.status is JobState.PENDING]
    if pending:
        read_in_order(conn)
    for tenant_id in {job.tenant_id for job in pending}:
        own = [job for job in pending if job.tenant_id == tenant_id]
        places |= _places_of_tenant(conn, tenant_id, own)
    return places


def _places_of_tenant(conn: Connection, tenant_id: int, jobs: Sequence[Job]) -> dict[UUID, Place]:
    own = _own(conn, tenant_id, before=max(job.seq for job in jobs))
    others = _others(conn, tenant_id)
    blockers = _blockers(conn, tenant_id, jobs)
    rate = items_a_second([*_recent(conn), *_under_way([*own, *others])])
    left_of_tenant: dict[int, int] = {}
    for queued in others:
        left_of_tenant[queued.tenant_id] = left_of_tenant.get(queued.tenant_id, 0) + queued.left
    in_order = sorted(own, key=lambda queued: queued.seq)
    seqs, sums = [queued.seq for queued in in_order], [0, *accumulate(queued.left for queued in in_order)]
    places = {}
    for job in jobs:
        before = sums[bisect_left(seqs, job.seq)]
        ahead = before + sum(min(left, before + _TURN_ITEMS) for left in left_of_tenant.values())
        is_whole = len(own) < _OWN_JOBS
        eta = (ahead + job.total) / rate if rate and is_whole else None
        places[job.id] = Place(blockers.get(job.id), ahead, eta)
    return places


def items_a_second(runs: Iterable[Run]) -> float | None:
    """Return the speed of all workers together: items by the time in which at least one of the jobs was run.

    Args:
        runs: of jobs that were run lately; some may have run at the same time, and there may be gaps between others.

    Returns:
        None if nothing was run.
    """
    items, busy, covered = 0, 0.0, None
    for run in sorted(runs, key=lambda run: run.began):
        items += run.items
        began = run.began if covered is None else max(run.began, covered)
        busy += max(0.0, (run.until - began).total_seconds())
        covered = run.until if covered is None else max(run.until, covered)
    return items / busy if items and busy > 0 else None


class _Queued(NamedTuple):
    """An open job before the one that is asked for."""

    tenant_id: int
    seq: int
    total: int
    left: int
    began: datetime | None
    until: datetime


# The columns of the index one by one, and the earliest first: docs/architecture.md, "Plans that are kept".
_OPEN: LiteralString = ", ".join(
    f"('{kind}', '{status}')" for status in ("processing", "pending") for kind in WAITS_FOR
)
_QUEUED: LiteralString = "j.tenant_id, j.seq, j.total, j.unprocessed, j.started_at, j.progressed_at"

_OWN: LiteralString = f"""
SELECT {_QUEUED} FROM (VALUES {_OPEN}) AS k (kind, status)
CROSS JOIN LATERAL (
    SELECT * FROM jobs
    WHERE tenant_id = %(tenant_id)s AND status = k.status AND status IN ('pending', 'processing') AND kind = k.kind
      AND on_hold_since IS NULL AND seq < %(before)s
    ORDER BY seq LIMIT {_OWN_JOBS}) j
LIMIT {_OWN_JOBS}
"""


def _own(conn: Connection, tenant_id: int, *, before: int) -> list[_Queued]:
    """Return open jobs of a tenant that were accepted before that one, at most _OWN_JOBS."""
    rows = conn.execute(_OWN, {"tenant_id": tenant_id, "before": before}, prepare=False)
    return [_Queued(*row) for row in rows]  # type: ignore[arg-type] # as selected


_OTHERS: LiteralString = f"""
WITH RECURSIVE tenant AS (
    SELECT 0 AS id
    UNION ALL
    SELECT n.tenant_id FROM tenant t CROSS JOIN LATERAL (
        SELECT j.tenant_id FROM jobs j
        WHERE j.status IN ('pending', 'processing') AND j.on_hold_since IS NULL AND j.tenant_id > t.id
        ORDER BY j.tenant_id LIMIT 1) n
)
SELECT {_QUEUED}
FROM (SELECT id FROM tenant WHERE id NOT IN (0, %(tenant_id)s::integer) LIMIT {_OTHER_TENANTS}) t
CROSS JOIN LATERAL (
    SELECT j.* FROM (VALUES {_OPEN}) AS k (kind, status)
    CROSS JOIN LATERAL (
        SELECT * FROM jobs
        WHERE tenant_id = t.id AND status = k.status AND status IN ('pending', 'processing') AND kind = k.kind
          AND on_hold_since IS NULL
        ORDER BY seq LIMIT {_OTHERS_JOBS}) j
    LIMIT {_OTHERS_JOBS}) j
"""


def _others(conn: Connection, tenant_id: int) -> list[_Queued]:
    """Return open jobs of other tenants, at most _OTHERS_JOBS each of at most _OTHER_TENANTS."""
    rows = conn.execute(_OTHERS, {"tenant_id": tenant_id}, prepare=False)
    return [_Queued(*row) for row in rows]  # type: ignore[arg-type] # as selected


class _Earlier(NamedTuple):
    """An open job that others may wait for."""

    kind: str
    seq: int
    id: UUID


_EARLIEST: LiteralString = f"""
SELECT k.kind, j.seq, j.id FROM (VALUES {_OPEN}) AS k (kind, status)
CROSS JOIN LATERAL (
    SELECT seq, id FROM jobs
    WHERE tenant_id = %s AND status = k.status AND status IN ('pending', 'processing') AND kind = k.kind
      AND on_hold_since IS NULL
    ORDER BY seq LIMIT 1) j
"""
_PREDECESSORS = "SELECT kind, seq, id FROM jobs WHERE id = ANY (%s) AND ended_at IS NULL"


def _blockers(conn: Connection, tenant_id: int, jobs: Sequence[Job]) -> dict[UUID, UUID]:
    """Return the earliest job that each of these waits for, by its order or `?after=`; none of those that may begin."""
    earliest = [_Earlier(*row) for row in conn.execute(_EARLIEST, (tenant_id,))]  # type: ignore[arg-type] # as selected
    named = [job.after_job_id for job in jobs if job.after_job_id is not None]
    rows = conn.execute(_PREDECESSORS, (named,)) if named else ()
    predecessors = {earlier.id: earlier for earlier in (_Earlier(*row) for row in rows)}  # type: ignore[arg-type] # as selected
    blockers = {}
    for job in jobs:
        kinds = WAITS_FOR.get(job.kind, ()) if job.ordered else ()
        found = [earlier for earlier in earliest if earlier.kind in kinds and earlier.seq < job.seq]
        if job.after_job_id is not None and job.after_job_id in predecessors:
            found.append(predecessors[job.after_job_id])
        if found:
            blockers[job.id] = min(found, key=lambda earlier: earlier.seq).id
    return blockers


_RECENT: LiteralString = f"""
SELECT r.total - r.unprocessed, r.started_at, r.ended_at
FROM (SELECT * FROM jobs WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT {_RECENT_JOBS}) r
WHERE r.started_at IS NOT NULL AND r.ended_at > now() - interval '60 seconds'
"""


def _recent(conn: Connection) -> list[Run]:
    """Return the jobs that ended last, of a minute at most."""
    return [Run(*row) for row in conn.execute(_RECENT, prepare=False)]  # type: ignore[arg-type] # as selected


def _under_way(queued: Iterable[_Queued]) -> list[Run]:
    """Return what was run of jobs that have begun."""
    begun = ((job.total - job.left, job.began, job.until) for job in queued)
    return [Run(items, began, until) for items, began, until in begun if items and began is not None]
