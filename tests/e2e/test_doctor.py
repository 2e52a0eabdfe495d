"""`sluice doctor`: every line on real servers, each warning provoked where a server can be brought to it."""

import json
import secrets
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import redis
from click.testing import CliRunner
from packaging.requirements import Requirement

from cli import main
from cli.doctor import broker, database, machine
from cli.doctor.line import Level, clocks
from cli.doctor.wall import wall
from cli.stack.running import running_servers
from ingest.crypto import MasterKeys, generate
from ingest.db import doctor as facts
from ingest.db.connection.migrate import migrate
from ingest.db.connection.pool import WORKER, connect, transaction
from ingest.db.webhooks import deliveries, registry
from ingest.engine import webhooks as engine
from ingest.ids import JOB, WEBHOOK, spell, uuid7
from ingest.machine.disk import Room
from ingest.notify.broker import celery_app
from ingest.notify.notifier import Notifier
from ingest.webhooks.message import EVENTS
from tests.support.factories import MASTER_KEYS, accept, entity, event, make_tenant, run_pending

_NOWHERE = {"DATABASE_URL": "postgresql:///sluice?host=/nowhere", "REDIS_URL": "unix:///nowhere/redis"}


class Checkup:
    """The output of `sluice doctor --json`."""

    def __init__(self, *arguments, **environment):
        done = CliRunner().invoke(main, ["doctor", "--json", *arguments], env=environment)
        self.exit_code, self.document = done.exit_code, json.loads(done.stdout)
        self.lines = {line["name"]: line for line in self.document["checks"]}

    def __getitem__(self, name):
        return self.lines[name]["level"], self.lines[name]["found"]

    def level(self, name):
        return self.lines[name]["level"]

    def names(self, level):
        return {name for name, line in self.lines.items() if line["level"] == level}


@pytest.fixture
def doctor(settings):
    own = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url, "SLUICE_MASTER_KEYS": MASTER_KEYS}

    def run(**environment):
        return Checkup(**own | environment)

    return run


@pytest.fixture
def sweep(database_url):
    """A connection such as a running sweep has."""
    with closing(connect(database_url, "sluice-sweep")) as conn:
        yield conn


@pytest.fixture
def execute(database_url):
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn.execute


