"""`sluice jobs`: a job that retention has deleted is told apart from one that never was."""

from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from cli import main
from ingest.db.connection.pool import Connection
from ingest.db.tenants.tenants import Tenant
from ingest.ids import JOB, spell, uuid7

COMMANDS = ("show", "errors", "cancel", "pause", "resume", "retry", "commit")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_job_that_retention_has_deleted_is_said_to_be_gone(
    database_url: str, redis_url: str, owner: Tenant, observer: Connection, command: str
) -> None:
    def run(job_id: UUID) -> Result:
        env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
        return CliRunner().invoke(main, ["jobs", command, spell(JOB, job_id)], env=env)

    gone = uuid7()
    observer.execute("INSERT INTO gone_ids (id, tenant_id) VALUES (%s, %s)", (gone, owner.id))
    done, unknown = run(gone), run(uuid7())
    assert (done.exit_code, unknown.exit_code) == (1, 1)
    assert "it was deleted, with its errors and results" in done.output
    assert "There is no job" in unknown.output
