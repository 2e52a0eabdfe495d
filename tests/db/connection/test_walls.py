"""The wall between tenants: web's transactions see the rows of the tenant that they name, and no other's."""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ingest.db.connection import roles, walls
from ingest.db.connection.entry import of_key, of_tenant
from ingest.db.connection.migrate import migrate
from ingest.db.connection.pool import (
    WORKER,
    Connection,
    Connections,
    EnteredPool,
    Pool,
    autocommit,
    connect,
    open_pool,
    transaction,
)
from ingest.db.jobs import lookup
from ingest.db.tenants import keys
from ingest.db.tenants.tenants import Tenant
from ingest.errors import DatabaseError
from tests.db.connection.test_migrate import until_waits
from tests.support.factories import accept, entity, event, make_executor, make_tenant, state
from tests.support.postgres import TestServers, admin_of, url_of

_SIDES = """
SELECT relname, relrowsecurity AND relforcerowsecurity,
       relname = 'tenants' OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'tenant_id')
FROM pg_class c WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND relname <> 'sluice_migrations'
"""
_NOT_OWNED = """
SELECT oid::regclass::text FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND pg_get_userbyid(relowner) <> 'sluice_owner'
UNION ALL
SELECT oid::regprocedure::text FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND pg_get_userbyid(proowner) <> 'sluice_owner'
"""
_ROLE = "SELECT current_user::text, current_setting('sluice.tenant', true)"


@pytest.fixture
def web(database_url: str) -> Iterator[Connections]:
    """Web's connections, as of nobody."""
    with open_pool(database_url, "sluice-web", size=2) as connections:
        yield connections


@pytest.fixture
def stranger(pool: Pool) -> Tenant:
    with transaction(pool) as conn:
        return make_tenant(conn, name="Stranger")[0]


@pytest.fixture
def as_stranger(web: Connections, stranger: Tenant) -> Pool:
    """Web's connections for the work of another tenant."""
    return EnteredPool(web, of_tenant(stranger.id))


@pytest.fixture
def as_owner(web: Connections, owner: Tenant) -> Pool:
    return EnteredPool(web, of_tenant(owner.id))


