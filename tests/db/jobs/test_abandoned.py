"""Jobs that a dead worker has left: the sweeper finds them, however many there are, and whatever else waits."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, connect, transaction
from ingest.db.jobs import blocks, claims, rescue
from ingest.db.jobs.rescue import Finding
from ingest.db.tenants.tenants import Tenant
from ingest.engine.executor import Executor
from ingest.jobs import JobState
from ingest.notify.listener import Listener
from ingest.settings import Settings
from tests.support.factories import accept, entity, event, make_tenant, state
from tests.support.seen import job_of
from worker.sweep import Sweep

_GROUP = 20

Submit = Callable[..., UUID]


def claimed_together(pool: Pool, submit: Submit, kind: str, item: Any) -> list[UUID]:
    """A group of jobs that one worker has claimed, and which are due for a check."""
    made = [submit(kind, [item]) for _ in range(_GROUP)]
    with transaction(pool) as conn:
        assert [claimed.job.id for claimed in claims.claim_next(conn)] == made
        minute_ago = "now() - interval '1 minute'"
        conn.execute(
            f"UPDATE jobs SET check_at = now(), queued_at = {minute_ago}, progressed_at = {minute_ago}".encode()
        )
    return made


@pytest.mark.usefixtures("players")
@pytest.mark.parametrize(("kind", "item"), [("entities", entity(1)), ("states", state(1))])
def test_one_round_brings_on_a_whole_group_of_jobs_that_its_worker_left(
    kind: str,
    item: Any,
    settings: Settings,
    pool: Pool,
    submit: Submit,
    executor: Executor,
    listener: Listener,
    observer: Connection,
) -> None:
    made = claimed_together(pool, submit, kind, item)
    with connect(settings.database_url, "sluice-sweep") as conn:
        assert Sweep(settings).run_once(conn)["notified"] == 1
    executor.serve(made[0], listener, seconds=60)
    ended = [job_of(observer, job_id) for job_id in made]
    assert {(job.status, job.attempts) for job in ended} == {(JobState.COMPLETED, 2)}
    timestamps = [job.ended_at for job in ended]
    assert timestamps == sorted(timestamps)  # type: ignore[type-var] # not None


def test_no_worker_begins_a_job_of_a_group_that_another_one_runs(pool: Pool, submit: Submit, other: Connection) -> None:
    made = claimed_together(pool, submit, "entities", entity(1))
    assert blocks.lock(other, [(job_id, 0) for job_id in made])
    with transaction(pool) as conn:
        assert {job.finding for job in rescue.check_due_jobs(conn, heads=[], limit=100)} == {Finding.NOTHING}
    with transaction(pool) as conn:
        assert claims.heads(conn) == []
        assert claims.claim_next(conn) == []


def test_no_backlog_of_another_tenant_keeps_the_sweeper_from_a_job_that_was_left(pool: Pool, owner: Tenant) -> None:
    with transaction(pool) as conn:
        running = accept(conn, owner, "entities", [entity(1)])
        assert claims.claim(conn, running)
        for _ in range(300):
            accept(conn, owner, "entities", [entity(1)])
            accept(conn, owner, "events", [event(1)], after_job_id=running)
        conn.execute("UPDATE jobs SET check_at = now() - interval '1 hour', progressed_at = now() - interval '1 hour'")
    with transaction(pool) as conn:
        other, third = (make_tenant(conn, name=name)[0] for name in ("Other", "Third"))
        left, unsent = (accept(conn, whose, "events", [event(1)]) for whose in (other, third))
        assert claims.claim(conn, left)
        due = "check_at = now(), progressed_at = now() - interval '1 minute'"
        conn.execute(f"UPDATE jobs SET {due} WHERE id = ANY (%s)".encode(), ([left, unsent],))
    with transaction(pool) as conn:
        heads = [head.job_id for head in claims.heads(conn)]
        findings = {job.id: job.finding for job in rescue.check_due_jobs(conn, heads=heads, limit=500)}
    assert findings == {running: Finding.NOTIFY, left: Finding.NOTIFY, unsent: Finding.NOTIFY}
