"""`sluice jobs errors`: a job's bad items, to read and as files."""

import json
from collections.abc import Callable
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from cli import main
from ingest.db.connection.pool import Pool, transaction
from ingest.db.jobs import receiving
from ingest.db.tenants.tenants import Tenant
from ingest.engine.executor import Executor
from ingest.ids import JOB, spell, uuid7
from ingest.intake.blocks import blocks_of_rows
from ingest.jobs import CsvFormat, JobOptions
from tests.support.factories import MASTER_KEYS, entity, new_job

Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, redis_url: str) -> Run:
    """Run the command on the database of the test."""

    def call(job: UUID, *arguments: str) -> Result:
        env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SLUICE_MASTER_KEYS": MASTER_KEYS}
        return CliRunner().invoke(main, ["jobs", "errors", spell(JOB, job), *arguments], env=env)

    return call


def test_errors_are_a_table_or_lines(run: Run, submit: Callable[..., UUID], executor: Executor) -> None:
    job = submit("entities", [entity(1), entity(2, data={}), entity(3, entityType="ghost")])
    executor.run(job, seconds=60)
    table = run(job).output.splitlines()
    assert len(table) == 3
    assert 'player_000002  VALIDATION_FAILED  /data/email  Missing required field: "email"' in table[1]
    lines = [json.loads(line) for line in run(job, "--format", "ndjson").stdout_bytes.splitlines()]
    assert [(line["externalId"], line["_sluice"]["index"]) for line in lines] == [
        ("player_000002", 1),
        ("player_000003", 2),
    ]


def test_rows_are_for_jobs_that_came_as_csv(
    run: Run, submit: Callable[..., UUID], executor: Executor, pool: Pool, owner: Tenant
) -> None:
    csv = CsvFormat(header="externalId,entityType,email")
    job = new_job(owner, options=JobOptions(csv=csv))
    [block] = blocks_of_rows([b'p1,player,a\np2,"ghost",\xc3\xa9\n'], ",", longest=1_000, first_line=2)
    with transaction(pool) as conn:
        assert receiving.begin(conn, job)
        assert receiving.append(conn, job.id, 0, block)
        assert receiving.accept(conn, job, 1)
    executor.run(job.id, seconds=60)
    header, row, _ = run(job.id, "--format", "csv").stdout_bytes.decode().split("\n")
    assert header.startswith("externalId,entityType,email,sluice_index")
    assert row.startswith('p2,"ghost",é,1,3,VALIDATION_FAILED,/entityType,')
    refused = run(submit("entities", [entity(1)]), "--format", "csv")
    assert refused.exit_code == 1
    assert "--format ndjson" in refused.output


def test_a_job_that_is_not_there_is_named(run: Run) -> None:
    job = uuid7()
    done = run(job)
    assert (done.exit_code, spell(JOB, job) in done.output) == (1, True)
