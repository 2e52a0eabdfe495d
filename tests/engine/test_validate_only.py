"""Jobs that only validate: effects are predicted, and nothing is written (docs/contracts/jobs.md section 1)."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import claims, item_errors, item_warnings
from ingest.engine.executor import Executor
from ingest.intake.payloads import items_of
from ingest.jobs import Effect, JobOptions, JobState
from tests.support.factories import TOO_LARGE, entity, event, state
from tests.support.seen import effect_counts, job_of

Submit = Callable[..., UUID]

DRY = JobOptions(validate_only=True)
BOTH = JobOptions(validate_only=True, atomic=True)

# With xmin and ctid: no row was even written anew as it was.
_ROWS = "SELECT t.xmin::text, t.ctid::text, to_jsonb(t)::text FROM {} t ORDER BY t.ctid"
_TABLES = ("entities", "events", "event_entities", "states")


def everything(conn: Connection) -> dict[str, list[tuple[object, ...]]]:
    return {table: conn.execute(_ROWS.format(table).encode()).fetchall() for table in _TABLES}


_LARGE = b'{"externalId": "player_000001", "stateKey": "balance", "value": %s}' % TOO_LARGE
BATCHES: dict[str, Any] = {
    "entities": [
        entity(1, data={"email": "p1@example.com", "vip_level": 1}),
        entity(2, data={"email": "new"}),
        entity(100),
        entity(101, entityType="ghost"),
    ],
    "events": [event(1), event(1, eventId="a"), event(2, eventId="stored"), event(999)],
    "states": b'[{"externalId": "player_000001", "stateKey": "balance", "value": 1}, %s,'
    b'{"externalId": "player_000002", "stateKey": "balance", "value": 9}]' % _LARGE,
    "objects": [{"type": "a", "id": "1"}, {"type": "a", "id": "1", "properties": {"n": 1}}, {"type": "a"}],
    "object_events": [
        {"event": "e", "timestamp": "2026-01-01T00:00:00Z", "objects": [{"type": "a", "id": "1"}]},
        {"event": "e", "timestamp": "2026-01-01T00:00:00Z", "objects": []},
    ],
}


@pytest.fixture
def stored(submit: Submit, executor: Executor) -> None:
    """Rows that the batches above find, or change."""
    for kind, items in {
        "entities": [entity(number) for number in range(10)],
        "events": [event(2, eventId="stored")],
        "states": [state(1), state(2)],
    }.items():
        executor.run(submit(kind, items), seconds=60)


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("kind", BATCHES)
def test_its_effects_and_errors_are_those_of_the_batch_itself_and_nothing_is_written(
    submit: Submit, executor: Executor, observer: Connection, kind: str
) -> None:
    template = {"template_id": None} if kind.startswith("object") else {}
    before = everything(observer)
    dry = submit(kind, BATCHES[kind], options=DRY, **template)
    executor.run(dry, seconds=60)
    assert everything(observer) == before
    assert job_of(observer, dry).status is JobState.COMPLETED
    wet = submit(kind, BATCHES[kind], **template)
    executor.run(wet, seconds=60)
    assert everything(observer) != before
    assert effect_counts(observer, dry) == effect_counts(observer, wet)
    assert Effect.FAILED in effect_counts(observer, dry)
    predicted, found = (item_errors.of_job(observer, job_id, limit=9) for job_id in (dry, wet))
    assert predicted == found


@pytest.mark.usefixtures("stored")
def test_an_event_id_is_not_taken_by_it(submit: Submit, executor: Executor, observer: Connection) -> None:
    sent = [event(1, eventId="a")]
    for options, effect in ((DRY, Effect.CREATED), (JobOptions(), Effect.CREATED), (DRY, Effect.DUPLICATE)):
        job_id = submit("events", sent, options=options)
        executor.run(job_id, seconds=60)
        assert effect_counts(observer, job_id) == {effect: 1}


def test_each_block_is_judged_by_what_is_stored_and_with_atomic_by_earlier_blocks_too(
    submit: Submit, executor: Executor, observer: Connection
) -> None:
    sent = [entity(1), entity(1), entity(1, data={"email": "other"})]
    before = everything(observer)
    apart, together = (submit("entities", sent, block_items=1, options=options) for options in (DRY, BOTH))
    for job_id in (apart, together):
        executor.run(job_id, seconds=60)
    assert effect_counts(observer, apart) == {Effect.CREATED: 3}
    assert effect_counts(observer, together) == {Effect.CREATED: 1, Effect.UNCHANGED: 1, Effect.UPDATED: 1}
    assert everything(observer) == before


@pytest.mark.parametrize("options", [DRY, BOTH])
def test_its_payload_stays_for_a_commit(
    submit: Submit, executor: Executor, observer: Connection, options: JobOptions
) -> None:
    sent = [entity(number) for number in range(4)]
    job_id = submit("entities", sent, block_items=2, options=options)
    executor.run(job_id, seconds=60)
    rows = observer.execute("SELECT open, payload FROM job_blocks ORDER BY no").fetchall()
    assert [is_open for is_open, _ in rows] == [False, False]
    assert [len(items_of(payload).texts) for _, payload in rows] == [2, 2]  # type: ignore[arg-type] # bytes


def test_one_that_is_atomic_too_predicts_that_a_bad_item_aborts_it(
    submit: Submit, executor: Executor, observer: Connection
) -> None:
    job_id = submit("entities", [entity(1), entity(2, entityType="ghost")], options=BOTH)
    executor.run(job_id, seconds=60)
    assert job_of(observer, job_id).error_code == "ATOMIC_ABORTED"
    assert effect_counts(observer, job_id) == {Effect.FAILED: 1, Effect.UNPROCESSED: 1}


def test_it_shares_no_transaction_with_jobs_that_write(submit: Submit, pool: Pool) -> None:
    first = submit("entities", [entity(1)], options=DRY)
    submit("entities", [entity(2)])
    with transaction(pool) as conn:
        assert [claim.job.id for claim in claims.claim_next(conn)] == [first]


def test_warnings_are_those_of_the_batch(submit: Submit, executor: Executor, observer: Connection) -> None:
    job_id = submit("entities", [entity(1, stranger=1)], options=DRY)
    executor.run(job_id, seconds=60)
    [(_, warning)] = item_warnings.of_job(observer, job_id, limit=9)
    assert (warning.code, job_of(observer, job_id).warnings) == ("UNKNOWN_FIELD", 1)
