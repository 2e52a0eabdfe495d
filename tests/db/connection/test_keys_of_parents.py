"""Keys that others refer to get the tenant while jobs are accepted, run and deleted."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from ingest.db.connection import migrate as migrations
from ingest.db.connection.migrate import migrate
from ingest.db.connection.pool import connect
from ingest.errors import DatabaseError
from ingest.ids import uuid7
from tests.db.connection.test_migrate import SCHEMA, early_tenant, migrate_before, until_waits

_NAMES = ("0065_indexes_of_parents", "0066_keys_of_parents")

# 500 jobs of two tenants in turn, each with a row of each table that refers to it, and what refers to that.
_ROWS = """
INSERT INTO jobs (id, tenant_id, kind, merge, request_id, awaited, total, unprocessed, blocks_open)
SELECT gen_random_uuid(), 1 + n % 2, 'entities', true, 'test', false, 1, 1, 1 FROM generate_series(1, 500) n;
INSERT INTO job_blocks (tenant_id, job_id, no, first_index, items, payload)
SELECT tenant_id, id, 0, 0, 1, 'x' FROM jobs;
INSERT INTO job_errors (tenant_id, job_id, index, code, message) SELECT tenant_id, id, 0, '', '' FROM jobs;
INSERT INTO job_warnings (tenant_id, job_id, index, no, code, message) SELECT tenant_id, id, 0, 0, '', '' FROM jobs;
INSERT INTO job_timeline (tenant_id, job_id, what) SELECT tenant_id, id, 'paused' FROM jobs;
INSERT INTO job_drafts (tenant_id, job_id, index, edit, sealed, dropped, version, editor)
SELECT tenant_id, id, 0, '', false, false, 1, '' FROM jobs;
INSERT INTO uploads (id, tenant_id, job_id, content_type, coding)
SELECT gen_random_uuid(), tenant_id, id, '', '' FROM jobs;
INSERT INTO upload_parts (tenant_id, id, upload_id, number, part)
SELECT tenant_id, gen_random_uuid(), id, 1, 1 FROM uploads;
INSERT INTO webhooks (id, tenant_id, job_id, url, events, secret) SELECT id, tenant_id, id, '', '{}', '' FROM jobs;
INSERT INTO webhook_deliveries (id, webhook_id, tenant_id, job_id, lane, event, occurred_at)
SELECT gen_random_uuid(), id, tenant_id, job_id, id, '', now() FROM webhooks;
INSERT INTO webhook_tries (tenant_id, delivery_id, number) SELECT tenant_id, id, 1 FROM webhook_deliveries;
INSERT INTO api_keys (id, tenant_id, hash, prefix, label)
SELECT gen_random_uuid(), id, sha256(public_id::text::bytea), 'oh_live', 'x' FROM tenants;
INSERT INTO console_sessions (hash, tenant_id, key_id, begun, expires_at)
SELECT hash, tenant_id, id, true, now() FROM api_keys;
INSERT INTO console_sessions (hash, user_name, begun, expires_at) VALUES (sha256(''), 'root', true, now());
INSERT INTO gone_ids (id, tenant_id) SELECT gen_random_uuid(), id FROM tenants;
"""

# As the version before does it, too.
_ACCEPT = """
WITH job AS (
    INSERT INTO jobs (id, tenant_id, kind, merge, request_id, awaited, total, unprocessed, blocks_open)
    VALUES (%(job)s, %(tenant)s, 'states', true, 'test', false, 1, 1, 1)
    ON CONFLICT (id) DO NOTHING RETURNING id, tenant_id
)
INSERT INTO job_blocks (tenant_id, job_id, no, first_index, items, payload)
SELECT job.tenant_id, job.id, 0, 0, 1, 'x' FROM job
"""
_FAIL_AN_ITEM = """
INSERT INTO job_errors (tenant_id, job_id, index, code, message) VALUES (%(tenant)s, %(job)s, 0, '', '')
"""
_END = """
UPDATE jobs SET status = 'completed', created = 1, unprocessed = 0, blocks_open = 0, ended_at = now() WHERE id = %(job)s
"""
_DELETE = """
WITH deleted AS (
    DELETE FROM jobs WHERE id IN (SELECT id FROM jobs LIMIT 1) RETURNING id, tenant_id
)
INSERT INTO gone_ids (id, tenant_id) SELECT id, tenant_id FROM deleted
"""

# Foreign keys from and to rows of a tenant that name no tenant.
_WITHOUT_TENANT = """
SELECT conname FROM pg_constraint
WHERE contype = 'f' AND confrelid NOT IN ('tenants'::regclass, 'templates'::regclass)
  AND (cardinality(conkey) < 2 OR NOT convalidated)
