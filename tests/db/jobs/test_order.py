"""Jobs of a tenant take effect in the order in which they were accepted, by two workers at once, against a model."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Self
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.db.connection.pool import WORKER, Connection, Pool, open_pool, transaction
from ingest.db.jobs import blocks, claims, completion, control, item_errors
from ingest.db.jobs.completion import BlockOutcome, Yields
from ingest.db.tenants.tenants import Tenant
from ingest.engine.executor import Executor
from ingest.engine.kinds import KINDS
from ingest.jobs import WAITS_FOR, Effect, JobState
from ingest.notify.listener import Listener
from tests.support.factories import accept, entity, event, make_executor, make_tenant, state
from tests.support.seen import effect_counts, job_of

_KEYS = 4
_LARGE = 150  # such a job takes long enough for the ones behind it to overtake it, if nothing keeps them


@dataclass(frozen=True)
class Batch:
    """A batch to accept: of a kind, with an item a number."""

    kind: str
    numbers: Sequence[int]
    merge: bool = False
    block_items: int | None = None


@dataclass
class Model:
    """The data that is stored once the batches have taken effect one after the other."""

    entities: dict[int, dict[str, Any]] = field(default_factory=dict)
    states: dict[int, Any] = field(default_factory=dict)
    events: Counter[int] = field(default_factory=Counter)

    def apply(self, position: int, batch: Batch, missing: set[int]) -> Counter[Effect]:
        """Returns the effects of the batch, whose items at the indexes `missing` found no entity."""
        return Counter(
            Effect.FAILED if index in missing else self._write(position, batch, number)
            for index, number in enumerate(batch.numbers)
        )

    def _write(self, position: int, batch: Batch, number: int) -> Effect:
        if batch.kind == "events":
            self.events[number] += 1
            return Effect.CREATED
        stored: dict[int, Any] = self.entities if batch.kind == "entities" else self.states
        sent: Any = _data(position) if batch.kind == "entities" else position
        before = stored.get(number)
        stored[number] = {**before, **sent} if batch.merge and before else sent
        if before is None:
            return Effect.CREATED
        return Effect.UNCHANGED if before == stored[number] else Effect.UPDATED


def _data(position: int) -> dict[str, Any]:
    """The data that is stored in the clear. A merge keeps what an earlier batch alone has sent."""
    return {"sent": position, f"by_{position % 3}": True}


def items_of(position: int, batch: Batch) -> list[dict[str, Any]]:
    make: dict[str, Callable[[int], dict[str, Any]]] = {
        "entities": lambda number: entity(number, data={"email": f"{number}@example.com", **_data(position)}),
        "states": lambda number: state(number, value=position),
        "events": event,
    }
    return [make[batch.kind](number) for number in batch.numbers]


_NUMBERS = st.lists(st.integers(0, _KEYS - 1), min_size=1, max_size=4)
_BATCHES = st.one_of(
    st.builds(
        Batch, st.sampled_from(["entities", "states", "events"]), _NUMBERS, block_items=st.sampled_from([None, 1])
    ),
    st.builds(Batch, st.just("entities"), _NUMBERS, merge=st.just(True)),
    st.builds(Batch, st.just("entities"), st.just(range(_LARGE))),
)


class Workers:
    """Two workers, each with connections of its own, that serve until all is done."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        self._urls = database_url, redis_url
        self._stopping = Event()

    def __enter__(self) -> Self:
        self._threads = ThreadPoolExecutor(2)
        self._serving = [self._threads.submit(self._serve) for _ in range(2)]
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for serving in self._serving:
            serving.result()
        self._threads.shutdown()

    def _serve(self) -> None:
        database_url, redis_url = self._urls
        with open_pool(database_url, WORKER, size=1) as pool:
            executor, listener = make_executor(pool, redis_url), Listener(redis_url)
            while not self._stopping.is_set():
                executor.serve(None, listener, seconds=60)


def until_ended(observer: Connection, tenant: Tenant) -> None:
    """Returns once every job of the tenant has ended; the test's own time limit bounds it."""
    query = "SELECT FROM jobs WHERE tenant_id = %s AND ended_at IS NULL LIMIT 1"
    while observer.execute(query, (tenant.id,)).rowcount:
        pass


