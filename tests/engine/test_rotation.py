"""Rotation: all that is stored comes under the first master key, beside traffic, and however often it is stopped."""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from threading import Event
from typing import Any
from uuid import UUID

import msgspec
import pytest

from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection, Pool, connect, transaction
from ingest.db.data import entities, entity_rows, resealing
from ingest.db.jobs import drafts, failed_items, parts, trials
from ingest.db.jobs.digests import BARE_BYTES
from ingest.db.jobs.drafts import Draft
from ingest.db.tenants import idempotency, templates
from ingest.db.tenants.idempotency import Answer, Key
from ingest.db.tenants.tenants import Tenant
from ingest.db.verify.rows import ENTITIES_PERSONAL
from ingest.engine import rotation, sealed_digests, webhooks
from ingest.engine.executor import Executor
from ingest.engine.rotation import IN_THE_CLEAR, Step
from ingest.engine.sealing import Sealer
from ingest.errors import MasterKeyMissing
from ingest.items import personal
from ingest.items.entities import Entity
from ingest.jobs import TRIAL, Effect, JobOptions
from ingest.webhooks.message import EVENTS
from tests.support.factories import (
    MASTER_KEYS,
    accept,
    changed,
    entity,
    make_sealer,
    make_tenant,
    new_job,
    new_upload,
    store_part,
)

_NEW = f"new:{base64.b64encode(bytes([7] * 32)).decode()}"
_BOTH = MasterKeys.parse(f"{_NEW},{MASTER_KEYS}")
_ENTITIES, _SECRETS, _CALLBACKS, _PAYLOADS, _FAILED, _EDITS, _REQUESTS, _PARTS = (kind.name for kind in rotation.KINDS)

_KIDS = """
SELECT array_agg(DISTINCT split_part(value, ':', 1)) FROM entities, jsonb_each_text(pii_digests) WHERE id = %s
"""

Submit = Callable[..., UUID]


@pytest.fixture
def command(database_url: str) -> Iterator[Connection]:
    with closing(connect(database_url, "sluice-cli")) as connection:
        yield connection


def rotated(command: Connection, keys: MasterKeys = _BOTH) -> dict[str, Step]:
    return {progress.kind: progress.step for progress in rotation.rotate(command, keys)}


def read(conn: Connection, tenant: Tenant, name: str, keys: MasterKeys = _BOTH) -> Any:
    """An entity's data, and the ids of the keys that its personal data are under."""
    found = entity_rows.read(conn, tenant.id, name)
    assert found is not None
    opened = {} if found.pii is None else personal.opened(keys, tenant.id, name, found.pii)
    [(kids,)] = conn.execute(_KIDS, (found.id,)).fetchall()
    return {**json.loads(found.properties), **{name: json.loads(bytes(value)) for name, value in opened.items()}}, kids


@pytest.mark.usefixtures("players")
def test_what_is_under_a_former_key_comes_under_the_first_one(
    command: Connection, observer: Connection, owner: Tenant
) -> None:
    before = observer.execute("SELECT external_id, updated_at, revision FROM entities ORDER BY id").fetchall()
    assert rotation.count(command)[_ENTITIES] == {"test": 10}
    assert rotated(command)[_ENTITIES] == Step(changed=10)
    assert rotation.count(command)[_ENTITIES] == {"new": 10}
    only_new = MasterKeys.parse(_NEW)
    assert read(observer, owner, "player_000003", only_new) == (entity(3)["data"], ["new"])
    assert observer.execute("SELECT external_id, updated_at, revision FROM entities ORDER BY id").fetchall() == before
    assert rotated(command)[_ENTITIES] == Step()


@pytest.mark.usefixtures("players")
def test_an_equal_value_is_still_unchanged_after_a_rotation(
    command: Connection, executor: Executor, submit: Submit, observer: Connection
) -> None:
    rotated(command)
    job_id = submit("entities", [entity(number) for number in range(10)])
    changed(executor, keys=MasterKeys.parse(_NEW)).run(job_id, seconds=60)
    assert observer.execute("SELECT unchanged FROM jobs WHERE id = %s", (job_id,)).fetchone() == (10,)


