"""One round of sweep, on real servers."""

from uuid import UUID

import pytest
import redis

from ingest.db.connection.pool import Pool, connect, transaction
from ingest.db.jobs import control, lookup
from ingest.db.jobs.claims import MOST_HEADS
from ingest.jobs import JobState
from ingest.settings import Settings
from tests.support.factories import accept, entity, event, make_tenant, state
from worker.sweep import Sweep

TIMEOUT_SECONDS = 20


@pytest.fixture
def job_id(pool: Pool) -> UUID:
    """A job that is due for a check."""
    with transaction(pool) as conn:
        tenant, _ = make_tenant(conn)
        made = accept(conn, tenant, "entities", [entity(1)])
        conn.execute("UPDATE jobs SET check_at = now(), progressed_at = now() - interval '7 days'")
    return made


def test_workers_are_notified_of_jobs_that_no_rescue_worker_can_run(
    settings: Settings, pool: Pool, job_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction(pool) as conn:
        conn.execute("UPDATE jobs SET notify_attempts = 2")
    monkeypatch.setattr("worker.rescue._MOST_CHILDREN", 0)
    with connect(settings.database_url, "sluice-sweep") as conn:
        assert Sweep(settings).run_once(conn)["rescued"] == 0
    with redis.Redis.from_url(settings.redis_url) as broker:
        message = broker.blpop(["sluice.jobs"], timeout=TIMEOUT_SECONDS)
    assert message is not None
    with transaction(pool) as conn:
        job = lookup.get(conn, job_id)
    assert job is not None
    assert job.status is JobState.PENDING


def test_a_system_that_was_down_for_a_week_fails_nothing_when_it_is_back(
    settings: Settings, pool: Pool, job_id: UUID
) -> None:
    with transaction(pool) as conn:
        conn.execute("UPDATE jobs SET status = 'processing', started_at = now() - interval '8 days'")
        conn.execute("UPDATE job_blocks SET deliveries = 100")
    with connect(settings.database_url, "sluice-sweep") as conn:
        assert Sweep(settings).run_once(conn)["jobs_failed"] == 0
    with transaction(pool) as conn:
        job = lookup.get(conn, job_id)
    assert job is not None
    assert job.status is JobState.PROCESSING


def test_a_job_that_was_tried_in_vain_for_too_long_ends_as_failed(
    settings: Settings, pool: Pool, job_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction(pool) as conn:
        conn.execute("UPDATE jobs SET status = 'processing', started_at = now() - interval '8 days'")
        conn.execute("UPDATE job_blocks SET deliveries = 100")
    sweep = Sweep(settings)
    monkeypatch.setattr(sweep, "_seen_since", sweep._seen_since - settings.job_deadline_seconds - 1)
    with connect(settings.database_url, "sluice-sweep") as conn:
        assert sweep.run_once(conn)["jobs_failed"] == 1
    with transaction(pool) as conn:
        job = lookup.get(conn, job_id)
    assert job is not None
    assert (job.status, job.error_code) == (JobState.FAILED, "JOB_DEADLINE")


def test_rounds_go_through_a_backlog_for_jobs_that_cannot_run(settings: Settings, pool: Pool) -> None:
    with transaction(pool) as conn:
        tenant, _ = make_tenant(conn)
        running, cancelled = (accept(conn, tenant, "events", [event(1)]) for _ in range(2))
        for _ in range(600):
            accept(conn, tenant, "events", [event(1)], after_job_id=running)
        doomed = accept(conn, tenant, "events", [event(1)], after_job_id=cancelled)
        without_blocks = accept(conn, tenant, "states", [state(1)])
        conn.execute("DELETE FROM job_blocks WHERE job_id = %s", (without_blocks,))
        assert control.cancel(conn, cancelled)
    sweep = Sweep(settings)
    with connect(settings.database_url, "sluice-sweep") as conn:
        assert [sweep.run_once(conn)["jobs_failed"] for _ in range(4)] == [0, 2, 0, 0]
    with transaction(pool) as conn:
        codes = [
            job.error_code for job in (lookup.get(conn, doomed), lookup.get(conn, without_blocks)) if job is not None
        ]
    assert codes == ["PREDECESSOR_FAILED", "JOB_UNRUNNABLE"]


def test_rounds_see_to_the_tenants_in_turn(settings: Settings, pool: Pool) -> None:
    with transaction(pool) as conn:
        for number in range(MOST_HEADS + 1):
            accept(conn, make_tenant(conn, name=f"Tenant {number}")[0], "entities", [entity(1)])
        conn.execute("UPDATE jobs SET check_at = now(), progressed_at = now() - interval '1 minute'")
    sweep = Sweep(settings)
    with connect(settings.database_url, "sluice-sweep") as conn:
        assert [sweep.run_once(conn)["notified"] for _ in range(2)] == [MOST_HEADS, 1]
