"""Messages are left once for each webhook that wants them, by whoever announces the end of a job."""

from collections.abc import Callable
from threading import Thread
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, connect, transaction
from ingest.db.jobs import control, outbox
from ingest.db.tenants.tenants import Tenant
from ingest.db.webhooks import purging, recording, registry
from ingest.db.webhooks.registry import Webhook
from ingest.engine.executor import Executor
from ingest.ids import uuid7
from ingest.jobs import Callback, JobOptions
from ingest.settings import Settings
from ingest.webhooks.message import EVENTS
from tests.support.factories import accept, entity, make_tenant
from worker.sweep import Sweep

_URL = "https://hooks.example.com"
_CALLBACK = JobOptions(callback=Callback(_URL, "x"))


def webhook(conn: Connection, tenant: Tenant) -> Webhook:
    return registry.create(conn, uuid7(), tenant.id, url=_URL, events=EVENTS, description=None, secret="x")


def cancelled(conn: Connection, tenant: Tenant, **overrides: JobOptions) -> UUID:
    job_id = accept(conn, tenant, "entities", [entity()], **overrides)
    assert control.cancel(conn, job_id)
    return job_id


def messages(conn: Connection) -> list[tuple[object, ...]]:
    return conn.execute("SELECT webhook_id, job_id, event FROM webhook_deliveries ORDER BY seq").fetchall()


def test_an_end_is_wanted_if_its_tenant_has_a_webhook_or_it_a_callback(conn: Connection, tenant: Tenant) -> None:
    stranger, _ = make_tenant(conn)
    webhook(conn, stranger)
    plain, with_callback = cancelled(conn, tenant), cancelled(conn, tenant, options=_CALLBACK)
    own = webhook(conn, tenant)
    wanted = cancelled(conn, tenant)
    assert [end.is_wanted for end in outbox.take(conn, [plain, with_callback, wanted])] == [True, True, True]
    registry.delete(conn, tenant.id, own.id)
    plain, with_callback = cancelled(conn, tenant), cancelled(conn, tenant, options=_CALLBACK)
    assert [end.is_wanted for end in outbox.take(conn, [plain, with_callback])] == [False, True]


def test_each_end_leaves_one_message_however_often_it_is_recorded(conn: Connection, tenant: Tenant) -> None:
    own = webhook(conn, tenant)
    job_id = cancelled(conn, tenant, options=_CALLBACK)
    assert recording.record(conn, [job_id]) == 2
    assert recording.record(conn, [job_id]) == 0
    assert set(messages(conn)) == {(own.id, job_id, "job.cancelled"), (job_id, job_id, "job.cancelled")}


def test_a_message_that_is_recorded_again_after_a_crash_has_the_same_id(conn: Connection, tenant: Tenant) -> None:
    webhook(conn, tenant)
    job_id = cancelled(conn, tenant)
    seen = set()
    for _ in range(2):
        recording.record(conn, [job_id])
        seen.add(conn.execute("SELECT id FROM webhook_deliveries").fetchall()[0])
        conn.execute("DELETE FROM webhook_deliveries")
    assert len(seen) == 1


def test_each_pause_of_a_job_leaves_a_message_of_its_own(conn: Connection, tenant: Tenant) -> None:
    own = webhook(conn, tenant)
    job_id = accept(conn, tenant, "entities", [entity()], options=_CALLBACK)
    for _ in range(2):
        assert control.pause(conn, job_id)
        assert control.resume(conn, job_id)
    told = messages(conn)
    assert sorted(told) == sorted([(own.id, job_id, "job.paused"), (job_id, job_id, "job.paused")] * 2)
    assert control.cancel(conn, job_id)
    recording.record(conn, [job_id])
    assert messages(conn)[4:] == [(own.id, job_id, "job.cancelled"), (job_id, job_id, "job.cancelled")]


