"""A call of every statement of web and worker processes, by the name of its function.

A new function of `ingest.db` fails in `tests/db/test_kept_plans.py` until a call of it stands in one of the two tables.
"""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any
from uuid import UUID

import msgspec
import pytest

from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.data import (
    entities,
    entity_lookup,
    entity_rows,
    erasure,
    event_rows,
    events,
    first_events,
    growth,
    linked_objects,
    retention,
    states,
)
from ingest.db.data import stored as stored_rows
from ingest.db.data.event_links import Links
from ingest.db.data.stored import Place
from ingest.db.jobs import (
    blocks,
    children,
    claims,
    completion,
    control,
    drafts,
    durations,
    errors,
    failed_items,
    families,
    gone,
    holds,
    item_errors,
    item_warnings,
    items,
    listing,
    lookup,
    open_jobs,
    outbox,
    parts,
    queue,
    receiving,
    requests,
    rescue,
    results,
    retries,
    timeline,
    trials,
    unreadable,
    uploads,
    writers,
)
from ingest.db.jobs.acceptance import NewJob
from ingest.db.jobs.completion import BlockOutcome, Yields
from ingest.db.jobs.drafts import Draft, Verdict
from ingest.db.jobs.listing import JobFilter
from ingest.db.jobs.parts import Arrived
from ingest.db.tenants import audit, idempotency, key_changes, keys, mappings, sessions, templates, tenants
from ingest.db.tenants.audit import Action, Actor, Filter
from ingest.db.tenants.keys import Key
from ingest.db.tenants.tenants import Tenant
from ingest.db.webhooks import deliveries, recording, registry
from ingest.db.webhooks.registry import Webhook
from ingest.engine.kinds import KINDS
from ingest.errors import PartsMissing
from ingest.ids import uuid7
from ingest.intake.blocks import Block
from ingest.items.entities import SCOPE, Entity
from ingest.items.events import Event
from ingest.items.personal import Protection
from ingest.items.states import State
from ingest.jobs import TRIAL, Effect, ItemError, ItemWarning, JobState
from ingest.master_keys import generate
from ingest.webhooks.message import EVENTS
from tests.support.factories import (
    MASTER_KEYS,
    accept,
    accept_failed,
    begin_part,
    make_tenant,
    new_job,
    new_upload,
    store_part,
)
from tests.support.factories import entity as sent_entity

# The tables grow to so many rows, and a call of many comes to name so many of them.
ROWS, ITEMS, _FEW = 10_000, 100, 2

_WANTED: dict[str, Any] = {"url": "https://x.example", "events": EVENTS, "description": None, "secret": "x"}

_ACTOR = Actor("command", "root", "sluice keys revoke")

_TWO_KEYS = f"{generate()},{MASTER_KEYS}"

_numbers = count(1)
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class Stored:
    """The rows that the calls are about.

    Attributes:
        items: how many items, or jobs, a call of many names.
    """

    tenant: Tenant
    key: Key
    secret: str
    ended: UUID
    waiting: UUID
    entity_ids: list[int]
    webhook: UUID
    items: int = _FEW


def _begin_session(conn: Connection, stored: Stored) -> None:
    caller = keys.caller_of(conn, stored.key.id)
    assert caller is not None
    sessions.begin(conn, caller)


def _names(stored: Stored) -> list[str]:
    return [f"e{number:06}" for number in range(stored.items)]


def _entities(stored: Stored, *, first: int = 0, nulls: bool = False, versions: int = 1) -> list[Entity]:
    """Return entities that are new or change something, so many versions of each."""
    member = b', "z": null' if nulls else b""
    return [
        Entity(f"e{first + number // versions:06}", "player", msgspec.Raw(b'{"n": %d%s}' % (next(_numbers), member)))
        for number in range(stored.items)
    ]


def _states(stored: Stored, key: str = "k") -> list[State]:
    return [State("", key, msgspec.Raw(b"%d" % next(_numbers))) for _ in range(stored.items)]


def _upsert(conn: Connection, stored: Stored, items: list[Entity], *, merge: bool) -> object:
    return entities.upsert(conn, stored.tenant.id, items, merge=merge)


def _upsert_protected(conn: Connection, stored: Stored, *, merge: bool, keys: str = MASTER_KEYS, **made: Any) -> object:
    """Upsert entities whose field `n` is personal data."""
    protection = Protection(MasterKeys.parse(keys), stored.tenant.id, {"player": ("n",)})
    sealed = protection.seal(_entities(stored, **made), merge=merge)
    return entities.upsert(conn, stored.tenant.id, sealed, merge=merge)


