"""Read the gauges of the queue, for the sweeper: bounded statements over indexes that hold open jobs alone."""

from typing import NamedTuple

from ingest.db.connection.pool import WORKER, Connection

# Never wait: a gauge that is missing says that the database is busy.
_BOUND = "SELECT set_config('statement_timeout', '1s', true), set_config('lock_timeout', '1s', true)"


class OpenJobs(NamedTuple):
    """Open jobs of a kind in a state.

    Attributes:
        items: those that are not done.
        wait_seconds: how long the oldest one has waited, of those that no worker has begun.
        still_seconds: how long one of them has not moved, at most, of those that a worker has begun.
    """

    status: str
    kind: str
    jobs: int
    items: int
    wait_seconds: float | None
    still_seconds: float | None


_OPEN = """
SELECT status, kind, count(*), sum(unprocessed),
       extract(epoch FROM now() - min(created_at) FILTER (WHERE status = 'pending'))::float,
       extract(epoch FROM now() - min(progressed_at) FILTER (WHERE status = 'processing'))::float
FROM jobs
WHERE status IN ('pending', 'processing') AND on_hold_since IS NULL
GROUP BY status, kind
"""


def open_jobs(conn: Connection) -> list[OpenJobs]:
    """Return the jobs that wait or run, by state and kind; without those that wait for another job or are paused."""
    conn.execute(_BOUND)
    return [OpenJobs(*row) for row in conn.execute(_OPEN)]  # type: ignore[arg-type] # as selected


_TENANTS = """
SELECT t.public_id::text, sum(j.unprocessed) AS items
FROM jobs j JOIN tenants t ON t.id = j.tenant_id
WHERE j.status IN ('pending', 'processing') AND j.on_hold_since IS NULL
GROUP BY t.public_id ORDER BY items DESC LIMIT %s
"""


def busiest_tenants(conn: Connection, *, limit: int) -> list[tuple[str, int]]:
    """Return the public ids of the tenants with most items that are not done, and how many."""
    conn.execute(_BOUND)
    return conn.execute(_TENANTS, (limit,)).fetchall()  # type: ignore[return-value] # (text, bigint)


_SERVER = """
SELECT count(*) FILTER (WHERE application_name = %s),
       coalesce(extract(epoch FROM now() - min(xact_start) FILTER (WHERE pid <> pg_backend_pid())), 0)::float,
       pg_total_relation_size('job_blocks')
FROM pg_stat_activity WHERE datname = current_database()
"""


class Server(NamedTuple):
    """The server's view of Sluice.

    Attributes:
        worker_sessions: of processes that run jobs.
        oldest_transaction_seconds: the age of the oldest transaction in this database.
        payload_bytes: on disk, of the blocks of jobs.
    """

    worker_sessions: int
    oldest_transaction_seconds: float
    payload_bytes: int


def server(conn: Connection) -> Server:
    """Return what the server knows of its sessions and files."""
    conn.execute(_BOUND)
    return Server(*conn.execute(_SERVER, (WORKER,)).fetchall()[0])  # type: ignore[arg-type] # as selected
