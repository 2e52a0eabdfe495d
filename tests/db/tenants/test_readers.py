"""A reader's SQL shows the rows of its tenant, whatever it says; no secrets, and no other tenant's rows."""

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import NamedTuple

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.connection.walls import READABLE
from ingest.db.jobs import control
from ingest.db.tenants import keys, readers, templates
from ingest.engine.executor import Executor
from ingest.errors import NotFound
from tests.support.factories import accept, entity, event, make_tenant, state

_RELATIONS = """
SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S') AND relnamespace = 'public'::regnamespace
"""
_COLUMNS = """
SELECT attrelid::regclass::text, attname::text FROM pg_attribute
WHERE attrelid = ANY (%s::regclass[]) AND attnum > 0 AND NOT attisdropped
"""
_DEFINERS = """
SELECT proname::text FROM pg_proc
WHERE prosecdef AND pronamespace = 'public'::regnamespace AND has_function_privilege(oid, 'EXECUTE')
"""
_SCHEMA = {"entity_types": {}, "event_types": {}, "state_keys": [], "pii_fields": {}}

# Each is said, and may be refused; the session goes on with what it has brought about.
_ATTEMPTS = (
    "SET sluice.tenant = '{other}'",
    "SELECT set_config('sluice.tenant', '{other}', false)",
    *(f"SET ROLE {role}" for role in ("sluice_reader", "sluice_app", "sluice_system", "sluice_owner", "sluice")),
    "RESET ROLE",
    "SET SESSION AUTHORIZATION {other_name}",
    "SET ROLE {other_name}",
    "SET row_security = off",
    "SET default_transaction_read_only = off",
    "SELECT enter_by_key('\\x{other_hash}')",
    "CREATE TEMP TABLE readers AS SELECT session_user::text AS name, {other} AS tenant_id",
    "CREATE FUNCTION pg_temp.tenant_of_reader() RETURNS integer LANGUAGE sql AS 'SELECT {other}'",
    "CREATE FUNCTION pg_temp.session_user() RETURNS name LANGUAGE sql AS $$SELECT '{other_name}'::name$$",
    "SET search_path = pg_temp, public",
    "CREATE OR REPLACE FUNCTION tenant_of_reader() RETURNS integer LANGUAGE sql AS 'SELECT {other}'",
    "ALTER TABLE events DISABLE ROW LEVEL SECURITY",
    "CREATE POLICY mine ON events USING (true)",
    "GRANT sluice_system TO {name}",
    "ALTER ROLE {name} BYPASSRLS",
    "UPDATE public.readers SET tenant_id = {other}",
    "CREATE VIEW public.seen AS SELECT * FROM events",
    "CALL with_brief_locks('GRANT SELECT ON events TO PUBLIC')",
)


class _Reader(NamedTuple):
    tenant_id: int
    name: str
    url: str
    mark: str


@pytest.fixture
def pair(database_url: str, pool: Pool, executor: Executor) -> Iterator[tuple[_Reader, _Reader]]:
    """Readers of two tenants, which have rows with a mark in all that readers may read."""
    made = []
    for _ in range(2):
        name, mark = f"reader_{secrets.token_hex(4)}", f"marked{secrets.token_hex(4)}"
        with transaction(pool) as conn:
            tenant, _ = make_tenant(conn, name=mark)
            templates.store(conn, tenant.id, "tpl_own", name=mark, version="1", schema=_SCHEMA)
            strange = entity(1, data={"email": "x", "n": mark}, **{mark: 1})
            jobs = [
                accept(conn, tenant, "entities", [strange, entity(2, entityType=mark)]),
                accept(conn, tenant, "events", [event(1, eventType="session", data={"text": mark})]),
                accept(conn, tenant, "states", [state(1, value=mark)]),
            ]
            assert control.cancel(conn, accept(conn, tenant, "states", [state(1)]))
            readers.add(conn, tenant.id, name)
        for job_id in jobs:
            executor.run(job_id, seconds=60)
        made.append(_Reader(tenant.id, name, make_conninfo(database_url, user=name), mark))
    yield made[0], made[1]
    for reader in made:
        with suppress(NotFound), transaction(pool) as conn:
            readers.remove(conn, reader.name)


@pytest.fixture
def logins(pair: tuple[_Reader, _Reader]) -> Iterator[list[psycopg.Connection]]:
    with ExitStack() as stack:
        yield [stack.enter_context(psycopg.connect(reader.url, autocommit=True)) for reader in pair]


def _tenants(conn: psycopg.Connection, table: str) -> set[object]:
    column = "id" if table == "tenants" else "tenant_id"
    return {row[0] for row in conn.execute(f"SELECT {column} FROM public.{table}".encode())}


def test_a_reader_sees_the_rows_of_its_tenant_and_built_in_templates(
    pair: tuple[_Reader, _Reader], logins: list[psycopg.Connection]
) -> None:
    for reader, conn in zip(pair, logins, strict=True):
        for table in READABLE:
            everybodys = {None} if table == "templates" else set()
            assert _tenants(conn, table) == {reader.tenant_id, *everybodys}, table


def test_a_reader_reads_no_other_table_and_no_secret_column(
    logins: list[psycopg.Connection], observer: Connection
) -> None:
    others = {str(name) for (name,) in observer.execute(_RELATIONS)} - {*READABLE}
    assert len(others) > 15
    for relation in others:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            logins[0].execute(f"SELECT * FROM {relation}".encode())
    for table, column in observer.execute(_COLUMNS, (list(READABLE),)).fetchall():
        columns = READABLE[str(table)]  # type: ignore[index] # a text
        if columns is not None and column not in columns:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                logins[0].execute(f"SELECT {column} FROM {table}".encode())
    assert logins[0].execute(_DEFINERS).fetchall() == [("tenant_of_reader",)]


