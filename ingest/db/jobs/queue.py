"""The place of a pending job in the queue: what it waits for, how many items come before it, and how long that takes.

All of it is a look at a bounded number of rows, and an estimate: tenants take turns, and jobs come and go meanwhile.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import LiteralString, NamedTuple
from uuid import UUID

from ingest.db.connection.plans import read_in_order
from ingest.db.connection.pool import Connection
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


# The reasons for which a look sees a job: an earlier one of the tenant, one of another tenant, the earliest of its kind
# and state, one that another comes after, and one that ended a moment ago.
_OWN: LiteralString = "own"
_OTHER: LiteralString = "other"
_EARLIEST: LiteralString = "earliest"
_PREDECESSOR: LiteralString = "predecessor"
_RECENT: LiteralString = "recent"


class _Seen(NamedTuple):
    """A job that a look sees.

    Attributes:
        id: None where the job is but counted.
        left: items of it that were not run yet.
        began: when it was begun; None before that.
        until: when it moved last, or ended.
    """

    tenant_id: int
    kind: str
    seq: int
    id: UUID | None
    total: int
    left: int
    began: datetime | None
    until: datetime


def places_of(conn: Connection, jobs: Sequence[Job]) -> dict[UUID, Place]:
    """Return the places of jobs, by their ids. Only pending ones cost a look at the queue, one for all of a tenant's.

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
        places |= _places_of_tenant(own, _look(conn, tenant_id, own))
    return places


def _places_of_tenant(jobs: Sequence[Job], seen: Mapping[str, Sequence[_Seen]]) -> dict[UUID, Place]:
    own, others = seen[_OWN], seen[_OTHER]
    rate = items_a_second([*_runs(seen[_RECENT]), *(run for run in _runs([*own, *others]) if run.items)])
    left_of_tenant: dict[int, int] = {}
    for other in others:
        left_of_tenant[other.tenant_id] = left_of_tenant.get(other.tenant_id, 0) + other.left
    least_first = sorted(left_of_tenant.values())
    of_others = [0, *accumulate(least_first)]
    in_order = sorted(own, key=lambda earlier: earlier.seq)
    seqs, of_own = [earlier.seq for earlier in in_order], [0, *accumulate(earlier.left for earlier in in_order)]
    predecessors = {predecessor.id: predecessor for predecessor in seen[_PREDECESSOR]}
    places = {}
    for job in jobs:
        before = of_own[bisect_left(seqs, job.seq)]
        # The other tenants run all that they have, or as much as this one does meanwhile and one turn.
        most = before + _TURN_ITEMS
        ended = bisect_left(least_first, most)
        ahead = before + of_others[ended] + most * (len(least_first) - ended)
        is_whole = len(own) < _OWN_JOBS
        eta = (ahead + job.total) / rate if rate and is_whole else None
        places[job.id] = Place(_blocker(job, seen[_EARLIEST], predecessors), ahead, eta)
    return places


def _blocker(job: Job, earliest: Iterable[_Seen], predecessors: Mapping[UUID | None, _Seen]) -> UUID | None:
    """Return the earliest job that a pending one waits for, by its order or `?after=`; None where it may begin."""
    kinds = WAITS_FOR.get(job.kind, ()) if job.ordered else ()
    found = [earlier for earlier in earliest if earlier.kind in kinds and earlier.seq < job.seq]
    if job.after_job_id is not None and job.after_job_id in predecessors:
        found.append(predecessors[job.after_job_id])
    return min(found, key=lambda earlier: earlier.seq).id if found else None


def _runs(jobs: Iterable[_Seen]) -> list[Run]:
    """Return what was run of those jobs that have begun."""
    return [Run(job.total - job.left, job.began, job.until) for job in jobs if job.began is not None]


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


