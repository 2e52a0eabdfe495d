"""Every connection overrides the settings of role, database and environment with its own."""

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ingest.db.connection.entry import of_tenant
from ingest.db.connection.migrate import migrate
from ingest.db.connection.pool import WORKER, Connection, EnteredPool, connect, open_pool, transaction
from ingest.db.connection.session import settings_of
from ingest.db.doctor import is_quiet
from ingest.errors import WrongDatabase

_RIGHT = {
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "standard_conforming_strings": "on",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "default_transaction_isolation": "read committed",
    "transaction_isolation": "read committed",
}
_PROCESSES = ("sluice-web", WORKER, "sluice-sweep", "sluice-cli")

# Each of them breaks something: text, timestamps, upserts, floats, escapes, or the schema that is found.
_HOSTILE = {
    "client_encoding": "LATIN1",
    "DateStyle": "German",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Tokyo",
    "standard_conforming_strings": "off",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "default_transaction_isolation": "serializable",
    "statement_timeout": "1h",
    "lock_timeout": "1h",
    "idle_in_transaction_session_timeout": "1h",
    "enable_seqscan": "on",
}


@pytest.fixture
def hostile_url(database_url: str, observer: Connection) -> str:
    """A database whose settings, and whose role's, are all unlike what Sluice needs."""
    database = sql.Identifier(observer.info.dbname)
    for name, value in _HOSTILE.items():
        for whose in (sql.SQL("DATABASE {}"), sql.SQL("ROLE CURRENT_USER IN DATABASE {}")):
            observer.execute(
                sql.SQL("ALTER {} SET {} = {}").format(whose.format(database), sql.SQL(name), sql.Literal(value))
            )
    return database_url


@pytest.fixture
def hostile_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGCLIENTENCODING": "LATIN1", "PGDATESTYLE": "SQL, DMY", "PGTZ": "Asia/Tokyo"}.items():
        monkeypatch.setenv(name, value)


def shown(conn: Connection, names: list[str]) -> dict[str, object]:
    return {name: conn.execute("SELECT current_setting(%s)", (name,)).fetchall()[0][0] for name in names}


@pytest.mark.parametrize("process", _PROCESSES)
@pytest.mark.usefixtures("hostile_environment")
def test_whatever_others_set_each_connection_has_our_settings(hostile_url: str, process: str) -> None:
    with closing(connect(hostile_url, process)) as conn:
        expected = {**settings_of(process, conn.info.server_version), **_RIGHT}
        assert shown(conn, list(expected)) == expected
    with open_pool(hostile_url, process, size=1) as pool, transaction(pool) as conn:
        assert shown(conn, list(expected)) == expected


@pytest.mark.parametrize("setting", ["-c statement_timeout=1h", "-c default_transaction_isolation=serializable"])
def test_options_of_the_users_do_not_undo_ours(database_url: str, setting: str) -> None:
    with closing(connect(make_conninfo(database_url, options=setting), WORKER)) as conn:
        ours = settings_of(WORKER, conn.info.server_version)
        assert shown(conn, list(ours)) == ours


def test_options_in_the_url_are_kept(database_url: str, observer: Connection) -> None:
    observer.execute("CREATE SCHEMA app")
    with closing(connect(make_conninfo(database_url, options="-csearch_path=app"), "sluice-cli")) as conn:
        assert shown(conn, ["search_path"]) == {"search_path": "app"}


def test_options_in_the_environment_are_kept(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c search_path=app")
    with open_pool(database_url, "sluice-web", size=1) as pool, transaction(pool) as conn:
        assert shown(conn, ["search_path"]) == {"search_path": "app"}


@pytest.mark.usefixtures("hostile_environment")
def test_text_and_times_read_back_as_they_were_written(hostile_url: str) -> None:
    with open_pool(hostile_url, "sluice-web", size=1) as web:
        pool = EnteredPool(web, of_tenant(1))
        with transaction(pool) as conn:
            conn.execute(
                "INSERT INTO states (tenant_id, entity_id, key, value) VALUES (1, 1, 'josé 🐢', %s)",
                (json.dumps("José 🐢"),),
            )
        with transaction(pool) as conn:
            found = conn.execute("SELECT key, value, '0001-01-01T00:00Z'::timestamptz FROM states").fetchall()
    assert found == [("josé 🐢", "José 🐢", datetime(1, 1, 1, tzinfo=UTC))]


def test_writers_of_one_row_wait_for_each_other_whatever_isolation_is_the_default(hostile_url: str) -> None:
    with open_pool(hostile_url, "sluice-web", size=4) as web:
        pool = EnteredPool(web, of_tenant(1))
        with transaction(pool) as conn:
            conn.execute("INSERT INTO states (tenant_id, entity_id, key, value) VALUES (1, 1, 'a', '1')")

        def write(_number: int) -> None:
            with transaction(pool) as conn:
                conn.execute("UPDATE states SET revision = revision + 1")

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(write, range(80)))
        with transaction(pool) as conn:
            assert conn.execute("SELECT revision FROM states").fetchall() == [(80,)]


def test_a_database_that_cannot_hold_every_text_is_not_migrated(latin_url: str) -> None:
    with closing(connect(latin_url, "sluice-cli")) as conn:
        with pytest.raises(WrongDatabase, match=r"LATIN1.*ENCODING 'UTF8'"):
            migrate(conn)
        assert conn.execute("SELECT FROM pg_tables WHERE schemaname = 'public'").rowcount == 0


def test_the_servers_log_is_kept_free_of_keys_where_the_role_may(database_url: str, observer: Connection) -> None:
    role = f"sluice_test_{secrets.token_hex(4)}"
    name = sql.Identifier(role)
    observer.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
    url = make_conninfo(database_url, user=role)
    try:
        with closing(connect(url, WORKER)) as conn:
            assert (_verbosity(conn), is_quiet(conn)) == ("default", False)
        observer.execute(sql.SQL("GRANT SET ON PARAMETER log_error_verbosity TO {}").format(name))
        with closing(connect(url, WORKER)) as conn:
            assert (_verbosity(conn), is_quiet(conn)) == ("terse", True)
    finally:
        observer.execute(sql.SQL("REVOKE SET ON PARAMETER log_error_verbosity FROM {}").format(name))
        observer.execute(sql.SQL("DROP ROLE {}").format(name))
    with closing(connect(database_url, WORKER)) as conn:
        assert _verbosity(conn) == "terse"


def _verbosity(conn: Connection) -> object:
    return conn.execute("SHOW log_error_verbosity").fetchall()[0][0]
