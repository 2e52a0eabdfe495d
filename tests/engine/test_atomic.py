"""Atomic jobs: all items are written, in one transaction, or none (docs/contracts/jobs.md section 1)."""

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import blocks, claims, control, item_errors, item_warnings, receiving, rescue
from ingest.db.tenants import tenants
from ingest.db.tenants.tenants import Tenant
from ingest.engine.executor import Executor
from ingest.intake.blocks import blocks_of_lines
from ingest.jobs import MOST_WARNINGS_KEPT, Effect, JobOptions, JobState
from ingest.notify.listener import Listener
from tests.support.factories import TOO_LARGE, changed, entity, event, make_executor, new_job
from tests.support.meanwhile import Watched, once
from tests.support.seen import deposits, effect_counts, job_of, numbers

Submit = Callable[..., UUID]

ATOMIC = JobOptions(atomic=True)
BAD = entity(0, entityType="ghost")


@pytest.fixture
def atomic(submit: Submit) -> Submit:
    """Accepts an atomic batch, in blocks of 5 items."""
    return lambda kind, items, **overrides: submit(kind, items, **{"block_items": 5, "options": ATOMIC, **overrides})


def names(conn: Connection) -> list[object]:
    return [row[0] for row in conn.execute("SELECT external_id FROM entities ORDER BY external_id")]


def told(conn: Connection, job_id: UUID) -> list[tuple[int, str]]:
    return [(error.index, error.code) for error in item_errors.of_job(conn, job_id, limit=99)]


def held(conn: Connection) -> list[tuple[object, ...]]:
    """The open blocks, and those that still have their payload."""
    return conn.execute("SELECT no, open, octet_length(payload) FROM job_blocks WHERE open OR payload <> ''").fetchall()


@pytest.mark.usefixtures("players")
def test_all_blocks_are_written_by_one_transaction(atomic: Submit, executor: Executor, observer: Connection) -> None:
    job_id = atomic("events", deposits(23))
    executor.run(job_id, seconds=0)
    assert numbers(observer) == list(range(23))
    assert observer.execute("SELECT DISTINCT created_at FROM events").rowcount == 1
    job = job_of(observer, job_id)
    assert (job.status, effect_counts(observer, job_id)) == (JobState.COMPLETED, {Effect.CREATED: 23})
    assert held(observer) == []


def test_a_later_block_finds_what_an_earlier_one_has_written(
    atomic: Submit, executor: Executor, observer: Connection
) -> None:
    job_id = atomic("entities", [entity(1, data={"email": email}) for email in "aaab"], block_items=1)
    executor.run(job_id, seconds=60)
    assert effect_counts(observer, job_id) == {Effect.CREATED: 1, Effect.UNCHANGED: 2, Effect.UPDATED: 1}


@pytest.mark.usefixtures("players")
@pytest.mark.parametrize("place", [0, 7, 22])
def test_one_bad_item_undoes_all_of_it(atomic: Submit, executor: Executor, observer: Connection, place: int) -> None:
    sent = deposits(23)
    sent[place] = event(1, eventType="launch")
    job_id = atomic("events", sent)
    executor.run(job_id, seconds=60)
    job = job_of(observer, job_id)
    assert (job.status, job.error_code) == (JobState.FAILED, "ATOMIC_ABORTED")
    assert job.error_message == "1 of 23 items are bad, so none was written (?atomic=true)"
    assert effect_counts(observer, job_id) == {Effect.FAILED: 1, Effect.UNPROCESSED: 22}
    assert told(observer, job_id) == [(place, "VALIDATION_FAILED")]
    assert numbers(observer) == []
    assert [is_open for _, is_open, size in held(observer) if size] == [True] * 5, (
        "what was not done may be tried again"
    )