def test_values_in_the_clear_that_are_personal_now_are_encrypted(
    command: Connection, observer: Connection, owner: Tenant, pool: Pool
) -> None:
    for name, data, kind in (("a", '{"email": "x", "n": 1}', "player"), ("b", '{"email": "x"}', "game")):
        observer.execute(
            "INSERT INTO entities (public_id, tenant_id, scope, external_id, type, properties)"
            " VALUES (gen_random_uuid(), %s, '', %s, %s, %s)",
            (owner.id, name, kind, data),
        )
    assert rotation.count(command)[_ENTITIES] == {IN_THE_CLEAR: 1}
    assert rotated(command)[_ENTITIES] == Step(changed=1)
    assert read(observer, owner, "a") == ({"email": "x", "n": 1}, ["new"])
    assert read(observer, owner, "b") == ({"email": "x"}, None)
    with transaction(pool) as conn:
        schema: dict[str, Any] = {"entity_types": {}, "event_types": {}, "state_keys": [], "pii_fields": {}}
        templates.store(conn, owner.id, "tpl_own", name="Own", version="1", schema=schema)
        conn.execute("UPDATE tenants SET template_id = (SELECT max(id) FROM templates)")
    # The reverse decrypts nothing: a field that is personal no more stays as it is until it is sent.
    assert rotated(command)[_ENTITIES] == Step()
    assert read(observer, owner, "a") == ({"email": "x", "n": 1}, ["new"])


@pytest.mark.usefixtures("players")
def test_values_under_a_lost_key_are_counted_and_left(command: Connection, observer: Connection) -> None:
    before = observer.execute("SELECT pii, pii_digests FROM entities ORDER BY id").fetchall()
    assert rotated(command, MasterKeys.parse(_NEW))[_ENTITIES] == Step(unreadable=10)
    assert observer.execute("SELECT pii, pii_digests FROM entities ORDER BY id").fetchall() == before


def test_secrets_of_webhooks_and_of_callbacks_come_under_the_first_key(
    command: Connection, observer: Connection, owner: Tenant, pool: Pool, submit: Submit
) -> None:
    old, url = MasterKeys.parse(MASTER_KEYS), "https://x.example"
    with transaction(pool) as conn:
        wanted: dict[str, Any] = {"url": url, "events": EVENTS, "description": None, "allow_private": False}
        made, _ = webhooks.create(conn, old, owner.id, **wanted)
        webhooks.rotate(conn, old, owner.id, made.id)
    callback, secret = webhooks.callback(old, owner.id, url, allow_private=False)
    job_id = submit("entities", [entity()], options=JobOptions(callback=callback))
    assert (rotation.count(command)[_SECRETS], rotation.count(command)[_CALLBACKS]) == ({"test": 2}, {"test": 1})
    done = rotated(command)
    assert (done[_SECRETS], done[_CALLBACKS]) == (Step(changed=2), Step(changed=1))
    assert (rotation.count(command)[_SECRETS], rotation.count(command)[_CALLBACKS]) == ({"new": 2}, {"new": 1})
    [(stored,)] = observer.execute(
        "SELECT options #>> '{callback,secret}' FROM jobs WHERE id = %s", (job_id,)
    ).fetchall()
    only_new = MasterKeys.parse(_NEW)
    assert only_new.decrypt(str(stored), tenant_id=owner.id, purpose="webhook").decode() == secret


def test_without_a_key_there_is_nothing_to_rotate_to(command: Connection) -> None:
    with pytest.raises(MasterKeyMissing):
        rotated(command, MasterKeys({}))


