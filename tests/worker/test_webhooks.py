"""Messages reach a real receiver at least once, in the order of tries, whatever the receiver does."""

import dataclasses
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from uuid import UUID

import pytest

from ingest import ids
from ingest.crypto import MasterKeys, generate
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import control
from ingest.db.verify.webhooks import CHECKS
from ingest.db.webhooks import deliveries, recording, sending
from ingest.db.webhooks.registry import Webhook
from ingest.db.webhooks.sending import Room
from ingest.engine import webhooks as engine
from ingest.engine.executor import Executor
from ingest.settings import Settings
from ingest.webhooks import schedule
from tests.support.factories import entity
from tests.support.processes import Start
from tests.support.receiver import Receiver, receiving, status
from tests.worker.delivering import Hook, Process

_UNREADABLE = "its secret cannot be decrypted: have its master key put back, or rotate it"


def make_due(observer: Connection) -> None:
    observer.execute("UPDATE webhook_deliveries SET next_at = now() WHERE next_at IS NOT NULL")


def test_the_end_of_a_job_is_told_signed_and_without_errors(
    process: Process, receiver: Receiver, hook: Hook, end: Callable[[], UUID]
) -> None:
    webhook, secret = hook(receiver.url)
    job_id = end()
    assert process.run() == 1
    [message] = receiver.messages
    message.verify(secret)
    [delivery] = process.deliveries(webhook)
    assert message.id == ids.spell(ids.MESSAGE, delivery.id)
    assert message.headers["Content-Type"] == "application/json"
    assert set(message.said) == {"type", "timestamp", "data"}
    assert message.said["type"] == "job.completed"
    job = message.said["data"]
    assert message.said["timestamp"] == job["completed_at"]
    assert (job["id"], job["status"], job["total"]) == (ids.spell(ids.JOB, job_id), "completed", 2)
    assert job["output"] == {"succeeded": 1, "failed": 1}
    assert job["links"]["errors"] == f"/operator-data-api/batch/jobs/{job['id']}/errors"
    assert delivery.status == "delivered"


def test_a_webhook_gets_the_events_that_it_wants_and_no_others(
    process: Process, receiver: Receiver, hook: Hook, submit: Callable[..., UUID], pool: Pool, end: Callable[[], UUID]
) -> None:
    hook(f"{receiver.url}/failed", ["job.failed"])
    hook(f"{receiver.url}/cancelled", ["job.cancelled"])
    end()
    assert process.run() == 0
    cancelled, failed = (submit("entities", [entity(1)]) for _ in range(2))
    with transaction(pool) as conn:
        control.cancel(conn, cancelled)
        control.fail(conn, failed, "JOB_UNRUNNABLE", "x")
        recording.record(conn, [cancelled, failed])
    assert process.run() == 2
    told = {(message.path, message.said["type"], message.said["data"]["status"]) for message in receiver.messages}
    assert told == {
        ("/hook/failed", "job.failed", "failed"),
        ("/hook/cancelled", "job.cancelled", "cancelled"),
    }


@pytest.mark.parametrize("then", ["resumed", "completed", "failed"])
def test_a_message_of_a_pause_says_paused_whatever_became_of_the_job_since(
    process: Process,
    receiver: Receiver,
    hook: Hook,
    submit: Callable[..., UUID],
    executor: Executor,
    pool: Pool,
    then: str,
) -> None:
    hook(receiver.url, ["job.paused"])
    job_id = submit("entities", [entity(1)])
    with transaction(pool) as conn:
        control.pause(conn, job_id)
    with transaction(pool) as conn:
        control.resume(conn, job_id)
        if then == "failed":
            control.fail(conn, job_id, "JOB_UNRUNNABLE", "x")
    if then == "completed":
        executor.run(job_id, seconds=60)
    assert process.run() == 1
    [message] = receiver.messages
    job = message.said["data"]
    assert (message.said["type"], job["status"]) == ("job.paused", "paused")
    assert (job["completed_at"], job["finished_in_seconds"], job["error"]) == (None, None, None)


