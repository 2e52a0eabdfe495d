"""Error files (docs/contracts/jobs.md section 4): unchanged they give the same errors again, corrected ones none."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.http.services import Services
from tests.api.conftest import Api, data, refused
from tests.api.operator.bad_batches import CSV, HEADER, Run, file_of, told
from tests.support.factories import TOO_LARGE, entity, event, state


def test_a_corrected_file_gives_no_error_and_no_warning(api: Api, run: Run) -> None:
    items = [entity(1), entity(2, data={}), entity(3, entityType="plaier"), entity(4)]
    job = run("".join(f"{json.dumps(item)}\n" for item in items).encode() + b'{"externalId": "p5"\n')
    lines = [json.loads(line) for line in file_of(api, job, "ndjson").splitlines()]
    assert [line["_sluice"]["index"] for line in lines] == [1, 2, 4]
    lines[0]["data"]["email"] = "a@example.com"
    lines[1]["entityType"] = "player"
    lines[2]["_raw"] = json.dumps(entity(5))
    corrected = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    for headers in ({}, {"Prefer": "handling=strict"}):
        again = run(corrected, **headers)
        assert (again["total"], again["output"]["failed"], again["warnings"]["count"]) == (3, 0, 0)
    assert again["effects"]["unchanged"] == 3
    stored = data(api.get("/entities/player_000002"))
    assert stored["data"] == {"email": "a@example.com"}


def test_corrected_rows_give_no_error_and_no_warning(api: Api, run: Run) -> None:
    rows = ["p1,player,a,x,", "p2,player", "p3,player,c,3,[],4", 'p4,"player","d, ""e""",4,']
    job = run("\n".join([HEADER, *rows]).encode(), CSV)
    found = list(csv.DictReader(io.StringIO(file_of(api, job, "csv").decode())))
    assert [row["sluice_index"] for row in found] == ["0", "1", "2"]
    assert [row["tags:json"] for row in found] == ["", "", "[],4"]
    found[0]["vip_level:number"], found[1]["email"], found[2]["tags:json"] = "1", "b", "[]"
    file = io.StringIO()
    writer = csv.DictWriter(file, found[0])
    writer.writeheader()
    writer.writerows(found)
    again = run(file.getvalue().encode(), CSV, Prefer="handling=strict")
    assert (again["total"], again["output"]["failed"], again["warnings"]["count"]) == (3, 0, 0)


_CELL = st.sampled_from(["", "player", "a", "1", "x,y", 'say "hi"', "two\nlines", "é☃", "true", "[1]", "1e9999", "p;"])
_QUOTED = _CELL.map(lambda cell: '"{}"'.format(cell.replace('"', '""')))
_ROW = st.lists(_QUOTED | _CELL.filter(lambda cell: not set(cell) & set(',;"\n')), min_size=1, max_size=8)
_BROKEN = st.sampled_from([b'p9,"pl"ayer,a,1,', b"p9,pl\xffayer,a,1,", b"p9,player,a\rb,1,"])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(_ROW.map(lambda cells: ",".join(cells).encode()) | _BROKEN, min_size=1, max_size=6),
    last=st.sampled_from([b"", b'p9,player,"never closed', b"p8,player"]),
    delimiter=st.sampled_from([",", ";", "\t", "e"]),
)
def test_rows_sent_back_unchanged_give_the_same_errors(
    api: Api, run: Run, rows: list[bytes], last: bytes, delimiter: str
) -> None:
    header, *rows = [row.replace(b",", delimiter.encode()) for row in (HEADER.encode(), *rows)]
    if delimiter == "e":
        header = b'"externalId"e"entityType"e"email"e"vip_level:number"etags:json'
    query = f"?delimiter={'tab' if delimiter == chr(9) else delimiter.replace(';', '%3B')}"
    body = b"\r\n".join([header, *rows, last.replace(b",", delimiter.encode())])
    if not b"".join([*rows, last]).strip():
        return
    job = run(body, CSV, call=f"entities{query}")
    file = file_of(api, job, "csv")
    if job["output"]["failed"]:
        again = run(file, CSV, call=f"entities{query}")
        assert told(again) == told(job)
        once_more = file_of(api, again, "csv")
        assert told(run(once_more, CSV, call=f"entities{query}")) == told(job)