@pytest.mark.usefixtures("players")
def test_each_bad_item_of_all_blocks_is_named_be_it_by_its_check_or_by_the_database(
    atomic: Submit, executor: Executor, observer: Connection
) -> None:
    refused = b'{"externalId": "player_000001", "stateKey": "balance", "value": %s}' % TOO_LARGE
    lines = [
        b'{"externalId": "player_000002", "stateKey": "balance", "value": 1}',
        refused,
        b"17",
        b'{"externalId": "nobody", "stateKey": "balance", "value": 1}',
        b'{"externalId": "player_000003", "stateKey": "mood", "value": 1}',
        refused,
        b'{"externalId": "player_000004", "stateKey": "balance", "value": 1}',
    ]
    job_id = atomic("states", b"[" + b",".join(lines) + b"]", block_items=2)
    executor.run(job_id, seconds=60)
    assert told(observer, job_id) == [
        (1, "WRITE_FAILED"),
        (2, "VALIDATION_FAILED"),
        (3, "NOT_FOUND"),
        (4, "VALIDATION_FAILED"),
        (5, "WRITE_FAILED"),
    ]
    assert effect_counts(observer, job_id) == {Effect.FAILED: 5, Effect.UNPROCESSED: 2}
    assert observer.execute("SELECT FROM states").rowcount == 0


def test_its_end_is_announced_and_a_job_behind_it_runs(
    atomic: Submit, submit: Submit, executor: Executor, observer: Connection, redis_url: str
) -> None:
    atomic("entities", [entity(1), BAD])
    behind = submit("entities", [entity(2)])
    with capture_logs() as lines:
        executor.serve(None, Listener(redis_url), seconds=60)
    assert [line["code"] for line in lines if line["event"] == "job_ended" and "code" in line] == ["ATOMIC_ABORTED"]
    assert job_of(observer, behind).status is JobState.COMPLETED
    assert names(observer) == ["player_000002"]
    assert observer.execute("SELECT FROM job_ends").rowcount == 0


def test_an_unordered_one_is_claimed_as_a_whole(atomic: Submit, pool: Pool) -> None:
    job_id = atomic("entities", [entity(number) for number in range(15)], ordered=False)
    with transaction(pool) as conn:
        [claim] = claims.claim_next(conn)
    assert (claim.job.id, claim.block.no) == (job_id, 0)
    with transaction(pool) as conn:
        assert claims.claim_next(conn) == []
        assert blocks.lock(conn, [(job_id, 0)])
        with transaction(pool) as other:
            assert claims.claim(other, job_id) == []


def test_an_unordered_one_that_a_worker_holds_is_left_alone_by_sweep(atomic: Submit, pool: Pool) -> None:
    job_id = atomic("entities", [entity(number) for number in range(15)], ordered=False)
    with transaction(pool) as conn:
        claims.claim(conn, job_id)
        conn.execute("UPDATE jobs SET check_at = now(), progressed_at = now() - interval '1 minute'")
    with transaction(pool) as holder:
        assert blocks.lock(holder, [(job_id, 0)])
        with transaction(pool) as conn:
            assert [job.finding.value for job in rescue.check_due_jobs(conn, heads=[], limit=9)] == ["nothing"]
    with transaction(pool) as conn:
        conn.execute("UPDATE jobs SET check_at = now()")
        assert [job.finding.value for job in rescue.check_due_jobs(conn, heads=[], limit=9)] == ["notify"]


@pytest.mark.parametrize("bad", [False, True])
def test_two_workers_run_an_unordered_one_once(
    pool: Pool, redis_url: str, atomic: Submit, observer: Connection, *, bad: bool
) -> None:
    items = [entity(number) for number in range(40)]
    job_id = atomic("entities", [*items, BAD] if bad else items, ordered=False)
    with ThreadPoolExecutor(2) as threads:
        for _ in range(2):
            threads.submit(lambda: make_executor(pool, redis_url).run(job_id, seconds=60))
    job = job_of(observer, job_id)
    if not job.status.ended:  # the second delivery had the first block's lock in its way
        make_executor(pool, redis_url).run(job_id, seconds=60)
    expected = {Effect.FAILED: 1, Effect.UNPROCESSED: 40} if bad else {Effect.CREATED: 40}
    assert effect_counts(observer, job_id) == expected
    assert len(names(observer)) == (0 if bad else 40)


