"""Ids that senders give their events: a tenant's second event with the same id is a duplicate of the first.

docs/contracts/jobs.md section 1 is their contract.
"""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.db import verify
from ingest.db.connection.pool import Connection, Pool, connect, transaction
from ingest.db.data import entities, erasure, retention
from ingest.db.jobs import claims, item_warnings
from ingest.db.jobs import results as job_results
from ingest.db.tenants import tenants
from ingest.db.tenants.templates import TemplateCache
from ingest.db.tenants.tenants import Tenant
from ingest.engine.executor import Executor
from ingest.engine.kinds import KINDS, schema_of
from ingest.engine.outcomes import Outcomes
from ingest.engine.transaction import run_in_transaction
from ingest.engine.writers import Target
from ingest.engine.writing import write
from ingest.errors import WriteRefused
from ingest.items.events import Event
from ingest.items.object_events import LinkedObject, ObjectEvent
from ingest.jobs import Effect
from tests.support.factories import TOO_LARGE, accept, event, make_executor, make_tenant
from tests.support.seen import effect_counts, job_of

_EVENT_KINDS = ["events", "object_events"]
CREATED, DUPLICATE, FAILED = Effect.CREATED, Effect.DUPLICATE, Effect.FAILED


def item(kind: str, event_id: str | None, n: Any = 0, *, of: str = "player_000001") -> Any:
    """An event of one entity, told apart from others by `n`."""
    data = msgspec.Raw(n if isinstance(n, bytes) else json.dumps({"n": n}).encode())
    if kind == "events":
        return Event(of, "session", data, None, event_id)
    return ObjectEvent([LinkedObject(of, "player", msgspec.Raw(b"{}"), "")], "session", data, None, event_id)


def put(
    conn: Connection, tenant: Tenant, kind: str, *items: Any, halving: bool = True, item_bytes: int = 1_000_000
) -> Outcomes:
    return write(conn, KINDS[kind], Target(tenant.id, merge=True, item_bytes=item_bytes), items, halving=halving)


def stored(conn: Connection, tenant: Tenant) -> list[Any]:
    """The `n` of each event of the tenant with its id and its entity, in the order of their internal ids."""
    query = """
        SELECT v.properties -> 'n', v.external_id, e.external_id
        FROM events v JOIN event_entities l ON l.event_id = v.id JOIN entities e ON e.id = l.entity_id
        WHERE v.tenant_id = %s ORDER BY v.id
    """
    return conn.execute(query, (tenant.id,)).fetchall()


def public_ids(conn: Connection, tenant: Tenant) -> list[UUID]:
    query = "SELECT public_id FROM events WHERE tenant_id = %s ORDER BY id"
    return [row[0] for row in conn.execute(query, (tenant.id,))]  # type: ignore[misc] # a uuid


def as_uuids(outcomes: Outcomes) -> list[UUID | None]:
    return [UUID(bytes=public_id) if public_id else None for public_id in outcomes.ids]


def with_players(conn: Connection, tenant: Tenant, count: int = 10) -> Tenant:
    players = [entities.Entity(f"player_{n:06}", "player", msgspec.Raw(b"{}")) for n in range(count)]
    entities.upsert(conn, tenant.id, players, merge=False)
    return tenant


@pytest.fixture
def tenant(conn: Connection, tenant: Tenant) -> Tenant:
    return with_players(conn, tenant)


@pytest.fixture
def owner(pool: Pool, owner: Tenant) -> Tenant:
    with transaction(pool) as conn:
        return with_players(conn, owner)


@pytest.mark.parametrize("kind", _EVENT_KINDS)
def test_a_second_event_with_the_same_id_is_not_stored(conn: Connection, tenant: Tenant, kind: str) -> None:
    first = put(conn, tenant, kind, item(kind, "a", 1))
    second = put(conn, tenant, kind, item(kind, "a", 2, of="player_000002"))
    assert (first.effects, second.effects) == ([CREATED], [DUPLICATE])
    assert second.ids == first.ids
    assert stored(conn, tenant) == [(1, "a", "player_000001")]


