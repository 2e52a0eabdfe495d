from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import claims, completion, control, failures, lookup
from ingest.db.jobs.completion import BlockOutcome
from ingest.db.tenants.tenants import Tenant
from ingest.jobs import JobState
from tests.db.jobs.due_jobs import TWO, a_job, status
from tests.support.factories import accept, entity

_MORE_THAN_A_ROUND = 600


def be_tried(conn: Connection, job_id: UUID, deliveries: int) -> None:
    conn.execute("UPDATE job_blocks SET deliveries = %s WHERE job_id = %s AND no = 0", (deliveries, job_id))


def test_a_job_that_was_tried_again_and_again_in_vain_fails(conn: Connection, tenant: Tenant) -> None:
    job_id = a_job(conn, tenant, idle=3601, begun=True)
    be_tried(conn, job_id, 5)
    assert failures.fail_stuck(conn, seconds=3600) == [job_id]
    job = lookup.get(conn, job_id)
    assert job is not None
    assert (job.status, job.error_code) == (JobState.FAILED, "JOB_DEADLINE")
    assert job.error_message == "No progress within 3600 seconds of trying; see the workers' log for the reason"
    assert job.ended_at is not None
    assert failures.fail_stuck(conn, seconds=3600) == []


@pytest.mark.parametrize(
    ("idle", "deliveries", "begun", "due"),
    [(3599, 5, True, True), (3601, 4, True, True), (3601, 5, False, True), (3601, 5, True, False)],
    ids=["moved within the time", "not tried often enough", "never begun", "not due for a look"],
)
def test_time_alone_fails_no_job(
    conn: Connection,
    tenant: Tenant,
    idle: int,
    deliveries: int,
    *,
    begun: bool,
    due: bool,
) -> None:
    job_id = a_job(conn, tenant, idle=idle, begun=begun)
    be_tried(conn, job_id, deliveries)
    if not due:
        conn.execute("UPDATE jobs SET check_at = now() + interval '1 second' WHERE id = %s", (job_id,))
    assert failures.fail_stuck(conn, seconds=3600) == []
    assert status(conn, job_id) is (JobState.PROCESSING if begun else JobState.PENDING)


def test_a_closed_blocks_deliveries_fail_no_job(conn: Connection, tenant: Tenant) -> None:
    job_id = a_job(conn, tenant, idle=3601, begun=True)
    be_tried(conn, job_id, 5)
    completion.close_blocks(conn, [BlockOutcome(job_id, 0, {})])
    assert failures.fail_stuck(conn, seconds=3600) == []


@pytest.mark.parametrize("begun", [False, True])
def test_a_job_of_which_no_block_is_left_fails(conn: Connection, tenant: Tenant, *, begun: bool) -> None:
    job_id, whole = (a_job(conn, tenant, begun=begun, ordered=False) for _ in range(2))
    conn.execute("DELETE FROM job_blocks WHERE job_id = %s", (job_id,))
    assert failures.fail_without_blocks(conn) == ([job_id], failures.FIRST_OPEN)
    job = lookup.get(conn, job_id)
    assert job is not None
    assert (job.status, job.error_code) == (JobState.FAILED, "JOB_UNRUNNABLE")
    assert status(conn, whole) is (JobState.PROCESSING if begun else JobState.PENDING)
    assert failures.fail_without_blocks(conn) == ([], failures.FIRST_OPEN)


def test_each_round_goes_on_where_the_one_before_it_stopped(conn: Connection, tenant: Tenant) -> None:
    first, *_, last = (accept(conn, tenant, "entities", [entity(1)]) for _ in range(_MORE_THAN_A_ROUND))
    held = [accept(conn, tenant, "events", [entity(1)], after_job_id=first) for _ in range(_MORE_THAN_A_ROUND)]
    conn.execute("DELETE FROM job_blocks WHERE job_id = %s", (last,))
    failed, place = failures.fail_without_blocks(conn)
    assert failed == []
    failed, _ = failures.fail_without_blocks(conn, after=place)
    assert failed == [last]
    doomed = accept(conn, tenant, "events", [entity(1)], after_job_id=last)
    failed, held_place = failures.fail_after_failed(conn)
    assert (failed, held_place[0]) == ([], first)
    assert failures.fail_after_failed(conn, after=held_place) == ([doomed], failures.FIRST_HELD)
    control.cancel(conn, first)
    rounds = [failures.fail_after_failed(conn)[0] for _ in range(2)]
    assert [len(failed) for failed in rounds] == [500, _MORE_THAN_A_ROUND - 500]
    assert sorted(rounds[0] + rounds[1]) == held


def test_a_job_after_one_that_did_not_complete_fails_and_says_so(conn: Connection, tenant: Tenant) -> None:
    first = accept(conn, tenant, "entities", TWO)
    second = accept(conn, tenant, "events", TWO, after_job_id=first)
    third = accept(conn, tenant, "events", TWO, after_job_id=second)
    any_way = accept(conn, tenant, "events", TWO, after_job_id=first, after_any=True)
    assert failures.fail_after_failed(conn) == ([], failures.FIRST_HELD)
    control.cancel(conn, first)
    failed, _ = failures.fail_after_failed(conn)
    assert sorted(failed) == [second, third]
    assert failures.fail_after_failed(conn) == ([], failures.FIRST_HELD)
    job = lookup.get(conn, third)
    assert job is not None
    assert (job.status, job.error_code) == (JobState.FAILED, "PREDECESSOR_FAILED")
    assert status(conn, any_way) is JobState.PENDING
    assert claims.claim(conn, any_way)


def test_a_long_chain_of_jobs_fails_in_few_rounds(conn: Connection, tenant: Tenant) -> None:
    chain = [accept(conn, tenant, "events", [entity(1)])]
    for _ in range(_MORE_THAN_A_ROUND):
        chain.append(accept(conn, tenant, "events", [entity(1)], after_job_id=chain[-1]))
    control.cancel(conn, chain[0])
    rounds = [sorted(failures.fail_after_failed(conn)[0]) for _ in range(3)]
    assert rounds == [chain[1:501], chain[501:], []]


def test_a_round_waits_for_no_job_that_is_locked(pool: Pool, owner: Tenant, other: Connection) -> None:
    with transaction(pool) as conn:
        first, without_blocks = (accept(conn, owner, "events", [entity(1)]) for _ in range(2))
        doomed = accept(conn, owner, "events", [entity(1)], after_job_id=first)
        control.cancel(conn, first)
        conn.execute("DELETE FROM job_blocks WHERE job_id = %s", (without_blocks,))
    other.execute("SELECT FROM jobs FOR UPDATE")
    with transaction(pool) as conn:
        conn.execute("SET LOCAL lock_timeout = '1ms'")
        assert failures.fail_without_blocks(conn)[0] == failures.fail_after_failed(conn)[0] == []
    other.rollback()
    with transaction(pool) as conn:
        assert failures.fail_without_blocks(conn)[0] + failures.fail_after_failed(conn)[0] == [without_blocks, doomed]