def _set(conn: Connection, stored: Stored, items: list[State], *, versions: int = 1) -> object:
    return states.upsert(
        conn, stored.tenant.id, items, [stored.entity_ids[place // versions] for place in range(len(items))]
    )


def _append(conn: Connection, stored: Stored, event_ids: Sequence[str | None] = ()) -> object:
    sent = [Event("", "session", msgspec.Raw(b"{}"), None, event_id) for event_id in event_ids or [None] * stored.items]
    ids = stored.entity_ids
    return events.append(
        conn, stored.tenant.id, sent, lambda places: Links(places, ids[: len(places)], [""] * len(places))
    )


def _accepted(conn: Connection, stored: Stored, **overrides: Any) -> UUID:
    return accept(conn, stored.tenant, "states", [{}], ordered=False, **overrides)


def _begun(conn: Connection, stored: Stored) -> list[UUID]:
    ids = [_accepted(conn, stored) for _ in range(stored.items)]
    conn.execute("UPDATE jobs SET status = 'processing', started_at = now() WHERE id = ANY (%s)", (ids,), prepare=False)
    return ids


def _lock(conn: Connection, stored: Stored, *, in_order: bool) -> list[UUID]:
    ids = _begun(conn, stored)
    assert blocks.lock(conn, [(job_id, 0) for job_id in ids], in_order=in_order)
    return ids


def _close(conn: Connection, stored: Stored, yields: Yields, **options: bool) -> object:
    outcomes = [BlockOutcome(job_id, 0, {Effect.CREATED: 1}) for job_id in _lock(conn, stored, in_order=False)]
    return completion.close_blocks(conn, outcomes, tenant_id=stored.tenant.id, yields=yields, **options)


def _take(conn: Connection, stored: Stored) -> object:
    cancelled = [_accepted(conn, stored) for _ in range(stored.items)]
    for job_id in cancelled:
        control.cancel(conn, job_id)
    return outbox.take(conn, cancelled)


def _take_failed(conn: Connection, stored: Stored) -> object:
    job_id = _accepted(conn, stored)
    errors_of_items = [ItemError(index, None, "", "", item=b"{}") for index in range(stored.items)]
    item_errors.record(conn, stored.tenant.id, [(job_id, error) for error in errors_of_items])
    return retries.take(conn, [(job_id, index) for index in range(stored.items)], uuid7())


def _waited_for(conn: Connection, stored: Stored) -> UUID:
    """Return a job that another one waits for, which a third one waits for."""
    first = _accepted(conn, stored)
    _accepted(conn, stored, after_job_id=_accepted(conn, stored, after_job_id=first))
    return first


def _resume(conn: Connection, stored: Stored) -> object:
    first = _waited_for(conn, stored)
    assert len(control.pause(conn, first)) == 3
    return control.resume(conn, first)


def _resume_begun(conn: Connection, stored: Stored) -> object:
    job_id = _begun(conn, stored)[0]
    control.pause(conn, job_id)
    return control.resume(conn, job_id)


def _append_block(conn: Connection, stored: Stored, **overrides: Any) -> NewJob:
    job = new_job(stored.tenant, "states", **overrides)
    assert receiving.begin(conn, job)
    assert receiving.append(conn, job.id, 0, Block(0, 1, b"x", 1))
    return job


def _receiving(conn: Connection, stored: Stored) -> UUID:
    job = new_job(stored.tenant, "states")
    assert receiving.begin(conn, job)
    return job.id


def _upload(conn: Connection, stored: Stored) -> UUID:
    upload_id = new_upload(conn, stored.tenant, kind="states", ordered=False)
    store_part(conn, upload_id, 1, b"{}\n")
    return upload_id


def _finish_part(conn: Connection, stored: Stored) -> object:
    upload_id = _upload(conn, stored)
    return store_part(conn, upload_id, 1, b"{}\n")


def _finish_older_part(conn: Connection, stored: Stored) -> object:
    upload_id = _upload(conn, stored)
    attempt = begin_part(conn, upload_id, 1)
    store_part(conn, upload_id, 1, b"{}\n")
    return parts.finish(conn, attempt, Arrived(1, 0, 0, bytes(32), 0, 0, 0))


def _complete(conn: Connection, stored: Stored) -> object:
    upload_id = _upload(conn, stored)
    begin_part(conn, upload_id, 1)
    return uploads.complete(conn, stored.tenant.id, upload_id, parts_sent=1, check=lambda *_: None, awaited=False)


def _complete_too_early(conn: Connection, stored: Stored) -> None:
    with suppress(PartsMissing):
        uploads.complete(
            conn, stored.tenant.id, _upload(conn, stored), parts_sent=2, check=lambda *_: None, awaited=False
        )


def _drafts(conn: Connection, stored: Stored) -> UUID:
    """Edit items of a new job that have failed."""
    job_id = accept_failed(conn, stored.tenant, stored.items)
    made = [Draft(index, b"{}", sealed=False, dropped=False, version=0) for index in range(stored.items)]
    assert len(drafts.store(conn, stored.tenant.id, job_id, made, editor="x")) == stored.items
    return job_id


def _erase_failed(conn: Connection, stored: Stored) -> None:
    accept_failed(conn, stored.tenant, sealed=True)
    assert failed_items.erase(conn, stored.tenant.id, "p1") == 1


def _record_errors(conn: Connection, stored: Stored) -> None:
    noted = ItemError(0, "e", "VALIDATION_FAILED", "wrong")
    item_errors.record(conn, stored.tenant.id, [(job_id, noted) for job_id in _begun(conn, stored)])


def _record_warnings(conn: Connection, stored: Stored) -> None:
    noted = ItemWarning(0, "UNKNOWN_FIELD", "strange", "/x")
    item_warnings.record(conn, {job_id: [noted] for job_id in _begun(conn, stored)})


def _list(conn: Connection, stored: Stored, **wanted: Any) -> object:
    return listing.page(conn, stored.tenant.id, JobFilter(**wanted), limit=200)


def _place(conn: Connection, stored: Stored) -> object:
    job = lookup.show(conn, _accepted(conn, stored, after_job_id=stored.waiting))
    assert job is not None
    return queue.places_of(conn, [job])


def _delete(conn: Connection, stored: Stored) -> object:
    _upsert(conn, stored, [Entity("gone", "player", msgspec.Raw(b"{}"))], merge=False)
    return erasure.delete(conn, stored.tenant.id, "gone")


def _rotate(conn: Connection, stored: Stored) -> object:
    made, _ = keys.create(conn, stored.tenant.id, "oh_live", "x")
    return key_changes.rotate(conn, made, overlap=timedelta(hours=1))


def _revoke(conn: Connection, stored: Stored) -> object:
    made, _ = keys.create(conn, stored.tenant.id, "oh_live", "x")
    return key_changes.revoke(conn, stored.tenant.id, made.id)


def _page(conn: Connection, stored: Stored, place: Place) -> object:
    return stored_rows.page(conn, stored.tenant.id, place, limit=100)


_NO_TRIAL_OPEN = """
UPDATE jobs SET kind = 'events'
WHERE tenant_id = %s AND kind = %s AND status IN ('pending', 'processing') AND on_hold_since IS NULL
"""


def _begin_trial(conn: Connection, stored: Stored) -> UUID:
    version = templates.store_trial(conn, stored.tenant.id, stored.tenant.template_id or 0, None)
    # Others may not have ended, or would be too many.
    conn.execute(_NO_TRIAL_OPEN, (stored.tenant.id, TRIAL), prepare=False)
    job = new_job(stored.tenant, TRIAL, template_id=version, ordered=False)
    assert trials.accept(conn, job, place=b"{}", rows=100)
    return job.id


def _advance_trial(conn: Connection, stored: Stored) -> object:
    job_id = _begin_trial(conn, stored)
    conn.execute("UPDATE jobs SET status = 'processing', started_at = now() WHERE id = %s", (job_id,), prepare=False)
    return trials.advance(conn, job_id, passed=1, failed=1, place=b"{}")


def _webhook(conn: Connection) -> Webhook:
    """A webhook of a tenant of its own, since a tenant may have few."""
    tenant, _ = make_tenant(conn)
    return registry.create(conn, uuid7(), tenant.id, **_WANTED)


def _delete_webhook(conn: Connection) -> None:
    made = _webhook(conn)
    registry.delete(conn, made.tenant_id, made.id)


def _delivery(conn: Connection, stored: Stored) -> UUID:
    conn.execute("DELETE FROM webhook_deliveries WHERE job_id = %s", (stored.ended,), prepare=False)
    assert recording.record(conn, [stored.ended]) == 1
    query = "SELECT id FROM webhook_deliveries WHERE job_id = %s"
    [(delivery_id,)] = conn.execute(query, (stored.ended,), prepare=False).fetchall()
    return UUID(str(delivery_id))


def _new_key(stored: Stored) -> idempotency.Key:
    return idempotency.Key(stored.tenant.id, "writeStates", sha256(b"%d" % next(_numbers)).digest())


def _find_known(conn: Connection, stored: Stored) -> object:
    known = _new_key(stored)
    idempotency.remember(conn, known, bytes(32), idempotency.Answer())
    return idempotency.find(conn, known)


_SCHEMA: dict[str, Any] = {"entity_types": {}, "event_types": {}, "state_keys": [], "pii_fields": {}}

Call = Callable[[Connection, Stored], object]

# By the function's name, and the statement of several that is meant. Calls that store rows come last: the plans of
# the others are made while there are hardly any rows.
READS: dict[str, Call] = {
    "claims.heads": lambda conn, _stored: claims.heads(conn),
    "claims.next_head": lambda conn, _stored: claims.next_head(conn),
    "claims.blocker": lambda conn, stored: claims.blocker(conn, stored.waiting),
    "claims.freed_by": lambda conn, stored: claims.freed_by(conn, [stored.ended]),
    "blocks.next_open": lambda conn, stored: blocks.next_open(conn, stored.waiting),
    "blocks.next_to_run": lambda conn, stored: blocks.next_to_run(conn, stored.waiting),
    "blocks.count_open": lambda conn, stored: blocks.count_open(conn, stored.waiting),
    "blocks.still_open": lambda conn, stored: blocks.still_open(conn, stored.waiting, 0),
    "item_errors.of_job": lambda conn, stored: item_errors.of_job(conn, stored.ended, limit=10),
    "families.members": lambda conn, stored: families.members(conn, stored.ended),
    "retries.failed": lambda conn, stored: retries.failed(conn, stored.ended, after=-1, code="x", limit=100),
    "retries.last_places": lambda conn, stored: retries.last_places(conn, stored.ended, range(stored.items)),
    "retries.open_blocks": lambda conn, stored: retries.open_blocks(conn, stored.waiting, after=-1, limit=100),
    "retries.payload_of": lambda conn, stored: retries.payload_of(conn, stored.waiting, 0),
    "retries.failed_within": lambda conn, stored: retries.failed_within(conn, stored.ended, 0, stored.items),
    "children.committed": lambda conn, stored: children.committed(conn, stored.ended),
    "tenants.template_of": lambda conn, stored: tenants.template_of(conn, stored.tenant.id),
    "errors.page": lambda conn, stored: errors.page(conn, stored.ended, limit=10),
    "errors.page code": lambda conn, stored: errors.page(conn, stored.ended, limit=10, code="NOT_FOUND"),
    "errors.page items": lambda conn, stored: errors.page(conn, stored.ended, limit=10, with_items=True),
    "errors.alike": lambda conn, stored: errors.alike(conn, stored.ended, limit=10),
    "errors.alike code": lambda conn, stored: errors.alike(conn, stored.ended, limit=10, code="NOT_FOUND"),
    "errors.of_items": lambda conn, stored: errors.of_items(conn, stored.ended, range(stored.items)),
    "errors.of_item": lambda conn, stored: errors.of_item(conn, stored.ended, 0),
    "drafts.show": lambda conn, stored: drafts.show(conn, stored.ended, range(stored.items)),
    "drafts.to_send": lambda conn, stored: drafts.to_send(conn, stored.ended),
    "drafts.marks": lambda conn, stored: drafts.marks(conn, stored.ended),
    "mappings.of_tenant": lambda conn, stored: mappings.of_tenant(conn, stored.tenant.id),
    "errors.any_sealed": lambda conn, stored: errors.any_sealed(conn, stored.ended, seals=True),
    "items.find": lambda conn, stored: items.find(conn, stored.ended, 0),
    "results.of_job": lambda conn, stored: results.of_job(conn, stored.ended),
    "results.page": lambda conn, stored: results.page(conn, stored.ended, limit=10),
    "item_warnings.of_job": lambda conn, stored: item_warnings.of_job(conn, stored.ended, limit=10),
    "timeline.page": lambda conn, stored: timeline.page(conn, stored.ended, limit=10),
    "timeline.page after": lambda conn, stored: timeline.page(conn, stored.ended, limit=10, after=(_LONG_AGO, 0)),
    "timeline.last": lambda conn, stored: timeline.last(conn, stored.ended, limit=10),
    "listing.page": _list,
    "listing.page open": lambda conn, stored: _list(conn, stored, statuses=[JobState.PENDING]),
    "listing.page ended early": lambda conn, stored: _list(conn, stored, statuses=[JobState.CANCELLED]),
    "listing.page completed": lambda conn, stored: _list(conn, stored, statuses=[JobState.COMPLETED]),
    "listing.page kind": lambda conn, stored: _list(conn, stored, kinds=["states"]),
    "listing.page label": lambda conn, stored: _list(conn, stored, label="x"),
    "listing.page errors": lambda conn, stored: _list(conn, stored, has_errors=True),
    "listing.page parent": lambda conn, stored: _list(conn, stored, parent=stored.ended),
    "listing.page times": lambda conn, stored: _list(conn, stored, created_before=datetime(2020, 1, 1, tzinfo=UTC)),
    "listing.page ends": lambda conn, stored: _list(conn, stored, ended_before=datetime(2020, 1, 1, tzinfo=UTC)),
    "listing.page slow": lambda conn, stored: _list(
        conn, stored, statuses=[JobState.PENDING], created_before_by_kind={"states": datetime.now(UTC)}
    ),
    "durations.medians": lambda conn, stored: durations.medians(conn, stored.tenant.id, KINDS),
    "writers.find": lambda conn, stored: writers.find(conn, stored.tenant.id, "states", datetime.now(UTC)),
    "requests.find": lambda conn, stored: requests.find(conn, stored.tenant.id, uuid7().hex),
    "failed_items.page": lambda conn, stored: failed_items.page(conn, stored.tenant.id, "p1"),
    "lookup.show": lambda conn, stored: lookup.show(conn, stored.ended),
    "lookup.show_many": lambda conn, stored: lookup.show_many(
        conn, [stored.ended, stored.waiting, *(uuid7() for _ in range(stored.items))]
    ),
    "lookup.traceparents": lambda conn, stored: lookup.traceparents(
        conn, [stored.ended, stored.waiting, *(uuid7() for _ in range(stored.items))]
    ),
    "lookup.get": lambda conn, stored: lookup.get(conn, stored.ended),
    "results.record_lines": lambda conn, stored: results.record_lines(conn, stored.waiting, 0, [1]),
    "rescue.mark_swept": lambda conn, stored: rescue.mark_swept(conn, stored.ended),
    "entity_rows.read": lambda conn, stored: entity_rows.read(conn, stored.tenant.id, "e000001"),
    "entity_lookup.known_query": lambda conn, stored: conn.execute(
        entity_lookup.known_query(conn),
        entity_lookup.parameters(stored.tenant.id, _entities(stored)),
        prepare=False,  # as `copy_insert` executes it
    ).fetchall(),
    "entity_lookup.public_ids": lambda conn, stored: entity_lookup.public_ids(
        conn, stored.tenant.id, {SCOPE: _names(stored)}
    ),
    "entity_lookup.resolve": lambda conn, stored: entity_lookup.resolve(
        conn, stored.tenant.id, {SCOPE: _names(stored)}
    ),
    "entity_lookup.resolve missing": lambda conn, stored: entity_lookup.resolve(
        conn, stored.tenant.id, {SCOPE: [*_names(stored), "nobody"]}
    ),
    "growth.too_large": lambda conn, stored: growth.too_large(
        conn, stored.tenant.id, [[item] for item in _entities(stored)]
    ),
    "erasure.begin": lambda conn, stored: erasure.begin(conn, stored.tenant.id),
    "erasure.keep_out": lambda conn, stored: erasure.keep_out(conn, stored.tenant.id),
    "event_rows.of_entity": lambda conn, stored: event_rows.of_entity(conn, stored.tenant.id, "e000001", limit=50),
    "event_rows.of_entity type": lambda conn, stored: event_rows.of_entity(
        conn, stored.tenant.id, "e000001", limit=50, event_type="session"
    ),
    "first_events.find": lambda conn, stored: first_events.find(conn, stored.tenant.id, _names(stored)),
    "states.of_entity": lambda conn, stored: states.of_entity(conn, stored.tenant.id, "e000001"),
    "states.of_entity key": lambda conn, stored: states.of_entity(conn, stored.tenant.id, "e000001", key="k"),
    "keys.caller": lambda conn, stored: keys.caller(conn, stored.secret),
    "keys.caller_of": lambda conn, stored: keys.caller_of(conn, stored.key.id),
    "keys.good": lambda conn, stored: keys.good(conn, [stored.key.id]),
    "keys.get": lambda conn, stored: keys.get(conn, stored.key.id),
    "keys.of_tenant": lambda conn, stored: keys.of_tenant(conn, stored.tenant.id),
    "idempotency.find": lambda conn, stored: idempotency.find(conn, _new_key(stored)),
    "idempotency.lock": lambda conn, stored: idempotency.lock(conn, _new_key(stored)),
    "gone.is_gone": lambda conn, stored: gone.is_gone(conn, stored.tenant.id, stored.ended),
    "tenants.names": lambda conn, stored: tenants.names(conn, {stored.tenant.id}),
    "tenants.of_id": lambda conn, stored: tenants.of_id(conn, stored.tenant.id),
    "sessions.find": lambda conn, stored: sessions.find(conn, stored.secret),
    "sessions.good": lambda conn, _: sessions.good(conn, [hashlib.sha256(b"1").digest(), b""]),
    "open_jobs.count": lambda conn, stored: open_jobs.count(conn, stored.tenant.id),
    "tenants.get": lambda conn, stored: tenants.get(conn, stored.tenant.public_id),
    "tenants.weights": lambda conn, _stored: tenants.weights(conn),
    "tenants.lock": lambda conn, stored: tenants.lock(conn, stored.tenant.id),
    "templates.is_built_in": lambda conn, _stored: templates.is_built_in(conn, "tpl_igaming"),
    "templates.visible": lambda conn, stored: templates.visible(conn, stored.tenant.id),
    "audit.page": lambda conn, stored: audit.page(conn, stored.tenant.id, Filter(), limit=2, before=10**6),
    "retention.events_kept": lambda conn, stored: retention.events_kept(conn, stored.tenant.id),
    "stored.page entities": lambda conn, stored: _page(conn, stored, Place("entities", "e000100")),
    "stored.page states": lambda conn, stored: _page(conn, stored, Place("states", "e000100", "j")),
    "stored.page events": lambda conn, stored: _page(conn, stored, Place("events", "e000100", event_id=1)),
    "stored.estimated_count": lambda conn, stored: stored_rows.estimated_count(conn, stored.tenant.id),
    "registry.get": lambda conn, stored: registry.get(conn, stored.tenant.id, stored.webhook),
    "registry.of_tenant": lambda conn, stored: registry.of_tenant(conn, stored.tenant.id),
    "deliveries.page": lambda conn, stored: deliveries.page(conn, stored.webhook, limit=50),
    "blocks.extend_lease": lambda conn, _stored: blocks.extend_lease(conn, 2),
}
WRITES: dict[str, Call] = {
    "claims.claim": lambda conn, stored: claims.claim(conn, _accepted(conn, stored, after_job_id=stored.ended)),
    "claims.claim_next": lambda conn, _stored: claims.claim_next(conn),
    "acceptance.accept": _accepted,
    "acceptance.accept from a cached caller": lambda conn, stored: _accepted(
        conn, stored, cached_caller=keys.caller(conn, stored.secret)
    ),
    "acceptance.accept with a key": lambda conn, stored: _accepted(
        conn, stored, key=_new_key(stored), fingerprint=bytes(32), cached_caller=keys.caller(conn, stored.secret)
    ),
    "acceptance.accept after": lambda conn, stored: _accepted(conn, stored, after_job_id=stored.ended),
    "control.cancel": lambda conn, stored: control.cancel(conn, _accepted(conn, stored)),
    "control.pause": lambda conn, stored: control.pause(conn, _accepted(conn, stored)),
    "control.resume": _resume,
    "control.resume begun": _resume_begun,
    "control.relabel": lambda conn, stored: control.relabel(conn, _accepted(conn, stored), "x"),
    "holds.hold": lambda conn, stored: holds.hold(conn, [_waited_for(conn, stored)]),
    "holds.release": lambda conn, stored: holds.release(conn, [_waited_for(conn, stored)]),
    "timeline.record_deliveries": lambda conn, stored: timeline.record_deliveries(
        conn, stored.tenant.id, [(_accepted(conn, stored), 0, 2)]
    ),
    "outbox.take": _take,
    "receiving.begin": lambda conn, stored: receiving.begin(conn, new_job(stored.tenant, "states")),
    "receiving.append": _append_block,
    "receiving.accept": lambda conn, stored: receiving.accept(conn, _append_block(conn, stored), 1),
    "receiving.accept with a key": lambda conn, stored: receiving.accept(
        conn, _append_block(conn, stored, key=_new_key(stored), fingerprint=bytes(32)), 1
    ),
    "receiving.touch": lambda conn, stored: receiving.touch(conn, _append_block(conn, stored).id),
    "receiving.remove": lambda conn, stored: receiving.remove(conn, [_append_block(conn, stored).id]),
    "uploads.create": lambda conn, stored: new_upload(conn, stored.tenant),
    "uploads.find": lambda conn, stored: uploads.find(conn, stored.tenant.id, _upload(conn, stored)),
    "uploads.find_open": lambda conn, stored: uploads.find_open(
        conn, stored.tenant.id, _upload(conn, stored), lock=True
    ),
    "queue.places_of": _place,
    "uploads.complete": _complete,
    "uploads.complete too early": _complete_too_early,
    "uploads.delete": lambda conn, stored: uploads.delete(conn, stored.tenant.id, _upload(conn, stored)),
    "parts.begin": lambda conn, stored: begin_part(conn, _upload(conn, stored), 2),
    "parts.append": lambda conn, stored: store_part(conn, _upload(conn, stored), 2, b"{}\n"),
    "parts.touch": lambda conn, stored: parts.touch(conn, begin_part(conn, _upload(conn, stored), 2)),
    "parts.finish": _finish_part,
    "parts.finish older": _finish_older_part,
    "parts.remove": lambda conn, stored: parts.remove(conn, [store_part(conn, _upload(conn, stored), 2, b"{}\n").id]),
    "parts.give_up": lambda conn, stored: parts.give_up(conn, begin_part(conn, _upload(conn, stored), 2)),
    "parts.remove_unfinished": lambda conn, stored: parts.remove_unfinished(conn, _upload(conn, stored)),
    "parts.remove_all": lambda conn, stored: parts.remove_all(conn, [_upload(conn, stored)]),
    "parts.header": lambda conn, stored: parts.header(conn, _upload(conn, stored)),
    "parts.of_upload": lambda conn, stored: parts.of_upload(conn, _upload(conn, stored)),
    "families.lock": lambda conn, stored: families.lock(conn, stored.ended),
    "retries.take": _take_failed,
    "retries.copy_blocks": lambda conn, stored: retries.copy_blocks(
        conn, [(_accepted(conn, stored), 0) for _ in range(stored.items)], _receiving(conn, stored), first_no=0
    ),
    "retries.take_block": lambda conn, stored: retries.take_block(conn, _accepted(conn, stored), 0, uuid7()),
    "children.append": lambda conn, stored: children.append(
        conn, stored.tenant.id, _receiving(conn, stored), 0, Block(0, 1, b"x")
    ),
    "children.move_blocks": lambda conn, stored: children.move_blocks(
        conn, _accepted(conn, stored), _receiving(conn, stored)
    ),
    "children.finish": lambda conn, stored: children.finish(
        conn, _receiving(conn, stored), stored.ended, blocks=1, items=1
    ),
    "control.fail": lambda conn, stored: control.fail(conn, _accepted(conn, stored), "JOB_UNRUNNABLE", "x"),
    "blocks.lock any": lambda conn, stored: _lock(conn, stored, in_order=False),
    "blocks.lock in order": lambda conn, stored: _lock(conn, stored, in_order=True),
    "item_errors.record": _record_errors,
    "unreadable.put_off": lambda conn, stored: unreadable.put_off(conn, [(_accepted(conn, stored), 0)]),
    "failed_items.erase": _erase_failed,
    "drafts.store": _drafts,
    "drafts.note": lambda conn, stored: drafts.note(conn, _drafts(conn, stored), [Verdict(0, 1, "x", "y", "/z")]),
    "drafts.delete": lambda conn, stored: drafts.delete(conn, _drafts(conn, stored), range(stored.items)),
    "mappings.save": lambda conn, stored: mappings.save(conn, stored.tenant.id, f"m{next(_numbers) % 20}", {}),
    "mappings.delete": lambda conn, stored: mappings.delete(conn, stored.tenant.id, "m1"),
    "item_warnings.record": _record_warnings,
    "completion.close_blocks": lambda conn, stored: _close(conn, stored, Yields.NEVER),
    "completion.close_blocks now": lambda conn, stored: _close(conn, stored, Yields.NOW),
    "completion.close_blocks keep payload": lambda conn, stored: _close(conn, stored, Yields.NEVER, keeps_payload=True),
    "completion.close_blocks to others": lambda conn, stored: _close(conn, stored, Yields.TO_OTHER_TENANTS),
    "completion.abort": lambda conn, stored: completion.abort(conn, _begun(conn, stored)[0], failed=0, message="x"),
    "erasure.delete": _delete,
    "linked_objects.ensure": lambda conn, stored: linked_objects.ensure(conn, stored.tenant.id, _entities(stored)),
    "entities.upsert": lambda conn, stored: _upsert(conn, stored, _entities(stored), merge=False),
    "entities.upsert in turn": lambda conn, stored: _upsert(conn, stored, _entities(stored, versions=2), merge=False),
    "entities.upsert merges": lambda conn, stored: _upsert(conn, stored, _entities(stored), merge=True),
    "entities.upsert merges in turn": lambda conn, stored: _upsert(
        conn, stored, _entities(stored, versions=2), merge=True
    ),
    "entities.upsert nulls": lambda conn, stored: _upsert(conn, stored, _entities(stored, nulls=True), merge=True),
    "entities.upsert new": lambda conn, stored: _upsert(
        conn, stored, _entities(stored, first=ROWS + ITEMS * next(_numbers)), merge=False
    ),
    "entities.upsert new nulls": lambda conn, stored: _upsert(
        conn, stored, _entities(stored, first=ROWS + ITEMS * next(_numbers), nulls=True), merge=True
    ),
    "entities.upsert protected": lambda conn, stored: _upsert_protected(conn, stored, merge=False),
    "entities.upsert protected merges": lambda conn, stored: _upsert_protected(conn, stored, merge=True),
    "entities.upsert protected nulls": lambda conn, stored: _upsert_protected(conn, stored, merge=True, nulls=True),
    "entities.upsert protected in turn": lambda conn, stored: _upsert_protected(conn, stored, merge=True, versions=2),
    "entities.upsert protected keys": lambda conn, stored: _upsert_protected(conn, stored, merge=True, keys=_TWO_KEYS),
    "entities.upsert protected new": lambda conn, stored: _upsert_protected(
        conn, stored, merge=False, first=ROWS + ITEMS * next(_numbers)
    ),
    "events.append": _append,
    "events.append known ids": lambda conn, stored: _append(conn, stored, _names(stored)),
    "events.append new ids": lambda conn, stored: _append(
        conn, stored, [f"x{next(_numbers)}" for _ in range(stored.items)]
    ),
    "states.upsert": lambda conn, stored: _set(conn, stored, _states(stored)),
    "states.upsert in turn": lambda conn, stored: _set(conn, stored, _states(stored), versions=2),
    "states.upsert new": lambda conn, stored: _set(conn, stored, _states(stored, f"k{next(_numbers)}")),
    "idempotency.find known": _find_known,
    "idempotency.remember": lambda conn, stored: idempotency.remember(
        conn, _new_key(stored), bytes(32), idempotency.Answer()
    ),
    "keys.create": lambda conn, stored: keys.create(conn, stored.tenant.id, "fm_live", "x"),
    "audit.record of read": lambda conn, stored: audit.record(
        conn, _ACTOR, Action.PERSON_READ, "x", tenant_id=stored.tenant.id, of_read=True
    ),
    "audit.record": lambda conn, stored: audit.record(
        conn, _ACTOR, Action.KEY_REVOKED, "x", tenant_id=stored.tenant.id
    ),
    "key_changes.change": lambda conn, stored: key_changes.change(
        conn, stored.tenant.id, stored.key.id, {"label": "y"}
    ),
    "key_changes.revoke": _revoke,
    "key_changes.rotate": _rotate,
    "sessions.begin": _begin_session,
    "sessions.end": lambda conn, stored: sessions.end(conn, stored.secret),
    "sessions.open_offered": lambda conn, stored: sessions.open_offered(conn, stored.secret),
    "tenants.choose_template": lambda conn, stored: tenants.choose_template(conn, stored.tenant.id, "tpl_igaming"),
    "tenants.configure": lambda conn, stored: tenants.configure(conn, stored.tenant.id, {"batch_wait_seconds": 1}),
    "templates.store_trial": lambda conn, stored: templates.store_trial(
        conn, stored.tenant.id, stored.tenant.template_id or 0, _SCHEMA
    ),
    "trials.accept": _begin_trial,
    "trials.lock": lambda conn, stored: trials.lock(conn, _begin_trial(conn, stored)),
    "trials.advance": _advance_trial,
    "registry.create": lambda conn, _stored: _webhook(conn),
    "registry.change": lambda conn, stored: registry.change(conn, stored.tenant.id, stored.webhook, {"enabled": True}),
    "registry.rotate": lambda conn, stored: registry.rotate(conn, stored.tenant.id, stored.webhook, "y"),
    "registry.delete": lambda conn, _stored: _delete_webhook(conn),
    "recording.record": _delivery,
    "deliveries.add_test": lambda conn, stored: deliveries.add_test(conn, stored.webhook),
    "deliveries.replay": lambda conn, stored: deliveries.replay(conn, stored.webhook, _delivery(conn, stored)),
    "templates.store": lambda conn, stored: templates.store(
        conn, stored.tenant.id, "tpl_own", name="Own", version="1", schema=_SCHEMA
    ),
}
# Those that no transaction of web's makes: they look at the jobs of all tenants, or make a tenant of their own.
_OF_OTHERS = (
    *("claims.", "completion.", "rescue.", "tenants.weights", "registry.create", "registry.delete"),
    "sessions.",  # a session is looked up before it is known whose it is
)
BEHIND_THE_WALL = {name: call for name, call in {**READS, **WRITES}.items() if not name.startswith(_OF_OTHERS)}


@pytest.fixture
def stored(pool: Pool) -> Stored:
    """A few rows."""
    with transaction(pool) as conn:
        tenant, secret = make_tenant(conn)
        key, _ = keys.create(conn, tenant.id, "oh_live", "x")
        entities.upsert(
            conn, tenant.id, [Entity(f"e{number:06}", "player", msgspec.Raw(b"{}")) for number in (0, 1)], merge=False
        )
        entity_ids = entity_lookup.resolve(conn, tenant.id, {SCOPE: ["e000000", "e000001"]})[SCOPE]
        ended, waiting = (accept(conn, tenant, "entities", [sent_entity()]) for _ in range(2))
        assert control.cancel(conn, ended)
        webhook = registry.create(conn, uuid7(), tenant.id, **_WANTED)
    return Stored(tenant, key, secret, ended, waiting, list(entity_ids.values()), webhook.id)