def test_a_receiver_that_answers_500_is_tried_again_with_the_same_id_and_bytes(
    process: Process, receiver: Receiver, hook: Hook, end: Callable[[], UUID], observer: Connection
) -> None:
    webhook, secret = hook(receiver.url)
    end()
    receiver.answers = status(500)
    assert process.run() == 1
    assert process.run() == 0
    [waiting] = process.deliveries(webhook)
    assert waiting.status == "pending"
    make_due(observer)
    receiver.answers = status(200)
    assert process.run() == 1
    first, second = receiver.messages
    assert (first.id, first.body) == (second.id, second.body)
    second.verify(secret)
    [delivered] = process.deliveries(webhook)
    assert [(attempt.number, attempt.status, attempt.error) for attempt in delivered.tries] == [
        (1, 500, "it answered 500"),
        (2, 200, None),
    ]


def test_after_ten_tries_it_is_given_up_and_the_webhook_disabled(
    process: Process, receiver: Receiver, hook: Hook, end: Callable[[], UUID], observer: Connection
) -> None:
    webhook, _ = hook(receiver.url)
    end()
    receiver.answers = status(500)
    for number in range(1, 11):
        assert process.webhook(webhook).disabled_at is None
        assert process.run() == 1
        [delivery] = process.deliveries(webhook)
        if number < 10:
            assert delivery.next_at is not None
            pause = delivery.next_at - datetime.now(UTC)
            assert pause > timedelta(seconds=schedule.PAUSES[number - 1] * 0.5 - 5)
            make_due(observer)
    assert (delivery.status, delivery.next_at, len(delivery.tries)) == ("failed", None, 10)
    assert process.webhook(webhook).disabled_reason == "TRIES_EXHAUSTED"
    end()
    assert process.run() == 0
    assert len(receiver.messages) == 10


def test_a_message_that_is_refused_alone_disables_nothing(
    process: Process, receiver: Receiver, hook: Hook, end: Callable[[], UUID], observer: Connection
) -> None:
    webhook, _ = hook(receiver.url)
    refused_job = ids.spell(ids.JOB, end())

    def answer(request: BaseHTTPRequestHandler) -> None:
        said = receiver.messages[-1].said["data"]["id"]
        status(500 if said == refused_job else 200)(request)

    receiver.answers = answer
    assert process.run() == 1
    end()
    for _ in range(9):
        make_due(observer)
        process.run()
    assert sorted(delivery.status for delivery in process.deliveries(webhook)) == ["delivered", "failed"]
    assert process.webhook(webhook).disabled_at is None


def test_410_disables_at_once_and_what_waited_is_given_up(
    process: Process, receiver: Receiver, hook: Hook, end: Callable[[], UUID], observer: Connection
) -> None:
    webhook, _ = hook(receiver.url)
    end()
    receiver.answers = status(500)
    process.run()
    end()
    receiver.answers = status(410)
    assert process.run() == 1
    assert process.webhook(webhook).disabled_reason == "GONE"
    make_due(observer)
    assert process.run() == 1
    assert {delivery.status for delivery in process.deliveries(webhook)} == {"failed"}
    assert len(receiver.messages) == 2


def test_retry_after_is_heeded(process: Process, receiver: Receiver, hook: Hook, end: Callable[[], UUID]) -> None:
    webhook, _ = hook(receiver.url)
    end()
    receiver.answers = status(429, Retry_After="3600")
    process.run()
    [delivery] = process.deliveries(webhook)
    assert delivery.next_at is not None
    assert delivery.next_at - datetime.now(UTC) > timedelta(minutes=50)


