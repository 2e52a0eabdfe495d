"""`GET /audit`, and that each change by a key leaves an entry (docs/contracts/operator.md section 8)."""

from collections.abc import Callable
from typing import Any

import pytest

from ingest.db.connection.pool import Pool, transaction
from ingest.db.tenants import keys
from tests.api.conftest import TIME, Api, data, refused, walk
from tests.support.factories import entity

KEYS = {"base": "/api-keys"}
_HOOK = "https://hooks.example.com/token-in-the-path"


def entries(api: Api, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = data(api.get(f"/audit{query}"))
    return found


def test_an_entry_tells_which_key_did_what_in_which_request(api: Api, pool: Pool) -> None:
    made = data(api.post("", {"label": "importer", "scopes": ["read"]}, X_Request_Id="req-7", **KEYS))
    with transaction(pool) as conn:
        own, _ = keys.of_tenant(conn, api.tenant.id)
    [entry] = entries(api)
    assert TIME.fullmatch(entry.pop("at"))
    assert isinstance(entry.pop("id"), int)
    rights = {"scopes": ["read"], "expiresAt": None, "addresses": None, "requestsPerMinute": None}
    assert entry == {
        "actor": {"kind": "key", "id": str(own.id), "label": "test"},
        "action": "key.created",
        "object": {"kind": "key", "id": made["id"]},
        "details": {"label": "importer", **rights},
        "requestId": "req-7",
    }


def test_each_change_by_a_key_leaves_one_entry_and_no_secret(api: Api) -> None:
    template = {"name": "Own", "version": "2", "schema": {"entity_types": {"player": {}}}}
    made = data(api.post("", {"label": "x"}, **KEYS))
    webhook = data(api.post("/webhooks", {"url": _HOOK}))
    address = f"/webhooks/{webhook['id']}"
    assert api.call("PATCH", "", {"id": made["id"], "scopes": ["read"]}, **KEYS).status_code == 200
    assert api.delete(f"?id={made['id']}", **KEYS).status_code == 200
    assert api.put("/templates/tpl_own", template).status_code == 200
    settings = {"templateId": "tpl_own", "dataRetentionDays": 30}
    assert api.put("/settings", settings).status_code == 200
    assert api.call("PATCH", address, {"url": f"{_HOOK}2", "description": "x"}).status_code == 200
    secret = data(api.post(f"{address}/rotate"))["secret"]
    assert api.post(f"{address}/test").status_code == 202
    [delivery] = data(api.get(f"{address}/deliveries"))
    assert api.delete(address).status_code == 200
    assert [(entry["action"], entry["object"]["id"]) for entry in reversed(entries(api))] == [
        ("key.created", made["id"]),
        ("webhook.created", webhook["id"]),
        ("key.changed", made["id"]),
        ("key.revoked", made["id"]),
        ("template.stored", "tpl_own"),
        ("settings.changed", str(api.tenant.public_id)),
        ("webhook.changed", webhook["id"]),
        ("webhook.rotated", webhook["id"]),
        ("webhook.tested", webhook["id"]),
        ("webhook.deleted", webhook["id"]),
    ]
    [changed] = entries(api, "?action=settings.changed")
    assert changed["details"] == settings
    text = api.get("/audit").get_data(as_text=True)
    assert not [word for word in (made["key"], webhook["secret"], secret, _HOOK) if word in text]
    assert delivery["id"]


def test_a_change_that_is_refused_leaves_no_entry(api: Api) -> None:
    [key] = data(api.get("", **KEYS))
    refused(api.delete(f"?id={key['id']}", **KEYS), 409, "LAST_KEY")
    refused(api.put("/settings", {"templateId": "tpl_none"}), 404, "NOT_FOUND")
    assert api.post("/batch/entities", [entity()]).status_code == 202
    assert entries(api) == []


def test_the_log_is_paged_and_filtered_and_shows_no_other_tenants_changes(
    api: Api, new_api: Callable[..., Api]
) -> None:
    for label in "abc":
        data(api.post("", {"label": label}, **KEYS))
    assert api.put("/settings", {"batchWaitSeconds": 1}).status_code == 200
    pages = walk(api, "/operator-data-api/audit?object=key&limit=2")
    assert [[entry["details"]["label"] for entry in page] for page in pages] == [["c", "b"], ["a"]]
    newest = entries(api)[0]
    assert entries(api, f"?object_id={newest['object']['id']}") == [newest]
    assert entries(api, "?since=2099-01-01T00:00:00Z") == []
    assert entries(new_api()) == []


@pytest.mark.parametrize("query", ["?action=key.eaten", "?object=cow", "?since=yesterday", "?cursor=x", "?limit=0"])
def test_a_wrong_filter_of_the_log_is_refused(api: Api, query: str) -> None:
    refused(api.get(f"/audit{query}"), 400, "INVALID_INPUT")
