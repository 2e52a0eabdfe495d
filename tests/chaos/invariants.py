"""Invariants that must hold in the end, after any faults: the promises, checked against the model of the clients."""

import copy
import json
from collections import Counter
from contextlib import closing
from dataclasses import replace
from operator import attrgetter
from typing import Any

from ingest.crypto import MasterKeys
from ingest.db import verify
from ingest.db.connection.pool import connect
from ingest.items import personal
from tests.chaos.deployment import Deployment
from tests.chaos.history import TIMEOUT_SECONDS, Witness
from tests.chaos.model import GOOD, NEEDLE, Batch, Event, Model
from tests.chaos.secrecy import nothing_is_told_outside
from tests.chaos.workload import Client
from tests.support.factories import MASTER_KEYS

# Promise 4 in figures: the sweeper checks a job again within half a minute; the lease time comes on top.
ENDED_WITHIN_SECONDS = min(60.0, TIMEOUT_SECONDS)

_EFFECTS = ("created", "updated", "unchanged", "duplicate", "failed", "unprocessed")


def check_invariants(deployment: Deployment, *, within: float = ENDED_WITHIN_SECONDS) -> None:
    """Wait for all jobs to end, then hold everything against the model.

    Args:
        deployment: whose faults are over.
        within: seconds in which every job must have ended.
    """
    witness = deployment.witness()
    witness.until_ended(within=within)
    _each_answer_is_kept(witness, deployment)
    for client in deployment.clients:
        _the_client_matches_its_model(witness, client)
    check_no_job_went_back(witness)
    _each_tenant_has_its_own(witness)
    _sluice_itself_finds_nothing(deployment)
    nothing_is_told_outside(deployment)


def _each_answer_is_kept(witness: Witness, deployment: Deployment) -> None:
    jobs: dict[str, list[Any]] = {}
    for request_id, job_id in witness.rows("SELECT request_id, id FROM jobs"):
        jobs.setdefault(request_id, []).append(job_id)
    for client in deployment.clients:
        for batch in client.batches:
            found = jobs.pop(batch.request_id, [])
            assert batch.answered != 500, f"nothing that fails here is a fault of the API's own: {batch.request_id}"
            if batch.accepted:
                assert len(found) == 1, f"answered {batch.answered}, and {len(found)} jobs: {batch.request_id}"
                assert batch.job_id in {None, found[0]}, f"a 202 names its job: {batch.request_id}"
            else:
                # A refusal stores nothing; without an answer, or where the database was away, there may be one.
                most = 1 if batch.answered is None or batch.answered >= 500 else 0
                assert len(found) <= most, f"answered {batch.answered}, yet {len(found)} jobs: {batch.request_id}"
            batch.job_id = found[0] if found else None
    assert not jobs, "jobs that nobody asked for"


_ENTITIES = """
SELECT id, scope, external_id, properties, public_id::text, pii::text FROM entities
WHERE tenant_id = %s AND external_id LIKE %s
"""
_STATES = "SELECT entity_id, key, value FROM states WHERE entity_id = ANY(%s)"
_EVENTS = """
SELECT (v.properties ->> 'amount')::int, v.public_id::text, array_agg(l.entity_id), array_agg(l.qualifier)
FROM events v JOIN event_entities l ON l.event_id = v.id
WHERE v.tenant_id = %s AND l.entity_id = ANY(%s) GROUP BY v.tenant_id, v.id ORDER BY v.id
"""


def _the_client_matches_its_model(witness: Witness, client: Client) -> None:
    model, told = Model(), dict[str, Any]()
    for batch in client.batches:
        if batch.job_id is not None:
            told |= _the_job_did_its_batch(witness, batch, model)
    entities = witness.rows(_ENTITIES, client.tenant.id, f"{NEEDLE}-{client.name}-%")
    stored = {
        (scope, name): properties | _opened(client.tenant.id, name, pii)
        for _, scope, name, properties, _, pii in entities
    }
    assert stored == model.entities
    keys = {row[0]: (row[1], row[2]) for row in entities}
    states = witness.rows(_STATES, list(keys))
    assert {(keys[entity_id][1], key): value for entity_id, key, value in states} == model.states
    events = witness.rows(_EVENTS, client.tenant.id, list(keys))
    found = [
        Event(amount, frozenset(zip((keys.get(entity_id) for entity_id in linked), parts, strict=True)))
        for amount, _, linked, parts in events
    ]
    if not all(batch.ordered for batch in client.batches):
        found.sort(key=attrgetter("amount"))
    assert found == model.events, "every event once, in order, and with its links"
    named = {row[4]: keys[row[0]] for row in entities} | {public_id: amount for amount, public_id, _, _ in events}
    assert {public_id: named.get(public_id) for public_id in told} == told, "what was told of an id is so"


def _opened(tenant_id: int, name: str, pii: str | None) -> dict[str, Any]:
    """Return an entity's personal data, decrypted."""
    found = {} if pii is None else personal.opened(MasterKeys.parse(MASTER_KEYS), tenant_id, name, pii)
    return {field: json.loads(bytes(value)) for field, value in found.items()}


