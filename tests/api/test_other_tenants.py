"""Every call of both APIs with the ids of another tenant: it shows nothing of that tenant, and changes nothing."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.tenants import keys
from tests.api.conftest import Api, data
from tests.api.operator.test_templates import own
from tests.api.operator.uploads import begin, put
from tests.support.factories import entity
from tests.support.rows import rows_of

# Stands in all that the other tenant has sent, and in no id.
_MARK = "hunter2"

# Calls about names of the caller's own, whatever others call theirs, which may succeed.
_OWN_NAMES = re.compile(r"/(entities/{external_id}/(events|state/{key})|templates/{slug}.*)$")


@pytest.fixture
def ids(api: Api, run_jobs: Callable[[], int]) -> dict[str, str]:
    """The ids of one thing of each kind of a tenant's."""
    api.post("/entities", entity(1, data={"email": _MARK}))
    api.post("/entities/player_000001/events", {"eventType": "session", "data": {"text": _MARK}})
    api.put("/entities/player_000001/state/balance", _MARK)
    api.put("/templates/tpl_theirs", own(state_keys=[_MARK]))
    job = data(api.post(f"/batch/entities?keepResults=true&label={_MARK}", [entity(2), entity(3, entityType=_MARK)]))
    run_jobs()
    upload = begin(api, label=_MARK)
    put(api, upload, 1, b'{"text": "hunter2"}\n')
    webhook = data(api.post("/webhooks", {"url": "https://x.example", "description": _MARK}))["id"]
    api.post(f"/webhooks/{webhook}/test")
    [delivery] = data(api.get(f"/webhooks/{webhook}/deliveries"))
    return {
        "external_id": "player_000001",
        "object_type": "player",
        "key": "balance",
        "slug": "tpl_theirs",
        "job_id": job["jobId"],
        "index": "1",
        "upload_id": upload,
        "part": "2",
        "webhook_id": webhook,
        "delivery_id": delivery["id"],
    }


def _calls(api: Api) -> Iterator[tuple[str, str, str | None, Any]]:
    """Yield method, path, and a body with its content type, of each call that names something."""
    for path, item in api.document["paths"].items():
        for method, operation in item.items():
            if "{" in path:
                content = operation.get("requestBody", {}).get("content", {None: {}})
                kind, told = next(iter(content.items()))
                examples = [example["value"] for example in told.get("examples", {}).values()]
                yield method.upper(), path, kind, told.get("example", *examples[:1])


def test_no_call_shows_or_changes_anything_of_another_tenants(
    api: Api, new_api: Callable[..., Api], ids: dict[str, str], pool: Pool, observer: Connection
) -> None:
    stranger, before = new_api(name="Stranger"), rows_of(observer, api.tenant.id)
    with transaction(pool) as conn:
        _, public = keys.create(conn, stranger.tenant.id, "fm_live", "x")
    succeeded, calls = set(), list(_calls(api))
    assert len(calls) > 50
    for method, path, kind, body in calls:
        key = public if path.startswith("/api/public") else stranger.key
        options: dict[str, Any] = {"base": "", "key": key}
        if kind is not None and kind != "application/json":
            options |= {"body": str(body).encode(), "Content_Type": kind}
        elif kind is not None:
            options |= {"items": body}
        answer = stranger.call(method, path.format(**ids), **options)
        assert _MARK not in answer.get_data(as_text=True), (method, path)
        if answer.status_code < 400 and not _OWN_NAMES.search(path):
            succeeded.add((method, path))
    assert succeeded == set()
    assert rows_of(observer, api.tenant.id) == before
