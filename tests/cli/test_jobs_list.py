"""`sluice jobs list`: the jobs of a tenant or of all, by the filters of the API's list."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner, Result

from cli import main
from ingest.db.connection.pool import Pool, transaction
from ingest.db.jobs import control, listing
from ingest.db.tenants.tenants import Tenant
from ingest.ids import JOB, spell
from ingest.jobs import JobOptions
from tests.support.factories import accept, entity, make_tenant

Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, redis_url: str) -> Run:
    """Run the command on the database of the test."""

    def call(*arguments: str) -> Result:
        env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
        return CliRunner().invoke(main, ["jobs", "list", *arguments], env=env)

    return call


def _listed(run: Run, *arguments: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(run(*arguments, "--json").stdout)
    return rows


def test_jobs_of_all_tenants_are_listed_or_of_one_newest_first(
    run: Run, owner: Tenant, submit: Callable[..., UUID], pool: Pool
) -> None:
    first, second = (submit("entities", [entity(1)]) for _ in range(2))
    with transaction(pool) as conn:
        other, _ = make_tenant(conn)
        theirs = accept(conn, other, "events", [{}])
    everybodys = _listed(run)
    assert [row["id"] for row in everybodys] == [spell(JOB, job_id) for job_id in (theirs, second, first)]
    assert [row["tenant"] for row in everybodys] == [str(other.public_id)] + [str(owner.public_id)] * 2
    assert [row["id"] for row in _listed(run, "--tenant", str(owner.public_id), "--limit", "1")] == [spell(JOB, second)]
    assert everybodys[0]["type"] == "batch_ingest_events"


def test_the_filters_are_those_of_the_api(run: Run, submit: Callable[..., UUID], pool: Pool) -> None:
    named = submit("entities", [entity(1)], options=JobOptions(label="x"))
    events = submit("events", [{}])
    cancelled = submit("entities", [entity(1)])
    with transaction(pool) as conn:
        control.cancel(conn, cancelled)
        conn.execute("UPDATE jobs SET parent_job_id = %s, had_errors = true WHERE id = %s", (named, events))
    for arguments, expected in {
        ("--label", "x"): [named],
        ("--status", "pending"): [events, named],
        ("--status", "pending", "--status", "cancelled"): [cancelled, events, named],
        ("--type", "batch_ingest_events"): [events],
        ("--has-errors",): [events],
        ("--parent", str(named)): [events],
        ("--created-after", "2999-01-01"): None,
        ("--created-after", "2999-01-01T00:00:00Z"): [],
        ("--created-before", "2999-01-01T00:00:00Z"): [cancelled, events, named],
    }.items():
        if expected is None:
            assert "as in 2026-04-06T12:00:00Z" in run(*arguments).stderr
        else:
            assert [row["id"] for row in _listed(run, *arguments)] == [spell(JOB, job_id) for job_id in expected]


def test_a_list_goes_on_where_a_page_has_looked_at_as_many_jobs_as_it_may(
    run: Run, submit: Callable[..., UUID], pool: Pool
) -> None:
    oldest = submit("events", [{}])
    newer = submit("entities", [entity(1)])
    columns = "tenant_id, kind, merge, template_id, request_id, awaited, total, unprocessed, blocks_open"
    with transaction(pool) as conn:
        copies = (
            f"INSERT INTO jobs (id, {columns}) SELECT overlay(id::text placing lpad(to_hex(n), 12, '0') from 25)::uuid"
        )
        conn.execute(
            f"{copies}, {columns} FROM jobs, generate_series(1, %s) n WHERE id = %s".encode(),
            (2 * listing.LOOKED_AT, newer),
        )
    assert [row["id"] for row in _listed(run, "--type", "batch_ingest_events")] == [spell(JOB, oldest)]


def test_a_tenant_that_is_not_there_is_said_to_be_so(run: Run) -> None:
    done = run("--tenant", str(uuid4()))
    assert (done.exit_code, "There is no tenant" in done.stderr) == (1, True)


def test_a_table_has_a_line_for_each_job(run: Run, submit: Callable[..., UUID]) -> None:
    job_id = submit("entities", [entity(1)], options=JobOptions(label="[bold]x"))
    heading, line = run().output.splitlines()
    assert heading.split()[:4] == ["job", "tenant", "type", "status"]
    assert line.startswith(spell(JOB, job_id))
    assert "[bold]x" in line