def _the_job_did_its_batch(witness: Witness, batch: Batch, model: Model) -> dict[str, Any]:
    """Returns what each id stands for that the job, or its answer, told."""
    columns = ", ".join(_EFFECTS)
    status, *counts = witness.rows(f"SELECT status, {columns} FROM jobs WHERE id = %s", batch.job_id)[0]
    tried = copy.deepcopy(model).apply(batch) if batch.atomic else []
    aborted = any(effect not in GOOD for effect in tried)
    ended_early = batch.cancelled and status == "cancelled"
    assert ended_early or status == ("failed" if aborted else "completed"), f"{batch.request_id} is {status}"
    done = len(batch.items) - counts[-1] if ended_early else len(batch.items)
    stood = replace(batch, items=batch.items[:done])
    became = ["unprocessed" if effect in GOOD else effect for effect in tried] if aborted else model.apply(stood)
    became += ["unprocessed"] * (len(batch.items) - len(became))
    effects = Counter(effect if effect in _EFFECTS else "failed" for effect in became)
    assert Counter(dict(zip(_EFFECTS, counts, strict=True))) == effects, batch.request_id
    kept = witness.rows("SELECT index, code FROM job_errors WHERE job_id = %s", batch.job_id)
    assert dict(kept) == {index: effect for index, effect in enumerate(became) if effect not in _EFFECTS}
    left = witness.one("SELECT count(*) FROM job_blocks WHERE job_id = %s AND open", batch.job_id)
    assert (left > 0) is (aborted or done < len(batch.items)), "the blocks that were not done stay open, and no others"
    return _the_results_are_told(witness, batch, became) if batch.kind in {"objects", "object_events"} else {}


_RESULTS = """
SELECT r.index, r.effect, r.id::text
FROM job_blocks b CROSS JOIN unnest(b.result_indexes, b.result_effects, b.result_ids) AS r (index, effect, id)
WHERE b.job_id = %s ORDER BY 1
"""


def _the_results_are_told(witness: Witness, batch: Batch, became: list[str]) -> dict[str, Any]:
    results = witness.rows(_RESULTS, batch.job_id)
    taken = [(index, effect) for index, effect in enumerate(became) if effect in GOOD]
    assert [(index, effect) for index, effect, _ in results] == taken, batch.request_id
    if batch.told is not None:
        noun, ids = ("Object", "objects") if batch.kind == "objects" else ("Event", "event_ids")
        failed = [index for index, effect in enumerate(became) if effect not in GOOD]
        shape = [batch.told[name] for name in ("success", "processed", "failed")]
        assert shape == [not failed, len(taken), len(failed)], batch.request_id
        assert [told.partition(":")[0] for told in batch.told["errors"]] == [f"{noun} {index}" for index in failed]
        assert batch.told[ids] == [_as_told(batch, *result) for result in results], batch.request_id
    return {public_id: _named(batch.items[index]) for index, _, public_id in results}


def _as_told(batch: Batch, index: int, effect: str, public_id: str) -> Any:
    if batch.kind == "object_events":
        return public_id
    key = {"object_type": batch.items[index]["type"], "external_id": batch.items[index]["id"]}
    return {"object_id": public_id, **key, "created": effect == "created"}


def _named(item: dict[str, Any]) -> Any:
    return (item["type"], item["id"]) if "id" in item else item["properties"]["amount"]


# The next row of the same job, in the order in which they were committed.
_WENT_BACK = """
SELECT * FROM (
    SELECT job_id, status, processed,
           lead(status) OVER job AS then_status, lead(processed) OVER job AS then_processed
    FROM history WINDOW job AS (PARTITION BY job_id ORDER BY no)) steps
WHERE then_processed < processed
   OR (status IN ('completed', 'failed', 'cancelled') AND (then_status <> status OR then_processed <> processed))
   OR (then_status = 'pending' AND (status = 'processing' OR processed > 0))
"""


def check_no_job_went_back(witness: Witness) -> None:
    """Progress never fell, and no end state changed."""
    assert witness.rows(_WENT_BACK) == [], "progress never falls, and an end state never changes"


# Every document and value of a tenant names the tenant.
_OF_OTHERS = (
    "SELECT count(*) FROM entities WHERE (properties ->> 'tenant')::int <> tenant_id",
    "SELECT count(*) FROM events WHERE (properties ->> 'tenant')::int <> tenant_id",
    """SELECT count(*) FROM states s JOIN entities e ON e.id = s.entity_id
       WHERE (s.value ->> 'tenant')::int <> e.tenant_id""",
    """SELECT count(*) FROM event_entities l JOIN events v ON v.id = l.event_id JOIN entities e ON e.id = l.entity_id
       WHERE v.tenant_id <> e.tenant_id""",
    "SELECT count(*) FROM events v WHERE NOT EXISTS (SELECT FROM event_entities l WHERE l.event_id = v.id)",
    "SELECT count(*) FROM event_entities l WHERE NOT EXISTS (SELECT FROM events v WHERE v.id = l.event_id)",
)


def _each_tenant_has_its_own(witness: Witness) -> None:
    for query in _OF_OTHERS:
        assert witness.one(query) == 0, query


def _sluice_itself_finds_nothing(deployment: Deployment) -> None:
    """Check that `sluice verify` finds nothing wrong."""
    with closing(connect(deployment.settings.database_url, "sluice-cli")) as conn:
        deadline = deployment.settings.job_deadline_seconds
        results = verify.verify(conn, deadline_seconds=deadline, stuck_after_seconds=300, check_seconds=30)
        assert [result for result in results if result.found != 0] == []
