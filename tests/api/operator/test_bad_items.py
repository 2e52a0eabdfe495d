"""Bad items go on over real parts: told again, patched by a retry, corrected (docs/contracts/jobs.md sections 4, 5)."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Api, data
from tests.api.operator.bad_batches import CSV, HEADER, Run, file_of, told
from tests.support.factories import entity


@pytest.fixture
def retry(api: Api, run_jobs: Callable[[], int]) -> Run:
    """Send what failed in a job and its children again, with patches, run that, and return the child."""

    def send(job: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
        answer = api.post(f"/batch/jobs/{job['id']}/retry", {"patch": patch})
        assert answer.status_code == 202, answer.get_json()
        run_jobs()
        found: dict[str, Any] = data(api.get(f"/batch/jobs/{data(answer)['id']}"))
        return found

    return send


_ROWS = [
    "p0|player|a|1|",
    "p1|player|a|x|",  # no number
    'p2|"player"|"say ""hi"""|2|"[1]"',
    "p3|player",  # too short
    'p4|plaier|"two\r\nlines"|4|',  # of no type
    "p5|player|b|5|[]|6",  # too long
    "p6|player||6|",  # without an e-mail address
    'p7|"pl"ayer|c|7|',  # no CSV
    "p8|player|d|8|",
    'p9|player|"open|9|',
]


def corrected_rows(file: bytes, delimiter: str) -> bytes:
    """Return an error file of these rows, but for p4 and p6, once a person has been over it."""
    header, *rows = csv.reader(io.StringIO(file.decode(), newline=""), delimiter=delimiter)
    by_index = {int(row[5]): row for row in rows}
    by_index[1][3], by_index[3][2], by_index[5][4] = "1", "e", "[]"
    by_index[7][0] = by_index[7][0].replace('"', "")
    by_index[9][0] = by_index[9][0].replace('"', "")
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([header, *by_index.values()])
    return text.getvalue().encode()


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_bad_rows_are_told_again_patched_or_corrected(api: Api, run: Run, retry: Run, delimiter: str, end: str) -> None:
    call = f"entities?delimiter={'tab' if delimiter == chr(9) else '%3B'}"
    body = end.join([HEADER.replace(",", "|"), *_ROWS]).replace("|", delimiter).encode()
    job = run(b"\xef\xbb\xbf" + body, CSV, call=call)
    assert (job["total"], job["effects"]["created"], job["effects"]["failed"]) == (10, 3, 7)
    assert told(run(file_of(api, job, "csv"), CSV, call=call)) == told(job)

    patch = {"4": {"entityType": "player"}, "6": {"data": {"note": "of no column"}}}
    child = retry(job, patch)
    assert (child["total"], child["effects"]["created"], child["effects"]["failed"]) == (7, 1, 6)
    file = file_of(api, child, "csv")
    assert b"No row of these columns makes this item" in file
    again = run(file, CSV, call=call)
    assert told(again) == told(child)
    assert told(run(file_of(api, again, "csv"), CSV, call=call)) == told(child)

    last = retry(job, {"6": {"data": {"email": "f"}}})
    assert (last["total"], last["effects"]["created"], last["effects"]["failed"]) == (6, 1, 5)
    family = data(api.get(f"/batch/jobs/{job['id']}"))["family"]
    assert (family["total"], family["effects"]["created"], family["effects"]["failed"]) == (10, 5, 5)
    assert data(api.get("/entities/p6"))["data"] == {"email": "f", "vip_level": 6, "note": "of no column"}

    good = run(corrected_rows(file_of(api, last, "csv"), delimiter), CSV, call=call, Prefer="handling=strict")
    assert (good["effects"]["created"], good["output"]["failed"], good["warnings"]["count"]) == (5, 0, 0)
    assert data(api.get("/entities/p9"))["data"] == {"email": "open", "vip_level": 9}


def test_bad_lines_are_told_again_patched_or_corrected(api: Api, run: Run, retry: Run) -> None:
    lines = [json.dumps(entity(1)), "{broken", json.dumps(entity(2, data={})), json.dumps(entity(3)), "5"]
    job = run(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    assert (job["total"], job["effects"]["created"], job["effects"]["failed"]) == (5, 2, 3)
    assert told(run(file_of(api, job, "ndjson"))) == told(job)

    child = retry(job, {"2": {"data": {"email": "b"}}})
    assert (child["total"], child["effects"]["created"], child["effects"]["failed"]) == (3, 1, 2)
    family = data(api.get(f"/batch/jobs/{job['id']}"))["family"]
    assert (family["total"], family["effects"]["created"], family["effects"]["failed"]) == (5, 3, 2)
    file = file_of(api, child, "ndjson")
    assert told(run(file)) == told(child)
    good = [json.dumps(json.loads(line) | {"_raw": json.dumps(entity(4))}) for line in file.splitlines()]
    assert run("\n".join(good).encode(), Prefer="handling=strict")["output"]["failed"] == 0


def test_a_patched_row_has_the_cells_that_its_sender_would_have_sent(api: Api, run: Run, retry: Run) -> None:
    job = run(f"{HEADER}\np1,plaier,a,1.50,\np2,plaier,b,2,\n".encode(), CSV)
    child = retry(job, {"0": {"data": {"email": "c,d", "tags": []}}})
    rows = file_of(api, child, "csv").splitlines()
    assert [row[:26] for row in rows[1:]] == [b'p1,plaier,"c,d",1.50,[],0,', b"p2,plaier,b,2,,1,3,VALIDAT"]
