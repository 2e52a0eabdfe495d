"""Plans are kept: what was planned while the tables were empty must look up by key once they have grown."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection, Pool, autocommit, transaction
from ingest.db.jobs import blocks, claims, completion, control, failures, outbox, rescue
from ingest.db.tenants.templates import TemplateCache
from ingest.db.tenants.tenants import Tenant
from ingest.engine.kinds import KINDS, schema_of
from ingest.engine.transaction import run_in_transaction
from ingest.ids import uuid7
from tests.support.factories import MASTER_KEYS, accept, entity, event, state

_ENOUGH = 12  # executions, after which psycopg has prepared a statement and Postgres has settled on a plan
_BACKLOG = 2_000
_A_TRANSACTION = 100
_PLAYERS = 10
_FEW_ROWS = 20 * claims.MOST_JOBS  # a dozen a job

_ITEMS = {
    "entities": lambda n: entity(_PLAYERS + n),
    "events": lambda n: event(n % _PLAYERS),
    "states": lambda n: state(n % _PLAYERS),
}


def _run_next(conn: Connection) -> int:
    """Run the next group of jobs, and return how many they are."""
    begun = claims.claim_next(conn)
    job = begun[0].job
    assert job.template_id is not None
    schema = schema_of(KINDS[job.kind], TemplateCache().get(conn, job.template_id))
    assert run_in_transaction(conn, begun, schema, keys=MasterKeys.parse(MASTER_KEYS)) is not None
    return len(begun)


def _rows_read(conn: Connection) -> int:
    """In this transaction."""
    [(rows,)] = conn.execute(
        "SELECT sum(idx_tup_fetch + seq_tup_read)::bigint FROM pg_stat_xact_user_tables WHERE relname <> 'templates'"
    ).fetchall()
    return int(str(rows))


def _item(kind: str, number: int) -> Any:
    return _ITEMS[kind](number)


def _short_transactions(pool: Pool, count: int) -> Iterator[tuple[Connection, int]]:
    """A connection for each number: a worker's, whose transactions are ended after 9 s, however busy the machine."""
    for start in range(0, count, _A_TRANSACTION):
        with transaction(pool) as conn:
            for number in range(start, min(start + _A_TRANSACTION, count)):
                yield conn, number
            conn.execute("SELECT pg_stat_force_next_flush()")  # or this would be counted as a later transaction's