@pytest.mark.parametrize("kind", _EVENT_KINDS)
def test_of_equal_ids_in_a_block_the_first_sent_is_stored(conn: Connection, tenant: Tenant, kind: str) -> None:
    outcomes = put(conn, tenant, kind, *[item(kind, "ba"[n % 2], n) for n in range(6)])
    assert outcomes.effects == [CREATED] * 2 + [DUPLICATE] * 4
    assert outcomes.ids == outcomes.ids[:2] * 3
    assert as_uuids(outcomes)[:2] == public_ids(conn, tenant)
    assert [row[:2] for row in stored(conn, tenant)] == [(0, "b"), (1, "a")]


@pytest.mark.parametrize("kind", _EVENT_KINDS)
def test_events_with_and_without_ids_keep_their_order_and_their_entities(
    conn: Connection, tenant: Tenant, kind: str
) -> None:
    known = put(conn, tenant, kind, item(kind, "k", "known"))
    sent_ids = [None, "z", "k", None, "a", "z", None, "m", "a", None]
    items = [item(kind, event_id, n, of=f"player_{n:06}") for n, event_id in enumerate(sent_ids)]
    outcomes = put(conn, tenant, kind, *items)
    duplicates = {2: known.ids[0], 5: outcomes.ids[1], 8: outcomes.ids[4]}
    assert outcomes.effects == [DUPLICATE if n in duplicates else CREATED for n in range(10)]
    assert {n: outcomes.ids[n] for n in duplicates} == duplicates
    rows = [(n, sent_ids[n], f"player_{n:06}") for n in range(10) if n not in duplicates]
    assert stored(conn, tenant) == [("known", "k", "player_000001"), *rows]
    assert [as_uuids(outcomes)[n] for n, _, _ in rows] == public_ids(conn, tenant)[1:]


@pytest.mark.parametrize("kind", _EVENT_KINDS)
def test_events_without_an_id_are_never_duplicates(conn: Connection, tenant: Tenant, kind: str) -> None:
    assert put(conn, tenant, kind, *[item(kind, None)] * 3).effects == [CREATED] * 3


def test_both_apis_share_the_ids_of_a_tenant(conn: Connection, tenant: Tenant) -> None:
    first = put(conn, tenant, "object_events", item("object_events", "a"))
    second = put(conn, tenant, "events", item("events", "a"))
    assert (second.effects, second.ids) == ([DUPLICATE], first.ids)


def test_another_tenant_has_ids_of_its_own(conn: Connection, tenant: Tenant) -> None:
    other = with_players(conn, make_tenant(conn)[0])
    assert put(conn, tenant, "events", item("events", "a", 1)).effects == [CREATED]
    assert put(conn, other, "events", item("events", "a", 2), item("events", "a", 3)).effects == [CREATED, DUPLICATE]
    assert [row[0] for row in stored(conn, tenant)] == [1]


@pytest.mark.parametrize("event_id", ["é" * 255, "\N{GRINNING FACE}" * 255, " a", "A"])
def test_ids_compare_code_point_by_code_point(conn: Connection, tenant: Tenant, event_id: str) -> None:
    sent = [item("events", one) for one in ("a", event_id, "a ", event_id)]
    assert put(conn, tenant, "events", *sent).effects == [CREATED] * 3 + [DUPLICATE]


def test_a_duplicate_leaves_no_object_and_merges_nothing(conn: Connection, tenant: Tenant) -> None:
    def named(event_id: str, *objects: tuple[str, bytes]) -> ObjectEvent:
        links = [LinkedObject(name, "order", msgspec.Raw(data), "") for name, data in objects]
        return ObjectEvent(links, "e", msgspec.Raw(b"{}"), None, event_id)

    first, again = named("a", ("o1", b'{"n":1}')), named("a", ("o1", b'{"n":2}'), ("o2", b"{}"))
    assert put(conn, tenant, "object_events", first, again).effects == [CREATED, DUPLICATE]
    assert put(conn, tenant, "object_events", again).effects == [DUPLICATE]
    rows = conn.execute(
        "SELECT external_id, properties FROM entities WHERE tenant_id = %s AND type = 'order'", (tenant.id,)
    )
    assert rows.fetchall() == [("o1", {"n": 1})]


