"""Tenants take turns block by block, by their weights (docs/contracts/jobs.md section 7)."""

from collections.abc import Sequence
from itertools import groupby

import msgspec
import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import acceptance
from ingest.db.tenants import tenants
from ingest.engine.turns import Turn
from ingest.intake.blocks import cut
from ingest.jobs import JobState
from ingest.notify.listener import Listener
from tests.db.jobs.test_order import Workers, until_ended
from tests.support.factories import accept, entity, event, make_executor, make_tenant, new_job, state
from tests.support.seen import job_of

# Every committed change of a job, in the order in which the changes were made.
_KEEP_STEPS = """
CREATE TABLE steps (
    no integer GENERATED ALWAYS AS IDENTITY, job_id uuid, tenant_id integer, status text, unprocessed integer);
CREATE FUNCTION keep_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO steps (job_id, tenant_id, status, unprocessed)
    VALUES (NEW.id, NEW.tenant_id, NEW.status, NEW.unprocessed);
    RETURN NULL;
END $$;
CREATE TRIGGER keep_step AFTER INSERT OR UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION keep_step()
"""
# A change that closed a block: fewer items are left than before.
_BLOCKS = """
SELECT tenant_id FROM (
    SELECT no, tenant_id, unprocessed, lag(unprocessed) OVER (PARTITION BY job_id ORDER BY no) AS before FROM steps
) s WHERE unprocessed < before AND no BETWEEN %(first)s AND %(last)s ORDER BY no
"""


def blocks_in_order(observer: Connection, first: int = 0, last: int = 2**31) -> list[object]:
    """The tenants of the blocks that were closed, one after the other, between two steps."""
    return [row[0] for row in observer.execute(_BLOCKS, {"first": first, "last": last})]


@pytest.mark.parametrize("weights", [(1, 1), (3, 1), (2, 3)])
@pytest.mark.parametrize("ordered", [True, False])
def test_a_tenant_of_weight_w_has_w_blocks_a_turn(
    pool: Pool, redis_url: str, observer: Connection, weights: Sequence[int], *, ordered: bool
) -> None:
    observer.execute(_KEEP_STEPS)
    with transaction(pool) as conn:
        made = [make_tenant(conn, name=name)[0] for name in "AB"]
        for tenant, weight in zip(made, weights, strict=True):
            assert tenants.set_weight(conn, tenant.public_id, weight)
        for tenant in made:
            accept(conn, tenant, "entities", [entity(number) for number in range(12)], block_items=1, ordered=ordered)
    make_executor(pool, redis_url).serve(None, Listener(redis_url), seconds=60)
    turns = [(tenant_id, len(list(run))) for tenant_id, run in groupby(blocks_in_order(observer))]
    both = turns[: 12 // max(weights) * 2 - 1]
    expected = [(tenant.id, weight) for tenant, weight in zip(made, weights, strict=True)] * 12
    assert both == expected[: len(both)]
    assert len(both) > 2


def test_a_small_job_is_next_after_the_blocks_that_are_under_way(
    database_url: str, redis_url: str, pool: Pool, observer: Connection
) -> None:
    """One tenant has 300,000 items queued, in jobs that keep two workers busy; another one sends 100 items."""
    made = {"events": event, "states": state}
    with transaction(pool) as conn:
        large, small = (make_tenant(conn, name=name)[0] for name in ("Large", "Small"))
        for kind, make in made.items():
            body = msgspec.json.encode([make(1)] * 150_000)
            assert acceptance.accept(conn, new_job(large, kind), cut(body, limit=150_000, block_items=100))
    observer.execute(_KEEP_STEPS)
    with Workers(database_url, redis_url):
        while len(blocks_in_order(observer)) < 10:
            pass
        with transaction(pool) as conn:
            job_id = accept(conn, small, "entities", [entity(number) for number in range(100)])
        until_ended(observer, small)
        observer.execute(
            "UPDATE jobs SET status = 'cancelled', ended_at = now() WHERE tenant_id = %s AND ended_at IS NULL",
            (large.id,),
        )
    assert job_of(observer, job_id).status is JobState.COMPLETED
    [(accepted, begun)] = observer.execute(
        "SELECT min(no), min(no) FILTER (WHERE status = 'processing') FROM steps WHERE tenant_id = %s",
        (small.id,),
    ).fetchall()
    between = blocks_in_order(observer, accepted, begun).count(large.id)
    # Each of two workers ends the block that it is at, and may have looked who waits just before the job was there.
    assert between <= 2 * 2


@pytest.mark.parametrize(("weight", "served"), [(1, [6]), (3, [6, 6, 6])])
def test_a_turn_is_over_after_as_many_blocks_as_its_tenant_weighs(weight: int, served: list[int]) -> None:
    turn, seen = Turn(), []
    turn.take(7, "events", weight)
    while not turn.is_over:
        seen.append(turn.last_tenant)
        turn.count()
    assert (seen, turn.last_tenant) == (served, 7)
    turn.take(7, "events", weight)
    assert not turn.is_over, "nobody else waited, so the tenant has another turn"