@pytest.mark.parametrize("kind", _ITEMS)
def test_a_backlog_is_looked_up_job_by_job(pool: Pool, owner: Tenant, observer: Connection, kind: str) -> None:
    with transaction(pool) as conn:
        gone = accept(conn, owner, "entities", [entity(number) for number in range(_PLAYERS)])
        _run_next(conn)
    observer.execute("TRUNCATE jobs CASCADE")
    observer.execute("VACUUM ANALYZE")
    with transaction(pool) as conn:
        for _ in range(_ENOUGH):
            assert claims.claim_next(conn) == []
            assert blocks.lock(conn, [])
            assert completion.close_blocks(conn, []) == {}
    for number in range(_ENOUGH):
        with transaction(pool) as conn:
            accept(conn, owner, kind, [_item(kind, number)], after_job_id=gone)
            _run_next(conn)
    with transaction(pool) as conn:
        for first in (1, 2):
            accept(conn, owner, "entities", [entity(1_000_000 * first + number) for number in range(_BACKLOG // 2)])
            _run_next(conn)
    for conn, number in _short_transactions(pool, _BACKLOG):
        accept(conn, owner, kind, [_item(kind, number)], after_job_id=gone)
    with transaction(pool) as conn:
        assert _run_next(conn) == claims.MOST_JOBS
        assert _rows_read(conn) < _FEW_ROWS


@pytest.mark.parametrize("history", [0, _BACKLOG])
def test_a_job_is_begun_ended_and_told_of_without_a_look_at_the_others(
    pool: Pool, owner: Tenant, observer: Connection, history: int
) -> None:
    for conn, _ in _short_transactions(pool, history):
        accept(conn, owner, "entities", [entity()])
    observer.execute("UPDATE jobs SET status = 'cancelled', ended_at = now()")
    observer.execute("INSERT INTO job_ends (tenant_id, job_id, ended_at) SELECT tenant_id, id, ended_at FROM jobs")
    observer.execute("VACUUM ANALYZE")
    unknown = uuid7()
    for _ in range(_ENOUGH):
        with autocommit(pool) as conn:
            assert claims.claim(conn, unknown) == []
            assert not control.cancel(conn, unknown)
            assert outbox.take(conn, [unknown]) == []
            assert claims.freed_by(conn, [unknown]) == []
    made = [accept(conn, owner, "entities", [entity()]) for conn, _ in _short_transactions(pool, _BACKLOG)]
    first, second, *_ = made
    for conn, _ in _short_transactions(pool, 1):
        dependent = accept(conn, owner, "entities", [entity()], after_job_id=second)
    observer.execute(
        "INSERT INTO job_ends (tenant_id, job_id, ended_at) SELECT tenant_id, gen_random_uuid(), now() FROM jobs"
    )
    with transaction(pool) as conn:
        assert len(claims.claim(conn, first)) == 1
        assert control.cancel(conn, second)
        assert [job.dependents for job in outbox.take(conn, [second])] == [[dependent]]
        assert claims.freed_by(conn, [second]) == [made[2]]
        assert _rows_read(conn) < _FEW_ROWS


def test_a_claim_reads_few_of_the_jobs_that_were_put_down(pool: Pool, owner: Tenant, observer: Connection) -> None:
    for conn, _ in _short_transactions(pool, _BACKLOG):
        accept(conn, owner, "events", [event(1)] * 2, block_items=1)
    put_down = "status = 'processing', started_at = now(), queued_at = progressed_at + interval '1 millisecond'"
    observer.execute(f"UPDATE jobs SET {put_down}".encode())
    observer.execute("VACUUM ANALYZE")
    with transaction(pool) as conn:
        assert len(claims.claim_next(conn)) == 1
        assert _rows_read(conn) < _FEW_ROWS


_OF_A_BACKLOG: dict[str, Callable[[Connection], object]] = {
    "claim_next": claims.claim_next,
    "heads": claims.heads,
    "check_due_jobs": lambda conn: rescue.check_due_jobs(conn, heads=[], limit=500),
    "fail_without_blocks": failures.fail_without_blocks,
    "fail_after_failed": failures.fail_after_failed,
    "fail_stuck": lambda conn: failures.fail_stuck(conn, seconds=60),
    "take_left": outbox.take_left,
}
_A_ROUND_OF_ROWS = 3 * 500


@pytest.mark.parametrize("held_back", [False, True], ids=["in order", "held back"])
def test_neither_a_claim_nor_the_sweeper_reads_more_rows_the_longer_the_backlog_is(
    pool: Pool, owner: Tenant, observer: Connection, *, held_back: bool
) -> None:
    for _ in range(_ENOUGH):
        for statement in _OF_A_BACKLOG.values():
            with transaction(pool) as conn:
                statement(conn)
    with transaction(pool) as conn:
        running = accept(conn, owner, "entities", [entity(1)])
        assert claims.claim(conn, running)
    for conn, _ in _short_transactions(pool, _BACKLOG):
        accept(conn, owner, "entities", [entity(1)], after_job_id=running if held_back else None)
    observer.execute("UPDATE jobs SET check_at = now() - interval '1 hour', progressed_at = now() - interval '1 hour'")
    for name, statement in _OF_A_BACKLOG.items():
        with transaction(pool) as conn:
            statement(conn)
            assert _rows_read(conn) < _A_ROUND_OF_ROWS, name
            conn.execute("SELECT pg_stat_force_next_flush()")
