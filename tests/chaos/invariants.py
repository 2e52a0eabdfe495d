"""What must be true in the end, whatever has failed: the promises, held against what the clients know."""

from collections import Counter
from typing import Any

import redis

from tests.chaos.history import PATIENCE_SECONDS, Witness
from tests.chaos.ledger import NEEDLE, Batch, Fold, Lane
from tests.chaos.site import Site

_EFFECTS = ("created", "updated", "unchanged", "duplicate", "failed", "unprocessed")


def check_invariants(site: Site, *, within: float = PATIENCE_SECONDS) -> None:
    """Wait for all jobs to end, then hold everything against the ledger.

    Args:
        site: whose faults are over.
        within: seconds in which every job must have ended.
    """
    witness = site.witness()
    witness.until_ended(within=within)
    _each_202_is_one_job(witness, site)
    for lane in site.lanes:
        _the_lane_is_its_fold(witness, lane)
    check_no_job_went_back(witness)
    _nothing_is_told_outside(site)


def _each_202_is_one_job(witness: Witness, site: Site) -> None:
    jobs: dict[str, list[Any]] = {}
    for request_id, job_id in witness.rows("SELECT request_id, id FROM jobs"):
        jobs.setdefault(request_id, []).append(job_id)
    for lane in site.lanes:
        for batch in lane.batches:
            found = jobs.pop(batch.request_id, [])
            if batch.answered == 202:
                assert found == [batch.job_id], f"a 202 is one job: {batch.request_id}"
            else:
                # A refusal stores nothing; without an answer, or where the database was away, there may be one.
                most = 1 if batch.answered is None or batch.answered >= 500 else 0
                assert len(found) <= most, f"answered {batch.answered}, yet {len(found)} jobs: {batch.request_id}"
                batch.job_id = found[0] if found else None
    assert not jobs, "jobs that nobody asked for"


def _the_lane_is_its_fold(witness: Witness, lane: Lane) -> None:
    fold = Fold()
    for batch in lane.batches:
        if batch.job_id is not None:
            _the_job_did_its_batch(witness, batch, fold)
    mine = (lane.tenant.id, f"{NEEDLE}-{lane.name}-%")
    entities = "SELECT id, external_id, properties FROM entities WHERE tenant_id = %s AND external_id LIKE %s"
    found = witness.rows(entities, *mine)
    assert {name: properties for _, name, properties in found} == fold.entities
    names = {entity_id: name for entity_id, name, _ in found}
    states = witness.rows("SELECT entity_id, key, value FROM states WHERE entity_id = ANY(%s)", list(names))
    assert {(names[entity_id], key): value for entity_id, key, value in states} == fold.states
    events = """
        SELECT (v.properties ->> 'amount')::int FROM events v JOIN event_entities l ON l.event_id = v.id
        WHERE v.tenant_id = %s AND l.entity_id = ANY(%s) ORDER BY v.id"""
    amounts = [amount for (amount,) in witness.rows(events, lane.tenant.id, list(names))]
    assert amounts == fold.events, "every event once, and in order"


def _the_job_did_its_batch(witness: Witness, batch: Batch, fold: Fold) -> None:
    columns = ", ".join(_EFFECTS)
    status, *counts = witness.rows(f"SELECT status, {columns} FROM jobs WHERE id = %s", batch.job_id)[0]
    assert status == "completed", f"{batch.request_id} is {status}"
    effects, errors = fold.apply(batch)
    assert Counter(dict(zip(_EFFECTS, counts, strict=True))) == effects, batch.request_id
    kept = witness.rows("SELECT index, code FROM job_errors WHERE job_id = %s", batch.job_id)
    assert dict(kept) == errors
    assert witness.one("SELECT count(*) FROM job_blocks WHERE job_id = %s AND open", batch.job_id) == 0


# The next row of the same job, in the order in which they were committed.
_WENT_BACK = """
SELECT * FROM (
    SELECT job_id, status, processed,
           lead(status) OVER job AS then_status, lead(processed) OVER job AS then_processed
    FROM history WINDOW job AS (PARTITION BY job_id ORDER BY no)) steps
WHERE then_processed < processed
   OR (status IN ('completed', 'failed', 'cancelled') AND (then_status <> status OR then_processed <> processed))
   OR (status = 'processing' AND then_status = 'pending')
"""


def check_no_job_went_back(witness: Witness) -> None:
    """Progress never fell, no end state changed, and no row of a tenant's is another's."""
    assert witness.rows(_WENT_BACK) == [], "progress never falls, and an end state never changes"
    assert witness.one("SELECT count(*) FROM entities e WHERE (properties ->> 'tenant')::int <> tenant_id") == 0
    strangers = """
        SELECT count(*) FROM event_entities l JOIN events v ON v.id = l.event_id JOIN entities e ON e.id = l.entity_id
        WHERE v.tenant_id <> e.tenant_id"""
    assert witness.one(strangers) == 0
    assert witness.one("SELECT count(*) FROM events") == witness.one("SELECT count(*) FROM event_entities")


def _nothing_is_told_outside(site: Site) -> None:
    secrets = [NEEDLE, *(key for _, key in site.tenants)]
    for line in site.lines():
        assert not any(secret in line for secret in secrets), f"a log line tells: {line}"
    with redis.Redis.from_url(site.settings.redis_url) as client:
        for name in client.scan_iter():
            held = name + b" " + _dump(client, name)
            assert not any(secret.encode() in held for secret in secrets), f"Redis holds it: {name!r}"


def _dump(client: redis.Redis, name: bytes) -> bytes:
    """A key's value; lists (the queue) member by member, since a dump may be packed."""
    kind = client.type(name)
    if kind == b"list":
        return b" ".join(client.lrange(name, 0, -1))
    return client.dump(name) or b""
