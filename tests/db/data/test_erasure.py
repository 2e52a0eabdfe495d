"""An entity is erased while its states are written: the states end as erased, whichever of the two comes first."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import msgspec
import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.data import entities, erasure, states
from ingest.db.tenants.tenants import Tenant
from ingest.engine.kinds import KINDS
from ingest.engine.single_write import write_one
from ingest.engine.writers import Target
from ingest.engine.writing import write
from ingest.errors import NotFound
from ingest.items.entities import Entity
from ingest.items.events import Event
from ingest.items.states import State
from ingest.jobs import Effect
from tests.support.factories import make_tenant

SetState = Callable[[Connection], bool]

_ONE = msgspec.Raw(b"1")


def post(conn: Connection, tenant: Tenant, *external_ids: str) -> None:
    items = [Entity(external_id, "operator", msgspec.Raw(b"{}")) for external_id in external_ids]
    entities.upsert(conn, tenant.id, items, merge=False)


@pytest.fixture(params=["single", "batch"])
def set_state(request: pytest.FixtureRequest, pool: Pool, owner: Tenant) -> SetState:
    """Sets a state of p1, by a single write or in a batch; returns False where p1 does not exist."""
    with transaction(pool) as conn:
        post(conn, owner, "p1", "p2")
    kind, target = KINDS["states"], Target(owner.id, merge=False)

    def single(conn: Connection) -> bool:
        try:
            write_one(conn, kind, target, State("p1", "balance", _ONE))
        except NotFound:
            return False
        return True

    def batch(conn: Connection) -> bool:
        items = [State(external_id, "balance", _ONE) for external_id in ("p2", "p1")]
        return write(conn, kind, target, items, halving=False).effects[1] is not Effect.FAILED

    return {"single": single, "batch": batch}[request.param]


_OF_P1 = "SELECT FROM states JOIN entities e ON e.id = entity_id WHERE external_id = 'p1'"


def test_an_erasure_waits_for_a_state_that_is_being_written(
    pool: Pool,
    other: Connection,
    observer: Connection,
    owner: Tenant,
    set_state: SetState,
    until_blocked: Callable[[Connection], None],
) -> None:
    assert set_state(other)
    with ThreadPoolExecutor(1) as threads, transaction(pool) as conn:
        erased = threads.submit(erasure.delete, conn, owner.id, "p1")
        until_blocked(conn)
        other.commit()
        assert erased.result()
    assert observer.execute(_OF_P1).rowcount == 0


def test_a_state_written_during_an_erasure_waits_and_is_refused(
    pool: Pool,
    other: Connection,
    observer: Connection,
    owner: Tenant,
    set_state: SetState,
    until_blocked: Callable[[Connection], None],
) -> None:
    with ThreadPoolExecutor(1) as threads:
        with transaction(pool) as conn:
            assert erasure.delete(conn, owner.id, "p1")
            written = threads.submit(set_state, other)
            until_blocked(other)
        assert not written.result()
    other.commit()
    assert observer.execute(_OF_P1).rowcount == 0


def test_an_erasure_waits_for_no_other_tenant_and_for_no_events(pool: Pool, other: Connection, owner: Tenant) -> None:
    stranger = make_tenant(other)[0]
    post(other, stranger, "p1")
    other.commit()
    with transaction(pool) as conn:
        post(conn, owner, "p1")
    write(other, KINDS["states"], Target(stranger.id, merge=False), [State("p1", "balance", _ONE)], halving=False)
    write(
        other,
        KINDS["events"],
        Target(owner.id, merge=False),
        [Event("p1", "session", msgspec.Raw(b"{}"))],
        halving=False,
    )
    with transaction(pool) as conn:
        assert erasure.delete(conn, owner.id, "p1")


def test_no_erased_state_is_back_once_its_entity_is_revived(pool: Pool, owner: Tenant, set_state: SetState) -> None:
    ready = Barrier(2, timeout=30)

    def put() -> None:
        ready.wait()
        with transaction(pool) as conn:
            set_state(conn)

    def erase() -> None:
        ready.wait()
        with transaction(pool) as conn:
            assert erasure.delete(conn, owner.id, "p1")

    with ThreadPoolExecutor(2) as threads:
        for _ in range(40):
            for done in [threads.submit(put), threads.submit(erase)]:
                done.result()
            with transaction(pool) as conn:
                post(conn, owner, "p1")
                assert states.of_entity(conn, owner.id, "p1") == []