def test_nothing_that_a_reader_says_shows_it_rows_of_another(
    pair: tuple[_Reader, _Reader], logins: list[psycopg.Connection], pool: Pool
) -> None:
    (own, other), conn = pair, logins[0]
    with transaction(pool) as stored:
        _, secret = keys.create(stored, other.tenant_id, "oh_live", "x")
    names = {"other": other.tenant_id, "other_name": other.name, "name": own.name}
    for attempt in _ATTEMPTS:
        with suppress(psycopg.Error):
            conn.execute(attempt.format(**names, other_hash=keys.digest(secret).hex()).encode())
        for table in ("tenants", "events"):
            seen: set[object] = set()
            with suppress(psycopg.errors.InsufficientPrivilege):
                seen = _tenants(conn, table)
            assert seen <= {own.tenant_id}, attempt
    conn.execute("RESET ALL")
    assert _tenants(conn, "events") == {own.tenant_id}


def test_no_function_of_a_readers_own_is_given_rows_of_another(
    pair: tuple[_Reader, _Reader], logins: list[psycopg.Connection]
) -> None:
    (own, other), conn = pair, logins[0]
    told: list[str] = []
    conn.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
    conn.execute("SET default_transaction_read_only = off")
    conn.execute("""
        CREATE FUNCTION pg_temp.tell(t text) RETURNS boolean COST 0.0001 LANGUAGE plpgsql AS
        $$ BEGIN RAISE NOTICE '%', t; RETURN true; END $$
    """)
    conn.execute("CREATE TEMP VIEW seen AS SELECT * FROM events WHERE pg_temp.tell(properties::text)")
    conn.execute("SELECT FROM events WHERE pg_temp.tell(properties::text)")
    conn.execute("SELECT FROM seen")
    conn.execute("SELECT FROM jobs j JOIN job_warnings w ON w.job_id = j.id AND pg_temp.tell(w.message || j.id)")
    assert sum(own.mark in line for line in told) == 3
    assert not any(other.mark in line for line in told)


def test_neither_statistics_nor_plans_nor_other_sessions_tell_a_reader_values(
    pair: tuple[_Reader, _Reader], logins: list[psycopg.Connection], observer: Connection
) -> None:
    observer.execute("ANALYZE")
    conn, marks = logins[0], tuple(reader.mark for reader in pair)
    assert conn.execute("SELECT FROM pg_stats WHERE schemaname = 'public'").rowcount == 0
    assert conn.execute("SELECT FROM pg_stats_ext WHERE schemaname = 'public'").rowcount == 0
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("SELECT FROM pg_statistic")
    plan = conn.execute("EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) SELECT name FROM tenants").fetchone()
    assert not any(mark in json.dumps(plan) for mark in marks)
    others = "SELECT query FROM pg_stat_activity WHERE usename <> session_user"
    assert {query for (query,) in conn.execute(others)} <= {"<insufficient privilege>", ""}


def test_a_reader_changes_nothing(logins: list[psycopg.Connection], observer: Connection) -> None:
    conn = logins[0]
    for (relation,) in observer.execute(_RELATIONS).fetchall():
        for statement in ("DELETE FROM {}", "TRUNCATE {}", "INSERT INTO {} DEFAULT VALUES", "DROP TABLE {}"):
            with pytest.raises((psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InsufficientPrivilege)):
                conn.execute(statement.format(relation).encode())
    conn.execute("SET default_transaction_read_only = off")
    for table in READABLE:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(f"DELETE FROM {table}".encode())


def test_a_reader_that_is_removed_is_thrown_out_with_all_that_is_its_own(
    pair: tuple[_Reader, _Reader], logins: list[psycopg.Connection], pool: Pool, observer: Connection
) -> None:
    (own, other), conn = pair, logins[0]
    conn.execute("SET default_transaction_read_only = off")
    conn.execute("SELECT lo_create(0)")
    with transaction(pool) as system:
        assert readers.remove(system, own.name).tenant_id == own.tenant_id
        assert [reader.name for reader in readers.everyone(system)] == [other.name]
    with pytest.raises(psycopg.errors.AdminShutdown):
        conn.execute("SELECT FROM events")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(own.url)
    assert observer.execute("SELECT FROM pg_roles WHERE rolname = %s", (own.name,)).rowcount == 0
    assert _tenants(logins[1], "events") == {other.tenant_id}


def test_a_login_that_is_nobodys_reader_sees_no_rows(
    pair: tuple[_Reader, _Reader], database_url: str, observer: Connection
) -> None:
    name = f"reader_{secrets.token_hex(4)}"
    observer.execute(f"CREATE ROLE {name} LOGIN IN ROLE sluice_reader".encode())
    try:
        with psycopg.connect(database_url, user=name) as conn:
            assert {table for table in READABLE if _tenants(conn, table)} == {"templates"}
        # As a member of a reader of this database's it sees no more: the login decides.
        observer.execute(f"GRANT {pair[0].name} TO {name}".encode())
        with psycopg.connect(database_url, user=name) as conn:
            conn.execute(f"SET ROLE {pair[0].name}".encode())
            assert _tenants(conn, "events") == set()
    finally:
        observer.execute(f"DROP ROLE {name}".encode())
