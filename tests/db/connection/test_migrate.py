from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from uuid import UUID

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from ingest.db.connection import migrate as migrations
from ingest.db.connection.migrate import migrate, pending
from ingest.db.connection.pool import Connection, connect
from ingest.db.jobs import results as job_results
from ingest.db.tenants import tenants
from ingest.errors import DatabaseError, TryAgain
from ingest.ids import uuid7
from ingest.jobs import Effect
from tests.support.factories import accept, entity


def tables(url: str) -> set[object]:
    with psycopg.connect(url) as conn:
        return {name for (name,) in conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def test_migrating_applies_what_is_pending_and_twice_is_harmless(empty_database_url: str) -> None:
    with closing(connect(empty_database_url, "sluice-cli")) as conn:
        names = pending(conn)
        assert names[0] == "0001_first_schema"
        assert names == sorted(names)
        assert migrate(conn) == names
        assert pending(conn) == []
        assert migrate(conn) == []
        applied = [name for (name,) in conn.execute("SELECT name FROM sluice_migrations ORDER BY name")]
    assert applied == names
    assert {"tenants", "api_keys", "templates", "jobs", "job_blocks", "job_errors"} <= tables(empty_database_url)


def migrate_before(conn: Connection, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apply what comes before a migration."""
    earlier = [known for known in migrations._all() if known < name]
    with monkeypatch.context() as before:
        before.setattr(migrations, "_all", lambda: earlier)
        migrate(conn)


def early_tenant(conn: Connection) -> int:
    """Create a tenant in the first schema's columns. Return its internal id."""
    query = "INSERT INTO tenants (public_id, name, workspace_id, workspace_name) VALUES (%s, 'T', %s, 'T') RETURNING id"
    return conn.execute(query, (uuid7(), uuid7())).fetchall()[0][0]  # type: ignore[return-value] # an integer


def test_results_that_were_kept_before_can_still_be_read(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [UUID(int=number) for number in range(3)]
    with closing(connect(empty_database_url, "sluice-cli")) as conn:
        migrate_before(conn, "0005", monkeypatch)
        tenant_id = early_tenant(conn)
        job_id, other = uuid7(), uuid7()
        for made in (job_id, other):
            conn.execute(
                "INSERT INTO jobs (id, tenant_id, kind, merge, request_id, awaited, total, unprocessed, blocks_open)"
                " VALUES (%s, %s, 'objects', true, 'test', false, 4, 4, 2)",
                (made, tenant_id),
            )
            conn.execute(
                "INSERT INTO job_blocks (job_id, no, first_index, items, payload)"
                " VALUES (%(id)s, 0, 0, 2, ''), (%(id)s, 1, 2, 2, '')",
                {"id": made},
            )
        kept = [f'[[0, "created", "{ids[0]}"], [1, "unchanged", "{ids[1]}"]]', f'[[3, "updated", "{ids[2]}"]]']
        for no, text in enumerate(kept):
            conn.execute("UPDATE job_blocks SET results = %s WHERE job_id = %s AND no = %s", (text, job_id, no))
        conn.execute("UPDATE job_blocks SET results = '[]' WHERE job_id = %s AND no = 0", (other,))
        conn.commit()
        assert "0005_results_in_columns" in migrate(conn)
        found = [(result.index, result.effect, result.public_id) for result in job_results.of_job(conn, job_id)]
        assert found == [(0, Effect.CREATED, ids[0]), (1, Effect.UNCHANGED, ids[1]), (3, Effect.UPDATED, ids[2])]
        assert job_results.of_job(conn, other) == []


_ERASED_AND_NOT = """
INSERT INTO entities (public_id, tenant_id, scope, external_id, type, properties, deleted_at)
VALUES (gen_random_uuid(), 1, '', 'erased', 'player', '{}', now()),
       (gen_random_uuid(), 1, '', 'p', 'player', '{}', NULL);
INSERT INTO states (entity_id, key, value) SELECT id, 'balance', '1' FROM entities
"""


def test_states_that_were_erased_before_are_gone(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(connect(empty_database_url, "sluice-cli")) as conn:
        migrate_before(conn, "0008", monkeypatch)
        conn.execute(_ERASED_AND_NOT)
        conn.commit()
        migrate(conn)
        left = conn.execute("SELECT external_id FROM states JOIN entities ON entities.id = entity_id").fetchall()
        assert left == [("p",)]


def test_two_at_once_apply_each_migration_once(empty_database_url: str) -> None:
    ready = Barrier(2, timeout=30)

    def run() -> list[str]:
        with closing(connect(empty_database_url, "sluice-cli")) as conn:
            ready.wait()
            return migrate(conn)

    with ThreadPoolExecutor(2) as threads:
        first, second = (future.result() for future in [threads.submit(run), threads.submit(run)])
    assert sorted([*first, *second]) == migrations._all()


def test_a_runner_that_cannot_have_the_lock_gives_up_and_changes_nothing(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_LOCK_TIMEOUT_SECONDS", 0.0)
    with closing(connect(empty_database_url, "sluice-cli")) as conn, psycopg.connect(empty_database_url) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", (migrations._LOCK,))
        with pytest.raises(TryAgain):
            migrate(conn)
    assert tables(empty_database_url) == set()


def test_a_migration_that_is_refused_leaves_nothing_of_itself_and_the_lock_is_free_again(
    empty_database_url: str,
) -> None:
    with closing(connect(empty_database_url, "sluice-cli")) as conn:
        conn.execute("CREATE TABLE states ()")
        conn.commit()
        with pytest.raises(DatabaseError):
            migrate(conn)
        assert tables(empty_database_url) == {"states"}
        assert conn.info.transaction_status is TransactionStatus.IDLE
        conn.execute("DROP TABLE states")
        conn.commit()
    with closing(connect(empty_database_url, "sluice-cli")) as conn:
        assert migrate(conn) == migrations._all()


def test_a_migration_is_plain_sql_that_any_client_can_run(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as conn:
        for name in migrations._all():
            sql = migrations._sql(name)
            for statement in sql.split(b"\n\n") if sql.startswith(migrations.STEPWISE) else [sql]:
                conn.execute(statement)


def test_jobs_that_were_accepted_before_keep_their_order(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(connect(empty_database_url, "sluice-cli")) as conn:
        migrate_before(conn, "0010", monkeypatch)
        tenant_id = early_tenant(conn)
        made = [uuid7() for _ in range(3)]
        for age, job_id in enumerate(made):
            conn.execute(
                "INSERT INTO jobs (id, tenant_id, kind, merge, request_id, awaited, total, unprocessed, blocks_open,"
                " created_at)"
                " VALUES (%s, %s, 'entities', true, 'test', false, 1, 1, 1, now() - make_interval(days => %s))",
                (job_id, tenant_id, age),
            )
        conn.commit()
        migrate(conn)
        [tenant] = tenants.everyone(conn)
        made.insert(0, accept(conn, tenant, "entities", [entity(1)]))
        assert [row[0] for row in conn.execute("SELECT id FROM jobs ORDER BY seq")] == made[::-1]


# The two statements that docs/upgrading/0.2.md tells to run beforehand.
_UPGRADING = Path(__file__).parents[3] / "docs/upgrading/0.2.md"
_BEFOREHAND = _UPGRADING.read_text().partition("```sql\n")[2].partition("```")[0].split(";\n")[:2]
_INDEX = "SELECT i.oid::bigint, indisvalid FROM pg_class i JOIN pg_index ON indexrelid = i.oid WHERE relname = %s"


@pytest.fixture
def before_event_ids(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection]:
    """An autocommitting connection to a database whose events have no ids yet."""
    with closing(connect(empty_database_url, "sluice-cli")) as conn:
        migrate_before(conn, "0018", monkeypatch)
    with psycopg.connect(empty_database_url, autocommit=True) as conn:
        yield conn


def test_the_index_of_event_ids_may_be_built_beforehand(before_event_ids: psycopg.Connection) -> None:
    for statement in _BEFOREHAND:
        before_event_ids.execute(statement.encode())
    built = before_event_ids.execute(_INDEX, ("events_external_id_key",)).fetchall()
    migrate(before_event_ids)
    assert before_event_ids.execute(_INDEX, ("events_external_id_key",)).fetchall() == built


def test_an_index_of_event_ids_that_failed_beforehand_is_built_anew(before_event_ids: psycopg.Connection) -> None:
    column, index = _BEFOREHAND
    before_event_ids.execute(column.encode())
    before_event_ids.execute(
        "INSERT INTO events (public_id, tenant_id, type, properties, occurred_at, external_id)"
        " SELECT gen_random_uuid(), 1, 'x', '{}', now(), 'twice' FROM generate_series(1, 2)"
    )
    with pytest.raises(psycopg.errors.UniqueViolation):
        before_event_ids.execute(index.encode())
    before_event_ids.execute("DELETE FROM events")
    migrate(before_event_ids)
    [(_, valid)] = before_event_ids.execute(_INDEX, ("events_external_id_key",)).fetchall()
    assert valid is True


# Jobs that completed with a failed item, were cancelled, and wait.
_FORMER_JOBS = """
INSERT INTO jobs (id, tenant_id, kind, merge, request_id, awaited, status, started_at, ended_at, total, created, failed,
    unprocessed, blocks_open)
SELECT gen_random_uuid(), %s, 'entities', true, 'test', false, status, ended_at, ended_at, 2, done, done,
    2 - 2 * done, 0
FROM generate_series(1, 3500) n
JOIN (VALUES (0, 'cancelled', now(), 0), (1, 'completed', now(), 1), (2, 'pending', NULL, 0))
    AS job (remainder, status, ended_at, done) ON n %% 3 = remainder
"""
_WRITE = "UPDATE jobs SET progressed_at = clock_timestamp() WHERE id = (SELECT id FROM jobs LIMIT 1)"


def test_many_jobs_are_migrated_while_another_connection_writes_them(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(connect(empty_database_url, "sluice-cli")) as conn, ThreadPoolExecutor(1) as threads:
        migrate_before(conn, "0030", monkeypatch)
        conn.execute(_FORMER_JOBS, [early_tenant(conn)])
        conn.commit()
        migrating = threads.submit(migrate, conn)
        with psycopg.connect(empty_database_url, autocommit=True, options="-c lock_timeout=1s") as writer:
            while not migrating.done():
                assert writer.execute(_WRITE).rowcount == 1
        assert "0040_indexes_of_claims" in migrating.result()
        assert conn.execute("SELECT count(*) FROM jobs WHERE had_errors").fetchall() == [(1167,)]
        assert conn.execute("SELECT count(DISTINCT job_id) FROM job_timeline").fetchall() == [(1166,)]


_WAITS = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def until_waits(observer: psycopg.Connection, migrating: Future[list[str]]) -> None:
    while not migrating.done() and not observer.execute(_WAITS).rowcount:
        pass


def test_jobs_of_before_are_marked_in_steps_and_once(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        ThreadPoolExecutor(1) as threads,
        closing(connect(empty_database_url, "sluice-cli")) as conn,
        psycopg.connect(empty_database_url) as slow,
        psycopg.connect(empty_database_url, autocommit=True) as observer,
    ):
        migrate_before(conn, "0038", monkeypatch)
        conn.execute(_FORMER_JOBS, [early_tenant(conn)])
        conn.commit()
        slow.execute("SELECT FROM jobs WHERE failed > 0 ORDER BY id DESC LIMIT 1 FOR UPDATE")
        migrating = threads.submit(migrate, conn)
        until_waits(observer, migrating)
        assert observer.execute("SELECT FROM jobs WHERE had_errors").rowcount > 900
        slow.rollback()
        migrating.result()
        counts = "SELECT (SELECT count(*) FROM jobs WHERE had_errors), count(*) FROM job_timeline"
        assert observer.execute(counts).fetchall() == [(1167, 1166)]
        observer.execute("DELETE FROM sluice_migrations WHERE name = '0038_former_jobs'")
        migrate(conn)
        assert observer.execute(counts).fetchall() == [(1167, 1166)]


@pytest.mark.parametrize("name", ["0039_indexes_of_lists", "0040_indexes_of_claims", "0065_indexes_of_parents"])
def test_an_index_that_waits_for_a_writer_holds_up_no_other_one(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with (
        ThreadPoolExecutor(1) as threads,
        closing(connect(empty_database_url, "sluice-cli")) as conn,
        psycopg.connect(empty_database_url) as slow,
        psycopg.connect(empty_database_url, autocommit=True, options="-c lock_timeout=1s") as writer,
    ):
        migrate_before(conn, name, monkeypatch)
        conn.execute(_FORMER_JOBS, [early_tenant(conn)])
        conn.commit()
        slow.execute("LOCK TABLE jobs IN ROW EXCLUSIVE MODE")
        migrating = threads.submit(migrate, conn)
        until_waits(writer, migrating)
        assert writer.execute(_WRITE).rowcount == 1
        slow.rollback()
        assert name in migrating.result()


SCHEMA = """
SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
UNION ALL SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default)
FROM information_schema.columns WHERE table_schema = 'public'
ORDER BY 1
"""


def test_the_migrations_that_run_beside_traffic_may_run_twice(empty_database_url: str) -> None:
    with closing(connect(empty_database_url, "sluice-cli")) as conn:
        migrate(conn)
        schema = conn.execute(SCHEMA).fetchall()
        beside_traffic = {"0030", "0033", "0034", "0038", "0039", "0040", "0070"}
        again = [name for name in migrations._all() if name[:4] in beside_traffic]
        conn.execute("DELETE FROM sluice_migrations WHERE name = ANY (%s)", (again,))
        conn.commit()
        assert migrate(conn) == again
        assert conn.execute(SCHEMA).fetchall() == schema


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("0039_indexes_of_lists", "jobs_list_idx"),
        ("0040_indexes_of_claims", "jobs_unordered_idx_new"),
        ("0065_indexes_of_parents", "jobs_pkey_new"),
    ],
)
def test_an_index_of_jobs_whose_build_failed_is_built_anew(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, name: str, index: str
) -> None:
    with (
        closing(connect(empty_database_url, "sluice-cli")) as conn,
        psycopg.connect(empty_database_url) as slow,
        psycopg.connect(empty_database_url, autocommit=True, options="-c lock_timeout=10ms") as builder,
    ):
        migrate_before(conn, name, monkeypatch)
        slow.execute("LOCK TABLE jobs IN ROW EXCLUSIVE MODE")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            builder.execute(f"CREATE INDEX CONCURRENTLY {index} ON jobs (id)".encode())
        assert builder.execute(_INDEX, (index,)).fetchall()[0][1] is False
        slow.rollback()
        migrate(conn)
        built = builder.execute(_INDEX, (index.removesuffix("_new"),)).fetchall()
        assert [valid for _, valid in built] == [True]
        definition = "SELECT indexdef FROM pg_indexes WHERE indexname = %s"
        [(shown,)] = builder.execute(definition, (index.removesuffix("_new"),)).fetchall()
        assert "tenant_id" in shown
