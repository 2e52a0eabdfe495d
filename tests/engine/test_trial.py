"""Trials: stored rows judged by a schema (docs/contracts/templates.md)."""

from collections.abc import Callable
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from ingest import faultpoints
from ingest.db.connection.pool import Connection, Pool, connect, transaction
from ingest.db.data import stored
from ingest.db.jobs import claims, control, item_errors, item_warnings, trials
from ingest.db.tenants import templates
from ingest.db.tenants.tenants import Tenant
from ingest.db.verify import verify
from ingest.engine.delivery import Delivery
from ingest.engine.executor import Executor
from ingest.engine.trial import BEGINNING
from ingest.errors import DatabaseError, LimitReached
from ingest.jobs import MOST_TRIAL_ERRORS_KEPT, TRIAL, Effect, ItemError, JobState
from tests.engine.test_validate_only import everything
from tests.support.factories import changed, entity, event, make_tenant, new_job, state
from tests.support.meanwhile import once
from tests.support.seen import effect_counts, job_of

Submit = Callable[..., UUID]

SCHEMA: dict[str, Any] = {
    "entity_types": {"player": {"required": ["email"], "fields": {"vip_level": {"type": "integer", "maximum": 3}}}},
    "event_types": {"transaction": {"fields": {"amount": {"type": "number", "minimum": 1}}}},
    "state_keys": ["balance"],
    "states": {"balance": {"type": "number"}},
    "pii_fields": {},
}


def begin(conn: Connection, tenant: Tenant, schema: dict[str, Any] = SCHEMA, *, rows: int = 1) -> UUID:
    """Store a trial as the API does."""
    assert tenant.template_id is not None
    version = templates.store_trial(conn, tenant.id, tenant.template_id, schema)
    job = new_job(tenant, TRIAL, template_id=version, ordered=False)
    assert trials.accept(conn, job, place=BEGINNING, rows=rows)
    return job.id


@pytest.fixture
def trial(pool: Pool, owner: Tenant) -> Callable[..., UUID]:
    """Stores a trial of the owner's and commits it."""

    def store(schema: dict[str, Any] = SCHEMA, **options: Any) -> UUID:
        with transaction(pool) as conn:
            return begin(conn, owner, schema, **options)

    return store


def test_pages_that_hide_the_same_fields_are_judged_by_one_schema(
    submit: Submit, executor: Executor, pool: Pool, owner: Tenant, trial: Callable[..., UUID], observer: Connection
) -> None:
    people = [{**entity(1), "externalId": name} for name in ("a", "z")]  # one on each page
    executor.run(submit("entities", people, sealed=True), seconds=60)
    with transaction(pool) as conn:
        many(conn, owner, stored.MOST_ROWS)
    # The name of a field for which there is no fast path is logged for each schema that is made.
    player = {"fields": {'half "a" name': {"type": "string"}}}
    job_id = trial({**SCHEMA, "entity_types": {"player": player, "game": {}}})
    with capture_logs() as lines:
        executor.run(job_id, seconds=60)
    assert job_of(observer, job_id).status is JobState.COMPLETED
    assert [line["type"] for line in lines if line["event"] == "checking_item_by_item"] == ["player"]


def errors_of(conn: Connection, job_id: UUID) -> list[ItemError]:
    return item_errors.of_job(conn, job_id, limit=100_000)


def many(conn: Connection, tenant: Tenant, count: int, *, vip_level: int = 1) -> None:
    """Store so many entities, faster than jobs do it."""
    conn.execute(
        "INSERT INTO entities (public_id, tenant_id, scope, external_id, type, properties)"
        " SELECT gen_random_uuid(), %(tenant)s, '', 'p' || lpad(n::text, 6, '0'), 'player',"
        "        jsonb_build_object('email', 'x', 'vip_level', %(vip_level)s::integer)"
        " FROM generate_series(1, %(count)s) n",
        {"tenant": tenant.id, "count": count, "vip_level": vip_level},
    )


@pytest.fixture
def rows(submit: Submit, executor: Executor) -> None:
    """Six entities, four of which are good by the schema, and a bad state and event beside good ones."""
    for kind, items in {
        "entities": [entity(number, data={"email": "x", "vip_level": number}) for number in range(6)],
        "states": [state(1), state(2, value="much")],
        "events": [event(1), event(2, data={"type": "t", "amount": 0, "currency": "EUR"})],
    }.items():
        executor.run(submit(kind, items), seconds=60)


