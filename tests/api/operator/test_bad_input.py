"""Bad input of any kind gets a 4xx in the envelope and stores nothing, or fails its own item alone. Never a 500."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from ingest.db.connection.pool import Pool, transaction
from tests.api.conftest import BASE, Api, refused
from tests.support.factories import entity, event, state

DEEP = 30_000

NO_BATCHES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "body is empty"),
    "space": (b" \n", "JSON"),
    "half": (b'[{"externalId": "x"', "JSON"),
    "trailing": (b"[{}] x", "JSON"),
    "two": (b"[{}][{}]", "JSON"),
    "comma": (b"[{},]", "JSON"),
    "single quotes": (b"[{'a': 1}]", "JSON"),
    "comment": (b"[{}] // x", "JSON"),
    "NaN": (b'[{"a": NaN}]', "JSON"),
    "Infinity": (b'[{"a": -Infinity}]', "JSON"),
    "leading zero": (b'[{"a": 01}]', "JSON"),
    "invalid UTF-8": (b'[{"a": "\xff"}]', "UTF-8"),
    "cut UTF-8": (b'[{"a": "\xf0\x9f"}]', "UTF-8"),
    "encoded surrogate": (b'[{"a": "\xed\xa0\x80"}]', "UTF-8"),
    "latin-1": ('[{"a": "é"}]'.encode("latin-1"), "UTF-8"),
    "byte order mark": (b"\xef\xbb\xbf[{}]", "byte order mark (EF BB BF)"),
    "UTF-16": ("[{}]".encode("utf-16"), "byte order mark (FF FE, of UTF-16)"),
    "UTF-16 without mark": ("[{}]".encode("utf-16-le"), "JSON"),
    "control character": (b'[{"a": "\x01"}]', "JSON"),
    "bare NUL": (b"[{}]\0", "JSON"),
    "object": (b'{"items": []}', "array"),
    "string": (b'"[]"', "array"),
    "number": (b"1", "array"),
    "null": (b"null", "array"),
    "true": (b"true", "array"),
    "none": (b"[]", "empty"),
    "deep": (b"[" * DEEP + b"]" * DEEP, "deep"),
    "deep objects": (b'[{"a":' * DEEP + b"1" + b"}]" * DEEP, "deep"),
    "deep and open": (b"[" * DEEP, ""),
    "deep with surrogates": (b'["\\ud800",' + b"[" * DEEP + b"]" * DEEP + b"]", "deep"),
}


@pytest.mark.parametrize("name", NO_BATCHES)
def test_a_body_that_is_no_batch_is_refused_and_stores_nothing(api: Api, pool: Pool, name: str) -> None:
    body, text = NO_BATCHES[name]
    for kind in ("entities", "events", "states"):
        refused(api.call("POST", f"/batch/{kind}", body=body), 400, "INVALID_INPUT", text)
    with transaction(pool) as conn:
        assert conn.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


@pytest.mark.parametrize(
    ("method", "path", "base"),
    [
        ("POST", "/entities", BASE),
        ("POST", "/entities/x/events", BASE),
        ("PUT", "/settings", BASE),
        ("PUT", "/templates/tpl_x", BASE),
        ("POST", "", "/api-keys"),
        ("PATCH", "", "/api-keys"),
    ],
)
def test_a_body_that_is_no_object_is_refused(api: Api, method: str, path: str, base: str) -> None:
    api.post("/entities", entity(externalId="x"))
    for name, (body, _) in NO_BATCHES.items():
        if name != "object":
            refused(api.call(method, path, body=body, base=base), 400, "INVALID_INPUT")


BAD_ENTITIES: dict[str, tuple[str, str]] = {
    "null": ("null", "must be a JSON object"),
    "number": ("1", "must be a JSON object"),
    "string": ('"player"', "must be a JSON object"),
    "list": ("[]", "must be a JSON object"),
    "no fields": ("{}", "Missing required field"),
    "misspelt field": (
        json.dumps({"entityType": "player", "externalID": "x", "data": {}}),
        'Missing required field: "externalId"; Unknown field: "externalID" (did you mean "externalId"?)',
    ),
    "data null": (json.dumps(entity(data=None)), "data"),
    "data list": (json.dumps(entity(data=[])), '"data" must be an object'),
    "number as id": (json.dumps(entity(externalId=5)), '"externalId" must be a string'),
    "empty id": (json.dumps(entity(externalId="")), "1 to 500"),
    "long id": (json.dumps(entity(externalId="x" * 501)), "1 to 500"),
    "NUL in id": (json.dumps(entity(externalId="a\0b")), "NUL"),
    "NUL in type": (json.dumps(entity(entityType="a\0b")), "NUL"),
    "NUL in value": (json.dumps(entity(data={"email": "a\0b"})), "NUL"),
    "NUL in name": (json.dumps(entity(data={"email": "a", "b\0": 1})), "NUL"),
    "surrogate in value": (json.dumps(entity(data={"email": "\ud800"})), "surrogate"),
    "surrogate in name": (json.dumps(entity(data={"email": "a", "\udc00": 1})), "surrogate"),
    "surrogate in id": (json.dumps(entity(externalId="\ud800")), "surrogate"),
    "surrogate in type": (json.dumps(entity(entityType="\udfff")), "surrogate"),
    "number too large": ('{"entityType":"player","externalId":"x","data":{"email":1e200000}}', ""),
    "digits without end": (json.dumps(entity()).replace('"player"', "9" * 5000, 1), ""),
}


@pytest.mark.parametrize("form", ["array", "lines"])
@pytest.mark.parametrize("name", BAD_ENTITIES)
def test_a_bad_item_is_an_item_error_and_sinks_no_neighbour(
    api: Api, run_jobs: Callable[[], None], name: str, form: str
) -> None:
    bad, text = BAD_ENTITIES[name]
    items = [json.dumps(entity(1)), bad, json.dumps(entity(2))]
    body, content_type = f"[{', '.join(items)}]", "application/json"
    if form == "lines":
        body, content_type = "\n".join(items), "application/x-ndjson"
    accepted = api.call("POST", "/batch/entities", body=body.encode(), Content_Type=content_type)
    assert accepted.status_code == 202
    run_jobs()
    output = api.job(accepted)["output"]
    assert (output["succeeded"], output["failed"]) == (2, 1)
    assert output["errors"][0]["index"] == 1
    assert text in output["errors"][0]["message"]
    assert api.get("/entities/player_000002").status_code == 200


@pytest.mark.parametrize("name", BAD_ENTITIES)
def test_a_bad_single_item_is_400(api: Api, name: str) -> None:
    answer = api.call("POST", "/entities", body=BAD_ENTITIES[name][0].encode())
    assert answer.status_code == 400
    assert answer.get_json()["error"]["code"] in {"INVALID_INPUT", "VALIDATION_FAILED", "WRITE_FAILED"}


NO_ITEMS = {name: body for name, (body, _) in NO_BATCHES.items() if name not in {"empty", "space"}}


@pytest.mark.parametrize("name", NO_ITEMS)
def test_a_line_that_is_no_json_is_an_item_error_and_sinks_no_neighbour(
    api: Api, run_jobs: Callable[[], None], name: str
) -> None:
    body = json.dumps(entity(1)).encode() + b"\n" + NO_ITEMS[name] + b"\n" + json.dumps(entity(2)).encode()
    accepted = api.call("POST", "/batch/entities", body=body, Content_Type="application/x-ndjson")
    assert accepted.status_code == 202
    run_jobs()
    output = api.job(accepted)["output"]
    assert output["succeeded"] == 2
    assert [(error["index"], error["line"]) for error in output["errors"]] == [(1, 2)]
    assert output["errors"][0]["code"] in {"INVALID_JSON", "VALIDATION_FAILED"}


@pytest.mark.parametrize(
    "number", [b"145.50", b"1234567890123456789012345678901234567890", b"-0.000000000000000000000000000001", b"1e30"]
)
def test_numbers_of_a_batch_read_back_with_the_same_value(
    api: Api, run_jobs: Callable[[], None], number: bytes
) -> None:
    body = b'[{"entityType":"player","externalId":"n","data":{"email":"x","n":' + number + b"}}]"
    api.call("POST", "/batch/entities", body=body)
    run_jobs()
    text = api.get("/entities/n").get_data()
    expected = b"1000000000000000000000000000000" if number == b"1e30" else number
    assert b'"n":' + expected in text


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/batch/entities"), ("POST", "/entities"), ("PUT", "/settings"), ("PUT", "/entities/x/state/balance")],
)
def test_a_wrong_content_type_is_415(api: Api, method: str, path: str) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x", "text/html"):
        refused(api.call(method, path, [], Content_Type=kind), 415, "UNSUPPORTED_MEDIA_TYPE", "application/json")


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("Content_Type", "application/json", 202),
        ("Content_Type", "Application/JSON; charset=UTF-8", 202),
        ("Content_Type", "", 202),
        ("Content_Type", 'application/json; charset="utf-8"', 202),
        ("Content_Type", "application/json; charset='utf-8'", 202),
        ("Content_Type", "application/json; charset=us-ascii", 202),
        ("Content_Type", "application/json; charset=utf-16", 415),
        ("Content_Type", "application/json; charset=latin-1", 415),
        ("Content_Encoding", "identity", 202),
        ("Content_Encoding", "", 202),
        ("Content_Encoding", "utf-8", 415),
        ("Content_Encoding", "gzip", 400),
        ("Content_Encoding", "br", 415),
    ],
)
def test_json_in_utf_8_and_uncompressed_is_what_is_taken(api: Api, header: str, value: str, status: int) -> None:
    assert api.post("/batch/entities", [entity()], **{header: value}).status_code == status


def test_a_character_set_in_content_encoding_is_told_where_it_belongs(api: Api) -> None:
    for coding in ("utf-8", "UTF8", "us-ascii"):
        answer = api.post("/batch/entities", [entity()], Content_Encoding=coding)
        refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE", "belongs into Content-Type")


def test_a_body_over_the_byte_limit_is_413_and_stores_nothing(app: Flask, api: Api, pool: Pool) -> None:
    most = app.extensions["sluice"].settings.max_body_bytes
    for path in ("/batch/entities", "/entities"):
        refused(api.call("POST", path, body=b" " * (most + 1)), 413, "PAYLOAD_TOO_LARGE", str(most))
    refused(api.call("POST", "/entities", body=b" " * most), 413, "ITEM_TOO_LARGE")
    with transaction(pool) as conn:
        assert conn.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


@pytest.mark.parametrize(
    ("kind", "item"),
    [("events", event(timestamp="10000-01-01T00:00:00Z")), ("events", event(data="x")), ("states", state(stateKey=""))],
)
def test_bad_events_and_states_are_item_errors(
    api: Api, run_jobs: Callable[[], None], kind: str, item: dict[str, Any]
) -> None:
    api.post("/entities", entity())
    good = {"events": event(), "states": state()}[kind]
    accepted = api.post(f"/batch/{kind}", [good, item, good])
    run_jobs()
    assert [error["index"] for error in api.job(accepted)["output"]["errors"]] == [1]


def test_a_query_of_any_bytes_is_never_a_500(api: Api) -> None:
    for query in ("%", "%zz", "%FF", "a=%00", "mode=%ED%A0%80", "&&&=", "limit=1&limit=2", "x" * 5000):
        assert api.get(f"/settings?{query}").status_code == 400
        assert api.get(f"/entities/x/events?{query}").status_code == 400


@pytest.mark.parametrize("value", [b"1" * 5_000, b"1e999999", b"5", b"null", b"{}", b'"p2"'], ids=range(6))
def test_a_member_that_contradicts_the_path_is_refused(api: Api, value: bytes) -> None:
    body = b'{"eventType": "session", "externalId": %s}' % value
    refused(api.call("POST", "/entities/p1/events", body=body), 400, "INVALID_INPUT", "is not what the path says")
