"""`sluice jobs retry` and `commit`: a child of a job's failed items, or of all that it has validated."""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from cli import main
from ingest.db.connection.pool import Connection
from ingest.db.jobs import lookup
from ingest.engine.executor import Executor
from ingest.ids import JOB, parse, spell
from ingest.jobs import Effect, JobOptions
from tests.support.factories import MASTER_KEYS, entity

Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, redis_url: str) -> Run:
    """Run the command on the database of the test."""

    def call(job: UUID, *arguments: str, command: str = "retry") -> Result:
        env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SLUICE_MASTER_KEYS": MASTER_KEYS}
        return CliRunner().invoke(main, ["jobs", command, spell(JOB, job), *arguments], env=env)

    return call


def test_a_patched_item_is_sent_again_and_taken(
    run: Run, submit: Callable[..., UUID], executor: Executor, observer: Connection, tmp_path: Path
) -> None:
    job_id = submit("entities", [entity(1), entity(2, data={}), entity(3, data={})])
    executor.run(job_id, seconds=60)
    patch = tmp_path / "patch.json"
    patch.write_text('{"2": {"data": {"email": "a"}}}')
    done = run(job_id, "--select", "1,2", "--patch", str(patch), "--json")
    child_id = parse(JOB, json.loads(done.output)["id"])
    executor.run(child_id, seconds=60)
    child = lookup.show(observer, child_id)
    assert child is not None
    assert (child.parent_job_id, child.effects[Effect.CREATED], child.effects[Effect.FAILED]) == (job_id, 1, 1)


def test_a_wrong_selection_or_patch_says_what_to_do(run: Run, submit: Callable[..., UUID], tmp_path: Path) -> None:
    job_id = submit("entities", [entity(1)])
    assert run(job_id, "--select", "some").exit_code == 2
    patch = tmp_path / "patch.json"
    patch.write_text("[]")
    assert "no JSON object" in run(job_id, "--patch", str(patch)).output
    assert "has ended" in run(job_id).output


def test_what_was_validated_is_committed_once(
    run: Run, submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("entities", [entity(1), entity(2, data={})], options=JobOptions(validate_only=True))
    assert "once it has completed" in run(job_id, command="commit").output
    executor.run(job_id, seconds=60)
    done, again = run(job_id, command="commit"), run(job_id, "--json", command="commit")
    child_id = parse(JOB, done.output.strip())
    assert json.loads(again.output) == {"id": spell(JOB, child_id)}
    executor.run(child_id, seconds=60)
    child = lookup.show(observer, child_id)
    assert child is not None
    assert (child.parent_job_id, child.effects[Effect.CREATED], child.effects[Effect.FAILED]) == (job_id, 1, 1)


@pytest.mark.parametrize("call", ["retry", "commit"])
def test_a_dataset_without_a_template_sends_nothing_again(
    run: Run, submit: Callable[..., UUID], executor: Executor, observer: Connection, call: str
) -> None:
    job_id = submit("entities", [{}], options=JobOptions(validate_only=call == "commit"))
    executor.run(job_id, seconds=60)
    observer.execute("UPDATE tenants SET template_id = NULL")
    assert "has no template" in run(job_id, command=call).output


@pytest.mark.parametrize("select", ["99999999999", "-1", "1,,2", ",".join(map(str, range(10_001))), "1" * 5_000])
def test_indexes_that_cannot_be_are_wrong_usage(run: Run, submit: Callable[..., UUID], select: str) -> None:
    assert run(submit("entities", [entity(1)]), "--select", select).exit_code == 2
