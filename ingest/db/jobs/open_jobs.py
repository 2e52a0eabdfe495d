"""Count open jobs by their state, up to a bound: a look at the queue alone, whatever the history of a tenant."""

from typing import LiteralString

from ingest.db.connection.plans import read_in_order
from ingest.db.connection.pool import Connection
from ingest.jobs import JobState

# More jobs of a state than that are told as "300+".
MOST_COUNTED = 300

# Rows are compared, as in `ingest.db.jobs.listing`, so that a scan reads a tenant's part of the index alone.
_RUNNABLE: LiteralString = f"""
(SELECT status FROM jobs
 WHERE status IN ('pending', 'processing') AND on_hold_since IS NULL {{tenant}}
 ORDER BY tenant_id, status, kind, seq LIMIT {MOST_COUNTED} + 1)
"""
_OF_STATE: LiteralString = """
 AND (tenant_id, status, kind, seq) > (%(tenant_id)s::integer, '{status}', '', 0)
 AND (tenant_id, status, kind, seq) < (%(tenant_id)s::integer, '{status}~', '', 0)"""
_ON_HOLD: LiteralString = f"""
(SELECT status FROM jobs
 WHERE status IN ('pending', 'paused') AND on_hold_since IS NOT NULL {{tenant}}
 ORDER BY tenant_id, seq LIMIT {MOST_COUNTED} + 1)
"""
_OF_TENANT: LiteralString = """
 AND (tenant_id, seq) > (%(tenant_id)s::integer, 0) AND (tenant_id, seq) < (%(tenant_id)s::integer + 1, 0)"""


def _counting(*parts: LiteralString) -> LiteralString:
    return f"SELECT status, count(*) FROM ({' UNION ALL '.join(parts)}) j GROUP BY status"


_COUNT_OF_TENANT = _counting(
    _RUNNABLE.format(tenant=_OF_STATE.format(status="pending")),
    _RUNNABLE.format(tenant=_OF_STATE.format(status="processing")),
    _ON_HOLD.format(tenant=_OF_TENANT),
)
_COUNT_ALL = _counting(_RUNNABLE.format(tenant=""), _ON_HOLD.format(tenant=""))


def count(conn: Connection, tenant_id: int | None) -> dict[JobState, int]:
    """Return how many jobs are in each open state; more than MOST_COUNTED mean that there are at least so many.

    Args:
        conn: an open transaction.
        tenant_id: whose; None: everybody's, for an operator of the installation.
    """
    read_in_order(conn)
    statement = _COUNT_ALL if tenant_id is None else _COUNT_OF_TENANT
    found = conn.execute(statement, {"tenant_id": tenant_id}, prepare=False).fetchall()
    counts = {JobState(str(status)): int(str(jobs)) for status, jobs in found}
    return {state: counts.get(state, 0) for state in JobState if not state.ended and state is not JobState.RECEIVING}
