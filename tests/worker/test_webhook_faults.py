"""A missing master key or another fault of ours delays a message, and counts against no webhook."""

import dataclasses
from collections.abc import Callable
from contextlib import closing
from uuid import UUID

from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.verify.webhooks import CHECKS
from ingest.db.webhooks import deliveries, sending
from ingest.db.webhooks.registry import Webhook
from ingest.db.webhooks.sending import Room
from ingest.engine import webhooks as engine
from ingest.master_keys import generate
from ingest.settings import Settings
from ingest.webhooks import schedule
from tests.support.receiver import Receiver, status
from tests.worker.delivering import Hook, Process, make_due

_UNREADABLE = "its secret cannot be decrypted: have its master key put back, or rotate it"


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
