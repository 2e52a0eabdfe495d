"""Rows get their tenant while processes of the version before, which know of no such column, go on writing."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import LiteralString

import psycopg
import pytest

from ingest.db.connection import migrate as migrations
from ingest.db.connection.migrate import migrate
from ingest.db.connection.pool import connect
from ingest.errors import DatabaseError
from ingest.ids import uuid7
from tests.db.connection.test_migrate import SCHEMA, early_tenant, migrate_before, until_waits

_TENANTS = 3

# Of each tenant 500 entities with a state each, and 500 events with a link each; and 300 jobs, each with a row of each
# table that belongs to it, an upload with a part, and a message with a try.
_ROWS: LiteralString = """
INSERT INTO entities (public_id, tenant_id, scope, external_id, type, properties)
SELECT gen_random_uuid(), t.id, '', n::text, 'player', '{}' FROM tenants t, generate_series(1, 500) n;
INSERT INTO states (entity_id, key, value) SELECT id, 'balance', '1' FROM entities;
INSERT INTO events (id, public_id, tenant_id, type, properties, occurred_at)
SELECT -id, gen_random_uuid(), tenant_id, 'session', '{}', now() FROM entities;
INSERT INTO event_entities (entity_id, occurred_at, event_id) SELECT id, now(), -id FROM entities;
INSERT INTO jobs (id, tenant_id, kind, merge, request_id, awaited, total, unprocessed, blocks_open)
SELECT gen_random_uuid(), t.id, 'entities', true, 'test', false, 1, 1, 1 FROM tenants t, generate_series(1, 300);
INSERT INTO job_blocks (job_id, no, first_index, items, payload) SELECT id, 0, 0, 1, 'x' FROM jobs;
INSERT INTO job_errors (job_id, index, code, message) SELECT id, 0, '', '' FROM jobs;
INSERT INTO job_warnings (job_id, index, no, code, message) SELECT id, 0, 0, '', '' FROM jobs;
INSERT INTO job_timeline (job_id, what) SELECT id, 'paused' FROM jobs;
INSERT INTO job_ends (job_id, ended_at) SELECT id, now() FROM jobs;
INSERT INTO job_ends (job_id, ended_at) VALUES (gen_random_uuid(), now());
INSERT INTO uploads (id, tenant_id, job_id, content_type, coding)
SELECT gen_random_uuid(), tenant_id, id, '', '' FROM jobs;
INSERT INTO upload_parts (id, upload_id, number, part) SELECT gen_random_uuid(), id, 1, 1 FROM uploads;
INSERT INTO webhooks (id, tenant_id, url, events, secret) SELECT gen_random_uuid(), id, '', '{}', '' FROM tenants;
INSERT INTO webhook_deliveries (id, webhook_id, tenant_id, lane, event, occurred_at)
SELECT gen_random_uuid(), w.id, w.tenant_id, w.id, '', now() FROM webhooks w, generate_series(1, 300);
INSERT INTO webhook_tries (delivery_id, number) SELECT id, 1 FROM webhook_deliveries;
"""

# Each table, and how its rows are found to be another tenant's, or nobody's.
_OWNERS = {
    "states": "entities o ON o.id = r.entity_id",
    "event_entities": "entities o ON o.id = r.entity_id",
    "job_blocks": "jobs o ON o.id = r.job_id",
    "job_errors": "jobs o ON o.id = r.job_id",
    "job_warnings": "jobs o ON o.id = r.job_id",
    "job_timeline": "jobs o ON o.id = r.job_id",
    "job_ends": "jobs o ON o.id = r.job_id",
    "upload_parts": "uploads o ON o.id = r.upload_id",
    "webhook_tries": "webhook_deliveries o ON o.id = r.delivery_id",
}

# The statements of the version before: a batch is accepted, and its block is locked, written, and closed.
_ACCEPT = """
WITH job AS (
    INSERT INTO jobs (id, tenant_id, kind, merge, request_id, awaited, total, unprocessed, blocks_open)
    SELECT %(job)s, %(tenant)s, 'states', true, 'test', false, 1, 1, 1
    ON CONFLICT (id) DO NOTHING RETURNING id
)
INSERT INTO job_blocks (job_id, no, first_index, items, payload) SELECT job.id, 0, 0, 1, 'x' FROM job
"""
_UPSERT = """
INSERT INTO states AS s (entity_id, key, value)
SELECT i.entity_id, i.key, i.value FROM unnest(%s::bigint[], %s::text[], %s::jsonb[]) AS i (entity_id, key, value)
ON CONFLICT ON CONSTRAINT states_pkey DO UPDATE SET value = excluded.value, revision = s.revision + 1
RETURNING s.revision
"""
_LOCK = """
SELECT no FROM job_blocks
WHERE job_id = %(job)s AND no = (SELECT min(no) FROM job_blocks WHERE job_id = %(job)s AND open) AND open
FOR UPDATE SKIP LOCKED
"""
_END = """
WITH moved AS (
    UPDATE jobs SET status = 'completed', created = 1, failed = 0, unprocessed = 0, blocks_open = 0, ended_at = now()
    WHERE id = %(job)s RETURNING id, ended_at
), timed AS (
    INSERT INTO job_timeline (job_id, what) SELECT id, 'resumed' FROM moved
)
INSERT INTO job_ends (job_id, ended_at) SELECT id, ended_at FROM moved
"""
_TRY = """
INSERT INTO webhook_tries (delivery_id, number)
SELECT id, 1 FROM webhook_deliveries WHERE tenant_id = %(tenant)s LIMIT 9
ON CONFLICT (delivery_id, number) DO UPDATE SET began_at = excluded.began_at
"""


def _write_as_before(conn: psycopg.Connection, tenant_id: int, key: str) -> None:
    """Write to each table in a transaction of its own, by statements that know of no tenant."""
    named = {"job": uuid7(), "tenant": tenant_id}
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock_shared(1, %s)", (tenant_id,))
        ids = [row[0] for row in conn.execute("SELECT id FROM entities WHERE tenant_id = %s LIMIT 50", (tenant_id,))]
        with conn.cursor().copy("COPY states (entity_id, key, value) FROM STDIN") as rows:
            for entity_id in sorted(ids):
                rows.write_row((entity_id, key, "1"))
        changed = conn.execute(_UPSERT, (sorted(ids), [key] * len(ids), ["2"] * len(ids)))
        assert {revision for (revision,) in changed} == {1}
        assert conn.execute("SELECT FROM states WHERE entity_id = %s AND key = %s", (ids[0], key)).rowcount == 1
    with conn.transaction():
        [(first,)] = conn.execute("SELECT nextval('events_id_seq')").fetchall()
        for event_id in range(first, first + 3):
            conn.execute(
                "INSERT INTO events (id, public_id, tenant_id, type, properties, occurred_at)"
                " VALUES (%s, gen_random_uuid(), %s, 'session', '{}', now())",
                (event_id, tenant_id),
            )
        with conn.cursor().copy("COPY event_entities (entity_id, occurred_at, event_id, qualifier) FROM STDIN") as rows:
            for event_id in range(first, first + 3):
                rows.write_row((ids[0], "2026-01-01T00:00:00Z", event_id, ""))
    assert conn.execute(_ACCEPT, named).rowcount == 1
    with conn.transaction():
        assert conn.execute(_LOCK, named).rowcount == 1
        conn.execute("INSERT INTO job_errors (job_id, index, code, message) VALUES (%(job)s, 0, '', '')", named)
        conn.execute(
            "INSERT INTO job_warnings (job_id, index, no, code, message) VALUES (%(job)s, 0, 0, '', '')", named
        )
        assert conn.execute("UPDATE job_blocks SET open = false WHERE job_id = %(job)s AND no = 0", named).rowcount == 1
        assert conn.execute(_END, named).rowcount == 1
    conn.execute(
        "INSERT INTO upload_parts (id, upload_id, number, part)"
        " SELECT %(job)s, id, next_attempt + 1, 1 FROM uploads WHERE tenant_id = %(tenant)s"
        " AND NOT EXISTS (SELECT FROM upload_parts p WHERE p.upload_id = uploads.id AND number > 1) LIMIT 1",
        named,
    )
    assert conn.execute(_TRY, named).rowcount == 9


def _strays(conn: psycopg.Connection) -> dict[str, int]:
    """Return how many rows of each table are another tenant's than what they belong to, or nobody's."""
    query = "SELECT FROM {} r LEFT JOIN {} WHERE r.tenant_id IS DISTINCT FROM o.tenant_id"
    found = {name: conn.execute(query.format(name, owner).encode()).rowcount for name, owner in _OWNERS.items()}
    return {name: count for name, count in found.items() if count}


@pytest.fixture
def before(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of the version before, with rows in each table."""
    with closing(connect(empty_database_url, "sluice-cli")) as conn:
        migrate_before(conn, "0054", monkeypatch)
        for _ in range(_TENANTS):
            early_tenant(conn)
        conn.execute(_ROWS)
        conn.commit()
    return empty_database_url


