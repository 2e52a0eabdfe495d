import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest
from psycopg import errors as driver
from psycopg.pq import ExecStatus

from ingest.db.connection.errors import translate, translated
from ingest.db.connection.pool import (
    TRANSACTION_TIMEOUT_SINCE,
    WORKER,
    Connection,
    Pool,
    connect,
    open_pool,
    transaction,
)
from ingest.db.connection.session import checked
from ingest.errors import DatabaseError, DiskFull, TooLarge, TryAgain, Unavailable, WriteRefused

_PRIVATE = "hunter2"


def error_of(conn: Connection, statement: str, *values: object) -> DatabaseError:
    """Return our error for a statement that the server refuses."""
    with pytest.raises(DatabaseError) as raised, translated():
        conn.execute(statement.encode(), values or None)
    error = raised.value
    assert _PRIVATE not in error.message
    assert error.__cause__ is None
    assert error.__suppress_context__
    return error


@pytest.fixture
def people(conn: Connection) -> Connection:
    conn.execute("""
        CREATE TEMPORARY TABLE people (
            email text NOT NULL CONSTRAINT people_email_key UNIQUE CONSTRAINT people_email_check CHECK (email <> 'x'));
        INSERT INTO people VALUES ('hunter2')
    """)
    return conn


@pytest.mark.parametrize(
    ("statement", "sqlstate", "constraint"),
    [
        ("INSERT INTO people VALUES ('hunter2')", "23505", "people_email_key"),
        ("INSERT INTO people VALUES ('x')", "23514", "people_email_check"),
        ("INSERT INTO people SELECT NULL WHERE 'hunter2' <> ''", "23502", None),
        ("INSERT INTO states (tenant_id, entity_id, key, value) VALUES (1, 1, 'hunter2', '1e200000')", "22003", None),
        ("INSERT INTO states (tenant_id, entity_id, key, value) VALUES (1, 1, 'hunter2', '{hunter2')", "22P02", None),
        ("SELECT (repeat('[', 200000) || 'hunter2')::jsonb", "54001", None),
    ],
)
def test_data_that_cannot_be_stored_is_refused(
    people: Connection, statement: str, sqlstate: str, constraint: str | None
) -> None:
    error = error_of(people, statement)
    assert type(error) is WriteRefused
    assert (error.sqlstate, error.constraint) == (sqlstate, constraint)


def test_a_division_by_zero_says_that_a_merge_grew_too_large(people: Connection) -> None:
    assert type(error_of(people, "SELECT 1 / 0 AS hunter2")) is TooLarge


def test_a_value_that_has_no_wire_form_is_refused(people: Connection) -> None:
    error = error_of(people, "INSERT INTO people VALUES (%s)", f"{_PRIVATE}\0")
    assert type(error) is WriteRefused
    assert error.message == "a value has no form that Postgres takes"


@pytest.mark.parametrize(
    ("statement", "sqlstate"),
    [("SELECT hunter2 FROM nowhere", "42P01"), ("SELEC 'hunter2'", "42601"), ("SELECT %s", None)],
)
def test_a_fault_of_our_own_is_none_of_the_three(conn: Connection, statement: str, sqlstate: str | None) -> None:
    error = error_of(conn, statement) if sqlstate else error_of(conn, statement, 1, _PRIVATE)
    assert type(error) is DatabaseError
    assert error.sqlstate == sqlstate


def test_a_lock_that_is_not_to_be_had_in_time_may_pass_later(conn: Connection, shared_database_url: str) -> None:
    conn.execute("SET LOCAL lock_timeout = '1ms'")
    with closing(psycopg.connect(shared_database_url)) as holder:
        holder.execute("LOCK TABLE tenants")
        error = error_of(conn, "SELECT 'hunter2' FROM tenants")
    assert type(error) is TryAgain
    assert error.sqlstate == "55P03"


def test_a_statement_that_takes_too_long_may_pass_later(conn: Connection) -> None:
    conn.execute("SET LOCAL statement_timeout = '1ms'")
    error = error_of(conn, "SELECT 'hunter2', pg_sleep(60)")
    assert type(error) is TryAgain
    assert error.sqlstate == "57014"


def test_a_deadlock_may_pass_later(pool: Pool, other: Connection, until_blocked: Callable[[Connection], None]) -> None:
    with transaction(pool) as conn:
        conn.execute("INSERT INTO states (tenant_id, entity_id, key, value) VALUES (1, 1, 'a', '1'), (1, 2, 'b', '2')")
    update = "UPDATE states SET revision = revision + 1 WHERE entity_id = %s"
    with ThreadPoolExecutor(1) as thread, pool.connection() as mine:
        other.execute("SET deadlock_timeout = '60s'")
        mine.execute("SET LOCAL deadlock_timeout = '1ms'")
        other.execute(update, (1,))
        mine.execute(update, (2,))
        blocked = thread.submit(other.execute, update, (2,))
        until_blocked(other)
        with pytest.raises(TryAgain) as raised, translated():
            mine.execute(update, (1,))
        mine.rollback()
        assert blocked.result().rowcount == 1
    assert raised.value.sqlstate == "40P01"


