"""Lines on the servers themselves, each warning provoked where a server can be brought to it."""

import json
from contextlib import ExitStack, closing

import psycopg
import pytest
import redis

from cli.stack.running import running_servers
from ingest.db import doctor as facts
from ingest.db.connection.migrate import migrate
from ingest.db.connection.pool import connect
from ingest.doctor import broker, database, machine
from ingest.doctor.line import Level, clocks
from ingest.machine.disk import Room
from tests.e2e.doctor.checkup import Checkup

_NOWHERE = {"DATABASE_URL": "postgresql:///sluice?host=/nowhere", "REDIS_URL": "unix:///nowhere/redis"}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Servers that nobody else uses, and their data directory: their settings may be changed."""
    data_dir = tmp_path_factory.mktemp("doctor") / "data"
    with running_servers(data_dir) as servers:
        with connect(servers.database_url, "sluice-cli") as conn:
            migrate(conn)
        yield data_dir, servers


def test_servers_that_are_down_are_findings_and_the_rest_is_looked_at(doctor):
    seen = Checkup(**_NOWHERE)
    assert seen.names("fail") == {"database", "broker"}
    assert seen.exit_code == 1
    assert seen.level("python") == "ok"
    without_database = doctor(DATABASE_URL=_NOWHERE["DATABASE_URL"])
    assert without_database.names("fail") == {"database"}
    assert without_database.level("broker") == "ok"
    without_broker = doctor(REDIS_URL=_NOWHERE["REDIS_URL"])
    assert without_broker.level("broker") == "fail"
    assert without_broker.level("migrations") == "ok"


def test_no_password_is_ever_shown(doctor):
    seen = doctor(DATABASE_URL="postgresql://u:geheim@127.0.0.1:1/sluice", REDIS_URL="redis://:geheim@127.0.0.1:1/0")
    assert seen.names("fail") == {"database", "broker"}
    assert "geheim" not in json.dumps(seen.document)


def test_a_database_that_is_away_is_told_in_libpqs_words(doctor):
    found = doctor(DATABASE_URL="postgresql://u@127.0.0.1:1/sluice").lines["database"]
    assert "port 1 failed: Connection refused" in found["found"]
    assert "Start the server" in found["advice"]


def test_an_encoding_that_cannot_hold_every_text_is_a_fail(doctor, latin_url):
    seen = doctor(DATABASE_URL=latin_url)
    assert seen["encoding"] == ("fail", "the database is encoded in LATIN1, which cannot hold every text")
    assert "ENCODING 'UTF8'" in seen.lines["encoding"]["advice"]


@pytest.mark.usefixtures("sweep")
def test_commits_that_do_not_wait_for_the_disk_are_a_warning_which_exits_0(doctor, execute, beat):
    beat()
    execute(
        """DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$"""
    )
    seen = doctor()
    assert seen["durability"] == ("warn", "off: synchronous_commit")
    assert (seen.exit_code, seen.document["warnings"]) == (0, 1)


def test_settings_that_may_take_more_connections_than_there_are_are_a_warning(doctor):
    level, found = doctor(SLUICE_WEB_WORKERS="256", SLUICE_WEB_THREADS="256")["connections"]
    assert level == "warn"
    assert f"up to {256 * (257 + 2) + 2 + 4}" in found


def test_dead_rows_that_nobody_clears_away_are_a_warning(doctor, execute):
    execute("CREATE TABLE heap (n integer) WITH (autovacuum_enabled = off)")
    execute("INSERT INTO heap SELECT generate_series(1, 60000)")
    execute("DELETE FROM heap")
    execute("SELECT pg_stat_force_next_flush()")
    assert doctor()["vacuum"] == ("warn", "heap has 60,000 dead rows for 0 live ones")


def test_who_holds_the_oldest_transaction_is_named(doctor, database_url):
    with closing(connect(database_url, "sluice-cli")) as holder:
        holder.execute("SELECT 1")
        pid = holder.info.backend_pid
        level, found = doctor()["transactions"]
    assert (level, f"sluice-cli (pid {pid})" in found) == ("ok", True)


def test_a_transaction_that_stays_open_for_long_is_a_warning():
    assert database.transactions(None).level is Level.OK
    assert database.transactions(facts.Transaction(7, "psql", 599)).level is Level.OK
    line = database.transactions(facts.Transaction(7, "psql", 601))
    assert line.level is Level.WARN
    assert "pg_terminate_backend(7)" in line.advice


def test_the_embedded_servers_are_found_by_their_data_directory_and_the_disk_is_looked_at(own):
    data_dir, _ = own
    seen = Checkup("--data-dir", str(data_dir))
    assert seen.names("fail") == {"sweep"}
    assert str(data_dir) in seen["disk"][1]


def test_servers_that_do_not_keep_what_they_are_given_are_warnings(own):
    data_dir, servers = own
    with (
        psycopg.connect(servers.database_url, autocommit=True) as conn,
        redis.Redis.from_url(servers.redis_url) as client,
    ):
        for name in ("fsync", "full_page_writes", "autovacuum"):
            conn.execute(f"ALTER SYSTEM SET {name} = off".encode())
        conn.execute("SELECT pg_reload_conf()")
        while conn.execute("SHOW autovacuum").fetchone() != ("off",):
            pass
        client.config_set("maxmemory-policy", "allkeys-lru")
        seen = Checkup("--data-dir", str(data_dir))
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
        full = Checkup("--data-dir", str(data_dir))
        client.config_set("maxmemory", 0)
        conn.execute("ALTER SYSTEM RESET ALL")
        conn.execute("SELECT pg_reload_conf()")
    assert seen["durability"] == ("warn", "off: fsync, full_page_writes")
    assert seen["vacuum"] == ("warn", "autovacuum is off")
    assert seen.level("broker memory") == "warn"
    assert "allkeys-lru" in seen["broker memory"][1]
    assert full.level("broker memory") == "warn"


def test_connections_that_are_nearly_all_taken_are_a_warning(own):
    data_dir, servers = own
    with ExitStack() as held:
        for _ in range(88):
            held.enter_context(closing(psycopg.connect(servers.database_url)))
        level, found = Checkup("--data-dir", str(data_dir))["connections"]
    assert level == "warn"
    assert "of 97 in use" in found


def test_servers_that_are_too_old_are_fails():
    assert database.version(140010).level is Level.FAIL
    assert database.version(150000).level is Level.OK
    assert broker.version({"redis_version": "5.0.14"}).level is Level.FAIL
    assert broker.version({"redis_version": "6.0.0"}).level is Level.OK


@pytest.mark.parametrize(("ahead", "level"), [(1.9, Level.OK), (-1.9, Level.OK), (2.1, Level.WARN), (-90, Level.WARN)])
def test_clocks_that_differ_by_more_than_two_seconds_are_a_warning(ahead, level):
    assert clocks("clock", "the database", ahead).level is level


def test_a_disk_that_is_nearly_full_is_a_warning_and_then_a_fail(tmp_path):
    levels = [machine.enough(tmp_path, Room(free, total=100), wanted=10).level for free in (30, 29, 10, 9)]
    assert levels == [Level.OK, Level.WARN, Level.WARN, Level.FAIL]
