"""docs/contracts/public.md section 1."""

import hashlib
import time
from collections.abc import Callable
from typing import Any

import pytest

from app import public
from ingest.db.connection.pool import Pool, transaction
from ingest.db.tenants import keys, tenants
from tests.api.public.conftest import BASE, Dataset, PublicApi
from tests.api.public.test_contract_calls import ORDER_PLACED

MISSING = "Missing API key. Use 'Authorization: Bearer fm_live_...' or 'X-FlowMyna-Api-Key: fm_live_...'"
FORMAT = "Invalid API key format. Keys must start with 'fm_live_'"
UNKNOWN = "Invalid API key"


def detail(answer: Any, status: int) -> Any:
    assert answer.status_code == status, answer.get_json()
    assert set(answer.get_json()) == {"detail"}
    return answer.get_json()["detail"]


@pytest.mark.parametrize("base", public.BASES)
def test_every_call_is_served_at_both_addresses_without_a_redirect(api: PublicApi, base: str) -> None:
    assert api.post("/event", ORDER_PLACED, base=base).status_code == 200
    assert api.post("/event/batch", {"events": [ORDER_PLACED]}, base=base).status_code == 200
    assert api.post("/object/upsert", {"type": "Order", "id": "1"}, base=base).status_code == 200
    assert api.post("/object/batch", {"objects": []}, base=base).status_code == 200
    assert api.get("/health", base=base).status_code == 200
    assert api.get("/object/Order/1", base=base).status_code == 200
    later = api.post("/object/batch", {"objects": [{"type": "a", "id": "1"}]}, base=base, Prefer="respond-async")
    assert later.headers["Location"].startswith(f"{base}/batch/jobs/job_")
    assert api.get(later.headers["Location"], base="").status_code == 200
    assert api.get(f"{later.headers['Location']}/errors", base="").status_code == 200


def test_either_header_takes_the_key_and_the_first_wins(api: PublicApi, dataset: Dataset) -> None:
    other = {"X_FlowMyna_Api_Key": dataset.key}
    assert api.get("/health", Authorization="", **other).status_code == 200
    assert api.get("/health", Authorization="Basic dTpw", **other).status_code == 200
    assert api.get("/health", Authorization=f"bearer  {dataset.key}").status_code == 200
    assert detail(api.get("/health", Authorization="Bearer fm_live_wrong", **other), 401) == UNKNOWN
    assert api.get("/health", X_FlowMyna_Api_Key="fm_live_wrong").status_code == 200


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ({"Authorization": ""}, MISSING),
        ({"Authorization": "Basic dTpw"}, MISSING),
        ({"Authorization": "Bearer"}, MISSING),
        ({"Authorization": "fm_live_" + "a" * 32}, MISSING),
        ({"Authorization": "", "X_FlowMyna_Api_Key": ""}, MISSING),
        ({"Authorization": "Bearer sk_live_" + "a" * 32}, FORMAT),
        ({"Authorization": "Bearer FM_LIVE_" + "a" * 32}, FORMAT),
        ({"Authorization": "Bearer oh_live_" + "a" * 64}, FORMAT),
        ({"Authorization": "", "X_FlowMyna_Api_Key": "key"}, FORMAT),
        ({"Authorization": "Bearer fm_live_" + "a" * 32}, UNKNOWN),
        ({"Authorization": "Bearer fm_live_" + "a" * 31}, UNKNOWN),
        ({"Authorization": "Bearer fm_live_" + "a" * 33}, UNKNOWN),
        ({"Authorization": "Bearer fm_live_"}, UNKNOWN),
        ({"Authorization": "Bearer fm_live_" + "ä" * 32}, UNKNOWN),
    ],
)
def test_a_bad_key_is_401_before_the_body_is_looked_at(api: PublicApi, sent: dict[str, str], text: str) -> None:
    for path in ("/event", "/event/batch", "/object/upsert", "/object/batch"):
        answer = api.post(path, body=b"{", Content_Type="text/plain", **sent)
        assert detail(answer, 401) == text
        assert "X-RateLimit-Limit" not in answer.headers
    assert detail(api.get("/health", **sent), 401) == text