def test_a_callback_that_its_client_deleted_or_disabled_before_the_end_is_not_told(
    conn: Connection, tenant: Tenant
) -> None:
    jobs = [cancelled(conn, tenant, options=_CALLBACK) for _ in range(3)]
    recording.record(conn, jobs)  # as when they were paused
    conn.execute("DELETE FROM webhook_deliveries")
    registry.delete(conn, tenant.id, jobs[0])
    registry.change(conn, tenant.id, jobs[1], {"enabled": False})
    registry.change(conn, tenant.id, jobs[2], {"events": ["job.failed"]})
    assert purging.purge_webhooks(conn, limit=10) == 0
    assert recording.record(conn, jobs) == 0


def test_nothing_is_recorded_of_another_tenants_jobs_or_of_jobs_under_way(conn: Connection, tenant: Tenant) -> None:
    stranger, _ = make_tenant(conn)
    webhook(conn, stranger)
    assert recording.record(conn, [cancelled(conn, tenant), accept(conn, stranger, "entities", [entity()])]) == 0


def test_a_disabled_webhook_gets_no_message(conn: Connection, tenant: Tenant) -> None:
    own = webhook(conn, tenant)
    registry.change(conn, tenant.id, own.id, {"enabled": False})
    assert recording.record(conn, [cancelled(conn, tenant)]) == 0
    registry.change(conn, tenant.id, own.id, {"enabled": True})
    assert recording.record(conn, [cancelled(conn, tenant)]) == 1


def test_the_worker_that_ends_a_job_leaves_its_message(
    pool: Pool, owner: Tenant, executor: Executor, submit: Callable[..., UUID], observer: Connection
) -> None:
    with transaction(pool) as conn:
        own = webhook(conn, owner)
    job_id = submit("entities", [entity()])
    executor.run(job_id, seconds=60)
    assert messages(observer) == [(own.id, job_id, "job.completed")]


def test_sweep_leaves_the_message_of_an_end_that_no_process_announced(
    pool: Pool, owner: Tenant, settings: Settings, observer: Connection
) -> None:
    with transaction(pool) as conn:
        own = webhook(conn, owner)
        job_id = cancelled(conn, owner)
    observer.execute("UPDATE job_ends SET ended_at = ended_at - interval '1 second'")
    with connect(settings.database_url, "sluice-sweep") as conn:
        Sweep(settings).run_once(conn)
    assert messages(observer) == [(own.id, job_id, "job.cancelled")]
    assert observer.execute("SELECT FROM job_ends").rowcount == 0


@pytest.mark.parametrize("commits", [True, False])
def test_a_webhook_that_is_being_deleted_fails_no_announcement(
    pool: Pool,
    owner: Tenant,
    other: Connection,
    until_blocked: Callable[[Connection], None],
    *,
    commits: bool,
) -> None:
    with transaction(pool) as conn:
        own = webhook(conn, owner)
        kept = webhook(conn, owner)
        job_id = cancelled(conn, owner)
    recorded: list[int] = []

    def record() -> None:
        recorded.append(recording.record(other, [job_id]))
        other.commit()

    with transaction(pool) as conn:
        conn.execute("DELETE FROM webhooks WHERE id = %s", (own.id,))
        thread = Thread(target=record)
        thread.start()
        until_blocked(other)
        (conn.commit if commits else conn.rollback)()
        thread.join()
        told = {webhook_id for webhook_id, *_ in messages(conn)}
    assert told == ({kept.id} if commits else {kept.id, own.id})
    assert recorded == [len(told)]


def test_sweep_deletes_what_a_deleted_webhook_was_sent_and_then_the_webhook(conn: Connection, tenant: Tenant) -> None:
    own, kept = webhook(conn, tenant), webhook(conn, tenant)
    recording.record(conn, [cancelled(conn, tenant)])
    registry.delete(conn, tenant.id, own.id)
    assert purging.purge_webhooks(conn, limit=10) == 0
    assert purging.purge_deliveries(conn, limit=10) == 1
    assert purging.purge_webhooks(conn, limit=10) == 1
    assert [webhook_id for webhook_id, *_ in messages(conn)] == [kept.id]
