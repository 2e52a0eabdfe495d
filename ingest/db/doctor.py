"""Queries of `sluice doctor`: each returns facts by a few statements, and `ingest.doctor` judges these.

Each statement is bounded; only that of all tenants whose template lists personal data is sent again for each thousand.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.bulk.pages import pages_of
from ingest.db.connection.pool import Connection
from ingest.db.connection.session import QUIET, settings_of
from ingest.db.data import resealing
from ingest.db.jobs import claims
from ingest.db.jobs.claims import BLOCKED, FREE_SINCE, HELD_BACK
from ingest.db.jobs.resealing import HEAD_OF_PAYLOAD, IS_SEALED, KID_OF_HEAD
from ingest.db.workers import IS_WORKER

_BOUND = "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true)"


def bound(conn: Connection, *, seconds: float, lock_seconds: float) -> None:
    """Limit how long a statement of this transaction may take, and wait for a lock."""
    conn.execute(_BOUND, (f"{seconds}s", f"{lock_seconds}s"))


_SHOWN = "SELECT name, current_setting(name) FROM unnest(%s::text[]) AS s (name)"


def unheeded(conn: Connection, process: str) -> dict[str, str]:
    """Return the settings of a transaction that are not as a process relies on, by name, as they are.

    Args:
        conn: an open transaction.
        process: whose settings it should have.
    """
    right = dict(settings_of(process, conn.info.server_version))
    # A transaction in a session that a pooler lends says its own; the session's default is somebody else's there.
    right["transaction_isolation"] = right.pop("default_transaction_isolation")
    found: dict[str, str] = dict(conn.execute(_SHOWN, (list(right),)).fetchall())  # type: ignore[arg-type] # (text, text)
    return {name: value for name, value in found.items() if value != right[name]}


_IS_QUIET = "SELECT bool_and(current_setting(name) = value) FROM unnest(%s::text[], %s::text[]) AS s (name, value)"


def is_quiet(conn: Connection) -> bool:
    """True if errors of this connection's statements put no keys of rows into the server's log."""
    return conn.execute(_IS_QUIET, (list(QUIET), list(QUIET.values()))).fetchone() == (True,)


_DURABILITY = """
SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') ORDER BY name
"""


def durability(conn: Connection) -> dict[str, str]:
    """Return the settings that decide whether what was committed outlives a power cut, as this connection has them."""
    return dict(conn.execute(_DURABILITY).fetchall())  # type: ignore[arg-type] # (text, text)


@dataclass(frozen=True, slots=True)
class Connections:
    """The connections that the server's clients hold, and the most that clients who are no superusers may have."""

    used: int
    most: int


# reserved_connections came with version 16.
_CONNECTIONS = """
SELECT count(*) AS used,
       current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint
           - coalesce(current_setting('reserved_connections', true)::bigint, 0) AS most
FROM pg_stat_activity WHERE backend_type = 'client backend'
"""


def connections(conn: Connection) -> Connections:
    """Return the connections of the server."""
    with conn.cursor(row_factory=class_row(Connections)) as cursor:
        return cursor.execute(_CONNECTIONS).fetchall()[0]


def clock(conn: Connection) -> datetime:
    """Return the time on the server's machine."""
    return conn.execute("SELECT clock_timestamp()").fetchall()[0][0]  # type: ignore[return-value] # a timestamptz


@dataclass(frozen=True, slots=True)
class Table:
    """A table's size with its indexes, in bytes; its dead rows wait for autovacuum."""

    name: str
    size: int
    live: int
    dead: int


_TABLES = """
SELECT relname AS name, pg_total_relation_size(relid) AS size, n_live_tup AS live, n_dead_tup AS dead
FROM pg_stat_user_tables ORDER BY size DESC, name LIMIT 1000
"""


def tables(conn: Connection) -> list[Table]:
    """Return the tables, the largest first."""
    with conn.cursor(row_factory=class_row(Table)) as cursor:
        return cursor.execute(_TABLES).fetchall()


