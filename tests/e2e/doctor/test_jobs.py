"""Lines on jobs, and on the processes that should run them."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import redis

from ingest.db.connection.pool import WORKER, connect, transaction
from ingest.ids import spell, uuid7
from ingest.notify.broker import celery_app
from ingest.notify.notifier import Notifier
from tests.support.factories import accept, entity, event, make_tenant, run_pending


@pytest.fixture
def ended(database_url):
    """Makes jobs that ended as many minutes ago, run by the sweeper or not."""

    def make(*jobs):
        with connect(database_url, "sluice-cli") as conn:
            tenant = make_tenant(conn)[0]
            for minutes, swept in jobs:
                job_id = accept(conn, tenant, "entities", [entity()])
                ended_at = datetime.now(UTC) - timedelta(minutes=minutes)
                update = "UPDATE jobs SET status = 'cancelled', ended_at = %s, swept = %s WHERE id = %s"
                conn.execute(update, (ended_at, swept, job_id))

    return make


@pytest.mark.parametrize(
    ("jobs", "level"),
    [
        ([(1, True), (2, True), (3, False)], "fail"),
        ([(1, False), (2, True)], "ok"),  # workers are back
        ([(11, True)], "ok"),
    ],
)
def test_where_the_sweeper_does_the_workers_work_it_is_a_fail(doctor, ended, beat, jobs, level):
    ended(*jobs)
    if level == "ok":
        beat()
    seen = doctor()
    assert seen.level("workers") == level
    if level == "fail":
        assert "no worker came for 2 jobs" in seen["workers"][1]
        assert "REDIS_URL" in seen.lines["workers"]["advice"]
        beat()
        assert doctor().lines["workers"]["advice"] == "They run, and on this broker: read their log"


def test_a_sweep_that_is_late_is_a_fail_whether_it_is_connected_or_not(doctor, execute, database_url, job_id):
    execute("UPDATE jobs SET created_at = now() - interval '1 hour', check_at = now() - interval '2 minutes'")
    level, found = doctor()["sweep"]
    assert (level, "not running" in found, "120 s" in found) == ("fail", True, True)
    with closing(connect(database_url, "sluice-sweep")):
        level, found = doctor()["sweep"]
        assert (level, "does not keep up" in found) == ("fail", True)
        execute("UPDATE jobs SET check_at = now() WHERE id = %s", (job_id,))
        assert doctor().level("sweep") == "ok"


def test_an_idle_worker_is_seen_by_its_heartbeats_and_that_none_runs_is_a_warning(doctor, beat):
    seen = doctor()
    assert seen["workers"] == ("warn", "none runs")
    assert "Start workers" in seen.lines["workers"]["advice"]
    beat()
    assert doctor()["workers"] == ("ok", "4 processes run")


def test_jobs_that_wait_while_no_worker_runs_are_a_warning_and_then_a_fail(doctor, execute, job_id):
    seen = doctor()
    assert seen["workers"] == ("warn", "none runs, though 1 jobs wait")
    assert seen.level("waiting") == "ok"
    execute("UPDATE jobs SET created_at = now() - interval '90 seconds' WHERE id = %s", (job_id,))
    seen = doctor()
    assert seen.level("workers") == "fail"
    level, found = seen["waiting"]
    assert (level, spell("job", job_id) in found) == ("warn", True)


def test_workers_that_run_on_another_database_are_a_fail_once_jobs_wait_long(
    doctor, execute, database_url, job_id, beat
):
    beat()
    assert doctor()["workers"] == ("ok", "4 processes run")
    execute("UPDATE jobs SET created_at = now() - interval '90 seconds' WHERE id = %s", (job_id,))
    seen = doctor()
    found = "4 processes run, none of them is connected to the database, and 1 jobs wait"
    assert seen["workers"] == ("fail", found)
    assert "DATABASE_URL" in seen.lines["workers"]["advice"]
    with closing(connect(database_url, WORKER)) as worker:
        worker.execute(f"SET application_name = '{WORKER}:20'")
        assert doctor()["workers"] == ("ok", "4 processes run")


def test_workers_are_not_called_absent_where_the_broker_is_away(doctor):
    seen = doctor(REDIS_URL="unix:///nowhere/redis")
    assert seen["workers"] == ("warn", "how many run is not known, because the broker does not answer")
    assert seen.level("broker") == "fail"


def test_a_job_that_waits_for_another_does_not_wait_for_a_worker(doctor, pool, execute, redis_url):
    with transaction(pool) as conn:
        tenant = make_tenant(conn)[0]
        first = accept(conn, tenant, "entities", [entity()])
        accept(conn, tenant, "entities", [entity()], after_job_id=first)
        accept(conn, tenant, "entities", [entity()], after_job_id=uuid7(), ordered=False)
        accept(conn, tenant, "events", [event()])
    execute("UPDATE jobs SET created_at = now() - interval '90 seconds'")
    assert "2 jobs wait" in doctor()["waiting"][1]
    run_pending(pool, redis_url)
    assert doctor()["waiting"] == ("ok", "no job waits to be begun")


@pytest.mark.usefixtures("job_id")
def test_jobs_are_counted_by_state(doctor, pool, redis_url):
    assert doctor()["jobs"] == ("ok", "1 pending")
    run_pending(pool, redis_url)
    assert doctor()["jobs"] == ("ok", "1 completed")


def test_the_queue_that_is_counted_is_the_notifiers(doctor, redis_url, job_id):
    Notifier(celery_app(redis_url), redis_url).notify(job_id)
    while doctor()["queue"] != ("ok", "1 messages wait for workers"):
        pass
    with redis.Redis.from_url(redis_url) as client:
        client.rpush("sluice.jobs", *range(10_000))
    assert doctor()["queue"] == ("warn", "10,001 messages wait for workers")