_VALUE = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=2), max_size=2)
_ITEM = st.fixed_dictionaries(
    {},
    optional={
        "externalId": _VALUE | st.just("p1"),
        "entityType": _VALUE | st.just("player"),
        "data": _VALUE | st.dictionaries(st.sampled_from(["email", "x", "_sluice"]), _VALUE),
        "extern_id": _VALUE,
        "_raw": st.text(max_size=3),
    },
)
_LINE = (
    _ITEM.map(lambda item: json.dumps(item).encode())
    | _ITEM.map(lambda item: json.dumps(item, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    | st.sampled_from([b"{", b"5", b'"x"', b"[{}]", b"\xff", b'{"a": 1e99999}', b"nul", b'{"externalId":"\\u0000"}'])
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(_LINE, min_size=1, max_size=8), strict=st.booleans())
def test_lines_sent_back_unchanged_give_the_same_errors(
    api: Api, run: Run, lines: list[bytes], *, strict: bool
) -> None:
    headers = {"Prefer": "handling=strict"} if strict else {}
    job = run(b"\n".join(lines), **headers)
    if job["output"]["failed"]:
        again = run(file_of(api, job, "ndjson"), **headers)
        assert told(again) == told(job)
        assert file_of(api, again, "ndjson").count(b'"_sluice"') == file_of(api, job, "ndjson").count(b'"_sluice"')


def test_an_array_takes_the_lines_of_an_error_file(api: Api, run_jobs: Callable[[], int]) -> None:
    def send(items: list[Any]) -> dict[str, Any]:
        accepted = api.post("/batch/entities", items)
        run_jobs()
        return api.job(accepted)

    job = send([entity(1, data={}), 5, entity(2)])
    assert told(send([json.loads(line) for line in file_of(api, job, "ndjson").splitlines()])) == told(job)


def test_the_file_of_an_array_has_an_item_a_line(api: Api, run_jobs: Callable[[], int]) -> None:
    accepted = api.post("/batch/entities", body=b'[{\n  "entityType": "player",\n  "externalId": "p\\n1"\n}]')
    run_jobs()
    [line] = file_of(api, api.job(accepted), "ndjson").splitlines()
    assert json.loads(line)["externalId"] == "p\n1"


def test_events_and_states_that_named_no_entity_pass_once_it_is_there(api: Api, run: Run) -> None:
    for call, item in (("events", event(1)), ("states", state(1))):
        job = run(json.dumps(item).encode(), call=call)
        assert [error["retryable"] for error in job["output"]["errors"]] == [True]
        assert api.post("/entities", entity(1)).status_code in {200, 201}
        again = run(file_of(api, job, "ndjson"), call=call, Prefer="handling=strict")
        assert again["output"]["failed"] == again["warnings"]["count"] == 0
        api.delete("/entities/player_000001")


def test_items_that_the_database_refused_keep_their_text(api: Api, run: Run) -> None:
    item = b'{"entityType": "player", "externalId": "p", "data": {"email": "x", "n": %s}}' % TOO_LARGE
    job = run(item)
    assert file_of(api, job, "ndjson").startswith(item[:-1] + b',"_sluice":{')


@pytest.mark.parametrize("query", ["?atomic=true", "?validateOnly=true"])
def test_atomic_and_dry_jobs_keep_the_text_of_bad_items_too(api: Api, run: Run, query: str) -> None:
    job = run(b'{"entityType": "player" }\n' + json.dumps(entity(1)).encode(), call=f"entities{query}")
    assert file_of(api, job, "ndjson").startswith(b'{"entityType": "player","_sluice":{"index":0,"line":1,')


def test_a_row_of_a_job_of_csv_is_the_item_that_it_makes_among_lines(api: Api, run: Run) -> None:
    job = run(f"{HEADER}\np1,plaier,a,1.50,[]\np2,player\n".encode(), CSV)
    first, second = file_of(api, job, "ndjson").splitlines()
    assert first.startswith(
        b'{"externalId":"p1","entityType":"plaier","data":{"email":"a","vip_level":1.50,"tags":[]},"_sluice":'
    )
    assert json.loads(second)["_raw"] == "p2,player"


def test_a_row_that_begins_with_nul_is_its_item_among_lines(api: Api, run: Run) -> None:
    job = run(f"{HEADER}\n\0p1,plaier,a,1,\n\0".encode() + b"5 6,plaier,a,1,", CSV)
    lines = [json.loads(line) for line in file_of(api, job, "ndjson").splitlines()]
    assert [line.get("externalId") for line in lines] == ["\0p1", "\0" + "5 6"]


def test_a_row_in_an_open_quote_is_the_first_cell_and_takes_no_row_behind_it(api: Api, run: Run) -> None:
    job = run(f'{HEADER}\np1,player,"open'.encode(), CSV)
    header, row = file_of(api, job, "csv").splitlines()
    assert row.startswith(b'"p1,player,""open",,,,,0,2,VALIDATION_FAILED,,"The row is not valid CSV: ')
    again = run(b"\n".join([header, row, b"p2,player,a,1,,,,,,"]), CSV)
    assert (told(again), again["effects"]["created"]) == (told(job), 1)
    corrected = row.replace(b'"p1,player,""open"', b'"p1,player,""open"",1,"')
    assert run(header + b"\n" + corrected, CSV)["effects"]["created"] == 1
    assert data(api.get("/entities/p1"))["data"] == {"email": "open", "vip_level": 1}


def test_errors_csv_is_for_jobs_that_came_as_csv(api: Api, run: Run, new_api: Callable[..., Api]) -> None:
    job = run(b"{}")
    path = f"/batch/jobs/{job['id']}/errors"
    refused(api.get(f"{path}.csv"), 409, "WRONG_STATE", "errors.ndjson")
    stranger = new_api()
    for suffix in ("csv", "ndjson"):
        refused(stranger.get(f"{path}.{suffix}"), 404, "NOT_FOUND")


def test_a_job_without_errors_has_an_empty_file(api: Api, run: Run) -> None:
    job = run(f"{HEADER}\np1,player,a,1,\n".encode(), CSV)
    assert file_of(api, job, "ndjson") == b""
    assert file_of(api, job, "csv").count(b"\n") == 1


def test_a_file_goes_through_all_pages_and_gives_its_place_back(api: Api, run: Run) -> None:
    job = run(b"{}\n" * 2_500)
    assert file_of(api, job, "ndjson").count(b"\n") == 2_500
    services: Services = api.app.extensions["sluice"]
    for _ in range(2 * services.settings.web_threads):
        api.get(f"/batch/jobs/{job['id']}/errors.ndjson").close()  # the client leaves after the first page
    with api.get(f"/batch/jobs/{job['id']}/errors.ndjson") as answer:
        assert answer.status_code == 200


def test_files_take_no_more_than_the_places_of_large_bodies(api: Api, run: Run) -> None:
    job = run(b"{}\n" * 2_500)
    services: Services = api.app.extensions["sluice"]
    held = 0
    while services.body_places.acquire(blocking=False):
        held += 1
    refused(api.get(f"/batch/jobs/{job['id']}/errors.ndjson"), 503, "UNAVAILABLE", "again")
    services.body_places.release(held)


def test_a_column_of_a_note_that_stands_twice_is_refused(api: Api) -> None:
    body = b"externalId,entityType,email,sluice_code,sluice_code\np1,player,a,,\n"
    refused(api.post("/batch/entities", body=body, Content_Type=CSV), 400, "INVALID_INPUT", "sluice_code")