@pytest.mark.usefixtures("players")
def test_a_rotation_that_is_stopped_goes_on_with_what_is_left(
    command: Connection, observer: Connection, owner: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "MOST_ROWS", 3)
    written = []

    def stop(conn: Connection, some: list[Any]) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(len(some))
        write(conn, some)

    write = resealing.write
    with monkeypatch.context() as stopping:
        stopping.setattr(resealing, "write", stop)
        with pytest.raises(KeyboardInterrupt):
            rotated(command)
    assert rotation.count(command)[_ENTITIES] == {"new": 6, "test": 4}
    assert [read(observer, owner, f"player_{number:06}")[0] for number in range(10)] == [
        entity(number)["data"] for number in range(10)
    ]
    assert rotated(command)[_ENTITIES] == Step(changed=4)


# A sequence is not rolled back, so that one transaction alone meets the deadlock.
_DEADLOCK_ONCE = """
CREATE SEQUENCE met;
CREATE FUNCTION deadlock_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF nextval('met') = 1 THEN RAISE deadlock_detected; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER deadlock_once BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({last}) EXECUTE FUNCTION deadlock_once()
"""


@pytest.mark.usefixtures("players")
@pytest.mark.parametrize(
    ("kind", "table", "last", "changed"),
    [(_ENTITIES, "entities", "NEW.external_id = 'player_000009'", 10), (_PAYLOADS, "job_blocks", "NEW.no = 4", 5)],
)
def test_a_transaction_that_meets_a_deadlock_is_tried_again_and_all_are_counted(
    command: Connection, observer: Connection, submit: Submit, monkeypatch: pytest.MonkeyPatch,
    kind: str, table: str, last: str, changed: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(resealing, "MOST_ROWS", 3)
    submit("entities", [entity(number) for number in range(5)], block_items=1, sealed=True)
    observer.execute(_DEADLOCK_ONCE.format(table=table, last=last).encode())
    assert rotated(command)[kind] == Step(changed=changed)
    assert observer.execute("SELECT last_value FROM met").fetchone() == (2,)


@pytest.mark.usefixtures("players")
def test_what_is_written_meanwhile_is_not_lost_and_comes_under_the_first_key(
    command: Connection, owner: Tenant, executor: Executor, submit: Submit, observer: Connection
) -> None:
    """Merges move rows over the pages while the rotation reads them; each changes one of two personal fields."""
    over, sent = Event(), Counter[int]()
    writer = changed(executor, keys=_BOTH)

    def write_on() -> None:
        while not over.is_set() or not sent:
            sent[0] += 1
            items = [entity(number, data={"email": f"p{number}@example.com", "phone": sent[0]}) for number in range(10)]
            writer.run(submit("entities", items, merge=True, sealed=True, keys=_NEW), seconds=60)

    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write_on)
        for _ in range(5):
            rotated(command)
        over.set()
        writing.result()
    rotated(command)
    assert rotation.count(command)[_ENTITIES] == {"new": 20}
    for number in range(10):
        assert read(observer, owner, f"player_{number:06}") == ({**entity(number)["data"], "phone": sent[0]}, ["new"])


@pytest.mark.usefixtures("players")
def test_a_row_that_a_writer_holds_is_waited_for_and_read_as_it_was_left(
    command: Connection, owner: Tenant, other: Connection, until_blocked: Callable[[Connection], None]
) -> None:
    old = MasterKeys.parse(MASTER_KEYS)
    pii, digests = personal.sealed(old, owner.id, "player_000003", {"email": msgspec.Raw(b'"late"')})
    other.execute(
        "UPDATE entities SET pii = %s, pii_digests = %s WHERE external_id = 'player_000003'",
        (pii.decode(), digests.decode()),
    )
    with ThreadPoolExecutor(1) as threads:
        rotating = threads.submit(rotated, command)
        until_blocked(command)
        other.commit()
        assert rotating.result()[_ENTITIES] == Step(changed=10)
    assert read(other, owner, "player_000003")[0]["email"] == "late"