@pytest.mark.parametrize("kind", _EVENT_KINDS)
def test_an_event_that_the_database_refuses_does_not_take_its_id(conn: Connection, tenant: Tenant, kind: str) -> None:
    refused = b'{"n": %s}' % TOO_LARGE
    items = [item(kind, "a", refused), item(kind, "b", 1), item(kind, "a", 2), item(kind, "a", refused)]
    with pytest.raises(WriteRefused), conn.transaction():
        put(conn, tenant, kind, *items, halving=False)
    # The last one is refused as itself, since the database reads what it is sent before it looks for the id.
    outcomes = put(conn, tenant, kind, *items)
    assert outcomes.effects == [FAILED, CREATED, CREATED, FAILED]
    assert [row[:2] for row in stored(conn, tenant)] == [(1, "b"), (2, "a")]


def test_an_event_sent_again_is_a_duplicate_though_its_entity_is_gone(conn: Connection, tenant: Tenant) -> None:
    first = put(conn, tenant, "events", item("events", "a"))
    erasure.delete(conn, tenant.id, "player_000001")
    outcomes = put(conn, tenant, "events", item("events", "a"), item("events", "new"), item("events", None))
    assert (outcomes.effects, outcomes.ids[0]) == ([DUPLICATE, FAILED, FAILED], first.ids[0])
    assert {place: refusal.code for place, refusal in outcomes.refusals.items()} == {1: "NOT_FOUND", 2: "NOT_FOUND"}


def test_an_event_without_its_entity_is_a_duplicate_of_earlier_events_alone(conn: Connection, tenant: Tenant) -> None:
    there, missing = item("events", "a", 1), item("events", "a", 2, of="nobody")
    outcomes = put(conn, tenant, "events", missing, there, missing)
    assert outcomes.effects == [FAILED, CREATED, DUPLICATE]
    assert outcomes.ids[1] == outcomes.ids[2]
    assert list(outcomes.refusals) == [0]


def test_a_duplicate_does_not_count_for_the_size_of_its_objects(conn: Connection, tenant: Tenant) -> None:
    def grows(event_id: str | None, name: str, of: str = "o") -> ObjectEvent:
        data = msgspec.Raw(b'{"%s":"%s"}' % (name.encode(), b"x" * 15_000))
        return ObjectEvent([LinkedObject(of, "order", data, "")], "e", msgspec.Raw(b"{}"), None, event_id)

    def sent(*items: ObjectEvent) -> list[Effect]:
        return put(conn, tenant, "object_events", *items, item_bytes=20_000).effects

    assert sent(*[grows(f"e{n}", f"field{n}") for n in range(4)]) == [CREATED] * 4
    fits = grows(None, "last")
    assert sent(grows("e0", "again0"), grows("new", "last"), grows("new", "again1"), grows(None, "much")) == [
        DUPLICATE,
        CREATED,
        DUPLICATE,
        FAILED,
    ]
    assert sent(fits) == [CREATED]


@pytest.mark.parametrize("kind", _EVENT_KINDS)
def test_a_duplicate_waits_for_the_first_and_knows_its_id(
    pool: Pool, other: Connection, owner: Tenant, until_blocked: Callable[[Connection], None], kind: str
) -> None:
    first = put(other, owner, kind, item(kind, "a", 1), halving=False)
    with ThreadPoolExecutor(1) as threads, transaction(pool) as conn:
        sent = [item(kind, "b", 2), item(kind, "a", 3), item(kind, "a", 4)]
        second = threads.submit(put, conn, owner, kind, *sent, halving=False)
        until_blocked(conn)
        other.commit()
        outcomes = second.result()
    assert outcomes.effects == [CREATED, DUPLICATE, DUPLICATE]
    assert outcomes.ids[1:] == first.ids * 2
    assert [row[:2] for row in stored(other, owner)] == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("kind", _EVENT_KINDS)
def test_an_event_takes_the_id_of_one_that_was_rolled_back(
    pool: Pool, other: Connection, owner: Tenant, until_blocked: Callable[[Connection], None], kind: str
) -> None:
    put(other, owner, kind, item(kind, "a", 1), halving=False)
    with ThreadPoolExecutor(1) as threads, transaction(pool) as conn:
        second = threads.submit(put, conn, owner, kind, item(kind, "a", 2), halving=False)
        until_blocked(conn)
        other.rollback()
        assert second.result().effects == [CREATED]
    assert [row[:2] for row in stored(other, owner)] == [(2, "a")]