def test_a_serialization_failure_may_pass_later(pool: Pool, other: Connection) -> None:
    with transaction(pool) as conn:
        conn.execute("INSERT INTO states (tenant_id, entity_id, key, value) VALUES (1, 1, 'a', '1')")
    other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    other.execute("SELECT FROM states")
    with transaction(pool) as conn:
        conn.execute("UPDATE states SET value = '2'")
    assert error_of(other, "UPDATE states SET value = '3'").sqlstate == "40001"


def test_a_session_that_was_ended_is_unavailable_then_and_afterwards(other: Connection, observer: Connection) -> None:
    other.execute("SELECT 1")
    observer.execute("SELECT pg_terminate_backend(%s, 10000)", (other.info.backend_pid,))
    ended = error_of(other, "SELECT 'hunter2'")
    assert type(ended) is Unavailable
    assert ended.sqlstate == "57P01"
    afterwards = error_of(other, "SELECT 'hunter2'")
    assert type(afterwards) is Unavailable
    assert afterwards.sqlstate is None


def test_a_session_that_idled_too_long_in_a_transaction_is_unavailable(
    other: Connection, until_gone: Callable[[Connection], None]
) -> None:
    other.execute("SET LOCAL idle_in_transaction_session_timeout = '1ms'")
    until_gone(other)
    assert type(error_of(other, "SELECT 'hunter2'")) is Unavailable


def test_a_transaction_that_takes_too_long_is_unavailable(other: Connection) -> None:
    if other.info.server_version < TRANSACTION_TIMEOUT_SINCE:
        pytest.skip("transaction_timeout came with Postgres 17")
    other.rollback()
    other.execute("SET transaction_timeout = '20ms'")
    other.commit()
    error = error_of(other, "SELECT 'hunter2', pg_sleep(60)")
    assert type(error) is Unavailable
    assert error.sqlstate == "25P04"


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(Unavailable) as raised:
        connect(f"postgresql://sluice:{_PRIVATE}@127.0.0.1:{port}/sluice", WORKER)
    assert "Connection refused" in raised.value.message
    assert f"port {port}" in raised.value.message
    assert _PRIVATE not in raised.value.message


def test_a_database_that_is_not_there_is_unavailable(database_url: str) -> None:
    with pytest.raises(Unavailable):
        connect(database_url.replace("sluice_test", "no_such"), WORKER)


def test_a_pool_with_no_connection_to_spare_is_unavailable(database_url: str) -> None:
    with open_pool(database_url, WORKER, size=1) as pool, transaction(pool):
        pool.timeout = 0.01
        with pytest.raises(Unavailable), transaction(pool):
            pass


def test_a_pool_that_was_closed_is_unavailable(database_url: str) -> None:
    with open_pool(database_url, WORKER, size=1) as pool:
        pass
    with pytest.raises(Unavailable), transaction(pool):
        pass


def test_an_error_of_libpqs_own_is_a_lost_connection(conn: Connection) -> None:
    result = conn.pgconn.make_empty_result(ExecStatus.FATAL_ERROR)
    with pytest.raises(Unavailable), translated():
        checked(conn, result)


def test_a_commit_that_is_refused_is_translated_too(pool: Pool) -> None:
    with transaction(pool) as conn:
        conn.execute("CREATE TABLE once (n integer CONSTRAINT once_n_key UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(WriteRefused) as raised, transaction(pool) as conn:
        conn.execute("INSERT INTO once VALUES (1), (1)")
    assert raised.value.constraint == "once_n_key"


def test_every_sqlstate_that_the_driver_knows_is_placed() -> None:
    known = [one for one in vars(driver).values() if isinstance(one, type) and issubclass(one, psycopg.Error)]
    placed = {one.sqlstate: type(translate(one(_PRIVATE))) for one in known if isinstance(one.sqlstate, str)}
    of_class = {
        prefix: {kind for state, kind in placed.items() if state[:2] == prefix} for prefix in {s[:2] for s in placed}
    }
    assert len(placed) > 200
    assert [state for state in placed if placed[state] is TooLarge] == ["22012"]
    of_class["22"] -= {TooLarge}
    assert [prefix for prefix in sorted(of_class) if of_class[prefix] == {WriteRefused}] == ["22", "23", "54"]
    assert [prefix for prefix in sorted(of_class) if of_class[prefix] == {TryAgain}] == ["40", "55"]
    assert of_class["53"] == {TryAgain, DiskFull}
    assert placed["53100"] is DiskFull
    assert [prefix for prefix in sorted(of_class) if of_class[prefix] == {Unavailable}] == ["08"]
    assert sorted(state for state in placed if state[:2] == "57" and placed[state] is Unavailable) == [
        "57P01",
        "57P02",
        "57P03",
        "57P04",
        "57P05",
    ]
    assert placed["57014"] is TryAgain
    assert placed["25P02"] is DatabaseError
    assert placed["42P01"] is DatabaseError


def test_what_is_no_error_of_the_driver_passes_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), translated():
        raise ZeroDivisionError


def test_a_connection_that_was_closed_is_unavailable(database_url: str) -> None:
    with closing(connect(database_url, WORKER)) as conn:
        pass
    assert type(error_of(conn, "SELECT 1")) is Unavailable
