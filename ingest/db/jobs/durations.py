"""Read the median time of each kind of jobs, from acceptance to end, of a bounded number of jobs."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from ingest.db.connection.plans import read_in_order
from ingest.db.connection.pool import Connection

# Medians are of so many jobs, of all kinds together.
LOOKED_AT = 400

# Of fewer jobs of a kind a median says little.
_FEWEST = 5


class Median(NamedTuple):
    """The median of a kind of jobs.

    Attributes:
        jobs: that it is of.
    """

    time: timedelta
    jobs: int


_MEDIANS: LiteralString = """
SELECT kind, percentile_cont(0.5) WITHIN GROUP (ORDER BY ended_at - created_at), count(*)
FROM ({found}) j WHERE status = 'completed' GROUP BY kind HAVING count(*) >= %(fewest)s
"""
_OF_ALL: LiteralString = _MEDIANS.format(
    found="SELECT * FROM jobs WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT %(looked_at)s"
)
# No index has a tenant's jobs in the order of their ends. Spelled as in `ingest.db.jobs.listing`.
_OF_TENANT: LiteralString = _MEDIANS.format(
    found="""
    SELECT * FROM jobs WHERE (tenant_id::bigint) = ANY (ARRAY[%(tenant_id)s::bigint]) AND id < %(before)s
    ORDER BY (tenant_id::bigint) DESC, id DESC LIMIT %(looked_at)s"""
)
# Jobs that wait are the newest: begin behind the first one that does, so that a backlog hides no history. Spelled as in
# `ingest.db.jobs.queue`.
_FIRST_WAITING = """
SELECT j.id FROM unnest(%(kinds)s::text[]) AS k (kind) CROSS JOIN LATERAL (
    SELECT * FROM jobs
    WHERE tenant_id = %(tenant_id)s AND status = 'pending' AND status IN ('pending', 'processing') AND kind = k.kind
      AND on_hold_since IS NULL
    ORDER BY tenant_id, status, kind, seq LIMIT 1) j
ORDER BY j.id LIMIT 1
"""
_LAST_ID = UUID(int=2**128 - 1)


def medians(conn: Connection, tenant_id: int | None, kinds: Collection[str]) -> dict[str, Median]:
    """Return the medians of the kinds of which enough jobs have completed lately.

    Args:
        conn: an open transaction.
        tenant_id: whose jobs; None: everybody's, for an operator of the installation.
        kinds: all that there are.
    """
    read_in_order(conn)
    values: dict[str, Any] = {"tenant_id": tenant_id, "kinds": list(kinds), "looked_at": LOOKED_AT, "fewest": _FEWEST}
    if tenant_id is not None:
        row = conn.execute(_FIRST_WAITING, values, prepare=False).fetchone()
        values["before"] = _LAST_ID if row is None else row[0]
    rows = conn.execute(_OF_ALL if tenant_id is None else _OF_TENANT, values, prepare=False)
    return {str(kind): Median(time, jobs) for kind, time, jobs in rows}  # type: ignore[arg-type] # as selected