def size(conn: Connection) -> int:
    """Return the size of the whole database, in bytes."""
    return conn.execute("SELECT pg_database_size(current_database())").fetchall()[0][0]  # type: ignore[return-value]


def autovacuum(conn: Connection) -> bool:
    """True if the server runs autovacuum."""
    return conn.execute("SELECT current_setting('autovacuum')").fetchone() == ("on",)


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction that is open in the database."""

    pid: int
    application: str
    seconds: float


_OLDEST_TRANSACTION = """
SELECT pid, application_name AS application, extract(epoch FROM clock_timestamp() - xact_start)::float AS seconds
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
  AND xact_start IS NOT NULL
ORDER BY xact_start LIMIT 1
"""


def oldest_transaction(conn: Connection) -> Transaction | None:
    """Return the oldest open transaction but this one: vacuum removes nothing that it may still see."""
    with conn.cursor(row_factory=class_row(Transaction)) as cursor:
        return cursor.execute(_OLDEST_TRANSACTION).fetchone()


@dataclass(frozen=True, slots=True)
class Sessions:
    """The connections that the processes which run jobs hold.

    Attributes:
        workers: children of workers, and rescue workers; one that had nothing to do for a minute holds none.
        sweeps: sweep's own; it always holds one.
        webhooks: likewise those of `webhooks`.
    """

    workers: int
    sweeps: int
    webhooks: int


_SESSIONS = f"""
SELECT count(*) FILTER (WHERE {IS_WORKER}) AS workers,
       count(*) FILTER (WHERE application_name = 'sluice-sweep') AS sweeps,
       count(*) FILTER (WHERE application_name = 'sluice-webhooks') AS webhooks
FROM pg_stat_activity WHERE datname = current_database()
"""


def sessions(conn: Connection) -> Sessions:
    """Return the sessions of the processes that run jobs."""
    with conn.cursor(row_factory=class_row(Sessions)) as cursor:
        return cursor.execute(_SESSIONS).fetchall()[0]


@dataclass(frozen=True, slots=True)
class Waiting:
    """The number of jobs that could begin and have not, and the one that has waited longest."""

    jobs: int
    oldest: UUID
    seconds: float


_WAITING = f"""
SELECT count(*) OVER () AS jobs, j.id AS oldest, extract(epoch FROM now() - {FREE_SINCE})::float AS seconds
FROM jobs j WHERE j.status = 'pending' AND NOT {HELD_BACK} AND NOT {BLOCKED}
ORDER BY seconds DESC LIMIT 1
"""


def waiting(conn: Connection) -> Waiting | None:
    """Return the jobs that wait; None if every job that could begin has begun."""
    with conn.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(_WAITING).fetchone()


# The earliest of each lane, of which there are few.
_MESSAGE_LAG = """
WITH RECURSIVE lane AS (
    (SELECT lane, next_at FROM webhook_deliveries WHERE next_at IS NOT NULL ORDER BY lane, next_at LIMIT 1)
    UNION ALL
    SELECT d.lane, d.next_at FROM lane CROSS JOIN LATERAL (
        SELECT d.lane, d.next_at FROM webhook_deliveries d WHERE d.next_at IS NOT NULL AND d.lane > lane.lane
        ORDER BY d.lane, d.next_at LIMIT 1) d
)
SELECT extract(epoch FROM now() - min(next_at))::float FROM lane
"""


def message_lag(conn: Connection) -> float | None:
    """Return how many seconds a message to a webhook is overdue; negative: none is due; None: there is none."""
    return conn.execute(_MESSAGE_LAG).fetchall()[0][0]  # type: ignore[return-value] # a float8


_SWEPT = """
SELECT count(*) FILTER (WHERE swept) FROM (
    SELECT swept, first_value(swept) OVER (ORDER BY ended_at DESC) AS still FROM (
        SELECT swept, ended_at FROM jobs WHERE ended_at > now() - interval '10 minutes'
        ORDER BY ended_at DESC LIMIT 1000) AS newest
) AS judged WHERE still
"""


def swept(conn: Connection) -> int:
    """Return how many jobs of the last ten minutes the sweeper ran; 0 where workers did the newest one again."""
    return conn.execute(_SWEPT).fetchall()[0][0]  # type: ignore[return-value] # a bigint


# A pending job is due only since it became its tenant's next one.
_CHECK_LAG = f"""
SELECT extract(epoch FROM now() - least(
    (SELECT min(check_at) FROM jobs WHERE status = 'processing'),
    (SELECT min(greatest(j.check_at, {FREE_SINCE})) FROM jobs j WHERE j.id = ANY (%s) AND j.status || '' = 'pending')
))::float
"""


def check_lag(conn: Connection) -> float | None:
    """Return how many seconds a job is overdue for the sweeper's check; negative: none is due; None: none is open."""
    heads = [head.job_id for head in claims.heads(conn)]
    return conn.execute(_CHECK_LAG, (heads,)).fetchall()[0][0]  # type: ignore[return-value] # a float8


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """The encrypted secret of a webhook."""

    webhook_id: UUID
    tenant_id: int
    secret: str