@pytest.mark.parametrize("bad", [False, True])
def test_a_cancellation_in_the_middle_waits_for_nothing_and_undoes_all(
    atomic: Submit, executor: Executor, observer: Connection, *, bad: bool
) -> None:
    items = [entity(number) for number in range(15)]
    job_id = atomic("entities", [*items, BAD] if bad else items)

    def cancel() -> None:
        observer.execute("SET lock_timeout = '5s'")
        assert control.cancel(observer, job_id)

    changed(executor, template_cache=once(cancel)).run(job_id, seconds=60)
    assert job_of(observer, job_id).status is JobState.CANCELLED
    assert effect_counts(observer, job_id) == {Effect.UNPROCESSED: len(items) + bad}
    assert (names(observer), told(observer, job_id)) == ([], [])


_WAITING = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def test_a_cancellation_at_its_last_block_finds_its_job_unlocked_and_undoes_all(
    atomic: Submit, submit: Submit, executor: Executor, observer: Connection, other: Connection
) -> None:
    executor.run(submit("entities", [entity(14)]), seconds=60)
    job_id = atomic("entities", [entity(number, data={"email": "new"}) for number in range(15)])
    other.execute("SELECT FROM entities FOR UPDATE")
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(executor.run, job_id, seconds=60)
        while not observer.execute(_WAITING).rowcount:
            pass
        observer.execute("SET lock_timeout = '1ms'")
        assert control.cancel(observer, job_id)
        other.rollback()
        running.result()
    assert job_of(observer, job_id).status is JobState.CANCELLED
    assert names(observer) == ["player_000014"]


def fails_in_between(executor: Executor) -> Executor:
    """Return an executor whose process ends, as by kill -9, between the two transactions of an aborted job."""
    entered: list[int] = []

    def watchdog(_seconds: int) -> AbstractContextManager[object]:
        entered.append(1)
        if len(entered) == 2:
            raise KeyboardInterrupt
        return nullcontext()

    return changed(executor, watchdog=watchdog)


def test_a_worker_that_dies_between_the_two_transactions_leaves_the_job_to_the_next(
    atomic: Submit, executor: Executor, observer: Connection
) -> None:
    job_id = atomic("entities", [entity(1), BAD])
    with pytest.raises(KeyboardInterrupt):
        fails_in_between(executor).run(job_id, seconds=60)
    assert effect_counts(observer, job_id) == {Effect.UNPROCESSED: 2}
    assert (names(observer), told(observer, job_id)) == ([], [])
    executor.run(job_id, seconds=60)
    assert job_of(observer, job_id).error_code == "ATOMIC_ABORTED"
    assert (told(observer, job_id), job_of(observer, job_id).attempts) == ([(1, "VALIDATION_FAILED")], 2)


def guards(conn: Connection) -> dict[str, object]:
    query = "SELECT name, setting::int FROM pg_settings WHERE name LIKE '%%_timeout'"
    return {str(name): value for name, value in conn.execute(query)}


@pytest.mark.parametrize(
    ("deliveries", "of_blocks", "seconds"),
    [(1, 1, 10), (1, 5, 50), (2, 5, 100), (1, 40, 320), (9, 40, 320), (1, 0, 10)],
)
def test_its_session_has_the_time_of_all_its_blocks(
    conn: Connection, deliveries: int, of_blocks: int, seconds: int
) -> None:
    assert blocks.lease_seconds(deliveries, of_blocks) == seconds
    blocks.extend_lease(conn, deliveries, of_blocks)
    [(name,)] = conn.execute("SELECT current_setting('application_name')").fetchall()
    assert name == ("sluice-worker" if seconds == 10 else f"sluice-worker:{seconds}")
    assert guards(conn)["statement_timeout"] == 1_000 * (blocks.lease_seconds(deliveries) - 2)
    if conn.info.server_version >= 170_000:
        assert guards(conn)["transaction_timeout"] == 1_000 * (seconds - 1)