@pytest.mark.parametrize(
    ("closed", "text"),
    [("revoked_at = now()", "API key has been revoked"), ("expires_at = now()", "API key has expired")],
)
def test_a_closed_key_says_why(api: PublicApi, dataset: Dataset, public_pool: Pool, closed: str, text: str) -> None:
    with transaction(public_pool) as conn:
        secret_hash = hashlib.sha256(dataset.key.encode()).digest()
        conn.execute(f"UPDATE api_keys SET {closed} WHERE hash = %s".encode(), (secret_hash,))
    assert detail(api.post("/event", body=b"{"), 401) == text


def test_a_revoked_key_is_revoked_though_it_has_expired_too(
    api: PublicApi, dataset: Dataset, public_pool: Pool
) -> None:
    with transaction(public_pool) as conn:
        conn.execute(
            "UPDATE api_keys SET revoked_at = now(), expires_at = now() WHERE tenant_id = %s", (dataset.tenant.id,)
        )
    assert detail(api.get("/health"), 401) == "API key has been revoked"


def test_a_suspended_dataset_is_closed(api: PublicApi, dataset: Dataset, public_pool: Pool) -> None:
    with transaction(public_pool) as conn:
        tenants.suspend(conn, dataset.tenant.public_id)
    assert detail(api.get("/health"), 401) == "The dataset of this API key is suspended"


def test_a_key_opens_its_own_api_alone(api: PublicApi, dataset: Dataset, public_pool: Pool) -> None:
    with transaction(public_pool) as conn:
        _, operator_key = keys.create(conn, dataset.tenant.id, "oh_live", "test")
    assert detail(api.get("/health", Authorization=f"Bearer {operator_key}"), 401) == FORMAT
    client = api.app.test_client()
    path = "/operator-data-api/settings"
    assert client.get(path, headers={"Authorization": f"Bearer {operator_key}"}).status_code == 200
    refused = client.get(path, headers={"Authorization": f"Bearer {dataset.key}"})
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (401, "UNAUTHORIZED")


def fault(place: list[str | int], msg: str, kind: str) -> dict[str, Any]:
    return {"loc": ["body", *place], "msg": msg, "type": kind}


def test_a_422_lists_every_fault(api: PublicApi) -> None:
    answer = api.post(
        "/event",
        {
            "event": "e" * 201,
            "objects": [{"id": ""}, {"type": 123, "id": "i" * 501, "qualifier": "q" * 101}, "Order", {"type": None}],
            "timestamp": 1705312200,
            "properties": [],
        },
    )
    assert detail(answer, 422) == [
        fault(["event"], "ensure this value has at most 200 characters", "value_error.any_str.max_length"),
        fault(["objects", 0, "type"], "field required", "value_error.missing"),
        fault(["objects", 0, "id"], "ensure this value has at least 1 characters", "value_error.any_str.min_length"),
        fault(["objects", 1, "type"], "str type expected", "type_error.str"),
        fault(["objects", 1, "id"], "ensure this value has at most 500 characters", "value_error.any_str.max_length"),
        fault(
            ["objects", 1, "qualifier"],
            "ensure this value has at most 100 characters",
            "value_error.any_str.max_length",
        ),
        fault(["objects", 2], "value is not a valid dict", "type_error.dict"),
        fault(["objects", 3, "type"], "none is not an allowed value", "type_error.none.not_allowed"),
        fault(["objects", 3, "id"], "field required", "value_error.missing"),
        fault(["timestamp"], "invalid datetime format", "value_error.datetime"),
        fault(["properties"], "value is not a valid dict", "type_error.dict"),
    ]