# Callbacks are as many as jobs; of them, `webhooks` says in its log what it cannot sign.
_SECRETS = """
SELECT id AS webhook_id, tenant_id, secret FROM webhooks
WHERE job_id IS NULL AND deleted_at IS NULL AND disabled_at IS NULL ORDER BY tenant_id LIMIT 10000
"""


def webhook_secrets(conn: Connection) -> list[StoredSecret]:
    """Return the secrets of webhooks that messages are sent to, 10,000 at most, without those of callbacks."""
    with conn.cursor(row_factory=class_row(StoredSecret)) as cursor:
        return cursor.execute(_SECRETS).fetchall()


@dataclass(frozen=True, slots=True)
class PersonalData:
    """The personal data of entities.

    Attributes:
        tenants: how many have a template that calls fields so.
        values: how many there are under each master key, by its id, of a sample; in the clear under an empty one.
    """

    tenants: int
    values: dict[str, int]


# The oldest rows and the newest ones, as far as their places tell.
_SAMPLED_PAGES = 512


def personal_data(conn: Connection) -> PersonalData:
    """Return how many tenants' templates list personal data, and what there is of these in some pages of the table."""
    called = resealing.called_personal(conn)
    pages = pages_of(conn, resealing.TABLE)
    values = Counter[str]()
    for first in {0, max(_SAMPLED_PAGES, pages - _SAMPLED_PAGES)}:
        values.update(resealing.count(conn, called, first=first, pages=_SAMPLED_PAGES))
    return PersonalData(len(called), dict(values))


@dataclass(frozen=True, slots=True)
class SealedJob:
    """A job that has not ended, and the id of the master key under which its next block is encrypted."""

    job_id: UUID
    kid: str


_SEALED_JOBS = f"""
SELECT j.id AS job_id, {KID_OF_HEAD} AS kid
FROM (
    SELECT id FROM jobs WHERE status IN ('pending', 'processing') AND on_hold_since IS NULL
    ORDER BY tenant_id, status, kind, seq LIMIT 1000) j
CROSS JOIN LATERAL (
    SELECT {HEAD_OF_PAYLOAD} AS head FROM job_blocks
    WHERE job_id = j.id AND open ORDER BY no LIMIT 1) b
WHERE {IS_SEALED}
"""


def sealed_jobs(conn: Connection) -> list[SealedJob]:
    """Return those of 1,000 jobs that wait or run whose items are encrypted."""
    with conn.cursor(row_factory=class_row(SealedJob)) as cursor:
        return cursor.execute(_SEALED_JOBS).fetchall()


def jobs_by_state(conn: Connection) -> dict[str, int]:
    """Return how many jobs are in each state that any is in."""
    return dict(conn.execute("SELECT status, count(*) FROM jobs GROUP BY status"))  # type: ignore[arg-type] # (text, bigint)