"""


def _write(conn: psycopg.Connection, number: int) -> None:
    """Accept a batch, run its job, and delete another job."""
    named = {"job": uuid7(), "tenant": 1 + number % 2}
    assert conn.execute(_ACCEPT, named).rowcount == 1
    with conn.transaction():
        conn.execute("SELECT FROM job_blocks WHERE job_id = %(job)s AND no = 0 FOR UPDATE", named)
        conn.execute(_FAIL_AN_ITEM, named)
        assert conn.execute(_END, named).rowcount == 1
    assert conn.execute(_DELETE).rowcount == 1


def _migrated(url: str) -> list[str]:
    with closing(connect(url, "sluice-cli")) as conn:
        return migrate(conn)


@pytest.fixture
def before(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database whose jobs are known by their id alone, with rows in each table."""
    with closing(connect(empty_database_url, "sluice-cli")) as conn:
        migrate_before(conn, _NAMES[0], monkeypatch)
        for _ in range(2):
            early_tenant(conn)
        conn.execute(_ROWS)
        conn.commit()
    return empty_database_url


@pytest.fixture
def observer(before: str) -> Iterator[psycopg.Connection]:
    """A connection that commits each statement, and waits for no lock longer than a writer may be kept."""
    with psycopg.connect(before, autocommit=True, options="-c lock_timeout=3s") as conn:
        yield conn


def test_keys_get_the_tenant_beside_writers(before: str, observer: psycopg.Connection) -> None:
    written = 0
    with ThreadPoolExecutor(1) as threads:
        migrating = threads.submit(_migrated, before)
        while not migrating.done():
            _write(observer, written)
            written += 1
        assert set(_NAMES) <= set(migrating.result())
    _write(observer, written)
    assert written > 1
    assert observer.execute(_WITHOUT_TENANT).fetchall() == []
    assert observer.execute("SELECT FROM console_sessions WHERE key_id IS NULL").rowcount == 1


@pytest.mark.parametrize("table", ["jobs", "webhook_deliveries", "api_keys", "gone_ids"])
def test_a_key_that_waits_for_a_reader_holds_up_no_writer(
    before: str, observer: psycopg.Connection, table: str
) -> None:
    with psycopg.connect(before) as reader, ThreadPoolExecutor(1) as threads:
        reader.execute(f"LOCK TABLE {table} IN ACCESS SHARE MODE".encode())
        migrating = threads.submit(_migrated, before)
        until_waits(observer, migrating)
        _write(observer, 1)
        assert not migrating.done()
        reader.rollback()
        assert set(_NAMES) <= set(migrating.result())


def test_keys_whose_migration_stopped_after_any_step_get_the_tenant(
    before: str, observer: psycopg.Connection, database_url: str
) -> None:
    paragraphs = [text for name in _NAMES for text in migrations._sql(name).split(b"\n\n")]
    for stopped_after in range(len(paragraphs)):
        for text in paragraphs[: stopped_after + 1]:
            observer.execute(text)
    for text in migrations._sql(_NAMES[1]).split(b"\n\n"):
        observer.execute(text)
    assert set(_NAMES) <= set(_migrated(before))
    with psycopg.connect(database_url) as straight:
        assert observer.execute(SCHEMA).fetchall() == straight.execute(SCHEMA).fetchall()


def test_a_row_that_belongs_to_another_tenants_ends_the_migration_until_it_is_gone(
    before: str, observer: psycopg.Connection
) -> None:
    observer.execute(
        "UPDATE job_errors SET tenant_id = 1 WHERE job_id = (SELECT id FROM jobs WHERE tenant_id = 2 LIMIT 1)"
    )
    with pytest.raises(DatabaseError, match="job_errors_job_id_tenant_id_fkey"):
        _migrated(before)
    _write(observer, 1)
    observer.execute("DELETE FROM job_errors e USING jobs j WHERE j.id = e.job_id AND j.tenant_id <> e.tenant_id")
    assert set(_NAMES) <= {*_migrated(before), _NAMES[0]}
    assert observer.execute(_WITHOUT_TENANT).fetchall() == []