@pytest.mark.usefixtures("rows")
def test_a_trial_tells_of_each_row_that_would_not_pass_which_it_is_and_why(
    trial: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = trial()
    executor.run(job_id, seconds=60)
    assert job_of(observer, job_id).status is JobState.COMPLETED
    assert effect_counts(observer, job_id) == {Effect.UNCHANGED: 6, Effect.FAILED: 4}
    [(event_id,)] = observer.execute("SELECT public_id FROM events WHERE properties @> '{\"amount\": 0}'").fetchall()
    assert isinstance(event_id, UUID)
    assert [(error.index, error.external_id, error.message, error.field) for error in errors_of(observer, job_id)] == [
        (
            4,
            "player_000004",
            'Entity "player_000004": Field "vip_level" must be at most 3, not 4',
            "/data/vip_level",
        ),
        (
            5,
            "player_000005",
            'Entity "player_000005": Field "vip_level" must be at most 3, not 5',
            "/data/vip_level",
        ),
        (
            7,
            "player_000002",
            'State balance of "player_000002": Field "value" must be a number, not a string',
            "/value",
        ),
        (
            9,
            "player_000002",
            f'Event "eev_{event_id.hex}" of "player_000002": Field "amount" must be at least 1, not 0',
            "/data/amount",
        ),
    ]


@pytest.mark.usefixtures("rows")
def test_a_trial_changes_nothing_that_is_stored(
    trial: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    before = everything(observer)
    executor.run(trial(), seconds=60)
    assert everything(observer) == before


@pytest.mark.usefixtures("rows")
def test_warnings_of_a_trial_say_which_row_they_are_about(
    trial: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    schema = {**SCHEMA, "entity_types": {"player": {"optional": ["email"], "additional": "drop"}}}
    job_id = trial(schema)
    executor.run(job_id, seconds=60)
    assert job_of(observer, job_id).warnings == 6
    (_, first), *_ = item_warnings.of_job(observer, job_id, limit=10)
    assert (first.index, first.field) == (0, "/data/vip_level")
    assert first.message == 'Entity "player_000000": Unknown field: "vip_level"; it is not stored'


def test_a_trial_of_nothing_completes_at_once(
    trial: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = trial()
    executor.run(job_id, seconds=60)
    job = job_of(observer, job_id)
    assert (job.status, job.total, job.progress) == (JobState.COMPLETED, 0, 100)


@pytest.mark.parametrize("estimate", [1, 3_000, 100_000])
def test_progress_never_falls_whatever_the_estimate_was(
    trial: Callable[..., UUID], executor: Executor, observer: Connection, owner: Tenant, estimate: int
) -> None:
    many(observer, owner, 5_000)
    job_id = trial(rows=estimate)
    seen = [0]
    while not job_of(observer, job_id).status.ended:
        executor.run(job_id, seconds=0)
        job = job_of(observer, job_id)
        seen.append(job.progress)
        assert (job.progress == 100) is job.status.ended
    assert seen == sorted(seen)
    assert job_of(observer, job_id).total == 5_000
    assert len(seen) > 3


# Each step of a transaction of a trial, as the database sees it.
_STEPS = {
    "record errors": "TRIGGER stumble BEFORE INSERT ON job_errors",
    "advance": "TRIGGER stumble BEFORE UPDATE OF payload ON job_blocks",
    "count": "TRIGGER stumble BEFORE UPDATE OF failed ON jobs",
    "commit": "CONSTRAINT TRIGGER stumble AFTER UPDATE OF failed ON jobs DEFERRABLE INITIALLY DEFERRED",
}
_STUMBLE = """
CREATE FUNCTION stumble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stumbled'; END $$;
CREATE {step} FOR EACH ROW EXECUTE FUNCTION stumble()
"""


@pytest.mark.parametrize("step", _STEPS)
def test_a_page_that_fails_at_any_step_is_judged_once_later(
    trial: Callable[..., UUID], executor: Executor, observer: Connection, owner: Tenant, step: str
) -> None:
    many(observer, owner, 4_500, vip_level=4)
    job_id = trial(rows=4_500)
    executor.run(job_id, seconds=0)
    before = job_of(observer, job_id).effects
    assert before == {**dict.fromkeys(Effect, 0), Effect.FAILED: 2_000, Effect.UNPROCESSED: 2_500}
    observer.execute(_STUMBLE.format(step=_STEPS[step]).encode())
    with pytest.raises(DatabaseError):
        executor.run(job_id, seconds=60)
    assert job_of(observer, job_id).effects == before
    observer.execute("DROP FUNCTION stumble CASCADE")
    executor.run(job_id, seconds=60)
    found = errors_of(observer, job_id)
    assert [error.index for error in found] == list(range(4_500))
    assert len({error.external_id for error in found}) == 4_500
    assert effect_counts(observer, job_id) == {Effect.FAILED: 4_500}


@pytest.mark.usefixtures("rows")
def test_a_trial_that_is_cancelled_in_a_page_counts_nothing_of_it(
    trial: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = trial()
    executor = _with(executor, lambda: control.cancel(observer, job_id))
    executor.run(job_id, seconds=60)
    job = job_of(observer, job_id)
    assert (job.status, job.processed, errors_of(observer, job_id)) == (JobState.CANCELLED, 0, [])


def _with(executor: Executor, action: Callable[[], object]) -> Executor:
    """Return an executor that acts once, right before the first row is judged."""
    return changed(executor, template_cache=once(action))


@pytest.mark.usefixtures("rows")
def test_a_trial_that_another_worker_holds_is_left_to_it(
    trial: Callable[..., UUID], executor: Executor, observer: Connection, other: Connection
) -> None:
    job_id = trial()
    with transaction(executor.pool) as conn:
        [claimed] = claims.claim(conn, job_id)
    assert trials.lock(other, job_id) is not None
    assert executor.run_claimed([claimed], 0, fair=True) is Delivery.HELD
    other.rollback()
    executor.run(job_id, seconds=60)
    # A claim of before finds the trial where it is now.
    assert executor.run_claimed([claimed], 0, fair=True) is Delivery.HELD
    assert effect_counts(observer, job_id) == {Effect.UNCHANGED: 6, Effect.FAILED: 4}


@pytest.mark.usefixtures("rows")
def test_a_late_claim_goes_on_where_the_trial_is_and_judges_no_row_twice(
    trial: Callable[..., UUID], executor: Executor, observer: Connection, owner: Tenant
) -> None:
    many(observer, owner, 3_000, vip_level=4)
    job_id = trial()
    with transaction(executor.pool) as conn:
        [claimed] = claims.claim(conn, job_id)
    executor.run(job_id, seconds=0)
    assert executor.run_claimed([claimed], 0, fair=True) is Delivery.YIELDED
    executor.run(job_id, seconds=60)
    assert [error.index for error in errors_of(observer, job_id)][:3_000] == list(range(3_000))
    assert job_of(observer, job_id).total == 3_010


def test_a_begun_trial_waits_behind_the_jobs_that_wait_already(
    trial: Callable[..., UUID], executor: Executor, submit: Submit, pool: Pool, observer: Connection, owner: Tenant
) -> None:
    many(observer, owner, 5_000)
    job_id = trial()
    executor.run(job_id, seconds=0)
    # Of several blocks: no such job begins while an ordinary one of the tenant's is put down.
    long = submit("entities", [entity(number) for number in range(4)], block_items=2)
    executor.run(job_id, seconds=0)
    with transaction(pool) as conn:
        assert [claim.job.id for claim in claims.claim_next(conn)] == [long]
        assert [claim.job.id for claim in claims.claim_next(conn)] == [job_id]


def test_another_tenants_job_comes_between_two_pages(trial: Callable[..., UUID], pool: Pool, owner: Tenant) -> None:
    with transaction(pool) as conn:
        stranger, _ = make_tenant(conn)
        theirs = begin(conn, stranger)
    job_id = trial()
    with transaction(pool) as conn:
        turns = [claim.job.id for _ in range(2) for claim in claims.claim_next(conn, after_tenant=owner.id)]
    assert turns == [theirs, job_id]


def test_two_trials_never_share_a_transaction(trial: Callable[..., UUID], pool: Pool) -> None:
    first, _ = trial(), trial()
    with transaction(pool) as conn:
        assert [claim.job.id for claim in claims.claim_next(conn)] == [first]


def test_a_tenant_has_so_many_trials_and_no_more(trial: Callable[..., UUID], observer: Connection) -> None:
    first, *_ = [trial() for _ in range(trials.MOST_OPEN)]
    with pytest.raises(LimitReached):
        trial()
    assert control.cancel(observer, first)
    trial()


def test_of_each_kind_of_rows_the_first_errors_are_kept_and_all_are_counted(
    trial: Callable[..., UUID], executor: Executor, observer: Connection, owner: Tenant, database_url: str
) -> None:
    many(observer, owner, MOST_TRIAL_ERRORS_KEPT + 50, vip_level=4)
    observer.execute(
        "INSERT INTO states (tenant_id, entity_id, key, value)"
        " SELECT tenant_id, id, 'balance', '\"x\"' FROM entities LIMIT 3"
    )
    job_id = trial()
    executor.run(job_id, seconds=60)
    assert effect_counts(observer, job_id) == {Effect.FAILED: MOST_TRIAL_ERRORS_KEPT + 53}
    found = [error.index for error in errors_of(observer, job_id)]
    first = MOST_TRIAL_ERRORS_KEPT + 50
    assert found == [*range(MOST_TRIAL_ERRORS_KEPT), first, first + 1, first + 2]
    with closing(connect(database_url, "sluice-cli")) as conn:
        results = list(verify(conn, deadline_seconds=60, stuck_after_seconds=60, check_seconds=30))
    assert [result.check.name for result in results if result.found != 0] == []


@pytest.fixture
def _deadly_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faultpoints, "meeting", faultpoints._at_item("kill:player_000003"))


@pytest.mark.usefixtures("rows", "_deadly_item")
def test_a_row_whose_check_ends_the_process_becomes_an_error(
    trial: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = trial()
    observer.execute("UPDATE job_blocks SET deliveries = 3 WHERE job_id = %s", (job_id,))
    executor.run(job_id, seconds=60)
    assert [error.index for error in errors_of(observer, job_id)] == [3, 4, 5, 7, 9]
    poisoned = errors_of(observer, job_id)[0]
    assert poisoned.external_id == "player_000003"
    assert "ended the process" in poisoned.message