@pytest.mark.parametrize("kind", _EVENT_KINDS)
def test_two_writers_of_the_same_ids_do_not_deadlock(
    pool: Pool, other: Connection, owner: Tenant, until_blocked: Callable[[Connection], None], kind: str
) -> None:
    put(other, owner, kind, item(kind, "m"), halving=False)
    with ThreadPoolExecutor(1) as threads, transaction(pool) as conn:
        second = threads.submit(put, conn, owner, kind, item(kind, "z"), item(kind, "m"), halving=False)
        until_blocked(conn)
        assert put(other, owner, kind, item(kind, "z"), halving=False).effects == [CREATED]
        other.commit()
        assert second.result().effects == [DUPLICATE, DUPLICATE]


def test_ids_are_locked_before_any_object_is(
    pool: Pool, other: Connection, owner: Tenant, until_blocked: Callable[[Connection], None]
) -> None:
    def named(event_id: str | None, of: str) -> ObjectEvent:
        link = LinkedObject(of, "order", msgspec.Raw(b'{"n":1}'), "")
        return ObjectEvent([link], "e", msgspec.Raw(b"{}"), None, event_id)

    put(other, owner, "object_events", named("a", "o1"), halving=False)
    with ThreadPoolExecutor(1) as threads, transaction(pool) as conn:
        sent = [named(None, "o2"), named("a", "o3")]
        second = threads.submit(put, conn, owner, "object_events", *sent, halving=False)
        until_blocked(conn)
        put(other, owner, "object_events", named("b", "o2"), halving=False)
        other.commit()
        assert second.result().effects == [CREATED, DUPLICATE]


def test_an_id_is_free_again_once_retention_has_deleted_its_event(conn: Connection, tenant: Tenant) -> None:
    def purge() -> int:
        return sum(retention.purge_pages(conn, table, first=0, pages=1_000) for table in retention.TABLES)

    tenants.configure(conn, tenant.id, {"data_retention_days": 30})
    put(conn, tenant, "events", item("events", "a", 1))
    purge()
    assert put(conn, tenant, "events", item("events", "a", 2)).effects == [DUPLICATE]
    conn.execute("UPDATE events SET occurred_at = occurred_at - interval '31 days'")
    conn.execute("UPDATE event_entities SET occurred_at = occurred_at - interval '31 days'")
    assert purge() == 2
    assert put(conn, tenant, "events", item("events", "a", 3)).effects == [CREATED]
    assert [row[:2] for row in stored(conn, tenant)] == [(3, "a")]


# Before "b" is inserted, and after "a" was found to be there, the writer waits for the test.
_HELD_UP = """
CREATE FUNCTION held_up() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END';
CREATE TRIGGER held_up BEFORE INSERT ON events FOR EACH ROW WHEN (NEW.external_id = 'b') EXECUTE FUNCTION held_up();
"""


def test_an_event_is_stored_if_the_first_is_deleted_just_after_it_was_met(
    pool: Pool, other: Connection, owner: Tenant, until_blocked: Callable[[Connection], None]
) -> None:
    with transaction(pool) as conn:
        conn.execute(_HELD_UP)
        put(conn, owner, "events", item("events", "a", 1))
    other.execute("SELECT pg_advisory_xact_lock(1)")
    with ThreadPoolExecutor(1) as threads, transaction(pool) as conn:
        second = threads.submit(put, conn, owner, "events", item("events", "a", 2), item("events", "b", 3))
        until_blocked(conn)
        other.execute("DELETE FROM events WHERE external_id = 'a'")
        other.commit()
        assert second.result().effects == [CREATED, CREATED]
    assert [row[:2] for row in stored(other, owner)] == [(2, "a"), (3, "b")]


def named_event(n: int, event_id: str | None, kind: str = "events") -> dict[str, Any]:
    """An event as it is sent."""
    if kind == "events":
        return event(n % 10, eventType="session", data={"n": n}, eventId=event_id)
    links = [{"type": "player", "id": f"player_{n % 10:06}"}]
    return {"event": "session", "objects": links, "properties": {"n": n}, "event_id": event_id}


