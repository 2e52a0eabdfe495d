from typing import Any

import pytest

from ingest.db.connection.errors import translated
from ingest.db.connection.pool import Connection
from ingest.db.data import retention
from ingest.db.tenants import templates, tenants
from ingest.db.tenants.templates import TemplateCache
from ingest.db.tenants.tenants import Tenant
from ingest.errors import LimitReached, WriteRefused
from ingest.items.templates import Template
from tests.support.factories import accept, make_tenant, state


def schema(*keys: str) -> dict[str, Any]:
    return {"entity_types": {}, "event_types": {}, "state_keys": list(keys), "pii_fields": {}}


def store(conn: Connection, tenant: Tenant, *keys: str, slug: str = "tpl_own", version: str = "1") -> Template:
    return templates.store(conn, tenant.id, slug, name="Own", version=version, schema=schema(*keys))


def chosen(conn: Connection, tenant: Tenant) -> int | None:
    found = tenants.get(conn, tenant.public_id)
    return found and found.template_id


def test_the_built_in_template_is_the_contracts(conn: Connection, tenant: Tenant) -> None:
    [built_in] = templates.visible(conn, tenant.id)
    assert (built_in.slug, built_in.name, built_in.version) == ("tpl_igaming", "iGaming", "1.0")
    assert list(built_in.state_keys) == ["balance", "kyc_status", "risk_score", "loyalty_tier"]
    assert {name: rules.required for name, rules in built_in.entity_types.items()} == {
        "player": ("email",),
        "operator": (),
        "game": (),
    }
    assert {name: rules.required for name, rules in built_in.event_types.items()} == {
        "transaction": ("type", "amount", "currency"),
        "game_activity": ("game_id", "bet_amount"),
        "session": (),
        "bonus": (),
        "block": (),
        "support": (),
        "affiliate": (),
    }
    assert built_in.pii_fields == {"player": ("first_name", "last_name", "email", "phone", "date_of_birth")}
    assert templates.is_built_in(conn, "tpl_igaming")
    assert not templates.is_built_in(conn, "tpl_own")


def test_a_stored_template_is_read_back(conn: Connection, tenant: Tenant) -> None:
    made = store(conn, tenant, "b", "a")
    read = TemplateCache().get(conn, made.id)
    assert read.schema() == made.schema() == schema("b", "a")
    assert (read.id, read.slug, read.name, read.version, read.created_at) == (
        made.id,
        "tpl_own",
        "Own",
        "1",
        made.created_at,
    )


def test_the_newest_version_of_each_template_is_visible_to_its_tenant_alone(conn: Connection, tenant: Tenant) -> None:
    other, _ = make_tenant(conn)
    store(conn, tenant, "a")
    newest = store(conn, tenant, "b", version="2")
    store(conn, other, "theirs")
    store(conn, other, "theirs", slug="tpl_theirs")
    seen = templates.visible(conn, tenant.id)
    assert [template.slug for template in seen] == ["tpl_igaming", "tpl_own"]
    assert seen[1].id == newest.id


def test_a_tenant_that_chose_a_template_moves_on_with_it(conn: Connection, tenant: Tenant) -> None:
    other, _ = make_tenant(conn)
    first, theirs = store(conn, tenant, "a"), store(conn, other, "x")
    assert chosen(conn, tenant) == tenant.template_id, "storing is not choosing"
    assert tenants.choose_template(conn, tenant.id, "tpl_own")
    assert tenants.choose_template(conn, other.id, "tpl_own")
    assert chosen(conn, tenant) == first.id
    second = store(conn, tenant, "b")
    assert chosen(conn, tenant) == second.id
    assert chosen(conn, other) == theirs.id
    store(conn, tenant, "c", slug="tpl_another")
    assert chosen(conn, tenant) == second.id


def test_a_job_keeps_the_version_that_it_was_accepted_under(conn: Connection, tenant: Tenant) -> None:
    first = store(conn, tenant, "a")
    job_id = accept(conn, tenant, "states", [state()], template_id=first.id)
    store(conn, tenant, "b")
    row = conn.execute("SELECT template_id FROM jobs WHERE id = %s", (job_id,)).fetchone()
    assert row == (first.id,)
    assert list(TemplateCache().get(conn, first.id).state_keys) == ["a"]


def test_a_version_is_read_once(conn: Connection, tenant: Tenant) -> None:
    template_cache, made = TemplateCache(), store(conn, tenant, "a")
    assert template_cache.get(conn, made.id) is template_cache.get(conn, made.id)


def test_versions_that_are_kept_are_bounded(conn: Connection, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "_MOST_KEPT", 2)
    template_cache, made = TemplateCache(), [store(conn, tenant, str(number)) for number in range(4)]
    for template in [*made, *made]:
        assert template_cache.get(conn, template.id).id == template.id
        assert len(template_cache._kept) <= 2


@pytest.mark.parametrize("slug", ["own", "tpl_", "tpl_Own", "tpl_a b", "tpl_" + "x" * 101, "tpl_ä", "tpl_a\n"])
def test_a_slug_is_plain(conn: Connection, tenant: Tenant, slug: str) -> None:
    with pytest.raises(WriteRefused) as refused, translated():
        store(conn, tenant, slug=slug)
    assert refused.value.constraint == "templates_slug_check"


def test_a_tenant_has_fifty_templates_at_most_and_each_may_change(conn: Connection, tenant: Tenant) -> None:
    for number in range(50):
        store(conn, tenant, slug=f"tpl_{number}")
    with pytest.raises(LimitReached, match="50 templates"):
        store(conn, tenant, slug="tpl_one_too_many")
    store(conn, tenant, "balance", slug="tpl_7", version="2")
    store(conn, make_tenant(conn)[0], slug="tpl_of_another")


def test_versions_that_nothing_names_any_more_are_purged_a_few_at_a_time(conn: Connection, tenant: Tenant) -> None:
    chosen_one = store(conn, tenant, slug="tpl_chosen")
    conn.execute("UPDATE tenants SET template_id = %s WHERE id = %s", (chosen_one.id, tenant.id))
    conn.execute(
        "INSERT INTO templates (tenant_id, slug, name, version, schema) SELECT tenant_id, slug, name, '2', schema "
        "FROM templates WHERE id = %s",
        (chosen_one.id,),
    )
    of_a_job = store(conn, tenant, "a")
    accept(conn, tenant, "states", [state()], template_id=of_a_job.id)
    for number in range(4):
        store(conn, tenant, "b", version=str(number))
    newest = store(conn, tenant, "c", version="newest")
    assert retention.purge_template_versions(conn, limit=100) == 0  # a request may be about to name one
    conn.execute("UPDATE templates SET created_at = now() - interval '11 minutes' WHERE tenant_id = %s", (tenant.id,))
    assert [retention.purge_template_versions(conn, limit=3) for _ in range(3)] == [3, 1, 0]
    kept = conn.execute("SELECT id FROM templates WHERE slug = 'tpl_own' ORDER BY id").fetchall()
    assert kept == [(of_a_job.id,), (newest.id,)]
    assert conn.execute("SELECT count(*) FROM templates WHERE slug IN ('tpl_chosen', 'tpl_igaming')").fetchone() == (3,)
