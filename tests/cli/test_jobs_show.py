"""`sluice jobs show`: of a full timeline, the last entries."""

import json

from click.testing import CliRunner

from cli import main
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import control, timeline
from ingest.db.tenants.tenants import Tenant
from ingest.ids import JOB, spell
from tests.support.factories import accept, entity


def test_the_cancellation_of_a_job_is_shown_though_its_timeline_is_full(
    database_url: str, redis_url: str, owner: Tenant, pool: Pool, observer: Connection
) -> None:
    with transaction(pool) as conn:
        job_id = accept(conn, owner, "entities", [entity(1)])
    observer.execute(
        "INSERT INTO job_timeline (job_id, what) SELECT %s, 'paused' FROM generate_series(1, %s)",
        (job_id, timeline.MOST_ENTRIES),
    )
    with transaction(pool) as conn:
        assert control.cancel(conn, job_id, actor="command")
    command = ["jobs", "show", spell(JOB, job_id), "--json"]
    shown = CliRunner().invoke(main, command, env={"DATABASE_URL": database_url, "REDIS_URL": redis_url})
    entries = json.loads(shown.stdout)["timeline"]
    assert [(entry["what"], entry["by"]) for entry in entries[-2:]] == [("paused", None), ("cancelled", "command")]
    assert len(entries) == timeline.MOST_ENTRIES