def test_two_workers_leave_what_a_model_of_one_after_the_other_says(
    database_url: str, redis_url: str, pool: Pool, observer: Connection
) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(_BATCHES, min_size=2, max_size=10), st.integers(0, 10))
    def holds(batches: list[Batch], accepted_first: int) -> None:
        with transaction(pool) as conn:
            tenant, _ = make_tenant(conn)
        made: list[UUID] = []
        with ExitStack() as stack:
            for position, batch in enumerate(batches):
                if position == accepted_first:
                    stack.enter_context(Workers(database_url, redis_url))
                with transaction(pool) as conn:
                    items = items_of(position, batch)
                    overrides = {"merge": batch.merge, "block_items": batch.block_items}
                    made.append(accept(conn, tenant, batch.kind, items, **overrides))
            if len(batches) <= accepted_first:
                stack.enter_context(Workers(database_url, redis_url))
            until_ended(observer, tenant)
        model = Model()
        for position, (batch, job_id) in enumerate(zip(batches, made, strict=True)):
            errors = item_errors.of_job(observer, job_id, limit=1_000)
            assert {error.code for error in errors} <= {"NOT_FOUND"}
            missing = {error.index for error in errors}
            # An item whose entity an earlier batch has brought finds it; of a later one no promise is made.
            assert not {batch.numbers[index] for index in missing} & model.entities.keys()
            assert effect_counts(observer, job_id) == model.apply(position, batch, missing)
        assert stored(observer, tenant) == model

    holds()


def stored(conn: Connection, tenant: Tenant) -> Model:
    """Read the tenant's data."""
    number = "substring(e.external_id FROM '[0-9]+$')::integer"
    entities = f"SELECT {number}, e.properties FROM entities e WHERE e.tenant_id = %s"
    states = f"SELECT {number}, s.value FROM states s JOIN entities e ON e.id = s.entity_id WHERE e.tenant_id = %s"
    events = f"SELECT {number} FROM event_entities l JOIN entities e ON e.id = l.entity_id WHERE e.tenant_id = %s"
    return Model(
        dict(conn.execute(entities.encode(), (tenant.id,)).fetchall()),  # type: ignore[arg-type] # as selected
        dict(conn.execute(states.encode(), (tenant.id,)).fetchall()),  # type: ignore[arg-type] # as selected
        Counter(row[0] for row in conn.execute(events.encode(), (tenant.id,))),  # type: ignore[misc] # an integer
    )


def test_each_kind_says_which_earlier_kinds_it_waits_for() -> None:
    assert WAITS_FOR.keys() == KINDS.keys()
    assert {earlier for kinds in WAITS_FOR.values() for earlier in kinds} <= KINDS.keys()


