"""`sluice verify`: what it prints and exits with. What it finds is shown in tests/db/verify."""

import json

import psycopg
import pytest
from click.testing import CliRunner

from cli import main
from ingest.db.connection.pool import connect, transaction
from ingest.db.verify import CHECKS
from ingest.ids import spell
from tests.e2e.running import sluice
from tests.support.factories import accept, entity, make_tenant


@pytest.fixture
def verify(settings):
    def run(*arguments, **environment):
        urls = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
        return CliRunner().invoke(main, ["verify", *arguments], env=urls | environment)

    return run


@pytest.fixture
def job_id(pool):
    with transaction(pool) as conn:
        return accept(conn, make_tenant(conn)[0], "entities", [entity(number) for number in range(3)], block_items=1)


@pytest.fixture
def execute(settings):
    def run(*statements):
        with psycopg.connect(settings.database_url, autocommit=True) as conn:
            for statement in statements:
                conn.execute(statement)

    return run


def test_all_well_is_one_line_and_exits_0(verify):
    done = verify()
    assert (done.exit_code, done.output) == (0, f"All is well: {len(CHECKS)} checks found nothing wrong.\n")
    assert json.loads(verify("--json").stdout) == {"ok": True, "checks": len(CHECKS), "wrong": [], "unfinished": []}


def test_what_is_wrong_is_said_with_how_many_an_example_and_what_to_do_and_exits_1(verify, job_id, execute):
    execute("UPDATE jobs SET blocks_open = 2")
    done = verify()
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert lines[:2] == [
        "WRONG    jobs that count another number of open blocks than they have: 1",
        f"         {spell('job', job_id)} (blocks_open 2, open blocks 3)",
    ]
    assert lines[2].startswith("         What to do: ")
    assert "backup" in done.output, "how such rows may have come about"
    assert lines[-1] == f"{len(CHECKS)} checks: 1 found something wrong, 0 did not finish."


def test_as_json_it_is_the_same(verify, job_id, execute):
    execute("UPDATE jobs SET blocks_open = 2")
    done = verify("--json")
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    assert document["ok"] is False
    [wrong] = document["wrong"]
    assert (wrong["check"], wrong["found"], wrong["more"]) == ("job_blocks_open", 1, False)
    assert wrong["examples"] == [{"id": spell("job", job_id), "detail": "blocks_open 2, open blocks 3"}]


@pytest.mark.usefixtures("job_id")
def test_a_sweep_that_does_not_run_is_said_in_words_and_blames_no_row(verify, execute):
    execute("UPDATE jobs SET created_at = now() - interval '1 hour', check_at = now() - interval '2 minutes'")
    done = verify()
    assert done.exit_code == 1
    assert "sweep is not running" in done.output
    assert "backup" not in done.output


@pytest.mark.usefixtures("job_id")
def test_what_counts_as_stuck_is_an_option(verify, execute):
    execute("UPDATE jobs SET created_at = now() - interval '1 hour', progressed_at = now() - interval '10 minutes'")
    assert verify("--stuck-after", "900").exit_code == 0
    done = verify()
    assert done.exit_code == 1
    assert "nobody works on" in done.output


def test_a_check_that_did_not_finish_is_unknown_which_is_not_well(verify, settings):
    with connect(settings.database_url, "sluice-cli") as holder:
        holder.execute("LOCK TABLE states")
        done = verify("--check-seconds", "1")
        document = json.loads(verify("--check-seconds", "1", "--json").stdout)
    assert done.exit_code == 1
    assert "UNKNOWN  Every state has its entity: the check did not finish" in done.output
    assert "--check-seconds 10" in done.output
    assert {"check": "state_entity", "invariant": "Every state has its entity"} in document["unfinished"]


def test_a_schema_that_is_not_up_to_date_is_not_judged(verify, execute):
    execute("DELETE FROM sluice_migrations")
    done = verify()
    assert done.exit_code == 1
    assert "sluice migrate" in done.output


def test_a_database_that_is_away_is_an_error(tmp_path):
    done = sluice("verify", "--data-dir", tmp_path)
    assert done.returncode == 1
    assert f"sluice up --data-dir {tmp_path}" in done.stderr


@pytest.mark.parametrize("arguments", [("--stuck-after", "0"), ("--check-seconds", "soon"), ("everything",)])
def test_wrong_usage_exits_2(verify, arguments):
    assert verify(*arguments).exit_code == 2