# The columns of the index one by one, and the earliest first: docs/explanation/how-it-works.md, "Plans that are kept".
_OPEN: LiteralString = ", ".join(
    f"('{kind}', '{status}')" for status in ("processing", "pending") for kind in WAITS_FOR
)
# Of the many that come before, none is named: to read an id costs as much as all else of a row.
_COUNTED: LiteralString = "j.tenant_id, j.kind, j.seq, NULL::uuid, j.total, j.unprocessed, j.started_at"
_NAMED: LiteralString = "j.tenant_id, j.kind, j.seq, j.id, j.total, j.unprocessed, j.started_at"

# One statement for all that a look sees: what costs here is less to read rows than to ask. It counts other
# tenants' jobs in a view, which shows so much of them across the wall between tenants.
_LOOK: LiteralString = f"""
WITH RECURSIVE tenant AS (
    SELECT 0 AS id
    UNION ALL
    SELECT n.tenant_id FROM tenant t CROSS JOIN LATERAL (
        SELECT j.tenant_id FROM jobs_counted j
        WHERE j.status IN ('pending', 'processing') AND j.on_hold_since IS NULL AND j.tenant_id > t.id
        ORDER BY j.tenant_id LIMIT 1) n
)
(SELECT '{_OWN}', {_COUNTED}, j.progressed_at FROM (VALUES {_OPEN}) AS k (kind, status)
 CROSS JOIN LATERAL (
     SELECT * FROM jobs
     WHERE tenant_id = %(tenant_id)s AND status = k.status AND status IN ('pending', 'processing') AND kind = k.kind
       AND on_hold_since IS NULL AND seq < %(before)s
     ORDER BY seq LIMIT {_OWN_JOBS}) j
 LIMIT {_OWN_JOBS})
UNION ALL
SELECT '{_OTHER}', {_COUNTED}, j.progressed_at
FROM (SELECT id FROM tenant WHERE id NOT IN (0, %(tenant_id)s::integer) LIMIT {_OTHER_TENANTS}) t
CROSS JOIN LATERAL (
    SELECT j.* FROM (VALUES {_OPEN}) AS k (kind, status)
    CROSS JOIN LATERAL (
        SELECT * FROM jobs_counted
        WHERE tenant_id = t.id AND status = k.status AND status IN ('pending', 'processing') AND kind = k.kind
          AND on_hold_since IS NULL
        ORDER BY seq LIMIT {_OTHERS_JOBS}) j
    LIMIT {_OTHERS_JOBS}) j
UNION ALL
SELECT '{_EARLIEST}', {_NAMED}, j.progressed_at FROM (VALUES {_OPEN}) AS k (kind, status)
CROSS JOIN LATERAL (
    SELECT * FROM jobs
    WHERE tenant_id = %(tenant_id)s AND status = k.status AND status IN ('pending', 'processing') AND kind = k.kind
      AND on_hold_since IS NULL
    ORDER BY seq LIMIT 1) j
UNION ALL
SELECT '{_PREDECESSOR}', {_NAMED}, j.progressed_at FROM jobs j
WHERE j.id = ANY (%(predecessors)s::uuid[]) AND j.ended_at IS NULL
UNION ALL
SELECT '{_RECENT}', {_COUNTED}, j.ended_at
FROM (SELECT * FROM jobs_counted WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT {_RECENT_JOBS}) j
WHERE j.started_at IS NOT NULL AND j.ended_at > now() - interval '60 seconds'
"""


def _look(conn: Connection, tenant_id: int, jobs: Sequence[Job]) -> Mapping[str, Sequence[_Seen]]:
    """Return the jobs that say something of the places of these, by the reason for which they are looked at.

    Args:
        conn: an open transaction.
        tenant_id: whose they are.
        jobs: pending ones.
    """
    values = {
        "tenant_id": tenant_id,
        "before": max(job.seq for job in jobs),
        "predecessors": [job.after_job_id for job in jobs if job.after_job_id is not None],
    }
    seen: dict[str, list[_Seen]] = {_OWN: [], _OTHER: [], _EARLIEST: [], _PREDECESSOR: [], _RECENT: []}
    for reason, *row in conn.execute(_LOOK, values, prepare=False):
        seen[str(reason)].append(_Seen(*row))  # type: ignore[arg-type] # as selected
    return seen