def _migrated(url: str) -> list[str]:
    with closing(connect(url, "sluice-cli")) as conn:
        return migrate(conn)


def test_rows_get_their_tenant_beside_writers_of_the_version_before(before: str) -> None:
    written = 0
    with (
        psycopg.connect(before, autocommit=True, options="-c lock_timeout=3s -c statement_timeout=8s") as writer,
        ThreadPoolExecutor(1) as threads,
    ):
        migrating = threads.submit(_migrated, before)
        while not migrating.done():
            _write_as_before(writer, 1 + written % _TENANTS, f"during {written}")
            written += 1
        assert "0055_keys_of_tenants" in migrating.result()
        _write_as_before(writer, 2, "after")
        assert written > 1
        assert _strays(writer) == {}
        assert writer.execute(
            "SELECT count(*), count(DISTINCT tenant_id) FROM states WHERE revision = 0"
        ).fetchall() == [(500 * _TENANTS, _TENANTS)]


def test_a_row_that_a_writer_holds_gets_its_tenant_once_it_is_free(before: str) -> None:
    paragraphs = migrations._sql("0054_tenants_of_rows").split(b"\n\n")
    first = next(place for place, text in enumerate(paragraphs) if b"CALL fill_tenants" in text)
    with (
        psycopg.connect(before) as holder,
        psycopg.connect(before, autocommit=True) as observer,
        psycopg.connect(before, autocommit=True) as steps,
        ThreadPoolExecutor(1) as threads,
    ):
        for text in paragraphs[:first]:
            steps.execute(text)
        holder.execute("SELECT FROM job_blocks ORDER BY ctid LIMIT 1 FOR UPDATE")
        filling = threads.submit(lambda: [steps.execute(text) for text in paragraphs[first:]])
        while observer.execute("SELECT FROM job_blocks WHERE tenant_id IS NULL").rowcount > 1:
            pass
        assert not filling.done()
        holder.rollback()
        filling.result()
        assert _strays(observer) == {}