@pytest.mark.usefixtures("players")
def test_a_row_whose_personal_data_a_writer_takes_away_meanwhile_gets_none(
    command: Connection, owner: Tenant, other: Connection, until_blocked: Callable[[Connection], None]
) -> None:
    bare = Entity("player_000003", "player", msgspec.Raw(b'{"vip_level":1}'))
    assert entities.upsert(other, owner.id, [bare], merge=False) == [Effect.UPDATED]
    with ThreadPoolExecutor(1) as threads:
        rotating = threads.submit(rotated, command)
        until_blocked(command)
        other.commit()
        assert rotating.result()[_ENTITIES] == Step(changed=9)
    found = other.execute("SELECT pii, pii_digests FROM entities WHERE external_id = 'player_000003'").fetchall()
    assert found == [(None, None)]
    assert other.execute(ENTITIES_PERSONAL.query).fetchall() == []


def test_payloads_and_failed_items_come_under_the_first_key_and_stay_readable(
    command: Connection, executor: Executor, submit: Submit, owner: Tenant, observer: Connection
) -> None:
    failed = submit("entities", [entity(1), entity(2, data={})], sealed=True)
    executor.run(failed, seconds=60)
    waiting = submit("entities", [entity(number) for number in range(5)], block_items=1, sealed=True)
    sealer, edit = Sealer(MasterKeys.parse(MASTER_KEYS), owner.id, seals=True), b'{"data":{"email":"x"}}'
    made = Draft(1, sealer.sealed_text(edit), sealed=True, dropped=False, version=0)
    assert drafts.store(observer, owner.id, failed, [made], editor="ada") == {1}
    counts = rotation.count(command)
    assert (counts[_PAYLOADS], counts[_FAILED], counts[_EDITS]) == ({"test": 5}, {"test": 1}, {"test": 1})
    steps = rotated(command)
    assert (steps[_PAYLOADS], steps[_FAILED], steps[_EDITS]) == (Step(changed=5), Step(changed=1), Step(changed=1))
    counts = rotation.count(command)
    assert (counts[_PAYLOADS], counts[_FAILED], counts[_EDITS]) == ({"new": 5}, {"new": 1}, {"new": 1})
    assert rotated(command)[_PAYLOADS] == Step()
    only_new = changed(executor, keys=MasterKeys.parse(_NEW))
    only_new.run(waiting, seconds=60)
    assert observer.execute("SELECT FROM jobs WHERE status = 'completed'").rowcount == 2
    [found] = failed_items.page(observer, owner.id, "player_000002")
    opener = Sealer(only_new.runner.blocks.keys, owner.id, seals=False)
    assert b"player_000002" in opener.text(found.item, sealed=True)
    [draft] = drafts.show(observer, failed, [1])
    assert opener.text(draft.edit or b"", sealed=True) == edit
    # An erasure takes the edits of a person's items with them.
    assert failed_items.erase(observer, owner.id, "player_000002") == 1
    assert drafts.marks(observer, failed) == []


def test_items_in_the_clear_that_may_be_personal_now_are_encrypted(
    command: Connection, executor: Executor, submit: Submit, owner: Tenant, observer: Connection, pool: Pool
) -> None:
    """They came under a template without personal data, which the tenant has replaced since."""
    types = {"player": {"required": ["email"], "optional": ["vip_level"]}}
    schema: dict[str, Any] = {"entity_types": types, "event_types": {}, "state_keys": [], "pii_fields": {}}
    with transaction(pool) as conn:
        plain = templates.store(conn, owner.id, "tpl_plain", name="Plain", version="1", schema=schema).id
    executor.run(submit("entities", [entity(1), entity(2, data={})], template_id=plain), seconds=60)
    waiting = submit("entities", [entity(number) for number in range(5)], block_items=1, template_id=plain)
    assert (rotation.count(command)[_PAYLOADS], rotation.count(command)[_FAILED]) == (
        {IN_THE_CLEAR: 5},
        {IN_THE_CLEAR: 1},
    )
    steps = rotated(command)
    assert (steps[_PAYLOADS], steps[_FAILED]) == (Step(changed=5), Step(changed=1))
    assert (rotation.count(command)[_PAYLOADS], rotation.count(command)[_FAILED]) == ({"new": 5}, {"new": 1})
    changed(executor, keys=_BOTH).run(waiting, seconds=60)
    assert observer.execute("SELECT FROM entities WHERE external_id LIKE 'player%'").rowcount == 5
    assert failed_items.erase(observer, owner.id, "player_000002") == 1


