"""`sluice doctor`: all of its lines, its exit code, and the lines on settings and on the schema."""

import secrets

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement

from cli import main
from ingest.db import doctor as facts
from ingest.db.connection.pool import WORKER, connect
from ingest.doctor import database, machine
from ingest.doctor.line import Level
from ingest.doctor.wall import wall
from tests.e2e.doctor.checkup import Checkup


@pytest.mark.usefixtures("sweep")
def test_where_all_is_well_every_line_is_ok_and_it_exits_0(doctor, beat):
    beat()
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
    assert lines[-1] == "1 FAIL, 1 warn."


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


def test_without_a_running_stack_it_says_what_to_run(tmp_path):
    seen = Checkup("--data-dir", str(tmp_path / "none"))
    assert seen.names("fail") == {"database", "broker"}
    assert f"sluice up --data-dir {tmp_path}" in seen.lines["database"]["advice"]
    assert "disk" not in seen.lines


def test_variables_that_do_not_count_are_named(doctor, monkeypatch):
    for name in ("PGHOST", "CELERY_BROKER_URL"):
        monkeypatch.setenv(name, "nowhere")
    assert doctor()["environment"] == ("warn", "these do not count: CELERY_BROKER_URL, PGHOST")


def test_a_variable_that_is_nearly_a_setting_is_a_warning(doctor):
    found = "there is no such setting: SLUICE_WEB_TREADS (did you mean SLUICE_WEB_THREADS?)"
    assert doctor(SLUICE_WEB_TREADS="3")["environment"] == ("warn", found)


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


def test_a_database_without_migrations_is_one_fail_and_commands_say_what_it_lacks(doctor, settings, execute):
    execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    seen = doctor()
    assert {name for name in seen.lines if "42P01" in seen.lines[name]["found"]} == set()
    assert seen.level("migrations") == "fail"
    assert ", from 0001_first_schema to " in seen.lines["migrations"]["found"]
    assert "wall" not in seen.names("warn"), "the migrations build it"
    done = CliRunner().invoke(main, ["tenants", "list"], env={"DATABASE_URL": settings.database_url})
    assert (done.exit_code, "run `sluice migrate`" in done.stderr) == (1, True)


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