_ONE_OF: dict[str, Any] = {
    "entities": [entity(1)],
    "events": [event(1)],
    "states": [state(1)],
    "objects": [{"type": "Order", "id": "1"}],
    "object_events": [{"event": "Placed", "objects": [{"type": "Order", "id": "1"}]}],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("earlier", KINDS)
def test_a_job_waits_for_an_earlier_one_just_if_its_kind_does(
    conn: Connection, tenant: Tenant, earlier: str, kind: str
) -> None:
    first = accept(conn, tenant, earlier, _ONE_OF[earlier])
    second = accept(conn, tenant, kind, _ONE_OF[kind])
    waits = earlier in WAITS_FOR[kind]
    blocker = claims.blocker(conn, second)
    assert (blocker and blocker.id) == (first if waits else None)
    assert bool(claims.claim(conn, second)) is not waits
    assert control.cancel(conn, first)
    assert claims.freed_by(conn, [first]) == ([second] if waits else [])
    assert claims.blocker(conn, second) is None
    assert claims.claim(conn, second)


def test_an_unordered_job_waits_for_none_and_later_ones_wait_for_it(conn: Connection, tenant: Tenant) -> None:
    first, unordered, last = (
        accept(conn, tenant, "entities", [entity(1)], ordered=ordered) for ordered in (True, False, True)
    )
    assert claims.claim(conn, last) == []
    [claimed] = claims.claim(conn, first)
    assert claimed.job.ordered
    [claimed] = claims.claim_next(conn)
    assert (claimed.job.id, claimed.job.ordered) == (unordered, False)
    assert claims.claim_next(conn) == []
    assert control.cancel(conn, first)
    assert claims.claim_next(conn) == []
    assert control.cancel(conn, unordered)
    assert [claimed.job.id for claimed in claims.claim_next(conn)] == [last]


def test_a_claim_passes_over_a_hundred_jobs_that_are_held_back_and_no_more(conn: Connection, tenant: Tenant) -> None:
    """One that stands behind more of them is begun by its own message, or once they are fewer."""
    earlier = accept(conn, tenant, "states", _ONE_OF["states"])
    assert claims.claim(conn, earlier)
    held = [accept(conn, tenant, "events", _ONE_OF["events"], after_job_id=earlier) for _ in range(100)]
    free = accept(conn, tenant, "events", _ONE_OF["events"])
    assert claims.claim_next(conn) == []
    assert control.cancel(conn, held[0])
    assert claims.next_head(conn) == free
    assert claims.claim(conn, free)


def test_another_tenants_jobs_are_not_waited_for(conn: Connection, tenant: Tenant) -> None:
    other, _ = make_tenant(conn, name="Other")
    mine, theirs = (accept(conn, whose, "entities", [entity(1)]) for whose in (tenant, other))
    assert claims.claim(conn, theirs)
    assert claims.claim(conn, mine)


def test_blocks_of_an_unordered_job_are_claimed_by_several_workers_at_once(
    pool: Pool, owner: Tenant, other: Connection
) -> None:
    with transaction(pool) as conn:
        job_id = accept(conn, owner, "entities", [entity(n) for n in range(3)], block_items=1, ordered=False)
    seen = []
    for _ in range(3):
        with transaction(pool) as conn:
            [claimed] = claims.claim_next(conn)
        assert claimed.job.id == job_id
        assert blocks.lock(other, [(job_id, claimed.block.no)], in_order=False)
        seen.append(claimed.block.no)
    assert seen == [0, 1, 2]
    with transaction(pool) as conn:
        assert claims.claim_next(conn) == []
        assert claims.claim(conn, job_id) == [], "every block of it is held"
    other.rollback()
    with transaction(pool) as conn:
        assert claims.claim_next(conn) == [], "what workers were given and left is the sweeper's"
        assert claims.claim(conn, job_id)


def test_an_unordered_job_whose_last_block_is_held_hides_no_other_job(
    pool: Pool, redis_url: str, owner: Tenant, other: Connection
) -> None:
    with transaction(pool) as conn:
        unordered = accept(conn, owner, "entities", [entity(n) for n in range(2)], block_items=1, ordered=False)
    with transaction(pool) as conn:
        assert [claimed.block.no for claimed in claims.claim_next(conn)] == [0]
    with transaction(pool) as conn:
        assert [claimed.block.no for claimed in claims.claim_next(conn)] == [1]
    assert blocks.lock(other, [(unordered, 1)], in_order=False)
    make_executor(pool, redis_url).run(unordered, seconds=0)
    with transaction(pool) as conn:
        assert claims.next_head(conn) is None
        theirs = accept(conn, make_tenant(conn, name="Other")[0], "entities", [entity(1)])
        assert claims.next_head(conn, after_tenant=owner.id - 1) == theirs
        assert [claimed.job.id for claimed in claims.claim_next(conn, after_tenant=owner.id - 1)] == [theirs]


def test_an_unordered_job_is_done_by_two_workers_once_each_item(
    database_url: str, redis_url: str, pool: Pool, owner: Tenant, observer: Connection
) -> None:
    with transaction(pool) as conn:
        job_id = accept(conn, owner, "entities", [entity(n) for n in range(40)], block_items=2, ordered=False)
    with Workers(database_url, redis_url):
        until_ended(observer, owner)
    assert effect_counts(observer, job_id) == {Effect.CREATED: 40}
    assert observer.execute("SELECT DISTINCT deliveries FROM job_blocks").fetchall() == [(1,)]


@pytest.mark.parametrize("table", ["jobs WHERE id = %s", "job_blocks WHERE job_id = %s"])
def test_a_group_ends_before_a_job_that_it_cannot_claim(
    pool: Pool, owner: Tenant, other: Connection, table: str
) -> None:
    with transaction(pool) as conn:
        made = [accept(conn, owner, "entities", [entity(n)]) for n in range(4)]
    assert other.execute(f"SELECT FROM {table} FOR UPDATE".encode(), (made[2],)).rowcount == 1
    with transaction(pool) as conn:
        assert [claimed.job.id for claimed in claims.claim_next(conn)] == made[:2]


def test_a_group_waits_for_jobs_of_other_kinds_between_its_own(conn: Connection, tenant: Tenant) -> None:
    first = accept(conn, tenant, "events", [event(1)])
    accept(conn, tenant, "entities", [entity(1)])
    accept(conn, tenant, "events", [event(1)])
    assert [claimed.job.id for claimed in claims.claim_next(conn)] == [first]


def test_tenants_take_turns_at_claims(conn: Connection) -> None:
    tenants = [make_tenant(conn, name=name)[0] for name in "ABC"]
    for tenant in tenants:
        for _ in range(2):
            accept(conn, tenant, "events", [event(1), event(2)], block_items=1)
    served, last = [], tenants[0].id
    while claimed := claims.claim_next(conn, after_tenant=last):
        served.append(last := claimed[0].job.tenant_id)
    assert served == [tenants[place].id for place in (1, 2, 0, 1, 2, 0)]


def test_a_long_job_is_put_down_after_a_block_once_another_tenant_waits(
    pool: Pool, redis_url: str, owner: Tenant, observer: Connection
) -> None:
    with transaction(pool) as conn:
        long = accept(conn, owner, "entities", [entity(n) for n in range(6)], block_items=1)
        other, _ = make_tenant(conn, name="Other")
        short = accept(conn, other, "entities", [entity(1)])
    make_executor(pool, redis_url).serve(long, Listener(redis_url), seconds=60)
    ended = {job_id: job_of(observer, job_id) for job_id in (long, short)}
    assert {job.status for job in ended.values()} == {JobState.COMPLETED}
    assert ended[long].attempts == 2, "put down once, after its first block"
    assert (ended[short].ended_at or ended[short].created_at) < (ended[long].ended_at or ended[long].created_at)


@pytest.mark.parametrize("ordered", [True, False])
def test_no_long_job_begins_while_an_earlier_one_of_its_tenant_is_put_down(
    conn: Connection, tenant: Tenant, *, ordered: bool
) -> None:
    long = [accept(conn, tenant, "events", [event(1)] * 3, block_items=1, ordered=ordered) for _ in range(3)]
    short = accept(conn, tenant, "states", [state(1)])
    other, _ = make_tenant(conn, name="Other")
    theirs = accept(conn, other, "entities", [entity(n) for n in range(9)], block_items=1)
    run, last = list[UUID](), other.id
    while claimed := claims.claim_next(conn, after_tenant=last):
        [(job, block)] = claimed
        run.append(job.id)
        last = job.tenant_id
        yields = Yields.TO_OTHER_TENANTS if job.ordered else Yields.NOW
        outcome = BlockOutcome(job.id, block.no, {Effect.CREATED: 1})
        completion.close_blocks(conn, [outcome], tenant_id=job.tenant_id, yields=yields)
    first, second, third = long
    assert [job_id for job_id in run if job_id != theirs] == [first, short, *[first] * 2, *[second] * 3, *[third] * 3]
    assert run[1::2][:9] == [theirs] * 9, "tenants take turns"


def test_a_job_of_a_request_runs_the_earlier_ones_that_it_waits_for(
    pool: Pool, owner: Tenant, executor: Executor, observer: Connection
) -> None:
    objects = [[{"type": "T", "id": "1", "properties": {"n": n}}] for n in range(3)]
    with transaction(pool) as conn:
        made = [accept(conn, owner, "objects", batch, template_id=None, merge=True) for batch in objects]
    executor.run_in_turn(made[-1], seconds=60, longest=60)
    assert {job_of(observer, job_id).status for job_id in made} == {JobState.COMPLETED}
    assert observer.execute("SELECT properties::text FROM entities").fetchall() == [('{"n": 2}',)]


def test_requests_that_run_one_anothers_jobs_return_once_their_own_has_ended(
    database_url: str, redis_url: str, pool: Pool, owner: Tenant
) -> None:
    with transaction(pool) as conn:
        made = [accept(conn, owner, "objects", [{"type": "T", "id": "1"}], template_id=None) for _ in range(60)]

    def run(own: Sequence[UUID]) -> list[UUID]:
        """Returns those that had not ended."""
        with open_pool(database_url, WORKER, size=1) as connections:
            executor, left = make_executor(connections, redis_url), []
            for job_id in own:
                executor.run_in_turn(job_id, seconds=60, longest=60)
                with transaction(pool) as conn:
                    left += [] if job_of(conn, job_id).status.ended else [job_id]
        return left

    with ThreadPoolExecutor(3) as threads:
        assert [left for left in threads.map(run, [made[0::3], made[1::3], made[2::3]]) if left] == []
