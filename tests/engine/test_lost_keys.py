"""Jobs whose items no present master key decrypts: they wait, and are carried out once the key is back."""

from collections.abc import Callable
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from ingest.crypto import NO_KEYS, MasterKeys
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import failures, rescue
from ingest.engine.delivery import Delivery
from ingest.engine.executor import Executor
from ingest.jobs import Effect, JobOptions, JobState
from ingest.master_keys import generate
from ingest.notify.listener import Listener
from tests.support.factories import changed, entity
from tests.support.seen import effect_counts, job_of

Submit = Callable[..., UUID]

_TRIES = 7  # more than a block may have without progress


@pytest.fixture
def keyless(executor: Executor) -> Executor:
    return changed(executor, keys=MasterKeys.parse(generate()))


def deliveries(observer: Connection) -> list[int]:
    return [int(str(row[0])) for row in observer.execute("SELECT deliveries FROM job_blocks")]


@pytest.mark.parametrize("options", [JobOptions(), JobOptions(atomic=True)])
def test_a_job_waits_for_its_key_however_often_it_is_tried(
    options: JobOptions, submit: Submit, pool: Pool, executor: Executor, keyless: Executor, observer: Connection
) -> None:
    job_id = submit("entities", [entity(1), entity(2)], sealed=True, options=options)
    with capture_logs() as lines:
        tried = {keyless.run(job_id, seconds=60) for _ in range(_TRIES)}
    assert tried == {Delivery.UNREADABLE}
    said = [line for line in lines if line["event"] == "items_unreadable"]
    assert len(said) == _TRIES
    assert {(line["log_level"], 'no key "test"' in line["error"]) for line in said} == {("error", True)}
    observer.execute("UPDATE jobs SET check_at = now(), progressed_at = now() - interval '1 hour'")
    with transaction(pool) as conn:
        assert failures.fail_stuck(conn, seconds=0) == []
    assert job_of(observer, job_id).status is JobState.PROCESSING
    assert executor.run(job_id, seconds=60) is Delivery.DONE
    assert effect_counts(observer, job_id) == {Effect.CREATED: 2}


def test_an_unordered_job_waits_for_the_sweeper_and_for_its_key(
    submit: Submit, pool: Pool, executor: Executor, keyless: Executor, observer: Connection, redis_url: str
) -> None:
    items = [entity(number) for number in range(4)]
    job_id = submit("entities", items, block_items=1, ordered=False, sealed=True)
    with capture_logs() as lines:
        keyless.serve(None, Listener(redis_url), seconds=2)
        keyless.serve(job_id, Listener(redis_url), seconds=2)
    assert [line["event"] for line in lines].count("items_unreadable") == 2
    assert deliveries(observer) == [0] * 4
    observer.execute("UPDATE jobs SET check_at = now(), progressed_at = now() - interval '1 hour'")
    with transaction(pool) as conn:
        assert [due.id for due in rescue.check_due_jobs(conn, heads=[], limit=9)] == [job_id]
    executor.serve(job_id, Listener(redis_url), seconds=60)
    assert effect_counts(observer, job_id) == {Effect.CREATED: 4}


@pytest.mark.parametrize("keys", [MasterKeys.parse(generate()), NO_KEYS])
def test_no_delivery_counts_against_jobs_that_would_run_together(
    keys: MasterKeys, submit: Submit, executor: Executor, observer: Connection, redis_url: str
) -> None:
    for ordered in (True, False):
        for number in range(2):
            submit("entities", [entity(number, data={})], ordered=ordered, sealed=keys is not NO_KEYS)
    changed(executor, keys=keys).serve(None, Listener(redis_url), seconds=2)
    assert deliveries(observer) == [0] * 4


def test_jobs_that_would_run_together_wait_for_their_key_in_their_order(
    submit: Submit, executor: Executor, keyless: Executor, observer: Connection, redis_url: str
) -> None:
    jobs = [submit("entities", [entity(1, data={"email": f"{number}"})], sealed=True) for number in range(3)]
    other = submit("entities", [entity(9)])
    keyless.serve(None, Listener(redis_url), seconds=60)
    assert {job_of(observer, job_id).status.ended for job_id in [*jobs, other]} == {False}
    for job_id in [*jobs, other]:
        executor.run(job_id, seconds=60)
    assert [effect_counts(observer, job_id) for job_id in jobs] == [
        {Effect.CREATED: 1},
        {Effect.UPDATED: 1},
        {Effect.UPDATED: 1},
    ]


def test_without_any_key_the_text_of_a_bad_item_is_not_stored_in_the_clear(
    submit: Submit, executor: Executor, observer: Connection
) -> None:
    job_id = submit("entities", [entity(1, data={})])
    bare = changed(executor, keys=NO_KEYS)
    assert bare.run(job_id, seconds=60) is Delivery.UNREADABLE
    assert observer.execute("SELECT FROM job_errors").rowcount == 0
    assert executor.run(job_id, seconds=60) is Delivery.DONE
    assert observer.execute("SELECT FROM job_errors WHERE sealed_for IS NOT NULL").rowcount == 1
