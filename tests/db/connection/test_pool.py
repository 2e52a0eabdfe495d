import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import NoReturn

import pytest

from ingest.db.connection.pool import (
    TRANSACTION_TIMEOUT_SINCE,
    WORKER,
    Connection,
    Pool,
    autocommit,
    connect,
    open_pool,
    transaction,
)
from ingest.errors import Unavailable

_ALWAYS = {"timezone": "UTC"}
_WEB = {
    "idle_in_transaction_session_timeout": "5s",
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "client_connection_check_interval": "1s",
    "enable_seqscan": "off",
}
_GUARDS = {
    WORKER: {**_WEB, "statement_timeout": "8s", "lock_timeout": "3s"},
    "sluice-web": _WEB,
    "sluice-sweep": {"idle_in_transaction_session_timeout": "5s", "statement_timeout": "10s", "lock_timeout": "1s"},
    "sluice-cli": {"statement_timeout": "0", "lock_timeout": "0"},
}
_KEEPALIVES = {
    "tcp_keepalives_idle": "3",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "5s",
}


def shown(conn: Connection, name: str) -> object:
    row = conn.execute("SELECT current_setting(%s)", (name,)).fetchone()
    return row and row[0]


@pytest.mark.parametrize("process", _GUARDS)
def test_the_server_guards_every_session(database_url: str, process: str) -> None:
    with closing(connect(database_url, process)) as conn:
        expected = {"application_name": process, **_ALWAYS, **_GUARDS[process]}
        assert {name: shown(conn, name) for name in expected} == expected
        assert not conn.autocommit


@pytest.mark.parametrize("process", _GUARDS)
def test_a_peer_that_vanished_is_noticed_by_the_server(database_url: str, process: str) -> None:
    with closing(connect(database_url, process)) as conn:
        sources = conn.execute("SELECT name, source FROM pg_settings WHERE name = ANY (%s)", (list(_KEEPALIVES),))
        assert dict(sources) == dict.fromkeys(_KEEPALIVES, "session")
        # Over a Unix socket the server shows 0, since it needs none; over TCP the last of them in milliseconds.
        if not conn.info.host.startswith("/"):
            assert {name: shown(conn, name) for name in _KEEPALIVES} == {**_KEEPALIVES, "tcp_user_timeout": "5000"}


@pytest.mark.parametrize(("process", "timeout"), [(WORKER, "9s"), ("sluice-web", "0"), ("sluice-sweep", "0")])
def test_a_workers_transaction_is_bounded_where_the_server_can(database_url: str, process: str, timeout: str) -> None:
    with open_pool(database_url, process, size=1) as pool, transaction(pool) as conn:
        if conn.info.server_version < TRANSACTION_TIMEOUT_SINCE:
            pytest.skip("transaction_timeout came with Postgres 17")
        assert shown(conn, "transaction_timeout") == timeout


def test_a_connection_by_itself_keeps_no_plan(database_url: str) -> None:
    with closing(connect(database_url, "sluice-sweep")) as conn:
        for _ in range(20):
            conn.execute("SELECT 1")
        assert conn.execute("SELECT FROM pg_prepared_statements").rowcount == 0


def test_pooled_connections_are_guarded_too(pool: Pool) -> None:
    with transaction(pool) as conn:
        expected = {**_ALWAYS, **_GUARDS[WORKER]}
        assert {name: shown(conn, name) for name in expected} == expected


def test_the_guards_survive_a_rollback(pool: Pool) -> None:
    with pytest.raises(ZeroDivisionError), transaction(pool):
        raise ZeroDivisionError
    with transaction(pool) as conn:
        assert shown(conn, "statement_timeout") == "8s"


def test_a_transaction_commits_at_its_end(pool: Pool, observer: Connection) -> None:
    with transaction(pool) as conn:
        conn.execute("INSERT INTO states (tenant_id, entity_id, key, value) VALUES (1, 1, 'a', '1')")
        assert observer.execute("SELECT FROM states").rowcount == 0
    assert observer.execute("SELECT FROM states").rowcount == 1


def test_a_transaction_rolls_back_on_any_error(pool: Pool, observer: Connection) -> None:
    def write_and_stop(conn: Connection) -> NoReturn:
        conn.execute("INSERT INTO states (tenant_id, entity_id, key, value) VALUES (1, 1, 'a', '1')")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), transaction(pool) as conn:
        write_and_stop(conn)
    assert observer.execute("SELECT FROM states").rowcount == 0


def test_a_connection_that_died_in_the_pool_is_replaced_once_the_pool_is_looked_over(
    pool: Pool, observer: Connection
) -> None:
    with transaction(pool) as conn:
        pid = conn.info.backend_pid
    observer.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
    pool.check()
    with transaction(pool) as conn:
        assert conn.info.backend_pid != pid
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_the_first_and_the_last_timestamp_can_be_read_whatever_the_servers_zone(
    database_url: str, observer: Connection
) -> None:
    for zone in ("Asia/Tokyo", "America/New_York"):
        observer.execute(f"ALTER ROLE CURRENT_USER IN DATABASE {observer.info.dbname} SET timezone = '{zone}'".encode())
        with closing(connect(database_url, WORKER)) as conn:
            row = conn.execute("SELECT '0001-01-01T00:00:00Z'::timestamptz, '9999-12-31T23:59:59Z'::timestamptz")
            assert [timestamp.isoformat() for timestamp in row.fetchall()[0]] == [  # type: ignore[attr-defined]
                "0001-01-01T00:00:00+00:00",
                "9999-12-31T23:59:59+00:00",
            ]


def test_a_pool_whose_server_stays_away_gives_up_so_that_the_next_caller_is_tried_at_once(tmp_path: Path) -> None:
    with open_pool(f"postgresql:///none?host={tmp_path}", WORKER, size=1) as away:
        with pytest.raises(Unavailable), transaction(away):
            pass
        # With a place taken by an attempt that waits, a pool of one would try for nobody else.
        deadline, waiting = time.monotonic() + 30, threading.Event()
        while away.get_stats()["pool_size"]:
            assert time.monotonic() < deadline
            waiting.wait(0.05)


def test_a_transaction_after_a_session_that_failed_is_one_again(pool: Pool) -> None:
    with suppress(KeyError), autocommit(pool) as conn:
        conn.execute("CREATE TABLE stays ()")
        raise KeyError
    with suppress(KeyError), transaction(pool) as conn:
        conn.execute("CREATE TABLE goes ()")
        raise KeyError
    with transaction(pool) as conn:
        found = conn.execute("SELECT to_regclass('stays') IS NOT NULL, to_regclass('goes') IS NOT NULL").fetchone()
    assert found == (True, False)