def test_a_receiver_that_is_away_for_an_hour_gets_everything_afterwards(
    process: Process, hook: Hook, end: Callable[[], UUID], observer: Connection
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    webhook, secret = hook(f"http://127.0.0.1:{port}/hook")
    jobs = [ids.spell(ids.JOB, end()) for _ in range(3)]
    for _ in range(3):  # at once, after 5 s and after 5 min
        assert process.run() == 3
        make_due(observer)
    with receiving(port=port) as receiver:
        assert process.run() == 3
        assert sorted(message.said["data"]["id"] for message in receiver.messages) == sorted(jobs)
        for message in receiver.messages:
            message.verify(secret)
    assert {delivery.status for delivery in process.deliveries(webhook)} == {"delivered"}


def test_while_a_secret_is_rotated_both_sign(
    process: Process,
    receiver: Receiver,
    hook: Hook,
    end: Callable[[], UUID],
    pool: Pool,
    settings: Settings,
    observer: Connection,
) -> None:
    webhook, former = hook(receiver.url)
    with transaction(pool) as conn:
        keys = MasterKeys.parse(settings.master_keys)
        _, secret = engine.rotate(conn, keys, webhook.tenant_id, webhook.id)
    end()
    process.run()
    receiver.messages[0].verify(former)
    receiver.messages[0].verify(secret)
    observer.execute("UPDATE webhooks SET former_until = now()")
    end()
    process.run()
    assert len(receiver.messages[1].headers["webhook-signature"].split(" ")) == 1
    receiver.messages[1].verify(secret)


def test_without_its_master_key_a_message_waits_and_counts_no_failure(
    process: Process, receiver: Receiver, hook: Hook, end: Callable[[], UUID], settings: Settings, observer: Connection
) -> None:
    webhook, secret = hook(receiver.url)
    end()
    bare = Process(dataclasses.replace(settings, master_keys=""), process.conn)
    assert bare.run() == 1
    bare.webhooks.close()
    [(failures, is_late)] = observer.execute(
        "SELECT failures, next_at > now() + interval '4 minutes' FROM webhook_deliveries"
    ).fetchall()
    assert (failures, is_late) == (0, True)
    assert receiver.messages == []
    assert errors_of(process, webhook) == [_UNREADABLE]
    make_due(observer)
    assert process.run() == 1
    receiver.messages[0].verify(secret)
    assert errors_of(process, webhook) == [None]


def test_a_rotation_replaces_a_secret_whose_master_key_is_lost(
    process: Process, receiver: Receiver, hook: Hook, end: Callable[[], UUID], settings: Settings, pool: Pool
) -> None:
    webhook, _ = hook(receiver.url)
    other = dataclasses.replace(settings, master_keys=generate())
    with transaction(pool) as conn:
        _, secret = engine.rotate(conn, MasterKeys.parse(other.master_keys), webhook.tenant_id, webhook.id)
    end()
    with closing(Process(other, process.conn)) as without:
        assert without.run() == 1
    [message] = receiver.messages
    message.verify(secret)
    assert len(message.headers["webhook-signature"].split(" ")) == 1


def errors_of(process: Process, webhook: Webhook) -> list[str | None]:
    [delivery] = process.deliveries(webhook)
    return [attempt.error for attempt in delivery.tries]


def test_faults_of_ours_end_use_up_no_tries_and_disable_nothing(
    process: Process,
    receiver: Receiver,
    hook: Hook,
    end: Callable[[], UUID],
    settings: Settings,
    observer: Connection,
    pool: Pool,
) -> None:
    webhook, secret = hook(receiver.url)
    receiver.answers = status(500)
    end()
    process.run()
    bare = Process(dataclasses.replace(settings, master_keys=""), process.conn)
    for _ in range(schedule.FAULTS):
        make_due(observer)
        assert bare.run() == 1
    make_due(observer)
    assert bare.run() == 0
    bare.webhooks.close()
    assert [delivery.status for delivery in process.deliveries(webhook)] == ["failed"]
    assert errors_of(process, webhook) == ["it answered 500", _UNREADABLE]
    assert observer.execute("SELECT tries, failures, faults FROM webhook_deliveries").fetchall() == [
        (1, 1, schedule.FAULTS)
    ]
    assert process.webhook(webhook).disabled_at is None
    assert [found for check in CHECKS for found in observer.execute(check.query).fetchall()] == []
    receiver.answers = status(204)
    with transaction(pool) as conn:
        deliveries.replay(conn, webhook.id, process.deliveries(webhook)[0].id)
    assert process.run() == 1
    receiver.messages[-1].verify(secret)
    assert errors_of(process, webhook) == ["it answered 500", None]
    assert observer.execute("SELECT tries, faults FROM webhook_deliveries").fetchall() == [(2, 0)]


def test_a_replay_of_a_message_that_waits_for_a_fault_is_due_at_once(
    pool: Pool, process: Process, receiver: Receiver, hook: Hook, end: Callable[[], UUID], observer: Connection
) -> None:
    webhook, _ = hook(receiver.url)
    end()
    with transaction(pool) as conn:
        sending.claim(conn, under_way=[], room=Room(10))  # its process dies
    make_due(observer)
    with transaction(pool) as conn:
        [claim] = sending.claim(conn, under_way=[], room=Room(10))
        sending.mark(conn, sending.Mark(claim, None, None, "x", 3_600, failed=False, fault=True))
        deliveries.replay(conn, webhook.id, claim.id)
    assert process.run() == 1
    assert len(receiver.messages) == 1


def test_a_test_that_meets_a_fault_of_ours_is_given_up_at_once(
    process: Process, receiver: Receiver, hook: Hook, pool: Pool, settings: Settings
) -> None:
    webhook, _ = hook(receiver.url)
    with transaction(pool) as conn:
        deliveries.add_test(conn, webhook.id)
    bare = Process(dataclasses.replace(settings, master_keys=""), process.conn)
    assert bare.run() == 1
    bare.webhooks.close()
    [delivery] = process.deliveries(webhook)
    assert (delivery.status, delivery.next_at) == ("failed", None)
    assert errors_of(process, webhook) == [_UNREADABLE]


def test_a_test_is_tried_once_and_disables_nothing(
    process: Process, receiver: Receiver, hook: Hook, pool: Pool
) -> None:
    webhook, secret = hook(receiver.url)
    receiver.answers = status(500)
    with transaction(pool) as conn:
        deliveries.add_test(conn, webhook.id)
    assert process.run() == 1
    receiver.messages[0].verify(secret)
    assert receiver.messages[0].said["type"] == "webhook.test"
    assert receiver.messages[0].said["data"] == {"webhookId": ids.spell(ids.WEBHOOK, webhook.id)}
    assert [delivery.status for delivery in process.deliveries(webhook)] == ["failed"]
    assert process.webhook(webhook).disabled_at is None


def test_a_replay_sends_the_same_bytes_under_the_same_id(
    process: Process, receiver: Receiver, hook: Hook, end: Callable[[], UUID], pool: Pool
) -> None:
    webhook, _ = hook(receiver.url)
    end()
    process.run()
    with transaction(pool) as conn:
        deliveries.replay(conn, webhook.id, process.deliveries(webhook)[0].id)
    assert process.run() == 1
    first, second = receiver.messages
    assert (first.id, first.body) == (second.id, second.body)


def test_a_mark_that_comes_after_the_lease_changes_nothing(
    pool: Pool, receiver: Receiver, hook: Hook, end: Callable[[], UUID], observer: Connection
) -> None:
    hook(receiver.url)
    end()
    with transaction(pool) as conn:
        [stale] = sending.claim(conn, under_way=[], room=Room(10))
        assert sending.claim(conn, under_way=[], room=Room(10)) == []
    make_due(observer)  # the lease is over
    with transaction(pool) as conn:
        [fresh] = sending.claim(conn, under_way=[], room=Room(10))
        assert (stale.number, fresh.number) == (1, 2)
        sending.mark(conn, sending.Mark(stale, 500, 1, "it answered 500", None, failed=True, disable="TRIES_EXHAUSTED"))
        assert sending.mark(conn, sending.Mark(fresh, 204, 1, None, None, failed=False)) is False
    assert observer.execute("SELECT status FROM webhook_deliveries").fetchall() == [("delivered",)]
    assert observer.execute("SELECT FROM webhooks WHERE disabled_at IS NOT NULL").rowcount == 0


def test_a_claim_locks_only_the_messages_that_it_takes(
    pool: Pool, other: Connection, receiver: Receiver, hook: Hook, end: Callable[[], UUID]
) -> None:
    for number in range(5):
        hook(f"{receiver.url}/{number}")
    end()
    with transaction(pool) as conn:
        taken = {claim.id for claim in sending.claim(conn, under_way=[], room=Room(2))}
        assert 0 < len(taken) < 5
        free = other.execute("SELECT id FROM webhook_deliveries FOR UPDATE SKIP LOCKED").fetchall()
        other.rollback()
        assert len(free) == 5 - len(taken)
        assert taken.isdisjoint(row[0] for row in free)


def test_two_processes_never_claim_the_same_message(
    pool: Pool, other: Connection, receiver: Receiver, hook: Hook, end: Callable[[], UUID]
) -> None:
    hook(receiver.url)
    end()
    with transaction(pool) as conn:
        assert len(sending.claim(conn, under_way=[], room=Room(10))) == 1
        assert sending.claim(other, under_way=[], room=Room(10)) == []
        other.rollback()
    assert sending.claim(other, under_way=[], room=Room(10)) == []


@pytest.mark.parametrize("point", ["webhook.claimed", "webhook.sent"])
def test_kill_9_between_claim_and_mark_sends_at_least_once(
    start: Start,
    process: Process,
    receiver: Receiver,
    hook: Hook,
    end: Callable[[], UUID],
    observer: Connection,
    settings: Settings,
    point: str,
) -> None:
    webhook, secret = hook(receiver.url)
    end()
    killed = start.webhooks(settings, SLUICE_FAULT=f"{point}:1")
    assert killed.popen.wait(60) == -9
    sent_before = len(receiver.messages)
    assert sent_before == (point == "webhook.sent")
    assert process.run() == 0, "the claim of the dead process holds until its lease is over"
    [held] = process.deliveries(webhook)
    assert held.next_at is not None
    assert held.next_at - datetime.now(UTC) < timedelta(seconds=sending.LEASE_SECONDS + 1)
    make_due(observer)
    assert process.run() == 1
    assert len(receiver.messages) == sent_before + 1
    assert len({(message.id, message.body) for message in receiver.messages}) == 1
    receiver.messages[-1].verify(secret)
    [delivered] = process.deliveries(webhook)
    assert delivered.status == "delivered"
    assert [(attempt.number, attempt.status) for attempt in delivered.tries] == [(1, None), (2, 204)]


def test_the_process_delivers_and_ends_in_order_at_term(
    start: Start, receiver: Receiver, hook: Hook, end: Callable[[], UUID], settings: Settings, observer: Connection
) -> None:
    _, secret = hook(receiver.url)
    began, released = threading.Event(), threading.Event()

    def answer(request: BaseHTTPRequestHandler) -> None:
        began.set()
        released.wait(60)
        status(204)(request)

    receiver.answers = answer
    running = start.webhooks(settings)
    end()
    assert began.wait(60)
    running.popen.terminate()
    released.set()
    assert running.popen.wait(60) == 0
    receiver.messages[0].verify(secret)
    assert observer.execute("SELECT status FROM webhook_deliveries").fetchall() == [("delivered",)]
    lines = "\n".join(running.lines)
    assert "webhook_delivered" in lines
    assert secret not in lines
    assert settings.master_keys not in lines
