"""docs/contracts/public.md section 2: each call and each of its examples."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from ingest.db.connection.pool import Pool
from tests.api.public.conftest import Dataset, PublicApi, rows
from tests.support.factories import TOO_LARGE

ORDER_PLACED: dict[str, Any] = {
    "event": "Order Placed",
    "objects": [{"type": "Order", "id": "ORD-123"}, {"type": "Customer", "id": "CUST-456", "qualifier": "buyer"}],
    "timestamp": "2024-01-15T10:30:00Z",
    "properties": {"total": 149.99},
}


def answer_of(api: PublicApi, path: str, value: Any = None, **options: Any) -> dict[str, Any]:
    answer = api.post(path, value, **options)
    assert answer.status_code == 200, answer.get_json()
    shape: dict[str, Any] = answer.get_json()
    return shape


def is_uuid(text: str) -> bool:
    return str(UUID(text)) == text


def test_event(api: PublicApi) -> None:
    answer = answer_of(api, "/event", ORDER_PLACED)
    assert is_uuid(answer.pop("event_id"))
    assert answer == {
        "success": True,
        "event_type": "Order Placed",
        "timestamp": "2024-01-15T10:30:00Z",
        "objects_count": 2,
        "message": "Event 'Order Placed' recorded successfully",
    }


def test_event_batch(api: PublicApi) -> None:
    answer = answer_of(api, "/event/batch", {"events": [ORDER_PLACED] * 3})
    assert len(set(filter(is_uuid, answer.pop("event_ids")))) == 3
    assert answer == {"success": True, "processed": 3, "failed": 0, "errors": []}


def test_event_batch_with_faults(api: PublicApi, public_pool: Pool) -> None:
    events = [{**ORDER_PLACED, "event": f"Event {number}"} for number in range(100)]
    events[15] = {**ORDER_PLACED, "timestamp": "Jan 15 2024"}
    events[42] = {**ORDER_PLACED, "objects": [{"type": "t" * 101, "id": "1"}]}
    answer = answer_of(api, "/event/batch", {"events": events})
    ids = answer.pop("event_ids")
    assert answer == {
        "success": False,
        "processed": 98,
        "failed": 2,
        "errors": [
            "Event 15: Invalid timestamp format 'Jan 15 2024'",
            "Event 42: Object type name exceeds 100 characters",
        ],
    }
    named = dict(rows(public_pool, "SELECT public_id::text, type FROM events WHERE public_id = ANY(%s::uuid[])", ids))  # type: ignore[arg-type] # two columns
    assert [named[event_id] for event_id in ids] == [
        f"Event {number}" for number in range(100) if number not in {15, 42}
    ]


def test_an_event_id_that_is_known_answers_with_the_first(api: PublicApi, public_pool: Pool) -> None:
    named = {**ORDER_PLACED, "event_id": "e1"}
    first = answer_of(api, "/event", named)
    assert first["message"] == "Event 'Order Placed' recorded successfully"
    sent = {"event": "Other", "objects": [{"type": "Bill", "id": "1"}], "event_id": "e1"}
    for again in (named, {**named, "timestamp": None}, sent):
        assert answer_of(api, "/event", again) == {
            **first,
            "objects_count": len(again["objects"]),
            "message": "Event 'Order Placed' was recorded before",
        }
    assert rows(public_pool, "SELECT count(*) FROM events WHERE public_id = %s", first["event_id"]) == [(1,)]
    assert api.object("Bill", "1") is None


def test_a_batch_answers_with_the_first_id_of_each_event(api: PublicApi) -> None:
    single = answer_of(api, "/event", {**ORDER_PLACED, "event_id": "single"})["event_id"]
    sent_ids = ["a", "single", None, "", "b", "a"]
    events = [{**ORDER_PLACED, "event_id": event_id} for event_id in sent_ids]
    answer = answer_of(api, "/event/batch", {"events": events})
    ids = answer.pop("event_ids")
    assert answer == {
        "success": False,
        "processed": 5,
        "failed": 1,
        "errors": ["Event 3: Event id must not be empty"],
    }
    assert len(set(ids)) == 4
    assert (ids[1], ids[4]) == (single, ids[0])
    again = answer_of(api, "/event/batch", {"events": events})["event_ids"]
    assert (again[:2], again[3:]) == (ids[:2], ids[3:])
    assert again[2] not in ids


@pytest.mark.parametrize(
    ("event_id", "msg", "kind"),
    [
        ("", "ensure this value has at least 1 characters", "value_error.any_str.min_length"),
        ("e" * 256, "ensure this value has at most 255 characters", "value_error.any_str.max_length"),
        (7, "str type expected", "type_error.str"),
        ("a\0", "NUL characters cannot be stored", "value_error.any_str.nul"),
    ],
)
def test_a_bad_event_id_is_422_in_a_single_call(api: PublicApi, event_id: object, msg: str, kind: str) -> None:
    answer = api.post("/event", {**ORDER_PLACED, "event_id": event_id})
    assert answer.status_code == 422
    assert answer.get_json() == {"detail": [{"loc": ["body", "event_id"], "msg": msg, "type": kind}]}


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (1, "The item must be a JSON object"),
        (None, "The item must be a JSON object"),
        ([], "The item must be a JSON object"),
        ({"objects": [{"type": "a", "id": "1"}]}, "Event name is required"),
        ({"event": "", "objects": [{"type": "a", "id": "1"}]}, "Event name is required"),
        ({"event": None, "objects": [{"type": "a", "id": "1"}]}, "Event name is required"),
        ({"event": 7, "objects": [{"type": "a", "id": "1"}]}, "Event name must be a string"),
        ({"event": "e" * 201, "objects": [{"type": "a", "id": "1"}]}, "Event name exceeds 200 characters"),
        ({"event": "e"}, "At least one object is required"),
        ({"event": "e", "objects": []}, "At least one object is required"),
        ({"event": "e", "objects": "x"}, "Objects must be a list"),
        ({"event": "e", "objects": [{"type": "a", "id": "i" * 501}]}, "Object id exceeds 500 characters"),
        ({"event": "e", "objects": [{"type": "a"}]}, "Object id is required"),
        ({"event": "e", "objects": [{"id": "1"}]}, "Object type name is required"),
        (
            {"event": "e", "objects": [{"type": "a", "id": "1", "qualifier": "q" * 101}]},
            "Qualifier exceeds 100 characters",
        ),
        ({"event": "e", "objects": [{"type": "a", "id": "1", "properties": 1}]}, "Object properties must be an object"),
        ({"event": "e", "objects": [{"type": "a", "id": "1"}], "properties": 1}, "Event properties must be an object"),
        (
            {"event": "e", "objects": [{"type": "a", "id": "1"}], "timestamp": 1705312200},
            "Invalid timestamp format '1705312200'",
        ),
        (
            {"event": "", "timestamp": "x"},
            "Event name is required; At least one object is required; Invalid timestamp format 'x'",
        ),
        (
            {"event": "e\0", "objects": [{"type": "a", "id": "1"}]},
            "Event name holds a NUL character, which cannot be stored",
        ),
    ],
)
def test_every_item_fault_is_one_sentence_in_a_200(api: PublicApi, item: Any, text: str) -> None:
    answer = answer_of(api, "/event/batch", {"events": [ORDER_PLACED, item]})
    assert answer["errors"] == [f"Event 1: {text}"]
    assert (answer["success"], answer["processed"], answer["failed"], len(answer["event_ids"])) == (False, 1, 1, 1)


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (b'{"event": "\\ud800", "objects": []}', "half of a surrogate pair"),
        (b'{"event": "e", "objects": [{"type": "a", "id": "\\udc00"}]}', "half of a surrogate pair"),
        (b'{"event": "e", "x": ' + b"[" * 501 + b"]" * 501 + b"}", "nested over 500 levels deep"),
        (b'{"event": "e", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested over 500 levels deep"),
        (b'{"event": "e", "timestamp": ' + b"9" * 5_000 + b"}", ""),
        (
            b'{"event": "e", "objects": [{"type": "a", "id": "1", "properties": {"n": [1e200000]}}]}',
            "Object properties hold a number whose exponent is beyond 999",
        ),
        (
            b'{"event": "e", "objects": [{"type": "a", "id": "1"}], "properties": {"n": TOO_LARGE}}',
            "The database refused this item: a number in it is too large",
        ),
        (
            b'{"event": "e", "objects": [{"type": "a", "id": "1", "properties": {"n": TOO_LARGE}}]}',
            "The database refused this item: a number in it is too large",
        ),
        (
            b'{"event": "e", "objects": [{"type": "a", "id": "1"}], "properties": {"n": "\\u0000"}}',
            "Event properties hold a NUL character, which cannot be stored",
        ),
    ],
)
def test_a_fault_of_whatever_kind_is_its_items_alone(api: PublicApi, item: bytes, text: str) -> None:
    item = item.replace(b"TOO_LARGE", TOO_LARGE)
    good = b'{"event": "e", "objects": [{"type": "b", "id": "1"}]}'
    answer = answer_of(api, "/event/batch", body=b'{"more": 1, "events": [' + good + b"," + item + b", " + good + b"]}")
    (error,) = answer["errors"]
    assert error.startswith("Event 1: ")
    assert text in error
    assert (answer["success"], answer["processed"], answer["failed"], len(answer["event_ids"])) == (False, 2, 1, 2)
    assert api.object("a", "1") is None


@pytest.mark.parametrize("path", ["/event", "/object/upsert"])
def test_what_the_database_cannot_store_is_422_in_a_single_call(api: PublicApi, path: str) -> None:
    body = (
        b'{"event": "e", "type": "a", "id": "1", "objects": [{"type": "a", "id": "1"}], "properties": {"n": TOO_LARGE}}'
    )
    answer = api.post(path, body=body.replace(b"TOO_LARGE", TOO_LARGE))
    assert answer.status_code == 422
    (fault,) = answer.get_json()["detail"]
    assert fault["loc"] == ["body"]
    assert "a number in it is too large" in fault["msg"]
    assert api.object("a", "1") is None


def test_a_surrogate_or_depth_in_a_single_call_is_422_for_the_body(api: PublicApi) -> None:
    for value in (rb'"\ud800"', b"[" * 501 + b"]" * 501, b"[" * 5_000 + b"]" * 5_000):
        answer = api.post("/object/upsert", body=b'{"type": "a", "id": "1", "properties": {"x": ' + value + b"}}")
        assert answer.status_code == 422
        assert [fault["loc"] for fault in answer.get_json()["detail"]] == [["body"]]


@pytest.mark.parametrize(
    ("path", "name", "ids"), [("/event/batch", "events", "event_ids"), ("/object/batch",) + ("objects",) * 2]
)
def test_an_empty_batch_is_zeros(
    api: PublicApi, dataset: Dataset, public_pool: Pool, path: str, name: str, ids: str
) -> None:
    assert answer_of(api, path, {name: []}) == {"success": True, "processed": 0, "failed": 0, ids: [], "errors": []}
    assert rows(public_pool, "SELECT count(*) FROM jobs WHERE tenant_id = %s", dataset.tenant.id) == [(0,)]


def test_object_upsert(api: PublicApi) -> None:
    sent = {"type": "Customer", "id": "CUST-456", "properties": {"tier": "gold"}}
    first, second = answer_of(api, "/object/upsert", sent), answer_of(api, "/object/upsert", sent)
    assert is_uuid(first["object_id"])
    told = {"success": True, "object_id": first["object_id"], "object_type": "Customer", "external_id": "CUST-456"}
    assert first == {**told, "created": True, "message": "Object 'Customer/CUST-456' created successfully"}
    assert second == {**told, "created": False, "message": "Object 'Customer/CUST-456' updated successfully"}


def test_object_batch(api: PublicApi) -> None:
    items = [{"type": "Order", "id": str(number)} for number in range(9)]
    items[7] = {"type": "Order"}
    items[8] = {**items[0], "properties": {"a": 1}}  # type: ignore[dict-item] # the same object again
    answer = answer_of(api, "/object/batch", {"objects": items})
    objects = answer.pop("objects")
    assert answer == {"success": False, "processed": 8, "failed": 1, "errors": ["Object 7: Object id is required"]}
    assert [linked["external_id"] for linked in objects] == ["0", "1", "2", "3", "4", "5", "6", "0"]
    assert [linked["created"] for linked in objects] == [True] * 7 + [False]
    assert {linked["object_type"] for linked in objects} == {"Order"}
    assert objects[7]["object_id"] == objects[0]["object_id"]
    assert len({linked["object_id"] for linked in objects if is_uuid(linked["object_id"])}) == 7
    assert set(objects[0]) == {"object_id", "object_type", "external_id", "created"}


def test_health(api: PublicApi, dataset: Dataset) -> None:
    tenant = dataset.tenant
    assert api.get("/health").get_json() == {
        "status": "healthy",
        "workspace_id": str(tenant.workspace_id),
        "workspace_name": tenant.workspace_name,
        "dataset_id": str(tenant.public_id),
        "dataset_name": tenant.name,
        "api_key_name": "Till 1",
    }


def test_an_object_is_read_back(api: PublicApi) -> None:
    written = answer_of(api, "/object/upsert", body=b'{"type": "a/b", "id": "1 %", "properties": {"n": 1.50}}')
    answer = api.get("/object/a%2Fb/1%20%25")
    assert b'"properties":{"n": 1.50}' in answer.data
    shape = answer.get_json()
    assert shape["created_at"].endswith("Z")
    assert shape["updated_at"] == shape["created_at"]
    assert {name: shape[name] for name in ("object_id", "object_type", "external_id")} == {
        "object_id": written["object_id"],
        "object_type": "a/b",
        "external_id": "1 %",
    }


def test_an_object_of_another_dataset_is_not_there(api: PublicApi, new_dataset: Callable[[], Dataset]) -> None:
    answer_of(api, "/object/upsert", {"type": "a", "id": "1"})
    assert PublicApi(api.app, new_dataset()).get("/object/a/1").status_code == 404


@pytest.mark.parametrize("name", ["batch", "...", "a/../b", "\n", " ", "%2F", "?", "#", "😀" * 100])
def test_any_text_is_a_type_and_an_id_percent_encoded_in_paths(api: PublicApi, name: str) -> None:
    answer_of(api, "/object/upsert", {"type": name, "id": name})
    answer = api.get(f"/object/{quote(name, safe='')}/{quote(name, safe='')}")
    assert (answer.status_code, answer.get_json()["external_id"]) == (200, name)


@pytest.mark.parametrize("bad", [{"type": ".", "id": "1"}, {"type": "a", "id": ".."}])
def test_a_name_that_no_url_can_hold_is_refused(api: PublicApi, bad: dict[str, str]) -> None:
    [fault] = api.post("/object/upsert", bad).get_json()["detail"]
    assert (fault["loc"], fault["type"]) == (["body"], "value_error.write_failed")
    assert "no URL can hold it" in fault["msg"]
    assert api.post("/event", {"event": "e", "objects": [bad]}).status_code == 422
    for path, items in {
        "/object/batch": {"objects": [bad]},
        "/event/batch": {"events": [{"event": "e", "objects": [bad]}]},
    }.items():
        answer = answer_of(api, path, items)
        assert answer["failed"] == 1
        assert "no URL can hold it" in answer["errors"][0]
