"""Jobs that are due for a check of the sweeper."""

from typing import Any
from uuid import UUID

from ingest.db.connection.pool import Connection
from ingest.db.jobs import claims, lookup
from ingest.db.tenants.tenants import Tenant
from ingest.jobs import JobState
from tests.support.factories import accept, entity

TWO = [entity(number) for number in range(2)]


def a_job(conn: Connection, tenant: Tenant, *, idle: int = 60, begun: bool = False, **overrides: Any) -> UUID:
    """A job of two blocks that is due for a check, and that did not move for so many seconds."""
    job_id = accept(conn, tenant, "entities", TWO, block_items=1, **overrides)
    if begun:
        assert claims.claim(conn, job_id)
    be_due(conn, job_id)
    conn.execute("UPDATE jobs SET progressed_at = now() - make_interval(secs => %s) WHERE id = %s", (idle, job_id))
    return job_id


def be_due(conn: Connection, job_id: UUID) -> None:
    conn.execute("UPDATE jobs SET check_at = now() WHERE id = %s", (job_id,))


def status(conn: Connection, job_id: UUID) -> JobState | None:
    job = lookup.get(conn, job_id)
    return job and job.status
