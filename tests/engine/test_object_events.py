"""Events of the public API in Postgres, and what their jobs keep of them."""

import json
from typing import Any
from uuid import UUID

import msgspec
import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import lookup
from ingest.db.jobs import results as job_results
from ingest.engine.kinds import KINDS
from ingest.engine.writers import Target
from ingest.engine.writing import write
from ingest.items.object_events import ObjectEventSchema
from ingest.jobs import Effect
from tests.support.factories import TOO_LARGE, accept, make_tenant, run_pending

SCHEMA = ObjectEventSchema()


def event(index: int, *objects: dict[str, Any], properties: str = "{}") -> Any:
    things = json.dumps(objects or [{"type": "a", "id": str(index)}])
    return SCHEMA.check(
        index, msgspec.Raw(f'{{"event": "e{index}", "objects": {things}, "properties": {properties}}}'.encode())
    )


@pytest.mark.parametrize("culprit", [0, 3, 6])
def test_what_the_database_refuses_is_one_event_with_all_of_its_objects(conn: Connection, culprit: int) -> None:
    tenant, _ = make_tenant(conn)
    items = [event(index) for index in range(7)]
    items[culprit] = event(culprit, {"type": "bad", "id": "1"}, properties=f'{{"n": {TOO_LARGE.decode()}}}')
    outcomes = write(conn, KINDS["object_events"], Target(tenant.id, merge=True), items)
    assert [(place, refusal.code) for place, refusal in outcomes.refusals.items()] == [(culprit, "WRITE_FAILED")]
    ids = conn.execute("SELECT public_id FROM events ORDER BY type").fetchall()
    assert [UUID(bytes=public_id) for public_id in outcomes.ids if public_id] == [public_id for (public_id,) in ids]
    assert outcomes.ids[culprit] == b""
    stored = conn.execute("SELECT type, external_id FROM entities ORDER BY external_id").fetchall()
    assert stored == [("a", str(index)) for index in range(7) if index != culprit]


def test_a_job_keeps_what_became_of_each_item(pool: Pool, redis_url: str) -> None:
    items = [
        {"event": "e", "objects": [{"type": "a", "id": "1"}]},
        {"event": "e"},
        {"event": "e", "objects": [{"type": "a", "id": "1"}]},
    ]
    with transaction(pool) as conn:
        tenant, _ = make_tenant(conn, template=None)
        values = {"template_id": None, "merge": True}
        events = accept(conn, tenant, "object_events", items, block_items=2, **values)
        objects = accept(conn, tenant, "objects", [{"type": "a", "id": "1"}, {"type": "b", "id": "1"}], **values)
    run_pending(pool, redis_url)
    with transaction(pool) as conn:
        stored = [row[0] for row in conn.execute("SELECT public_id FROM events ORDER BY id")]
        results = job_results.of_job(conn, events)
        assert [(result.index, result.effect, result.public_id) for result in results] == [
            (0, Effect.CREATED, stored[0]),
            (2, Effect.CREATED, stored[1]),
        ]
        assert [result.effect for result in job_results.of_job(conn, objects)] == [Effect.UNCHANGED, Effect.CREATED]
        job = lookup.get(conn, events)
    assert job is not None
    assert (job.succeeded, job.effects[Effect.FAILED]) == (2, 1)


def test_a_job_of_another_kind_keeps_no_results(pool: Pool, redis_url: str) -> None:
    with transaction(pool) as conn:
        tenant, _ = make_tenant(conn)
        job_id = accept(conn, tenant, "entities", [{"entityType": "game", "externalId": "1", "data": {}}])
    run_pending(pool, redis_url)
    with transaction(pool) as conn:
        assert job_results.of_job(conn, job_id) == []


def test_an_event_names_an_object_twice_in_two_parts_and_once_in_one(conn: Connection) -> None:
    tenant, _ = make_tenant(conn)
    parts = [{"type": "a", "id": "1", "qualifier": part} for part in ("from", "to", "to")]
    write(conn, KINDS["object_events"], Target(tenant.id, merge=True), [event(0, *parts)])
    assert conn.execute("SELECT qualifier FROM event_entities ORDER BY 1").fetchall() == [("from",), ("to",)]
