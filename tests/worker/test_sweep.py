"""One round of sweep, on real servers."""

import json
from dataclasses import replace
from uuid import UUID

import pytest
import redis
from click.testing import CliRunner
from structlog.testing import capture_logs

from cli import main
from ingest.db.connection.pool import Pool, connect, transaction
from ingest.db.jobs import control, lookup
from ingest.db.jobs.claims import MOST_HEADS
from ingest.ids import JOB, spell
from ingest.jobs import JobOptions, JobState
from ingest.notify.job_end import JobEndSignal
from ingest.settings import Settings
from tests.support.factories import accept, entity, event, make_tenant, state
from tests.support.processes import Start
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


def test_a_job_past_its_clients_deadline_ends_and_wakes_its_request_and_the_job_that_waited(
    settings: Settings, pool: Pool
) -> None:
    with transaction(pool) as conn:
        tenant, _ = make_tenant(conn)
        late = accept(conn, tenant, "entities", [entity(1)], awaited=True, options=JobOptions(deadline_seconds=1))
        waiting = accept(conn, tenant, "entities", [entity(2)])
        conn.execute("UPDATE jobs SET deadline_at = now() WHERE id = %s", (late,))
    with connect(settings.database_url, "sluice-sweep") as conn, capture_logs() as lines:
        assert Sweep(settings).run_once(conn)["jobs_failed"] == 1
    assert not JobEndSignal(settings.redis_url).wait(late, TIMEOUT_SECONDS), "it was woken"
    assert spell(JOB, waiting) in next_message(settings)
    [line] = [line for line in lines if line["event"] == "job_ended"]
    assert (line["job_id"], line["code"]) == (spell(JOB, late), "DEADLINE_EXCEEDED")


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
    # Messages of its own, or those that are late would stand for the messages of the next test.
    sweep = Sweep(replace(settings, redis_url=f"{settings.redis_url}?db=9"))
    with connect(settings.database_url, "sluice-sweep") as conn:
        assert [sweep.run_once(conn)["notified"] for _ in range(2)] == [MOST_HEADS, 1]


def next_message(settings: Settings) -> str:
    """The job that the next message in the queue names."""
    with redis.Redis.from_url(settings.redis_url) as broker:
        message = broker.blpop(["sluice.jobs"], timeout=TIMEOUT_SECONDS)
    assert message is not None
    return str(json.loads(message[1])["headers"]["argsrepr"])


@pytest.mark.parametrize("by_after", [True, False], ids=["by after", "by its order"])
def test_a_job_that_sweep_fails_wakes_its_request_and_the_jobs_that_waited(
    settings: Settings, pool: Pool, *, by_after: bool
) -> None:
    with transaction(pool) as conn:
        tenant, _ = make_tenant(conn)
        kind, item = ("events", event(1)) if by_after else ("entities", entity(1))  # events wait for no events
        job_id = accept(conn, tenant, kind, [item], awaited=True, request_id="r1")
        after = {"after_job_id": job_id, "after_any": True} if by_after else {}
        waiting = accept(conn, tenant, "events", [event(1)], **after)
        conn.execute("DELETE FROM job_blocks WHERE job_id = %s", (job_id,))
        conn.execute("UPDATE jobs SET check_at = now() + interval '1 hour'")
    with connect(settings.database_url, "sluice-sweep") as conn, capture_logs() as lines:
        assert Sweep(settings).run_once(conn)["notified"] == 0
    assert not JobEndSignal(settings.redis_url).wait(job_id, TIMEOUT_SECONDS), "it was woken"
    assert spell(JOB, waiting) in next_message(settings)
    [line] = [line for line in lines if line["event"] == "job_ended"]
    assert (line["job_id"], line["request_id"], line["log_level"]) == (spell(JOB, job_id), "r1", "error")
    assert (line["status"], line["code"]) == ("failed", "JOB_UNRUNNABLE")


@pytest.mark.parametrize("by_after", [True, False], ids=["by after", "by its order"])
def test_a_job_that_a_command_cancels_wakes_its_request_and_the_jobs_that_waited(
    settings: Settings, pool: Pool, start: Start, *, by_after: bool
) -> None:
    with transaction(pool) as conn:
        tenant, _ = make_tenant(conn)
        kind, item = ("events", event(1)) if by_after else ("entities", entity(1))  # events wait for no events
        job_id = accept(conn, tenant, kind, [item], awaited=True)
        after = {"after_job_id": job_id, "after_any": True} if by_after else {}
        waiting = accept(conn, tenant, "events", [event(1)], **after)
        conn.execute("UPDATE jobs SET check_at = now() + interval '1 hour'")  # no check of sweep's notifies of them
    sweep = start.sweep()
    urls = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    done = CliRunner().invoke(main, ["jobs", "cancel", str(job_id)], env=urls)
    assert (done.exit_code, done.output) == (0, f"cancelled {spell(JOB, job_id)}\n")
    assert not JobEndSignal(settings.redis_url).wait(job_id, TIMEOUT_SECONDS), "it was woken"
    assert spell(JOB, waiting) in next_message(settings)
    sweep.until_line('"event": "job_ended"')


def test_a_round_announces_the_ends_that_others_left_once(settings: Settings, pool: Pool) -> None:
    with transaction(pool) as conn:
        tenant, _ = make_tenant(conn)
        job_id = accept(conn, tenant, "entities", [entity(1)])
        assert control.cancel(conn, job_id)
        conn.execute("UPDATE job_ends SET ended_at = ended_at - interval '1 minute'")
    sweep = Sweep(settings)
    with connect(settings.database_url, "sluice-sweep") as conn, capture_logs() as lines:
        assert [sweep.run_once(conn)["ends_announced"] for _ in range(2)] == [1, 0]
    assert [line["job_id"] for line in lines if line["event"] == "job_ended"] == [spell(JOB, job_id)]