@pytest.fixture
def job_id(database_url):
    with connect(database_url, "sluice-cli") as conn:
        return accept(conn, make_tenant(conn)[0], "entities", [entity()])


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Servers that nobody else uses, and their data directory: their settings may be changed."""
    data_dir = tmp_path_factory.mktemp("doctor") / "data"
    with running_servers(data_dir) as servers:
        with connect(servers.database_url, "sluice-cli") as conn:
            migrate(conn)
        yield data_dir, servers


@pytest.mark.usefixtures("sweep")
def test_where_all_is_well_every_line_is_ok_and_it_exits_0(doctor):
    seen = doctor()
    assert seen.names("ok") == set(seen.lines)
    assert set(seen.lines) == {
        *(
            "python",
            "packages",
            "environment",
            "settings",
            "door",
            "database",
            "encoding",
            "migrations",
            "durability",
            "connections",
            "database clock",
            "guards",
        ),
        *(
            "size",
            "vacuum",
            "transactions",
            "sweep",
            "workers",
            "webhooks",
            "webhook secrets",
            "personal data",
            "items",
            "server log",
            "wall",
            "waiting",
            "jobs",
        ),
        *("broker", "broker memory", "broker clock", "queue"),
    }
    assert (seen.exit_code, seen.document["ok"], seen.document["fails"], seen.document["warnings"]) == (0, True, 0, 0)


def test_for_people_each_line_says_how_it_stands_what_was_found_and_what_to_do(settings):
    urls = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    done = CliRunner().invoke(main, ["doctor"], env=urls)
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert "ok    settings       all are right" in lines
    fail = lines.index("FAIL  sweep          it is not running: none is connected")
    assert lines[fail + 1].strip().startswith("What to do: Start it")
    assert lines[-1] == "1 FAIL, 0 warn."


def test_wrong_settings_are_all_named(doctor):
    seen = doctor(DATABASE_URL="mysql://x", SLUICE_WEB_WORKERS="none")
    level, found = seen["settings"]
    assert level == "fail"
    assert "DATABASE_URL: must start with postgresql://" in found
    assert "SLUICE_WEB_WORKERS" in found
    assert seen.exit_code == 1


@pytest.mark.parametrize(
    ("variables", "level"),
    [
        ({"SLUICE_BIND": "0.0.0.0:8000"}, "warn"),
        ({"PORT": "8000"}, "warn"),
        ({"PORT": "8000", "SLUICE_BEHIND_PROXY": "true"}, "ok"),
        ({"PORT": "8000", "SLUICE_BIND": "127.0.0.1:8000"}, "ok"),
    ],
)
def test_listening_for_other_machines_without_a_proxy_is_a_warning(doctor, variables, level):
    found, text = doctor(**variables)["door"]
    assert found == level
    assert ("keys travel in the clear" in text) == (level == "warn")


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


def test_without_a_running_stack_it_says_what_to_run(tmp_path):
    seen = Checkup("--data-dir", str(tmp_path / "none"))
    assert seen.names("fail") == {"database", "broker"}
    assert f"sluice up --data-dir {tmp_path}" in seen.lines["database"]["advice"]
    assert "disk" not in seen.lines


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


@pytest.fixture
def ended(database_url):
    """Makes jobs that ended as many minutes ago, run by the sweeper or not."""

    def make(*jobs):
        with connect(database_url, "sluice-cli") as conn:
            tenant = make_tenant(conn)[0]
            for minutes, swept in jobs:
                job_id = accept(conn, tenant, "entities", [entity()])
                ended_at = datetime.now(UTC) - timedelta(minutes=minutes)
                update = "UPDATE jobs SET status = 'cancelled', ended_at = %s, swept = %s WHERE id = %s"
                conn.execute(update, (ended_at, swept, job_id))

    return make


@pytest.mark.parametrize(
    ("jobs", "level"),
    [
        ([(1, True), (2, True), (3, False)], "fail"),
        ([(1, False), (2, True)], "ok"),  # workers are back
        ([(11, True)], "ok"),
    ],
)
def test_where_the_sweeper_does_the_workers_work_it_is_a_fail(doctor, ended, jobs, level):
    ended(*jobs)
    seen = doctor()
    assert seen.level("workers") == level
    if level == "fail":
        assert "no worker came for 2 jobs" in seen["workers"][1]
        assert "REDIS_URL" in seen.lines["workers"]["advice"]


def test_variables_that_do_not_count_are_named(doctor, monkeypatch):
    for name in ("PGHOST", "CELERY_BROKER_URL"):
        monkeypatch.setenv(name, "nowhere")
    assert doctor()["environment"] == ("warn", "these do not count: CELERY_BROKER_URL, PGHOST")


def test_settings_that_a_workers_transaction_has_not_are_a_fail(database_url):
    with connect(database_url, "sluice-cli") as conn:
        unheeded = facts.unheeded(conn, WORKER)
    line = database.guards(unheeded, lent=False)
    assert line.level is Level.FAIL
    assert "lock_timeout is 0" in line.found
    assert "statement_timeout is 0" in line.found
    with connect(database_url, WORKER) as conn:
        assert facts.unheeded(conn, WORKER) == {}


def test_a_login_that_may_not_take_webs_role_is_a_warning(doctor, settings, execute):
    role = f"sluice_test_{secrets.token_hex(4)}"
    url = f"{settings.database_url}{'&' if '?' in settings.database_url else '?'}user={role}"
    execute(f"CREATE ROLE {role} LOGIN")
    try:
        level, found = doctor(DATABASE_URL=url)["wall"]
        assert level == "warn"
        assert "sees the rows of all tenants" in found
        execute(f"GRANT sluice_app TO {role}")
        assert doctor(DATABASE_URL=url)["wall"] == (
            "ok",
            "web sees the rows of one tenant at a time; workers, without BYPASSRLS, write without COPY",
        )
    finally:
        execute(f"DROP ROLE {role}")


def test_roles_that_are_missing_are_a_warning():
    line = wall(walled=True, workers_held=False, missing=["sluice_reader"])
    assert (line.level, "missing: sluice_reader" in line.found) == (Level.WARN, True)


def test_a_missing_migration_is_a_fail(doctor, execute):
    execute("DELETE FROM sluice_migrations")
    level, found = doctor()["migrations"]
    assert (level, "0001_first_schema" in found) == ("fail", True)


def test_a_table_that_is_missing_hides_no_other_line(doctor, execute):
    execute("DROP TABLE jobs CASCADE")
    seen = doctor()
    assert seen.level("jobs") == "warn"
    assert "sluice migrate" in seen.lines["jobs"]["advice"]
    assert seen.level("broker") == "ok"


def test_a_question_that_a_lock_keeps_waiting_is_given_up_and_the_others_are_asked(doctor, database_url):
    with connect(database_url, "sluice-cli") as holder:
        holder.execute("LOCK TABLE sluice_migrations")
        seen = doctor()
    assert seen.level("migrations") == "warn"
    assert "lock" in seen.lines["migrations"]["advice"]
    assert seen.level("durability") == "ok"


@pytest.mark.usefixtures("sweep")
def test_commits_that_do_not_wait_for_the_disk_are_a_warning_which_exits_0(doctor, execute):
    execute(
        """DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$"""
    )
    seen = doctor()
    assert seen["durability"] == ("warn", "off: synchronous_commit")
    assert (seen.exit_code, seen.document["warnings"]) == (0, 1)


def test_settings_that_may_take_more_connections_than_there_are_are_a_warning(doctor):
    level, found = doctor(SLUICE_WEB_WORKERS="256", SLUICE_WEB_THREADS="256")["connections"]
    assert level == "warn"
    assert f"up to {256 * 257 + 2 + 4}" in found


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


def test_a_sweep_that_is_late_is_a_fail_whether_it_is_connected_or_not(doctor, execute, database_url, job_id):
    execute("UPDATE jobs SET created_at = now() - interval '1 hour', check_at = now() - interval '2 minutes'")
    level, found = doctor()["sweep"]
    assert (level, "not running" in found, "120 s" in found) == ("fail", True, True)
    with closing(connect(database_url, "sluice-sweep")):
        level, found = doctor()["sweep"]
        assert (level, "does not keep up" in found) == ("fail", True)
        execute("UPDATE jobs SET check_at = now() WHERE id = %s", (job_id,))
        assert doctor().level("sweep") == "ok"


def test_messages_that_nobody_sends_are_a_fail_and_late_ones_a_warning(doctor, pool, execute, database_url):
    assert doctor()["webhooks"] == ("ok", "0 connected, and no message waits to be sent")
    with transaction(pool) as conn:
        tenant = make_tenant(conn)[0]
        wanted = {"url": "https://x.example", "events": EVENTS, "description": None, "secret": "x"}
        deliveries.add_test(conn, registry.create(conn, uuid7(), tenant.id, **wanted).id)
    assert doctor().level("webhooks") == "ok"
    execute("UPDATE webhook_deliveries SET next_at = now() - interval '2 minutes'")
    level, found = doctor()["webhooks"]
    assert (level, "120 s" in found) == ("fail", True)
    with closing(connect(database_url, "sluice-webhooks")):
        assert doctor().level("webhooks") == "warn"


def test_webhooks_whose_secret_no_master_key_decrypts_are_named(doctor, pool):
    kept, lost = generate(), generate()
    names = []
    with transaction(pool) as conn:
        tenant = make_tenant(conn)[0]
        for keys in (kept, lost):
            webhook, _ = engine.create(
                conn,
                MasterKeys.parse(keys),
                tenant.id,
                url="https://x.example",
                events=EVENTS,
                description=None,
                allow_private=False,
            )
            names.append(spell(WEBHOOK, webhook.id))
    assert doctor(SLUICE_MASTER_KEYS=f"{kept},{lost}")["webhook secrets"] == ("ok", "the master keys decrypt all 2")
    level, found = doctor(SLUICE_MASTER_KEYS=kept)["webhook secrets"]
    assert (level, found) == ("fail", f"no master key decrypts 1 of 2: {names[1]}")


def test_personal_data_need_their_keys_and_stand_in_the_clear_nowhere(doctor, pool, redis_url, execute):
    assert doctor(SLUICE_MASTER_KEYS="").level("personal data") == "ok"
    with transaction(pool) as conn:
        accept(conn, make_tenant(conn)[0], "entities", [entity()])
    run_pending(pool, redis_url)
    found = "1 tenants send some, and the master keys decrypt a sample"
    assert doctor()["personal data"] == ("ok", found)
    other = doctor(SLUICE_MASTER_KEYS=generate())
    assert other["personal data"] == ("fail", "encrypted under keys that are not configured: test")
    execute("""UPDATE entities SET properties = '{"email": "a"}', pii = NULL, pii_digests = NULL""")
    assert doctor().level("personal data") == "warn"
    level, found = doctor(SLUICE_MASTER_KEYS="")["personal data"]
    assert (level, "there is no master key" in found) == ("fail", True)


def test_jobs_whose_items_no_master_key_decrypts_are_named(doctor, pool):
    kept, lost = MASTER_KEYS, generate()
    with transaction(pool) as conn:
        job_id = accept(conn, make_tenant(conn)[0], "entities", [entity(1)], sealed=True)
        accept(conn, make_tenant(conn)[0], "entities", [entity(1)])
    level, found = doctor(SLUICE_MASTER_KEYS=kept)["items"]
    assert (level, found) == ("ok", "the master keys decrypt those of all 1 jobs whose items are encrypted")
    level, found = doctor(SLUICE_MASTER_KEYS=lost)["items"]
    assert (level, found) == ("fail", f"no master key decrypts the items of 1 jobs that wait: {spell(JOB, job_id)}")


def test_jobs_that_wait_with_no_worker_connected_are_a_warning_and_then_a_fail(doctor, execute, database_url, job_id):
    seen = doctor()
    assert seen["workers"] == ("warn", "none connected, though 1 jobs wait")
    assert seen.level("waiting") == "ok"
    execute("UPDATE jobs SET created_at = now() - interval '90 seconds' WHERE id = %s", (job_id,))
    seen = doctor()
    assert seen.level("workers") == "fail"
    level, found = seen["waiting"]
    assert (level, spell("job", job_id) in found) == ("warn", True)
    with closing(connect(database_url, WORKER)) as worker:
        worker.execute(f"SET application_name = '{WORKER}:20'")
        assert doctor().level("workers") == "ok"


def test_a_job_that_waits_for_another_does_not_wait_for_a_worker(doctor, pool, execute, redis_url):
    with transaction(pool) as conn:
        tenant = make_tenant(conn)[0]
        first = accept(conn, tenant, "entities", [entity()])
        accept(conn, tenant, "entities", [entity()], after_job_id=first)
        accept(conn, tenant, "entities", [entity()], after_job_id=uuid7(), ordered=False)
        accept(conn, tenant, "events", [event()])
    execute("UPDATE jobs SET created_at = now() - interval '90 seconds'")
    assert "2 jobs wait" in doctor()["waiting"][1]
    run_pending(pool, redis_url)
    assert doctor()["waiting"] == ("ok", "no job waits to be begun")


@pytest.mark.usefixtures("job_id")
def test_jobs_are_counted_by_state(doctor, pool, redis_url):
    assert doctor()["jobs"] == ("ok", "1 pending")
    run_pending(pool, redis_url)
    assert doctor()["jobs"] == ("ok", "1 completed")


def test_the_queue_that_is_counted_is_the_notifiers(doctor, redis_url, job_id):
    Notifier(celery_app(redis_url), redis_url).notify(job_id)
    while doctor()["queue"] != ("ok", "1 messages wait for workers"):
        pass
    with redis.Redis.from_url(redis_url) as client:
        client.rpush("sluice.jobs", *range(10_000))
    assert doctor()["queue"] == ("warn", "10,001 messages wait for workers")


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


def test_packages_that_are_missing_or_of_another_version_are_a_fail():
    line = machine.compared(
        [
            Requirement("celery>=99"),
            Requirement("surely-not-there"),
            Requirement("not-this-one; extra == 'embedded'"),
        ]
    )
    assert line.level is Level.FAIL
    assert "surely-not-there is missing" in line.found
    assert "not >=99" in line.found
    assert "not-this-one" not in line.found