def test_a_job_counts_duplicates_as_succeeded_and_verify_agrees(
    submit: Callable[..., UUID], executor: Executor, observer: Connection, owner: Tenant, database_url: str
) -> None:
    sent = [named_event(n, event_id) for n, event_id in enumerate(["a", None, "a", "b", "a", "b"])]
    job_id = submit("events", [*sent, {}], block_items=2)
    executor.run(job_id, seconds=60)
    job = job_of(observer, job_id)
    assert effect_counts(observer, job_id) == {CREATED: 3, DUPLICATE: 3, FAILED: 1}
    assert (job.succeeded, job.progress, job.total) == (6, 100, 7)
    again = submit("events", sent)
    executor.run(again, seconds=60)
    assert effect_counts(observer, again) == {CREATED: 1, DUPLICATE: 5}
    assert [row[0] for row in stored(observer, owner)] == [0, 1, 3, 1]
    with connect(database_url, "sluice-cli") as conn:
        results = list(verify.verify(conn, deadline_seconds=60, stuck_after_seconds=60, check_seconds=30))
    assert [result.check.name for result in results if result.found] == []


_OLD, _FIELD = "2010-01-01T00:00:00Z", "/timestamp"


def test_the_time_of_a_duplicate_is_no_news(
    pool: Pool, submit: Callable[..., UUID], executor: Executor, observer: Connection, owner: Tenant
) -> None:
    with transaction(pool) as conn:
        tenants.configure(conn, owner.id, {"data_retention_days": 30})
    job_id = submit("events", [{**named_event(n, "a"), "timestamp": _OLD} for n in range(3)])
    executor.run(job_id, seconds=60)
    warnings = [warning for _, warning in item_warnings.of_job(observer, job_id, limit=10)]
    assert [(warning.index, warning.field) for warning in warnings] == [(0, _FIELD)]


_BATCHES = st.lists(
    st.tuples(
        st.sampled_from(_EVENT_KINDS),
        st.lists(st.sampled_from([None, "a", "b", "c", "d", "é"]), min_size=1, max_size=12),
        st.integers(1, 4),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(batches=_BATCHES)
def test_two_workers_in_turn_store_each_id_once_and_tell_of_the_first(
    pool: Pool, redis_url: str, batches: Sequence[tuple[str, list[str | None], int]]
) -> None:
    workers = [make_executor(pool, redis_url) for _ in range(2)]
    with transaction(pool) as conn:
        tenant = with_players(conn, make_tenant(conn)[0])
        put(
            conn,
            tenant,
            "objects",
            *[LinkedObject(f"player_{n:06}", "player", msgspec.Raw(b"{}"), "") for n in range(10)],
        )
    model: list[tuple[int, str | None]] = []
    known: dict[str, int] = {}
    number = 0
    for kind, event_ids, block_items in batches:
        expected = []
        items = []
        for event_id in event_ids:
            duplicate = event_id in known
            if not duplicate:
                if event_id is not None:
                    known[event_id] = len(model)
                model.append((number, event_id))
            expected.append((DUPLICATE, known[str(event_id)]) if duplicate else (CREATED, len(model) - 1))
            items.append(named_event(number, event_id, kind))
            number += 1
        with transaction(pool) as conn:
            options = {"template_id": None, "merge": True} if kind == "object_events" else {}
            job_id = accept(conn, tenant, kind, items, block_items=block_items, **options)
        turn = 0
        while True:
            with transaction(pool) as conn:
                if job_of(conn, job_id).status.ended:
                    break
            workers[turn % 2].run(job_id, seconds=0)
            turn += 1
        with transaction(pool) as conn:
            ids = public_ids(conn, tenant)
            counts = effect_counts(conn, job_id)
            results = job_results.of_job(conn, job_id)
        found = [effect for effect, _ in expected]
        assert counts == {effect: found.count(effect) for effect in (CREATED, DUPLICATE) if effect in found}
        if kind == "object_events":
            assert [(result.effect, ids.index(result.public_id)) for result in results] == expected
    with transaction(pool) as conn:
        assert [row[:2] for row in stored(conn, tenant)] == model


def test_jobs_that_share_a_transaction_share_the_ids(pool: Pool, owner: Tenant, submit: Callable[..., UUID]) -> None:
    jobs = [submit("events", [named_event(n, f"e{n % 3}") for n in range(4)]) for _ in range(5)]
    with transaction(pool) as conn:
        group = claims.claim_next(conn)
        assert [claim.job.id for claim in group] == jobs
        assert owner.template_id is not None
        template = TemplateCache().get(conn, owner.template_id)
        assert run_in_transaction(conn, group, schema_of(KINDS["events"], template))
        counts = [effect_counts(conn, job_id) for job_id in jobs]
    assert counts == [{CREATED: 3, DUPLICATE: 1}, *[{DUPLICATE: 4}] * 4]