def test_web_may_not_delete_of_the_audit_log_as_retention_does(as_owner: Pool) -> None:
    with transaction(as_owner) as conn:
        conn.execute("SELECT set_config('sluice.audit_log', 'purging', true)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("DELETE FROM audit_log")


def test_each_table_that_has_a_tenant_stands_behind_the_wall(observer: Connection) -> None:
    walled = set()
    for table, held, has_tenant in observer.execute(_SIDES):
        assert held is has_tenant, f"add {table} to WALLED of ingest/db/connection/walls.py"
        walled.add(table)
    assert walled == set(walls.WALLED)


@pytest.mark.usefixtures("owner")
def test_a_transaction_that_names_no_tenant_sees_no_rows(web: Connections, observer: Connection) -> None:
    for lend in (transaction, autocommit):
        for named in (None, ""):
            with lend(web) as conn:
                if named is not None and lend is transaction:
                    conn.execute("SET LOCAL sluice.tenant = ''")
                for table in walls.WALLED:
                    everybodys = " WHERE tenant_id IS NOT NULL" if table == "templates" else ""
                    assert conn.execute(f"SELECT FROM {table}{everybodys}").rowcount == 0
    assert observer.execute("SELECT FROM tenants").rowcount == 1


def test_each_transaction_and_statement_sees_the_rows_of_its_tenant(
    as_owner: Pool, as_stranger: Pool, owner: Tenant, stranger: Tenant
) -> None:
    for of_whom, whose in ((as_owner, owner), (as_stranger, stranger)) * 2:
        for lend in (transaction, autocommit):
            with lend(of_whom) as conn:
                for _ in range(7):  # psycopg prepares a statement meanwhile
                    assert conn.execute("SELECT id FROM tenants").fetchall() == [(whose.id,)]


def test_nothing_of_another_tenants_is_changed_or_added(as_stranger: Pool, owner: Tenant, observer: Connection) -> None:
    with transaction(as_stranger) as conn:
        assert conn.execute("UPDATE tenants SET name = 'x' WHERE id = %s", (owner.id,)).rowcount == 0
        assert conn.execute("DELETE FROM api_keys WHERE tenant_id = %s", (owner.id,)).rowcount == 0
    with pytest.raises(DatabaseError, match="42501"), transaction(as_stranger) as conn:
        keys.create(conn, owner.id, "oh_live", "x")
    for lend in (transaction, autocommit):
        with pytest.raises(DatabaseError, match="42501"), lend(as_stranger) as conn:
            accept(conn, owner, "entities", [entity()])
    assert observer.execute("SELECT FROM jobs").rowcount == 0


def test_a_statement_past_the_driver_is_of_its_tenant_too(as_owner: Pool, as_stranger: Pool, owner: Tenant) -> None:
    for _ in range(3):
        with autocommit(as_owner) as conn:
            job_id = accept(conn, owner, "entities", [entity()])
            assert lookup.get(conn, job_id)
        with autocommit(as_stranger) as conn:
            assert lookup.get(conn, job_id) is None


def test_a_key_names_its_tenant_and_a_wrong_one_nobody(web: Connections, pool: Pool, owner: Tenant) -> None:
    with transaction(pool) as conn:
        _, secret = keys.create(conn, owner.id, "oh_live", "x")
    for lend in (transaction, autocommit):
        for sent, found in ((secret, owner.id), ("oh_live_no_such", None)):
            with lend(EnteredPool(web, of_key(keys.digest(sent)))) as conn:
                caller = keys.caller(conn, sent)
                assert (caller and caller.tenant_id) == found


def test_a_statement_that_fails_leaves_its_connection_as_it_was(as_owner: Pool, owner: Tenant) -> None:
    with autocommit(as_owner) as conn:
        with pytest.raises(psycopg.errors.DivisionByZero):
            conn.execute("SELECT 1 / 0")
        assert conn.execute("SELECT id FROM tenants").fetchall() == [(owner.id,)]
        with conn.transaction():
            assert conn.execute("SELECT id FROM tenants").fetchall() == [(owner.id,)]
        assert conn.execute(_ROLE).fetchone() == ("sluice_app", str(owner.id))


def test_nothing_of_a_tenant_stays_behind_in_a_session(web: Connections, as_owner: Pool) -> None:
    for lend in (transaction, autocommit):
        with lend(as_owner) as conn:
            conn.execute("SELECT 1")
        with lend(web) as conn:
            assert conn.execute(_ROLE).fetchall()[0] in {("sluice_app", ""), ("sluice_app", None)}


def test_workers_and_commands_see_all_rows(pool: Pool, database_url: str, owner: Tenant, stranger: Tenant) -> None:
    with transaction(pool) as conn:
        assert conn.execute("SELECT id FROM tenants ORDER BY id").fetchall() == [(owner.id,), (stranger.id,)]
    with closing(connect(database_url, "sluice-cli")) as conn:
        assert conn.execute("SELECT FROM tenants").rowcount == 2


@pytest.mark.parametrize(
    "missing",
    [
        "DROP POLICY own_rows ON jobs; DROP POLICY all_rows ON jobs; ALTER TABLE jobs DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE jobs DISABLE ROW LEVEL SECURITY",
        "DROP POLICY own_rows ON jobs",
    ],
)
def test_a_part_of_the_wall_that_is_missing_is_built_anew(
    observer: Connection, database_url: str, as_stranger: Pool, as_owner: Pool, owner: Tenant, missing: str
) -> None:
    observer.execute(missing.encode())
    with closing(connect(database_url, "sluice-cli")) as conn:
        assert migrate(conn) == []
        accept(conn, owner, "entities", [entity()])
        conn.commit()
    for of_whom, seen in ((as_stranger, 0), (as_owner, 1)):
        with transaction(of_whom) as conn:
            assert conn.execute("SELECT FROM jobs").rowcount == seen


def test_a_wall_that_waits_for_a_reader_holds_up_no_writer(
    observer: Connection, other: Connection, database_url: str, owner: Tenant
) -> None:
    observer.execute("DROP POLICY own_rows ON jobs")

    def build() -> list[str]:
        with closing(connect(database_url, "sluice-cli")) as conn:
            return migrate(conn)

    with psycopg.connect(database_url) as reader, ThreadPoolExecutor(1) as thread:
        reader.execute("SELECT FROM jobs")
        building = thread.submit(build)
        until_waits(observer, building)
        accept(other, owner, "entities", [entity()])  # a worker waits for a lock for 3 s
        other.commit()
        assert not building.done()
        reader.rollback()
        assert building.result() == []
    assert observer.execute("SELECT FROM pg_policies WHERE policyname = 'own_rows'").rowcount == len(walls.WALLED)


def test_two_databases_of_a_server_are_migrated_at_once(servers: TestServers) -> None:
    names = [f"sluice_test_{secrets.token_hex(4)}" for _ in range(3)]

    def migrated(name: str) -> int:
        with closing(connect(url_of(servers, name), "sluice-cli")) as conn:
            migrate(conn)
            return conn.execute("SELECT FROM pg_policies WHERE policyname = 'own_rows'").rowcount

    with admin_of(servers) as admin:
        for name in names:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with ThreadPoolExecutor(len(names)) as threads:
            assert set(threads.map(migrated, names)) == {len(walls.WALLED)}
        for name in names:
            admin.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def test_a_role_that_is_made_in_another_database_meanwhile_is_taken_as_it_is(
    servers: TestServers, observer: Connection, other: Connection, until_blocked: Callable[[Connection], None]
) -> None:
    name = f"sluice_test_{secrets.token_hex(4)}"
    make = roles.MAKE_ROLES.replace("sluice_app", name).encode()
    with admin_of(servers) as admin, ThreadPoolExecutor(1) as thread:
        with admin.transaction():
            admin.execute(make)
            late = thread.submit(other.execute, make)
            until_blocked(other)
        late.result()
        other.rollback()
        assert observer.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,)).rowcount == 1
        admin.execute(f"DROP ROLE {name}".encode())


