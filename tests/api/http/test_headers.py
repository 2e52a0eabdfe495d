"""Every answer has the headers of security: each call of both documents, and every kind of refusal."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from ingest.db.connection.pool import Pool, transaction
from ingest.db.tenants import keys
from tests.api.conftest import Api, document
from tests.support.answers import hold_headers
from tests.support.factories import entity, make_tenant


def calls(app: Flask) -> Iterator[tuple[str, str]]:
    """Each method of each address in the whole document, with an id in the place of each parameter."""
    for path, item in document(app)["paths"].items():
        for method in item:
            yield method.upper(), "/".join("1" if part.startswith("{") else part for part in path.split("/"))


@pytest.fixture
def keys_of_both(pool: Pool) -> list[str]:
    """A key of each API, of one tenant."""
    with transaction(pool) as conn:
        tenant, operator = make_tenant(conn)
        return [operator, keys.create(conn, tenant.id, "fm_live", "test")[1]]


@pytest.mark.parametrize(("content", "refusals"), [("application/json", {400, 422}), ("text/x-no-such", {415})])
def test_each_call_of_both_documents_has_them_let_in_or_not(
    app: Flask, keys_of_both: list[str], content: str, refusals: set[int]
) -> None:
    statuses = set()
    for method, path in calls(app):
        body: dict[str, Any] = {} if method == "GET" else {"data": b"[]", "content_type": content}
        for key in ("", *keys_of_both):
            sent = {"Authorization": f"Bearer {key}"} if key else {}
            with app.test_client().open(path, method=method, headers=sent, **body) as answer:
                hold_headers(answer.headers)
                statuses.add(answer.status_code)
    assert statuses >= {200, 401, 404, *refusals}


def test_answers_of_success_have_them(api: Api, run_jobs: Any) -> None:
    accepted = api.post("/batch/entities", [entity(), {}])
    run_jobs()
    job = f"/batch/jobs/{accepted.get_json()['data']['jobId']}"
    tag = api.get(job).headers["ETag"]
    assert api.get(job, If_None_Match=tag).status_code == 304
    for path in (f"{job}/errors.ndjson", f"{job}/stream", f"{job}/errors?limit=1", "/entities/player_000001"):
        with api.app.test_client().get(
            f"/operator-data-api{path}", headers={"Authorization": f"Bearer {api.key}"}
        ) as answer:
            assert answer.status_code == 200
            hold_headers(answer.headers)


@pytest.mark.parametrize("path", ["/", "/docs/", "/docs/errors", "/docs/errors/NOT_FOUND", "/docs/errors/NONE", "/no"])
def test_pages_have_a_policy_of_what_they_may_run(app: Flask, path: str) -> None:
    with app.test_client().get(path, headers={"Accept": "text/html"}) as answer:
        hold_headers(answer.headers)
        assert path in {"/docs/errors/NONE", "/no"} or answer.mimetype == "text/html"


def test_files_of_the_pages_are_kept_and_asked_for_again(app: Flask) -> None:
    with app.test_client().get("/docs/swagger-ui.css") as file:
        assert file.headers["Cache-Control"] == "no-cache"
        tag = file.headers["ETag"]
    with app.test_client().get("/docs/swagger-ui.css", headers={"If-None-Match": tag}) as file:
        assert (file.status_code, file.headers["X-Content-Type-Options"]) == (304, "nosniff")
