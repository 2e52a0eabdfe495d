"""Messages reach a real receiver, in the order of tries, whatever the receiver does."""

import socket
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from uuid import UUID

import pytest

from ingest import ids
from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import control
from ingest.db.webhooks import deliveries, recording
from ingest.engine import webhooks as engine
from ingest.engine.executor import Executor
from ingest.settings import Settings
from ingest.webhooks import schedule
from tests.support.factories import entity
from tests.support.receiver import Receiver, receiving, status
from tests.worker.delivering import Hook, Process, make_due


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
