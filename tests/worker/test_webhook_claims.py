"""A message is claimed by one process at a time, and outlives that process."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.webhooks import sending
from ingest.db.webhooks.sending import Room
from ingest.settings import Settings
from tests.support.processes import Start
from tests.support.receiver import Receiver, status
from tests.worker.delivering import Hook, Process, make_due


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
    assert killed.forked.wait(60) == -9
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
    running.forked.terminate()
    released.set()
    assert running.forked.wait(60) == 0
    receiver.messages[0].verify(secret)
    assert observer.execute("SELECT status FROM webhook_deliveries").fetchall() == [("delivered",)]
    lines = "\n".join(running.lines)
    assert "webhook_delivered" in lines
    assert secret not in lines
    assert settings.master_keys not in lines
