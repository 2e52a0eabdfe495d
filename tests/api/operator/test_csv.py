"""Batches of CSV: a row becomes the item that its sender would have sent as JSON (docs/contracts/jobs.md section 1)."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app import create_app
from app.http.services import Services
from ingest.db.connection.pool import Connection
from ingest.settings import Settings
from tests.api.conftest import Api, data, refused
from tests.support.factories import entity

PLAYERS = "externalId,entityType,email\n"


def send(api: Api, body: str | bytes, kind: str = "entities", query: str = "", **headers: str) -> TestResponse:
    sent = body.encode() if isinstance(body, str) else body
    return api.call("POST", f"/batch/{kind}{query}", body=sent, **({"Content_Type": "text/csv"} | headers))


def errors_of(api: Api, accepted: TestResponse) -> list[tuple[int, int, str, str | None]]:
    """The errors of a job that has run: index, line, code and external id each."""
    job = api.job(accepted)
    assert job["status"] == "completed"
    return [(error["index"], error["line"], error["code"], error["externalId"]) for error in job["output"]["errors"]]


def stored(api: Api, external_id: str) -> Any:
    return data(api.get(f"/entities/{external_id}"))["data"]


def rows_left(conn: Connection) -> int:
    [row] = conn.execute("SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM job_blocks)").fetchall()
    return int(row[0])  # type: ignore[call-overload]


def test_each_row_is_an_item(api: Api, run_jobs: Callable[[], None]) -> None:
    body = (
        "externalId,entityType,email,vip_level:number,active:boolean,tags:json,address.city,address.zip,phone\r\n"
        'p1,player,ada@example.com,3,true,"[""a"", 1.50]",Uppsala,00123,\r\n'
        'p2,player,"lin@example.com",-1.50e2,false,null,"Stockholm, ""Söder""\r\nkvarter",,+46\r\n'
    )
    accepted = send(api, body)
    assert accepted.status_code == 202
    run_jobs()
    assert errors_of(api, accepted) == []
    assert stored(api, "p1") == {
        "email": "ada@example.com",
        "vip_level": 3,
        "active": True,
        "tags": ["a", 1.5],
        "address": {"city": "Uppsala", "zip": "00123"},
    }
    assert stored(api, "p2") == {
        "email": "lin@example.com",
        "vip_level": -150,
        "active": False,
        "tags": None,
        "address": {"city": 'Stockholm, "Söder"\r\nkvarter'},
        "phone": "+46",
    }


_STORED = """
SELECT 'entity', external_id, type, properties::text, NULL FROM entities WHERE tenant_id = %(tenant_id)s
UNION ALL
SELECT 'event', external_id, type, properties::text, occurred_at::text FROM events WHERE tenant_id = %(tenant_id)s
UNION ALL
SELECT 'state', e.external_id, s.key, s.value::text, NULL FROM states s JOIN entities e ON e.id = s.entity_id
WHERE e.tenant_id = %(tenant_id)s
ORDER BY 1, 2, 3
"""
_TEXTS = ["plain", 'a "quote"', "back\\slash", "line\nfeed", "tab\t", "%s %d", "é€😀", " spaced ", "\u2028", "1e5"]
_ITEMS: dict[str, list[dict[str, Any]]] = {
    "entities": [
        {"externalId": f"p{n}", "entityType": "player", "data": {"email": f"{n}@x", "name": text, "n": {"x": n}}}
        for n, text in enumerate(_TEXTS)
    ],
    "events": [
        {
            "externalId": "p1",
            "eventType": "session",
            "timestamp": "2026-11-28T12:00Z",
            "eventId": text,
            "data": {"n": 1.50},
        }
        for text in _TEXTS
    ],
    "states": [{"externalId": f"p{n}", "stateKey": "balance", "value": text} for n, text in enumerate(_TEXTS)],
}
_HEADERS = {
    "entities": ["externalId", "entityType", "email", "name", "n.x:number"],
    "events": ["externalId", "eventType", "timestamp", "eventId", "n:number"],
    "states": ["externalId", "stateKey", "value"],
}


def test_rows_store_what_the_same_items_as_lines_do(
    api: Api, new_api: Callable[..., Api], run_jobs: Callable[[], None], observer: Connection
) -> None:
    other = new_api()
    for kind, items in _ITEMS.items():
        text = io.StringIO()
        table = csv.writer(text)
        table.writerow(_HEADERS[kind])
        for item in items:
            known = {**item, **item.get("data", {}), "n.x:number": item["externalId"][1:], "n:number": "1.50"}
            table.writerow([known[name] for name in _HEADERS[kind]])
        accepted = send(api, text.getvalue(), kind)
        lines = b"".join(json.dumps(item).encode() + b"\n" for item in items)
        other.post(f"/batch/{kind}", body=lines.replace(b"1.5}", b"1.50}"), Content_Type="application/x-ndjson")
        run_jobs()
        assert errors_of(api, accepted) == []
    rows, lines_of_other = (observer.execute(_STORED, {"tenant_id": of.tenant.id}).fetchall() for of in (api, other))
    assert len(rows) == 3 * len(_TEXTS)
    assert rows == lines_of_other


def test_errors_name_the_index_of_the_item_and_the_first_line_of_its_row(
    api: Api, run_jobs: Callable[[], None]
) -> None:
    body = (
        b"\xef\xbb\xbf\n"
        b"externalId,entityType,email,note,n:number\r\n"
        b'p1,player,a@x,"two\r\nlines",1\r\n'
        b" \t\r\n"
        b"p2,ghost,a@x,,1\r\n"
        b'p3,player,a@x,"three\n\nlines",x\n'
        b"p4,player,a@x\n"
        b'p5,player,a@x,5" disk,2\n'
        b"p6,player,a@x,\xff,2\n"
        b'p7,player,a@x,"never closed,2\np8,player,a@x,,2\n'
    )
    accepted = send(api, body)
    run_jobs()
    assert errors_of(api, accepted) == [
        (1, 6, "VALIDATION_FAILED", "p2"),
        (2, 7, "VALIDATION_FAILED", "p3"),
        (3, 10, "VALIDATION_FAILED", "p4"),
        (5, 12, "VALIDATION_FAILED", None),
        (6, 13, "VALIDATION_FAILED", None),
    ]
    errors = api.job(accepted)["output"]["errors"]
    assert [error["field"] for error in errors] == ["/entityType", "/data/n", "/data/note", None, None]
    messages = [error["message"] for error in errors]
    assert 'Column "n:number" must be a number' in messages[1]
    assert 'column "note"' in messages[2]
    assert "UTF-8" in messages[3]
    assert "never closed" in messages[4]
    assert stored(api, "p1")["note"] == "two\r\nlines"
    assert stored(api, "p5") == {"email": "a@x", "note": '5" disk', "n": 2}


def test_a_column_that_no_such_item_has_is_a_warning(api: Api, run_jobs: Callable[[], None]) -> None:
    accepted = send(api, "externalId,entityType,email,stateKey\np1,player,a@x,k\n")
    run_jobs()
    [warning] = api.job(accepted)["warnings"]["first"]
    assert (warning["line"], warning["code"], warning["field"]) == (2, "UNKNOWN_FIELD", "/stateKey")


@pytest.mark.parametrize(("query", "mark"), [("tab", "\t"), ("%3B", ";"), (";", ";"), ("%C2%A7", "§"), ("%09", "\t")])
def test_another_delimiter_is_told_by_a_parameter(
    api: Api, run_jobs: Callable[[], None], query: str, mark: str
) -> None:
    rows = [["externalId", "entityType", "email"], ["p1", "player", "a,b"], ["p2", "player", f'"c{mark}""d"']]
    accepted = send(api, "".join(f"{mark.join(row)}\n" for row in rows), query=f"?delimiter={query}")
    run_jobs()
    assert errors_of(api, accepted) == []
    assert (stored(api, "p1"), stored(api, "p2")) == ({"email": "a,b"}, {"email": f'c{mark}"d'})


@pytest.mark.parametrize("delimiter", ["", "ab", "%22", "%0A", "%0D", "%00", "TAB"])
def test_a_delimiter_that_is_none_is_refused(api: Api, delimiter: str) -> None:
    refused(send(api, PLAYERS, query=f"?delimiter={delimiter}"), 400, "INVALID_INPUT", "one character", "tab")


@pytest.mark.parametrize(
    ("query", "phone"),
    [
        ("", {"phone": "1"}),
        ("?empty=absent", {"phone": "1"}),
        ("?empty=null", {}),  # which is how a merge removes a field
        ("?empty=string", {"phone": ""}),
    ],
)
def test_an_empty_cell_means_what_the_request_says(
    api: Api, run_jobs: Callable[[], None], query: str, phone: dict[str, str]
) -> None:
    api.post("/entities", entity(1, data={"email": "a@x", "phone": "1"}))
    merge = f"{query}&mode=merge" if query else "?mode=merge"
    accepted = send(api, "externalId,entityType,email,phone\nplayer_000001,player,b@x,\n", query=merge)
    run_jobs()
    assert errors_of(api, accepted) == []
    assert stored(api, "player_000001") == {"email": "b@x", **phone}


@pytest.mark.parametrize(
    ("kind", "constant", "body"),
    [
        ("entities", "entityType=player", "externalId,email\np1,a@x\n"),
        ("events", "eventType=session", "externalId\nplayer_000001\n"),
        ("states", "stateKey=balance", "externalId,value:number\nplayer_000001,1\n"),
    ],
)
def test_a_parameter_gives_all_rows_one_value(
    api: Api, run_jobs: Callable[[], None], kind: str, constant: str, body: str
) -> None:
    api.post("/entities", entity(1))
    accepted = send(api, body, kind, query=f"?{constant}")
    run_jobs()
    assert api.job(accepted)["output"] == {"succeeded": 1, "failed": 0, "errors": []}
    name = constant.partition("=")[0]
    refused(send(api, f"{name},{body}", kind, query=f"?{constant}"), 400, "INVALID_INPUT", name, "leave one")


ROW = "p1,player,a@x\n"
HEADERS_REFUSED = {
    "no header": ("", ["no header row"]),
    "blank lines alone": ("\n \r\n", ["no header row"]),
    "a mark alone": ("\ufeff", ["no header row"]),
    "two equal names": ("externalId,entityType,x,x\n", ['"x" and "x"', "same name"]),
    "equal but for their types": ("externalId,entityType,x,x:number\n", ['"x" and "x:number"', "same name"]),
    "a value beside its own member": ("externalId,entityType,a,a.b\n", ['"a" is a value', '"a.b"']),
    "a member beside its own value": ("externalId,entityType,a.b.c,a.b:json\n", ['"a.b:json" is a value', '"a.b.c"']),
    "an unknown suffix": ("externalId,entityType,vip:int\n", ['"vip:int"', ":int", "number"]),
    "a type of a member": ("externalId:number,entityType\n", ["externalId is text"]),
    "a name that is missing": ("externalId,entityType,,x\n", ["Column 3 has no name"]),
    "a dot without a name": ("externalId,entityType,a..b\n", ['"a..b"', "dots"]),
    "names too deep": (f"externalId,entityType,{'.'.join('a' * 101)}\n", ["100 levels"]),
    "a name too long": (f"externalId,entityType,{'n' * 501}\n", ["column 3", "500"]),
    "no id": ("entityType,email\n", ['no column "externalId"']),
    "no type": ("externalId,email\n", ['no column "entityType"', "?entityType="]),
    "an id by another name": (" ExternalID,entityType\n", ['no column "externalId"', '" ExternalID" is another name']),
    "another delimiter": ("externalId;entityType;email\n", ['no column "entityType"', "?delimiter=;"]),
    "tabs": ("externalId\tentityType\n", ["?delimiter=tab"]),
    "an open quote": ('externalId,entityType,"email\n' + ROW, ["not valid CSV", "never closed"]),
    "text behind a quote": ('externalId,"entityType"x\n', ["not valid CSV", "closing quote"]),
    "lines of an old Mac": ("externalId,entityType\rp1,player\r", ["not valid CSV", "carriage return"]),
    "NUL": ("externalId,entityType,x\0\n", ["NUL"]),
}


@pytest.mark.parametrize("case", HEADERS_REFUSED)
def test_a_header_that_cannot_be_read_is_400_before_anything_is_stored(
    api: Api, observer: Connection, case: str
) -> None:
    header, texts = HEADERS_REFUSED[case]
    refused(send(api, header), 400, "INVALID_INPUT", *texts)
    refused(
        send(api, header + ROW if header.strip() and header.endswith("\n") else header), 400, "INVALID_INPUT", *texts
    )
    assert rows_left(observer) == 0


@pytest.mark.parametrize("kind", ["entities", "events", "states"])
def test_a_header_needs_what_its_kind_needs(api: Api, kind: str) -> None:
    needed = {"entities": "entityType", "events": "eventType", "states": "stateKey"}[kind]
    refused(send(api, "externalId,value\n1,2\n", kind), 400, "INVALID_INPUT", f'no column "{needed}"')
    if kind == "states":
        refused(send(api, "externalId,stateKey\n1,2\n", kind), 400, "INVALID_INPUT", 'no column "value"')


@pytest.mark.parametrize("end", ["", "\n", "\r\n\r\n  \n"])
def test_a_header_alone_is_a_body_without_an_item(api: Api, observer: Connection, end: str) -> None:
    refused(send(api, PLAYERS.strip() + end), 400, "INVALID_INPUT", "no item", "row below the header")
    assert rows_left(observer) == 0


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_another_character_set_is_refused_with_what_to_do(api: Api, observer: Connection, coding: str) -> None:
    refused(send(api, "externalId,entityType,é\np1,player,x\n".encode(coding)), 400, "INVALID_INPUT", "UTF-8")
    refused(send(api, PLAYERS, Content_Type=f"text/csv; charset={coding}"), 415, "UNSUPPORTED_MEDIA_TYPE", "UTF-8")
    assert rows_left(observer) == 0


def test_a_header_over_the_limit_of_an_item_is_refused(api: Api) -> None:
    refused(send(api, f"externalId,{'x' * 1_048_576}\n{ROW}"), 400, "INVALID_INPUT", "header row", "1048576")
    refused(send(api, f'externalId,"{"x" * 1_048_576}'), 400, "INVALID_INPUT", "header row", "1048576")


def test_100_000_columns_are_taken(api: Api, run_jobs: Callable[[], None]) -> None:
    header = ",".join(["externalId", "entityType", "email", *(f"c{n}" for n in range(99_997))])
    accepted = send(api, f"{header}\np1,player,a@x{',' * 99_997}\np2,player,a@x{',x' * 99_997}\n")
    run_jobs()
    assert errors_of(api, accepted) == [(1, 3, "ITEM_TOO_LARGE", "p2")]
    assert stored(api, "p1") == {"email": "a@x"}


def test_a_nul_in_a_cell_is_an_error_of_its_row_alone(api: Api, run_jobs: Callable[[], None]) -> None:
    accepted = send(api, f"{PLAYERS}p\0,player,a@x\np2,player,a\0@x\np3,player,a@x\n\0,player,a@x\n\x001 2\n")
    run_jobs()
    errors = errors_of(api, accepted)
    assert [error[:2] for error in errors] == [(0, 2), (1, 3), (3, 5), (4, 6)]


def test_rows_that_look_like_one_too_large_sink_no_neighbour(api: Api, run_jobs: Callable[[], None]) -> None:
    accepted = send(api, f"{PLAYERS}p1,player,a@x\n\x005 7\n\0{'1' * 5_000} 7\np2,player,a@x\n")
    run_jobs()
    assert [error[:3] for error in errors_of(api, accepted)] == [
        (1, 3, "VALIDATION_FAILED"),
        (2, 4, "VALIDATION_FAILED"),
    ]
    assert stored(api, "p1") == stored(api, "p2") == {"email": "a@x"}


def test_a_row_that_is_too_large_sinks_no_neighbour(api: Api, run_jobs: Callable[[], None]) -> None:
    large = "p2,player," + '"' + "line\n" * 300_000 + '"'
    accepted = send(api, f"{PLAYERS}p1,player,a@x\n{large}\np3,player,a@x\np4,ghost,a@x\n")
    run_jobs()
    assert errors_of(api, accepted) == [(1, 3, "ITEM_TOO_LARGE", None), (3, 300_005, "VALIDATION_FAILED", "p4")]
    message = api.job(accepted)["output"]["errors"][0]["message"]
    assert message == (
        f"The item has {len(large)} bytes; the most is 1048576; "
        "a quote that is never closed takes all that follows into its row"
    )


@pytest.mark.parametrize("parameter", ["empty=null", "delimiter=tab", "entityType=player"])
@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson"])
def test_a_parameter_of_csv_is_refused_on_another_body(
    api: Api, observer: Connection, parameter: str, content_type: str
) -> None:
    answer = api.post(f"/batch/entities?{parameter}", [entity(1)], Content_Type=content_type)
    refused(answer, 400, "INVALID_INPUT", parameter.partition("=")[0], "text/csv")
    assert rows_left(observer) == 0


def test_a_parameter_of_another_kind_is_refused_with_the_nearest_name(api: Api) -> None:
    refused(send(api, PLAYERS, query="?eventType=x"), 400, "INVALID_INPUT", 'Unknown query parameter "eventType"')


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "text/csv-schema"])
def test_another_type_is_415_and_the_answer_names_those_taken(api: Api, content_type: str) -> None:
    answer = send(api, PLAYERS, Content_Type=content_type)
    refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE", "application/json", "application/x-ndjson", "text/csv")


def test_a_compressed_body_of_many_blocks_is_one_job(
    api: Api, run_jobs: Callable[[], None], observer: Connection
) -> None:
    rows = "".join(f'p{n},player,"a\n{n}@x"\n' for n in range(25_000))
    accepted = send(
        api, gzip.compress((PLAYERS + rows).encode()), Content_Encoding="gzip", Content_Type="Text/CSV; charset=utf-8"
    )
    blocks = observer.execute("SELECT first_index, items, first_line FROM job_blocks ORDER BY no").fetchall()
    assert blocks == [(0, 10_000, 2), (10_000, 10_000, 20_002), (20_000, 5_000, 40_002)]
    run_jobs()
    assert api.job(accepted)["output"]["succeeded"] == 25_000


def test_jobs_of_other_headers_run_together(api: Api, run_jobs: Callable[[], None]) -> None:
    bodies = [f"{PLAYERS}p1,player,a@x\n", "email,externalId,entityType\na@x,p2,player\n"]
    jobs = [send(api, body) for body in bodies] + [api.post("/batch/entities", [entity(3)])]
    run_jobs()
    assert [errors_of(api, accepted) for accepted in jobs] == [[], [], []]
    assert stored(api, "p2") == {"email": "a@x"}


def test_a_caller_that_changed_meanwhile_loses_no_row(
    api: Api, run_jobs: Callable[[], None], observer: Connection
) -> None:
    assert send(api, f"{PLAYERS}p0,player,a@x\n").status_code == 202
    observer.execute("UPDATE tenants SET name = name || '!'")
    accepted = send(api, f"{PLAYERS}p1,player,a@x\np2,player,a@x\n")
    run_jobs()
    assert api.job(accepted)["output"] == {"succeeded": 2, "failed": 0, "errors": []}


def test_a_repeat_under_a_key_is_answered_as_the_first_and_another_body_is_422(api: Api, observer: Connection) -> None:
    body = (PLAYERS + "".join(f"p{n},player,a@x\n" for n in range(100))).encode()
    first = send(api, body, Idempotency_Key="k")
    for coding, sent in {"identity": body, "gzip": gzip.compress(body)}.items():
        again = send(api, sent, Content_Encoding=coding, Idempotency_Key="k")
        assert data(again)["jobId"] == data(first)["jobId"]
        assert again.headers["Idempotent-Replayed"] == "true"
    refused(send(api, body + b"p,player,a@x\n", Idempotency_Key="k"), 422, "IDEMPOTENCY_KEY_REUSED")
    refused(send(api, body, query="?empty=null", Idempotency_Key="k"), 422, "IDEMPOTENCY_KEY_REUSED")
    refused(send(api, PLAYERS, Idempotency_Key="other"), 400, "INVALID_INPUT")
    assert send(api, body, Idempotency_Key="other").status_code == 202
    assert rows_left(observer) == 4


@pytest.fixture
def small_api(settings: Settings, api: Api) -> Iterator[Api]:
    """The API with small limits."""
    made = create_app(replace(settings, max_job_items=3, max_job_bytes=2_000, web_threads=2))
    yield Api(made, api.tenant, api.key)
    services: Services = made.extensions["sluice"]
    services.close()


def test_a_job_has_its_limits_of_items_and_bytes(small_api: Api, observer: Connection) -> None:
    assert send(small_api, PLAYERS + ROW * 3).status_code == 202
    refused(send(small_api, PLAYERS + ROW * 4), 400, "INVALID_INPUT", "over 3 items")
    refused(send(small_api, PLAYERS + "\n" * 2_000), 413, "PAYLOAD_TOO_LARGE", "over 2000 bytes")
    assert rows_left(observer) == 2


def test_the_header_is_read_in_a_place_for_large_bodies(small_api: Api) -> None:
    services: Services = small_api.app.extensions["sluice"]
    assert services.body_places.acquire(blocking=False)
    refused(send(small_api, "no header"), 503, "UNAVAILABLE", "again")
    services.body_places.release()
    refused(send(small_api, "no header"), 400, "INVALID_INPUT")
