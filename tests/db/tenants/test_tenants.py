import pytest

from ingest.db.connection.errors import translated
from ingest.db.connection.pool import Connection
from ingest.db.tenants import templates, tenants
from ingest.db.tenants.tenants import Tenant
from ingest.errors import WriteRefused
from ingest.ids import uuid7
from tests.support.factories import make_tenant

_SCHEMA = {"entity_types": {}, "event_types": {}, "state_keys": [], "pii_fields": {}}


def stored(conn: Connection, tenant: Tenant) -> Tenant:
    found = tenants.get(conn, tenant.public_id)
    assert found is not None
    return found


def test_a_new_tenant_is_open_and_has_chosen_nothing(conn: Connection) -> None:
    tenant = tenants.create(conn, "Acme")
    assert stored(conn, tenant) == tenant
    assert (tenant.name, tenant.workspace_name) == ("Acme", "Acme")
    assert tenant.workspace_id != tenant.public_id
    assert (tenant.template_id, tenant.batch_wait_seconds, tenant.suspended_at) == (None, 0, None)
    assert (tenant.data_retention_days, tenant.retention_policy) == (None, None)


def test_names_need_not_be_unique_and_everyone_is_listed_the_oldest_first(conn: Connection) -> None:
    made = [tenants.create(conn, "Acme"), tenants.create(conn, "Acme"), tenants.create(conn, "Bolt")]
    assert tenants.everyone(conn)[-3:] == made


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_a_name_is_1_to_200_characters(conn: Connection, name: str) -> None:
    with pytest.raises(WriteRefused) as refused, translated():
        tenants.create(conn, name)
    assert refused.value.constraint == "tenants_name_check"


def test_of_an_unknown_id_there_is_no_tenant(conn: Connection) -> None:
    assert tenants.get(conn, uuid7()) is None
    assert not tenants.suspend(conn, uuid7())


def test_suspending_twice_keeps_the_first_time(conn: Connection, tenant: Tenant) -> None:
    assert tenants.suspend(conn, tenant.public_id)
    first = stored(conn, tenant).suspended_at
    assert first is not None
    assert tenants.suspend(conn, tenant.public_id)
    assert stored(conn, tenant).suspended_at == first


def test_a_template_is_chosen_by_its_slug(conn: Connection) -> None:
    tenant, _ = make_tenant(conn, template=None)
    assert tenants.choose_template(conn, tenant.id, "tpl_igaming")
    built_in = {template.slug: template.id for template in templates.visible(conn, tenant.id)}
    assert stored(conn, tenant).template_id == built_in["tpl_igaming"]


def test_another_tenants_template_cannot_be_chosen(conn: Connection, tenant: Tenant) -> None:
    other, _ = make_tenant(conn)
    templates.store(conn, other.id, "tpl_theirs", name="T", version="1", schema=_SCHEMA)
    assert not tenants.choose_template(conn, tenant.id, "tpl_theirs")
    assert not tenants.choose_template(conn, tenant.id, "tpl_nobodys")
    assert stored(conn, tenant).template_id == tenant.template_id


def test_settings_change_one_by_one_and_null_is_a_value(conn: Connection, tenant: Tenant) -> None:
    policy = {"entity_events": {"hot_days": 30, "archive_days": 90}}
    tenants.configure(conn, tenant.id, {"batch_wait_seconds": 30})
    tenants.configure(conn, tenant.id, {"data_retention_days": 30, "retention_policy": policy})
    changed = stored(conn, tenant)
    assert (changed.batch_wait_seconds, changed.data_retention_days, changed.retention_policy) == (30, 30, policy)
    tenants.configure(conn, tenant.id, {"data_retention_days": None, "retention_policy": None})
    cleared = stored(conn, tenant)
    assert (cleared.batch_wait_seconds, cleared.data_retention_days, cleared.retention_policy) == (30, None, None)
    tenants.configure(conn, tenant.id, {})
    assert stored(conn, tenant) == cleared


@pytest.mark.parametrize(
    "changes", [{"batch_wait_seconds": 31}, {"batch_wait_seconds": -1}, {"data_retention_days": 29}]
)
def test_settings_out_of_their_range_are_refused_by_the_database_too(
    conn: Connection, tenant: Tenant, changes: dict[str, int]
) -> None:
    with pytest.raises(WriteRefused), translated():
        tenants.configure(conn, tenant.id, changes)


def test_one_tenants_settings_are_not_anothers(conn: Connection, tenant: Tenant) -> None:
    other, _ = make_tenant(conn)
    tenants.configure(conn, tenant.id, {"batch_wait_seconds": 9})
    assert stored(conn, other) == other