@pytest.mark.parametrize(
    ("path", "body", "fault"),
    [
        (
            "/event",
            {"event": "e", "objects": []},
            fault(["objects"], "ensure this value has at least 1 items", "value_error.list.min_items"),
        ),
        ("/event", {"event": "e"}, fault(["objects"], "field required", "value_error.missing")),
        ("/event", {"event": "e", "objects": {}}, fault(["objects"], "value is not a valid list", "type_error.list")),
        ("/event", [], fault([], "value is not a valid dict", "type_error.dict")),
        (
            "/object/upsert",
            {"type": "a", "id": "1", "properties": "x"},
            fault(["properties"], "value is not a valid dict", "type_error.dict"),
        ),
        (
            "/object/upsert",
            {"type": "t" * 101, "id": "1"},
            fault(["type"], "ensure this value has at most 100 characters", "value_error.any_str.max_length"),
        ),
        ("/object/upsert", "text", fault([], "value is not a valid dict", "type_error.dict")),
        ("/event/batch", {}, fault(["events"], "field required", "value_error.missing")),
        ("/event/batch", {"events": {}}, fault(["events"], "value is not a valid list", "type_error.list")),
        ("/event/batch", {"events": None}, fault(["events"], "value is not a valid list", "type_error.list")),
        (
            "/event/batch",
            {"events": [1] * 101},
            fault(["events"], "ensure this value has at most 100 items", "value_error.list.max_items"),
        ),
        ("/event/batch", [], fault([], "value is not a valid dict", "type_error.dict")),
        ("/object/batch", {"events": []}, fault(["objects"], "field required", "value_error.missing")),
        ("/object/batch", {"objects": "x"}, fault(["objects"], "value is not a valid list", "type_error.list")),
        (
            "/object/batch",
            {"objects": [1] * 101},
            fault(["objects"], "ensure this value has at most 100 items", "value_error.list.max_items"),
        ),
    ],
)
def test_each_fault_has_its_words(api: PublicApi, path: str, body: Any, fault: dict[str, Any]) -> None:
    assert detail(api.post(path, body), 422) == [fault]


@pytest.mark.parametrize("path", ["/event", "/event/batch", "/object/upsert", "/object/batch"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"events": [1, 2}',
        b'{"events": [], "objects": []} {}',
        b'{"events": [NaN], "objects": [NaN]}',
        b'{"events": ["\xff"], "objects": ["\xff"]}',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"events": ["\\ud800", 1,], "objects": ["\\ud800", tru]}',
        b'{"events": ["\\ud800"], "objects": ["\\ud800"]} x',
        b'{"events": ["\\ud800"] "objects": ["\\ud800"]}',
        b'{"\\ud800", "events": [], "objects": []}',
    ],
)
def test_malformed_json_is_422_for_the_body(api: PublicApi, path: str, body: bytes) -> None:
    (fault,) = detail(api.post(path, body=body), 422)
    assert fault["loc"] == ["body"]


def test_other_errors_have_a_sentence(api: PublicApi, limited: Callable[..., PublicApi]) -> None:
    for answer, status in (
        (api.get("/nowhere"), 404),
        (api.get("", base="/v1"), 404),
        (api.get("/object/Order/none"), 404),
        (api.get("/event"), 405),
        (api.post("/health", {}), 405),
        (api.post("/event", body=b"event=1", Content_Type="application/x-www-form-urlencoded"), 415),
        (api.get("/object/Order/%ff"), 400),
        (api.get("/batch/jobs/job_1"), 404),
        (limited(max_body_bytes=1024).post("/event", body=b" " * 1025), 413),
    ):
        assert isinstance(detail(answer, status), str)
    assert api.get("/event").headers["Allow"]


def test_the_other_api_keeps_its_envelope(api: PublicApi) -> None:
    for path in ("/v1x/event", "/operator-data-api/nowhere", "/functions/v1/nowhere"):
        answer = api.app.test_client().get(path)
        assert (answer.status_code, answer.get_json()["success"]) == (404, False)


def test_a_body_without_a_content_type_is_json_and_a_get_has_none(api: PublicApi) -> None:
    assert api.post("/object/upsert", body=b'{"type": "a", "id": "1"}', Content_Type="").status_code == 200
    assert api.get("/health", body=b"{", Content_Type="application/json").status_code == 200


