import json
from typing import Any

import msgspec
import pytest

from ingest.db.connection.pool import Connection
from ingest.db.data import entity_rows, erasure
from ingest.db.tenants.templates import TemplateCache
from ingest.db.tenants.tenants import Tenant
from ingest.engine.kinds import KINDS, schema_of
from ingest.engine.single_write import Written, write_one
from ingest.engine.writers import Target
from ingest.errors import InvalidInput, NotFound, SluiceError, ValidationFailed, WriteRefused
from ingest.jobs import Effect, ItemWarning
from tests.support.factories import TOO_LARGE, entity, event, make_tenant, state


def put(conn: Connection, tenant: Tenant, kind: str, item: Any, *, merge: bool = False) -> Written:
    assert tenant.template_id is not None
    template = TemplateCache().get(conn, tenant.template_id)
    text = msgspec.Raw(item if isinstance(item, bytes) else json.dumps(item).encode())
    warnings: list[ItemWarning] = []
    checked = schema_of(KINDS[kind], template).require(text, warnings, strict=False)
    return write_one(conn, KINDS[kind], Target(tenant.id, merge), checked, warnings)


def test_a_single_write_has_its_effect_and_an_event_its_public_id(conn: Connection, tenant: Tenant) -> None:
    assert put(conn, tenant, "entities", entity()) == Written(Effect.CREATED, None, None, [])
    assert put(conn, tenant, "entities", entity()) == Written(Effect.UNCHANGED, None, None, [])
    assert put(conn, tenant, "events", event()).public_id is not None
    assert put(conn, tenant, "states", state()) == Written(Effect.CREATED, None, None, [])


def test_a_single_entity_is_replaced_or_merged_as_asked(conn: Connection, tenant: Tenant) -> None:
    put(conn, tenant, "entities", entity(data={"email": "a", "phone": "1"}))
    put(conn, tenant, "entities", entity(data={"email": "b"}), merge=True)
    found = entity_rows.read(conn, tenant.id, "player_000001")
    assert found is not None
    assert json.loads(found.properties) == {"email": "b", "phone": "1"}


@pytest.mark.parametrize(
    ("kind", "item", "error", "message"),
    [
        ("entities", b"[]", InvalidInput, "The item must be a JSON object"),
        ("entities", entity(externalId=None), InvalidInput, 'Missing required field: "externalId"'),
        ("entities", entity(data={}), ValidationFailed, 'Missing required field: "email"'),
        ("entities", entity(entityType="ship"), ValidationFailed, 'Unknown entity type: "ship"'),
        ("events", event(2), NotFound, 'Entity "player_000002" does not exist'),
        ("states", state(2), NotFound, 'Entity "player_000002" does not exist'),
        ("states", state(stateKey="mood"), ValidationFailed, 'Unknown state key: "mood"'),
        (
            "entities",
            b'{"entityType": "operator", "externalId": "a", "data": {"n": %s}}' % TOO_LARGE,
            WriteRefused,
            "a number in it is too large (SQLSTATE 22003)",
        ),
    ],
)
def test_a_single_write_raises_what_a_batch_would_note(
    conn: Connection, tenant: Tenant, kind: str, item: Any, error: type[SluiceError], message: str
) -> None:
    put(conn, tenant, "entities", entity(1))
    with pytest.raises(error) as raised:
        put(conn, tenant, kind, item)
    assert raised.value.message == message


@pytest.mark.parametrize(("kind", "item"), [("events", event()), ("states", state())])
def test_another_tenants_entity_does_not_exist(conn: Connection, tenant: Tenant, kind: str, item: Any) -> None:
    other, _ = make_tenant(conn)
    put(conn, other, "entities", entity())
    with pytest.raises(NotFound):
        put(conn, tenant, kind, item)


def test_a_deleted_entity_does_not_exist(conn: Connection, tenant: Tenant) -> None:
    put(conn, tenant, "entities", entity())
    erasure.delete(conn, tenant.id, "player_000001")
    with pytest.raises(NotFound):
        put(conn, tenant, "events", event())