def test_the_lease_of_a_job_is_that_of_its_blocks(atomic: Submit, executor: Executor, observer: Connection) -> None:
    names_seen: Sequence[object] = []

    def look() -> None:
        nonlocal names_seen
        query = "SELECT application_name FROM pg_stat_activity WHERE state = 'idle in transaction'"
        names_seen = [row[0] for row in observer.execute(query)]

    job_id = atomic("entities", [entity(number) for number in range(15)])
    changed(executor, template_cache=once(look)).run(job_id, seconds=60)
    assert names_seen == ["sluice-worker:30"]


def test_warnings_stand_once_it_has_succeeded_and_only_then(
    atomic: Submit, executor: Executor, observer: Connection, pool: Pool, owner: Tenant
) -> None:
    with transaction(pool) as conn:
        tenants.configure(conn, owner.id, {"data_retention_days": 30})
    executor.run(atomic("entities", [entity(1)]), seconds=60)
    long_ago = (datetime.now(UTC) - timedelta(days=400)).isoformat()
    strange = [event(1, stranger=1) for _ in range(6)] + [event(1, timestamp=long_ago)]
    good, bad = atomic("events", strange), atomic("events", [*strange, event(99)])
    for job_id in (good, bad):
        executor.run(job_id, seconds=60)
    warned = [(place[0], warning.code) for place, warning in item_warnings.of_job(observer, good, limit=99)]
    assert warned == [*((index, "UNKNOWN_FIELD") for index in range(6)), (6, "PAST_RETENTION")]
    assert [job_of(observer, job_id).warnings for job_id in (good, bad)] == [7, 0]


def test_warnings_beyond_those_that_are_kept_are_counted(
    atomic: Submit, executor: Executor, observer: Connection
) -> None:
    strangers = {f"s{number}": 1 for number in range(3_000)}
    job_id = atomic("entities", [entity(number, **strangers) for number in range(4)], block_items=1)
    executor.run(job_id, seconds=60)
    assert job_of(observer, job_id).warnings == 12_000
    assert observer.execute("SELECT FROM job_warnings").rowcount == MOST_WARNINGS_KEPT


@pytest.mark.usefixtures("players")
def test_poison_in_any_block_is_named_once_the_first_was_delivered_often(
    atomic: Submit, executor: Executor, observer: Connection
) -> None:
    def die_of_a_bonus(name: str) -> None:
        if name == "bonus":
            os.kill(os.getpid(), signal.SIGKILL)

    sent = deposits(9)
    sent[1], sent[7] = event(1, eventType="bonus"), event(7, eventType="bonus")
    job_id = atomic("events", sent, block_items=3)
    observer.execute("UPDATE job_blocks SET deliveries = 2 WHERE no = 0 AND job_id = %s", (job_id,))
    changed(executor, template_cache=Watched(die_of_a_bonus)).run(job_id, seconds=60)
    assert told(observer, job_id) == [(1, "VALIDATION_FAILED"), (7, "VALIDATION_FAILED")]
    assert "three times" in item_errors.of_job(observer, job_id, limit=1)[0].message
    assert numbers(observer) == []


def test_lines_name_their_line(executor: Executor, observer: Connection, pool: Pool, owner: Tenant) -> None:
    body = b'{"externalId": "a", "entityType": "player", "data": {"email": "a"}}\n\n{broken\n'
    job = new_job(owner, options=ATOMIC)
    with transaction(pool) as conn:
        assert receiving.begin(conn, job)
        for no, block in enumerate(blocks_of_lines([body], longest_line=1_000)):
            assert receiving.append(conn, job.id, no, block)
        assert receiving.accept(conn, job, 1)
    executor.run(job.id, seconds=60)
    assert [(error.index, error.line) for error in item_errors.of_job(observer, job.id, limit=9)] == [(1, 3)]
    assert names(observer) == []