def test_a_database_that_is_away_is_503_with_a_sentence(limited: Callable[..., PublicApi]) -> None:
    api = limited(database_url="postgresql://127.0.0.1:1/none")
    assert isinstance(detail(api.post("/event", ORDER_PLACED), 503), str)


def test_one_request_too_many_is_429(limited: Callable[..., PublicApi]) -> None:
    api = limited(rate_events="2/hour")
    before = time.time()
    for left in ("1", "0"):
        answer = api.post("/event", ORDER_PLACED)
        assert answer.status_code == 200
        assert (answer.headers["X-RateLimit-Limit"], answer.headers["X-RateLimit-Remaining"]) == ("2", left)
    answer = api.post("/event", ORDER_PLACED)
    assert detail(answer, 429) == "Rate limit exceeded"
    wait, reset = int(answer.headers["Retry-After"]), int(answer.headers["X-RateLimit-Reset"])
    assert wait >= 1
    assert before < reset <= before + 3700
    assert (answer.headers["X-RateLimit-Limit"], answer.headers["X-RateLimit-Remaining"]) == ("2", "0")
    assert api.get("/health").status_code == 200


def test_each_call_is_counted_in_its_scope(limited: Callable[..., PublicApi]) -> None:
    api = limited(rate_events="11/hour", rate_entities="22/hour", rate_batch="33/hour", rate_read="44/hour")
    limit = "X-RateLimit-Limit"
    assert api.post("/event", {}).headers[limit] == "11"
    assert api.post("/object/upsert", {}).headers[limit] == "22"
    assert api.post("/event/batch", {}).headers[limit] == "33"
    assert api.post("/object/batch", {}).headers[limit] == "33"
    for path in ("/health", "/object/a/b", "/batch/jobs/job_1"):
        assert api.get(path).headers[limit] == "44"


def test_unknown_fields_are_ignored_and_null_is_as_if_absent(api: PublicApi) -> None:
    thing = {"type": "Order", "id": "1", "properties": None, "qualifier": None, "more": {"a": [1]}}
    event = {"event": "Seen", "objects": [thing], "timestamp": None, "properties": None, "more": 1}
    assert api.post("/event", event).status_code == 200
    assert api.post("/object/upsert", thing).status_code == 200
    assert api.post("/object/batch", {"objects": [thing], "more": None}).get_json()["success"] is True
    assert api.object("Order", "1") == {}


def test_the_base_path_is_the_contracts() -> None:
    assert public.BASES == (BASE, "/v1")


def test_an_unknown_query_parameter_is_422_with_its_place(api: PublicApi) -> None:
    for method, path in (
        ("POST", "/event"),
        ("POST", "/event/batch"),
        ("POST", "/object/upsert"),
        ("POST", "/object/batch"),
        ("GET", "/health"),
        ("GET", "/object/Order/1"),
        ("GET", "/batch/jobs/job_1"),
        ("GET", "/batch/jobs/job_1/errors"),
    ):
        [fault] = detail(api.call(method, f"{path}?mod=merge"), 422)
        assert fault["loc"] == ["query", "mod"]
        assert '"mod"' in fault["msg"]
    [fault] = detail(api.get("/batch/jobs/job_1/errors?limt=5"), 422)
    assert 'did you mean "limit"?' in fault["msg"]
    [fault] = detail(api.get("/batch/jobs/job_1/errors?limit=5&limit=6"), 422)
    assert fault["loc"] == ["query", "limit"]


@pytest.mark.parametrize("name", ["objects", "\\ud800"])
def test_a_batch_with_a_list_twice_is_422_that_names_it_and_loses_no_item(api: PublicApi, name: str) -> None:
    body = f'{{"{name}": [], "objects": [{{"type": "a", "id": "1"}}], "{name}": []}}'.encode()
    [fault] = detail(api.post("/object/batch", body=body), 422)
    assert fault["loc"] == ["body", name if name == "objects" else "?"]
    assert "stands more than once" in fault["msg"]
    assert api.object("a", "1") is None
