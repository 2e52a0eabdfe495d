"""S7: keys, templates and tenants, as the API and the command line change them."""

import re
from collections.abc import Callable

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.tenants import key_changes, keys
from ingest.db.tenants.tenants import Tenant
from ingest.rights import ADMIN, READ, Rights
from tests.api.console.conftest import Browser, text_of
from tests.support.factories import make_tenant

_SCHEMA = '{"entity_types": {"shop": {"required": [], "optional": []}}, "event_types": {}, "state_keys": []}'


def _made(page: str) -> str:
    found = re.search(r"oh_live_[0-9a-f]{64}", page)
    assert found
    return found[0]


def test_a_key_is_shown_once_and_opens_what_was_ticked(
    browser: Browser, new_browser: Callable[[], Browser], observer: Connection
) -> None:
    page = browser.post("/keys", {"label": "nightly & co", "scope": ["read"], "days": "30"}).get_data(as_text=True)
    secret = _made(page)
    assert "Store this key now" in page
    again = browser.get("/keys")
    assert secret not in again.get_data(as_text=True)
    assert "nightly & co" in text_of(again)
    reader = new_browser().log_in(secret)
    assert reader.get("/keys").status_code == 403
    assert observer.execute("SELECT action FROM audit_log").fetchall() == [("key.created",)]


def test_no_key_gets_more_than_the_one_that_makes_it(
    new_browser: Callable[[], Browser], key_of: Callable[..., str]
) -> None:
    admin = new_browser().log_in(key_of(READ, ADMIN))
    answer = admin.post("/keys", {"label": "x", "scope": ["read", "write"]})
    assert answer.status_code == 403
    assert "scope write" in text_of(answer)


def test_a_key_is_revoked_but_not_the_last_one(browser: Browser, pool: Pool, tenant: Tenant, key: str) -> None:
    with transaction(pool) as conn:
        other, _ = keys.create(conn, tenant.id, "oh_live", "other")
        [own, _] = keys.of_tenant(conn, tenant.id)
    asked = browser.post(f"/keys/{other.id}/revoke")
    assert "refused at once" in text_of(asked)
    assert "opens nothing any more" in text_of(browser.send(f"/keys/{other.id}/revoke"))
    last = browser.post(f"/keys/{own.id}/revoke", {"confirmed": "1"})
    assert last.status_code == 409
    assert browser.post("/keys/x/revoke", {"confirmed": "1"}).status_code == 404
    assert key


@pytest.mark.parametrize("prefix", ["oh_live", "fm_live"])
def test_a_key_is_followed_by_one_that_is_shown_once(
    browser: Browser, pool: Pool, tenant: Tenant, observer: Connection, prefix: str
) -> None:
    with transaction(pool) as conn:
        former, _ = keys.create(conn, tenant.id, prefix, "nightly", Rights([READ], requests_per_minute=7))
    form = {"key": str(former.id), "hours": "2"}
    assert "expires after 2 h" in text_of(browser.post("/keys/rotate", form))
    assert observer.execute("SELECT FROM api_keys WHERE label = 'nightly'").rowcount == 1
    page = browser.post("/keys/rotate", {**form, "confirmed": "1"}).get_data(as_text=True)
    [secret] = set(re.findall(rf"{prefix}_[\w-]{{32,}}", page))
    assert secret not in browser.get("/keys").get_data(as_text=True)
    with transaction(pool) as conn:
        made = keys.caller(conn, secret)
    assert made
    assert made.rights == Rights([READ], requests_per_minute=7)
    left = "SELECT extract(epoch FROM expires_at - now())::float / 3600 FROM api_keys WHERE id = %s"
    assert observer.execute(left, (former.id,)).fetchall()[0][0] == pytest.approx(2, abs=0.1)
    [entry] = observer.execute("SELECT action, object_id, details, actor_label FROM audit_log").fetchall()
    details = {"newKey": str(made.key_id), "overlapSeconds": 7200}
    assert entry == ("key.rotated", str(former.id), details, "test")


def test_no_key_takes_over_from_one_that_may_do_more(
    new_browser: Callable[[], Browser], key_of: Callable[..., str], pool: Pool, tenant: Tenant, observer: Connection
) -> None:
    admin = new_browser().log_in(key_of(READ, ADMIN))
    with transaction(pool) as conn:
        former, _ = keys.create(conn, tenant.id, "oh_live", "former")
    answer = admin.post("/keys/rotate", {"key": str(former.id), "hours": "0", "confirmed": "1"})
    assert answer.status_code == 403
    found = observer.execute("SELECT expires_at FROM api_keys WHERE label = 'former'").fetchall()
    assert found == [(None,)]