@pytest.fixture
def plain_url(servers: TestServers) -> Iterator[str]:
    """A database whose owner may do nothing else: neither make roles, nor see what row-level security hides."""
    name = f"sluice_test_{secrets.token_hex(4)}"
    identifier = sql.Identifier(name)
    with admin_of(servers) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(identifier))
        admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(identifier, identifier))
        yield make_conninfo(url_of(servers, name), user=name)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))
        admin.execute(sql.SQL("DROP ROLE {}").format(identifier))


@pytest.mark.parametrize("granted", [False, True])
def test_one_role_that_may_make_no_others_does_all_the_work(
    plain_url: str, redis_url: str, servers: TestServers, *, granted: bool
) -> None:
    with admin_of(servers) as admin:
        name = sql.Identifier(psycopg.conninfo.conninfo_to_dict(plain_url)["user"])
        if granted:
            admin.execute(sql.SQL("GRANT sluice_app, sluice_system TO {}").format(name))
        with closing(connect(plain_url, "sluice-cli")) as conn:
            migrate(conn)
            tenant, _ = make_tenant(conn)
            conn.commit()
        with (
            open_pool(plain_url, "sluice-web", size=1) as web,
            transaction(EnteredPool(web, of_tenant(tenant.id))) as conn,
        ):
            batches = {"entities": [entity(1), entity(2)], "events": [event(1)], "states": [state(1), state(2)]}
            jobs = [accept(conn, tenant, kind, items) for kind, items in batches.items()]
            assert conn.walled is granted
        with open_pool(plain_url, WORKER, size=2) as workers:
            executor = make_executor(workers, redis_url)
            for job_id in jobs:
                executor.run(job_id, seconds=60)
            with transaction(workers) as conn:
                found = conn.execute("SELECT sum(created), count(*) FILTER (WHERE status = 'completed') FROM jobs")
                assert found.fetchone() == (5, 3)


def test_all_that_migrations_made_belongs_to_the_role_that_migrates(observer: Connection) -> None:
    left = observer.execute(_NOT_OWNED).fetchall()
    assert not left, f"add these to _STRAYS or ROUTINES of ingest/db/connection/walls.py: {left}"


def test_who_owned_the_tables_before_goes_on_as_a_member_of_their_owner(servers: TestServers, plain_url: str) -> None:
    with closing(connect(plain_url, "sluice-cli")) as conn:
        migrate(conn)
    as_superuser = make_conninfo(plain_url, user=psycopg.conninfo.conninfo_to_dict(servers.database_url)["user"])
    with closing(connect(as_superuser, "sluice-cli")) as conn:
        assert migrate(conn) == []
        conn.execute("DROP POLICY all_rows ON jobs")
        assert conn.execute(_NOT_OWNED).rowcount == 0
        conn.commit()
    with closing(connect(plain_url, "sluice-cli")) as conn:
        migrate(conn)
        tenant, _ = make_tenant(conn)
        job_id = accept(conn, tenant, "entities", [entity(1)])
        assert lookup.get(conn, job_id)
        conn.rollback()