@pytest.mark.parametrize("table", ["states", "job_blocks", "webhook_tries"])
def test_a_change_that_waits_for_a_reader_holds_up_no_writer(before: str, table: str) -> None:
    with (
        psycopg.connect(before) as reader,
        psycopg.connect(before, autocommit=True, options="-c lock_timeout=3s") as writer,
        ThreadPoolExecutor(1) as threads,
    ):
        reader.execute(f"SELECT FROM {table} LIMIT 1".encode())
        migrating = threads.submit(_migrated, before)
        until_waits(writer, migrating)
        _write_as_before(writer, 1, "meanwhile")
        assert not migrating.done()
        reader.rollback()
        assert "0055_keys_of_tenants" in migrating.result()


def test_rows_of_nobody_end_the_migration_with_a_reason(before: str) -> None:
    with psycopg.connect(before, autocommit=True) as conn:
        conn.execute("INSERT INTO states (entity_id, key, value) VALUES (-1, 'balance', '1')")
        with pytest.raises(DatabaseError, match="each of states names one of entities"):
            migrate(conn)
        conn.execute("DELETE FROM states WHERE entity_id = -1")
        assert migrate(conn)[0] == "0054_tenants_of_rows"


def test_the_migrations_of_tenants_may_run_twice(before: str) -> None:
    with psycopg.connect(before, autocommit=True) as conn:
        migrate(conn)
        schema = conn.execute(SCHEMA).fetchall()
        again = ["0054_tenants_of_rows", "0055_keys_of_tenants"]
        conn.execute("DELETE FROM sluice_migrations WHERE name = ANY (%s)", (again,))
        assert migrate(conn) == again
        assert conn.execute(SCHEMA).fetchall() == schema