def test_items_that_no_template_calls_personal_stay_in_the_clear(
    command: Connection, submit: Submit, owner: Tenant, observer: Connection, pool: Pool
) -> None:
    submit("objects", [{"object_id": "1", "object_type": "thing"}], template_id=None)
    with transaction(pool) as conn:
        other, _ = make_tenant(conn, name="Other", template=None)
        accept(conn, other, "entities", [entity(1)], template_id=owner.template_id)
        trials.accept(conn, new_job(owner, TRIAL), place=b"{}", rows=1)
    stored = "SELECT payload FROM job_blocks ORDER BY job_id"
    before = observer.execute(stored).fetchall()
    assert rotation.count(command)[_PAYLOADS] == {}
    assert rotated(command)[_PAYLOADS] == Step()
    assert observer.execute(stored).fetchall() == before


def test_items_under_a_lost_key_are_counted_and_left_as_they_are(
    command: Connection, executor: Executor, submit: Submit, observer: Connection
) -> None:
    executor.run(submit("entities", [entity(2, data={})]), seconds=60)
    submit("entities", [entity(1)], sealed=True)
    stored = "SELECT item FROM job_errors UNION ALL SELECT payload FROM job_blocks"
    before = observer.execute(stored).fetchall()
    steps = rotated(command, MasterKeys.parse(_NEW))
    assert (steps[_PAYLOADS], steps[_FAILED]) == (Step(unreadable=1), Step(unreadable=1))
    assert observer.execute(stored).fetchall() == before


def test_payloads_that_are_purged_leave_their_key_removable(
    command: Connection, executor: Executor, submit: Submit
) -> None:
    job_id = submit("entities", [entity(1)], sealed=True)
    assert rotation.count(command)[_PAYLOADS] == {"test": 1}
    executor.run(job_id, seconds=60)
    assert rotation.count(command)[_PAYLOADS] == {}


def test_digests_come_under_the_first_key_and_those_in_the_clear_are_encrypted(
    command: Connection, owner: Tenant, pool: Pool
) -> None:
    key, bare = Key(owner.id, "appendEvent", hashlib.sha256(b"key").digest()), hashlib.sha256(b"body").digest()
    place, sealer = sealed_digests.place_of_request(key), make_sealer(owner.id)
    with transaction(pool) as conn:
        idempotency.remember(conn, key, sealed_digests.sealed(sealer, bare, place), Answer())
        upload_id = new_upload(conn, owner)
        store_part(conn, upload_id, 7, b"{}\n")
        stranger, _ = make_tenant(conn, name="Other", template=None)
        idempotency.remember(conn, replace(key, tenant_id=stranger.id), bare, Answer())
    counts = rotation.count(command)
    assert (counts[_REQUESTS], counts[_PARTS]) == ({"test": 1}, {IN_THE_CLEAR: 1})
    steps = rotated(command)
    assert (steps[_REQUESTS], steps[_PARTS]) == (Step(changed=1), Step(changed=1))
    counts = rotation.count(command)
    assert (counts[_REQUESTS], counts[_PARTS]) == ({"new": 1}, {"new": 1})
    only_new = MasterKeys.parse(_NEW)
    with transaction(pool) as conn:
        stored, kept = (idempotency.find(conn, replace(key, tenant_id=of.id)) for of in (owner, stranger))
        [part] = parts.of_upload(conn, upload_id)
    assert stored is not None
    assert sealed_digests.opened(only_new, owner.id, stored.fingerprint, place) == bare
    place_of_part = sealed_digests.place_of_part(upload_id, 7)
    assert len(sealed_digests.opened(only_new, owner.id, part.digest, place_of_part)) == BARE_BYTES
    assert kept is not None
    assert kept.fingerprint == bare
    lost = rotated(command, MasterKeys.parse(MASTER_KEYS))
    assert (lost[_REQUESTS], lost[_PARTS]) == (Step(unreadable=1), Step(unreadable=1))
