"""docs/contracts/operator.md section 1: the envelope, whatever goes wrong, and what every answer has."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app import create_app
from ingest import errors as tree
from ingest.settings import Settings
from tests.api.conftest import BASE, Api, data, refused
from tests.api.operator.uploads import NEW
from tests.support.factories import entity

NO_SUCH_PATHS = ["/none", f"{BASE}", f"{BASE}/none", f"{BASE}/entities/a/b", f"{BASE}//settings", "/settings"]


@pytest.mark.parametrize("path", NO_SUCH_PATHS)
def test_section_1_an_unknown_route_is_404_in_the_envelope(api: Api, path: str) -> None:
    for key in ("", None):
        refused(api.get(path, base="", key=key), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/batch/entities", {"POST", "OPTIONS"}),
        ("POST", "/settings", {"GET", "HEAD", "PUT", "OPTIONS"}),
        ("DELETE", "/entities", {"POST", "OPTIONS"}),
        ("PATCH", "/entities/a%2Fb", {"GET", "HEAD", "DELETE", "OPTIONS"}),
        ("TRACE", "/templates", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_section_1_a_wrong_method_is_405_in_the_envelope(api: Api, method: str, path: str, allowed: set[str]) -> None:
    answer = api.call(method, path)
    refused(answer, 405, "METHOD_NOT_ALLOWED", "Allow")
    assert set(answer.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/settings", "/settings/", "/templates", "/templates/"])
def test_section_1_nothing_redirects(api: Api, path: str) -> None:
    assert api.get(path).status_code == 200
    assert api.get(path, base=f"/functions/v1{BASE}").status_code == 200


def test_head_answers_like_get_without_a_body(api: Api) -> None:
    answer = api.call("HEAD", "/settings")
    assert (answer.status_code, answer.get_data()) == (200, b"")
    assert answer.headers["Content-Type"] == "application/json"


def test_options_names_the_methods_and_needs_no_key(api: Api) -> None:
    answer = api.call("OPTIONS", "/settings", key=None)
    assert (answer.status_code, answer.get_data()) == (200, b"")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "PUT", "OPTIONS"}


def test_each_form_refuses_a_member_that_it_does_not_name(api: Api, run_jobs: Callable[[], int]) -> None:
    """So no form changes what it does not tell of."""
    job_id = data(api.post("/batch/entities", [{}]))["jobId"]
    run_jobs()
    upload_id = data(api.post("/batch/uploads", NEW))["uploadId"]
    webhook_id = data(api.post("/webhooks", {"url": "https://hooks.example.com/"}))["id"]
    ids = {"job_id": job_id, "upload_id": upload_id, "webhook_id": webhook_id, "slug": "tpl_own"}
    needed, forms = {"NewUpload": NEW}, []
    for path, item in api.document["paths"].items():
        for method, call in item.items():
            body = call.get("requestBody", {"content": {}})["content"].get("application/json", {}).get("schema", {})
            name = body.get("$ref", "").rpartition("/")[2]
            if path.startswith((BASE, "/api-keys")) and name.endswith(("Form", "JobLabel", "NewUpload")):
                forms.append(name)
                answer = api.call(method.upper(), path.format(**ids), {**needed.get(name, {}), "surplus": 1}, base="")
                refused(answer, 400, "INVALID_INPUT", 'the one member "label"' if name == "JobLabel" else "surplus")
    assert len(forms) >= 11


def test_a_body_of_a_get_is_never_looked_at(api: Api) -> None:
    assert api.call("GET", "/settings", body=b"{", Content_Type="text/plain").status_code == 200


@pytest.mark.parametrize("name", ["", "a b", "x" * 101, "a\u00e9", "<script>", "a,b"])
def test_a_request_id_that_is_not_sane_is_replaced(api: Api, name: str) -> None:
    answer = api.get("/settings", X_Request_Id=name.encode().decode("latin-1"))
    assert len(answer.headers["X-Request-Id"]) == 32


@pytest.mark.parametrize("path", ["/none", "/settings", "/batch/jobs/x"])
def test_every_answer_has_a_request_id_and_is_kept_by_no_cache(api: Api, path: str) -> None:
    answer = api.get(path, X_Request_Id="mine")
    assert answer.headers["X-Request-Id"] == "mine"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (tree.Unavailable(None), 503, "UNAVAILABLE"),
        (tree.TryAgain("40P01"), 503, "UNAVAILABLE"),
        (tree.DiskFull("53100"), 503, "INSUFFICIENT_STORAGE"),
        (tree.DatabaseError("42P01"), 500, "INTERNAL_ERROR"),
        (RuntimeError("secret of the client"), 500, "INTERNAL_ERROR"),
    ],
)
def test_section_1_a_fault_of_ours_is_told_in_the_envelope_and_quotes_nothing(
    settings: Settings, capsys: pytest.CaptureFixture[str], error: Exception, status: int, code: str
) -> None:
    def fail() -> None:
        raise error

    app = create_app(settings)
    app.add_url_rule("/fails", view_func=fail)
    answer = app.test_client().get("/fails")
    message = refused(answer, status, code)
    assert "secret" not in message + capsys.readouterr().out
    assert ("Retry-After" in answer.headers) == (status == 503)
    app.extensions["sluice"].close()


def test_section_1_a_database_that_is_away_is_503(settings: Settings) -> None:
    app = create_app(replace(settings, database_url="postgresql://nobody@127.0.0.1:1/none"))
    key = {"Authorization": f"Bearer oh_live_{'0' * 64}"}
    answer = app.test_client().get(f"{BASE}/settings", headers=key)
    refused(answer, 503, "UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) >= 1
    app.extensions["sluice"].close()


def test_log_lines_hold_no_id_no_query_and_no_payload(api: Api, caplog: pytest.LogCaptureFixture, capsys: Any) -> None:
    caplog.set_level(logging.DEBUG)
    api.post("/entities", entity(externalId="secret-id", data={"email": "secret-mail"}))
    api.get("/entities/secret-id?eventType=secret-type")
    api.post("/batch/entities", [entity(externalId="secret-id")])
    api.get("/none/secret-path")
    text = capsys.readouterr().out + caplog.text
    assert "route=/operator-data-api/entities" in text
    assert "secret" not in text
    assert api.key not in text


def test_section_1_two_tenants_with_the_same_ids_see_only_their_own(new_api: Callable[..., Api]) -> None:
    first, second = new_api(), new_api()
    for number, api in enumerate((first, second)):
        api.post("/entities", entity(data={"email": f"{number}@x.example"}))
        api.put("/entities/player_000001/state/balance", number)
    assert [data(api.get("/entities/player_000001"))["data"]["email"][0] for api in (first, second)] == ["0", "1"]
    assert [data(api.get("/entities/player_000001/state/balance"))["value"] for api in (first, second)] == [0, 1]