def test_only_an_active_key_of_the_tenant_is_followed(browser: Browser, pool: Pool, tenant: Tenant) -> None:
    with transaction(pool) as conn:
        stranger, _ = make_tenant(conn, name="Stranger")
        [theirs] = keys.of_tenant(conn, stranger.id)
        revoked, _ = keys.create(conn, tenant.id, "oh_live", "revoked")
        key_changes.revoke(conn, tenant.id, revoked.id)
    form = {"hours": "24", "confirmed": "1"}
    for key, status in ((str(theirs.id), 404), ("x", 404), (str(revoked.id), 409)):
        assert browser.post("/keys/rotate", {**form, "key": key}).status_code == status
    for hours in ("", "-1", "8761", "x"):
        assert browser.post("/keys/rotate", {**form, "key": str(revoked.id), "hours": hours}).status_code == 400


def test_a_wrong_form_of_a_key_says_what_to_mend(browser: Browser) -> None:
    for form in ({"scope": ["read"]}, {"label": "x"}, {"label": "x", "scope": ["read"], "days": "0"}):
        assert browser.post("/keys", form).status_code == 400


def test_a_template_is_stored_and_chosen(browser: Browser, observer: Connection) -> None:
    form = {"slug": "tpl_shop", "name": "Shop", "version": "1.0", "schema": _SCHEMA}
    stored = browser.send("/templates", **form)
    assert '"shop"' in stored.get_data(as_text=True).replace("&#34;", '"')
    assert "tpl_shop Shop 1.0" in text_of(browser.get("/templates"))
    chosen = browser.send("/templates/tpl_shop/choose")
    assert "New writes are checked by this template." in text_of(chosen)
    query = "SELECT slug FROM tenants t JOIN templates ON templates.id = t.template_id"
    assert observer.execute(query).fetchall() == [("tpl_shop",)]
    actions = observer.execute("SELECT action FROM audit_log ORDER BY id").fetchall()
    assert actions == [("template.stored",), ("settings.changed",)]


def test_a_wrong_template_says_what_to_mend(browser: Browser) -> None:
    form = {"slug": "tpl_shop", "name": "Shop", "version": "1.0", "schema": _SCHEMA}
    for wrong, word in (
        ({"slug": "shop"}, "tpl_"),
        ({"slug": "tpl_igaming"}, "built in"),
        ({"schema": "{"}, "JSON"),
        ({"schema": "[]"}, "object"),
        ({"schema": '{"entity_types": 1}'}, "entity_types"),
        ({"name": ""}, "name"),
    ):
        answer = browser.post("/templates", {**form, **wrong})
        assert answer.status_code == 400, text_of(answer)
        assert word in text_of(answer)
    assert browser.get("/templates/tpl_nothing").status_code == 404


def test_an_operator_creates_suspends_and_weighs_a_tenant(
    operator: Browser, browser: Browser, tenant: Tenant, observer: Connection
) -> None:
    assert "Second & Sons" in text_of(operator.send("/tenants", name=" Second & Sons "))
    weighed = operator.send(f"/tenants/{tenant.public_id}/weight", weight="4")
    assert 'value="4"' in weighed.get_data(as_text=True)
    asked = operator.post(f"/tenants/{tenant.public_id}/suspend")
    assert "Suspend this tenant?" in text_of(asked)
    operator.send(f"/tenants/{tenant.public_id}/suspend")
    assert browser.get("/jobs").status_code == 303
    operator.send(f"/tenants/{tenant.public_id}/resume")
    assert browser.get("/jobs").status_code == 200
    found = observer.execute("SELECT action, actor_kind, actor_id FROM audit_log ORDER BY id").fetchall()
    assert found == [(f"tenant.{what}", "command", "root") for what in ("created", "changed", "suspended", "resumed")]


def test_a_wrong_form_of_a_tenant_says_what_to_mend(operator: Browser, tenant: Tenant) -> None:
    assert operator.post("/tenants", {"name": " "}).status_code == 400
    for weight in ("0", "101", "x", ""):
        assert operator.post(f"/tenants/{tenant.public_id}/weight", {"weight": weight}).status_code == 400
    assert operator.post("/tenants/x/resume").status_code == 404


def test_tenants_are_for_operators_alone(browser: Browser) -> None:
    assert browser.get("/tenants").status_code == 403


def test_an_operator_makes_the_first_key_of_a_tenant(operator: Browser, tenant: Tenant, observer: Connection) -> None:
    page = operator.post("/keys", {"label": "first", "scope": ["read"], "tenant": str(tenant.public_id)})
    assert _made(page.get_data(as_text=True))
    [row] = observer.execute("SELECT tenant_id, actor_kind, actor_id FROM audit_log").fetchall()
    assert row == (tenant.id, "command", "root")
