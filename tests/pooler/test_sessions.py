"""No promise depends on a session: each transaction has its settings in any session that a pooler gives it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from threading import Barrier

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from ingest.db.connection.entry import of_tenant
from ingest.db.connection.migrate import migrate, pending
from ingest.db.connection.pool import (
    WORKER,
    Connection,
    Connections,
    EnteredPool,
    Pool,
    autocommit,
    connect,
    transaction,
)
from ingest.db.connection.prepared import Prepared
from ingest.db.connection.session import settings_of
from ingest.db.connection.unreachable import advice_for
from ingest.db.jobs import blocks, rescue
from ingest.errors import Unavailable
from tests.pooler.conftest import Pooler
from tests.support.factories import make_tenant

_PROCESSES = ("sluice-web", WORKER, "sluice-sweep", "sluice-cli")

Pools = Callable[..., Connections]


def shown(conn: Connection, process: str) -> tuple[dict[str, object], dict[str, object]]:
    """The settings as they are, and as they should be."""
    right = dict(settings_of(process, conn.info.server_version))
    right |= {"transaction_isolation": "read committed"}
    del right["default_transaction_isolation"]  # each transaction says its own
    found = conn.execute("SELECT name, current_setting(name) FROM unnest(%s::text[]) AS n (name)", (list(right),))
    return dict(found.fetchall()), right  # type: ignore[arg-type]


@pytest.fixture
def hostile(observer: Connection) -> None:
    """Have the database set for its sessions what Sluice cannot work with."""
    database = sql.Identifier(observer.info.dbname)
    for name, value in {
        "default_transaction_isolation": "serializable",
        "TimeZone": "Asia/Tokyo",
        "DateStyle": "German",
        "client_encoding": "LATIN1",
        "statement_timeout": "1h",
    }.items():
        observer.execute(sql.SQL("ALTER DATABASE {} SET {} = {}").format(database, sql.SQL(name), value))


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("process", _PROCESSES)
def test_each_transaction_has_the_settings_of_its_process(pooled_url: str, process: str) -> None:
    with closing(connect(pooled_url, process)) as conn:
        for _ in range(2):
            found, right = shown(conn, process)
            assert found == right
            conn.rollback()


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("process", _PROCESSES)
def test_each_statement_that_commits_by_itself_has_them_too(pooled: Pools, process: str) -> None:
    with autocommit(pooled(process)) as conn:
        for _ in range(2):
            found, right = shown(conn, process)
            assert found == right
            assert conn.info.transaction_status is TransactionStatus.IDLE


def test_processes_that_are_lent_one_session_in_turn_keep_their_own_settings(pooled: Pools) -> None:
    pools = {process: pooled(process) for process in ("sluice-web", WORKER)}
    for _ in range(2):
        for process, pool in pools.items():
            with transaction(pool) as conn:
                found, right = shown(conn, process)
                assert found == right


def test_nothing_stays_behind_in_a_session_that_was_lent(pooled: Pools, pooled_url: str) -> None:
    names = ["statement_timeout", "lock_timeout", "enable_seqscan", "idle_in_transaction_session_timeout"]
    with psycopg.connect(pooled_url, autocommit=True) as stranger:
        query = "SELECT name, setting = reset_val FROM pg_settings WHERE name = ANY (%s)"
        with transaction(pooled()) as conn:
            assert all(not same for _, same in conn.execute(query, (names,)))
        assert all(same for _, same in stranger.execute(query, (names,)))


def test_a_session_that_is_lent_in_turn_shows_each_the_rows_of_its_own_tenant(pooled: Pools, pool: Pool) -> None:
    with transaction(pool) as conn:
        tenants = [make_tenant(conn)[0].id for _ in range(2)]
    web = pooled("sluice-web", size=1)
    for lend in (transaction, autocommit):
        for tenant in tenants * 2:
            with lend(EnteredPool(web, of_tenant(tenant))) as conn:
                for _ in range(7):  # psycopg prepares a statement meanwhile
                    assert conn.execute("SELECT id FROM tenants").fetchall() == [(tenant,)]
            with lend(web) as conn:
                assert conn.execute("SELECT id FROM tenants").fetchall() == []
        with lend(pooled()) as conn:
            assert conn.execute("SELECT FROM tenants").rowcount == 2
            assert conn.execute("SELECT FROM pg_roles WHERE rolname = current_user AND rolsuper").rowcount == 1


def test_a_statement_that_fails_leaves_the_next_one_its_own_transaction(pooled: Pools) -> None:
    with autocommit(pooled()) as conn:
        with pytest.raises(psycopg.errors.DivisionByZero):
            conn.execute("SELECT 1 / 0")
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_a_transaction_inside_a_session_commits_or_rolls_back_as_a_whole(pooled: Pools, pool: Pool) -> None:
    with autocommit(pooled()) as conn:
        with conn.transaction():
            conn.execute("INSERT INTO states (tenant_id, entity_id, key, value) VALUES (1, 1, 'stays', '1')")
            with pytest.raises(psycopg.errors.UniqueViolation), conn.transaction():
                conn.execute("INSERT INTO states (tenant_id, entity_id, key, value) VALUES (1, 1, 'stays', '1')")
        with suppress(KeyError), conn.transaction():
            conn.execute("INSERT INTO states (tenant_id, entity_id, key, value) VALUES (1, 1, 'goes', '1')")
            raise KeyError
    with transaction(pool) as direct:
        assert direct.execute("SELECT key FROM states").fetchall() == [("stays",)]


def test_a_statement_is_prepared_only_where_the_pooler_knows_of_it(pooled: Pools) -> None:
    note = Prepared(
        "note",
        "INSERT INTO states (tenant_id, entity_id, key, value) SELECT 1, %(id)s, 'a', '1' WHERE %(said)s",
        {"id": int, "said": bool},
    )
    mine, other = pooled(size=1), pooled(size=1)

    def use(first: int) -> None:
        for number in range(first, first + 10):
            with transaction(mine) as conn:
                assert note.execute(conn, {"id": number, "said": True}) == 1
                assert conn.execute("SELECT %s::integer", (number,)).fetchone() == (number,)
        with autocommit(mine) as conn:
            assert note.execute(conn, {"id": 0, "said": False}) == 0

    use(10)
    with transaction(other) as conn:  # who takes the session that was just given back, so that the next one is another
        conn.execute("SELECT 1")
        use(20)
    with suppress(KeyError), transaction(mine) as conn:
        note.execute(conn, {"id": 30, "said": True})
        raise KeyError  # at a ROLLBACK the driver forgets all statements
    use(40)
    with transaction(mine) as conn:
        assert conn.execute("SELECT count(*) FROM states").fetchone() == (30,)
        left = conn.execute("SELECT name FROM pg_prepared_statements").fetchall()
    assert all(str(name).startswith("PGBOUNCER_") for (name,) in left), "since 1.22 it gives them names of its own"


def test_the_sweeper_ends_a_workers_overdue_transaction(pooled: Pools, pooled_url: str) -> None:
    workers = pooled(size=1)
    with closing(connect(pooled_url, "sluice-sweep")) as sweeper:
        ended = 0
        with suppress(Unavailable), transaction(workers) as conn:
            conn.execute("SELECT 1")
            ended = rescue.end_overdue_sessions(sweeper, seconds=0)
            sweeper.commit()
            conn.execute("INSERT INTO states (tenant_id, entity_id, key, value) VALUES (1, 1, 'late', '1')")
        assert ended == 1
        workers.check()
        with transaction(workers) as conn:
            assert conn.execute("SELECT FROM states").rowcount == 0


def test_a_block_that_was_delivered_before_gets_its_time_here_too(pooled: Pools) -> None:
    pool = pooled(size=1)
    with transaction(pool) as conn:
        blocks.extend_lease(conn, deliveries=2)
        wanted = "SELECT current_setting('application_name'), current_setting('statement_timeout')"
        assert conn.execute(wanted).fetchone() == (f"{WORKER}:20", "18s")
    with transaction(pool) as conn:
        assert conn.execute(wanted).fetchone() == (WORKER, "8s")


def test_two_at_once_migrate_an_empty_database(pooler: Pooler, empty_database_url: str) -> None:
    url = pooler.url(str(conninfo_to_dict(empty_database_url)["dbname"]))
    ready = Barrier(2, timeout=30)

    def run() -> list[str]:
        with closing(connect(url, "sluice-cli")) as conn:
            ready.wait()
            return migrate(conn)

    with ThreadPoolExecutor(2) as threads:
        first, second = (future.result() for future in [threads.submit(run), threads.submit(run)])
    with closing(connect(empty_database_url, "sluice-cli")) as conn:
        assert pending(conn) == []
        assert sorted([*first, *second]) == [
            name for (name,) in conn.execute("SELECT name FROM sluice_migrations ORDER BY name")
        ]
        assert conn.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").rowcount == 0


def test_options_that_the_pooler_refuses_are_told_with_what_to_do(pooled_url: str) -> None:
    with pytest.raises(Unavailable) as raised:
        connect(f"{pooled_url}&options=-csearch_path%3Dapp", "sluice-cli")
    assert "unsupported startup parameter" in raised.value.message
    assert "PGOPTIONS" in advice_for(raised.value.message)
