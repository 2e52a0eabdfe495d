"""Uploads of CSV: the header stands in part 1 alone, and parts come in any order (docs/contracts/jobs.md section 1)."""

import gzip
from collections.abc import Callable

import psycopg
import pytest
from werkzeug.test import TestResponse

from tests.api.conftest import Api, data, refused
from tests.api.operator.uploads import begin, complete, put, rows

CSV = "text/csv"
HEADER = "externalId,entityType,email,vip_level:number\n"


def send(api: Api, upload_id: str, part: int, text: str | bytes, **headers: str) -> TestResponse:
    body = text.encode() if isinstance(text, str) else text
    return put(api, upload_id, part, body, Content_Type=CSV, **headers)


def stored(api: Api, external_id: str) -> object:
    return data(api.get(f"/entities/{external_id}"))["data"]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_parts_of_csv_come_in_any_order(api: Api, run_jobs: Callable[[], int], order: tuple[int, ...]) -> None:
    upload_id = begin(api, contentType=CSV, empty="null")
    texts = {
        1: f'\n{HEADER}p1,player,"a\nb",1\n',
        2: "p2,player,c,\n\np3,player,d\n",
        3: "p4,player,e,x\np5,player,f,5",
    }
    for part in order:
        assert send(api, upload_id, part, texts[part]).status_code == 200
    accepted = complete(api, upload_id, 3)
    run_jobs()
    job = api.job(accepted)
    assert (job["total"], job["output"]["succeeded"]) == (5, 3)
    errors = [(error["index"], error["line"], error["externalId"]) for error in job["output"]["errors"]]
    assert errors == [(2, 7, "p3"), (3, 8, "p4")]
    assert stored(api, "p1") == {"email": "a\nb", "vip_level": 1}
    assert stored(api, "p2") == {"email": "c", "vip_level": None}
    assert stored(api, "p5") == {"email": "f", "vip_level": 5}


def test_csv_is_read_as_the_new_upload_says(api: Api, run_jobs: Callable[[], int]) -> None:
    upload_id = begin(api, contentType=CSV, contentEncoding="gzip", delimiter="tab", entityType="player", atomic=True)
    for part, text in ((2, b"\xef\xbb\xbfp2\tb\n"), (1, b"\xef\xbb\xbfexternalId\temail\np1\ta\n")):
        assert send(api, upload_id, part, gzip.compress(text), Content_Encoding="gzip").status_code == 200
    accepted = complete(api, upload_id, 2)
    run_jobs()
    assert api.job(accepted)["output"]["succeeded"] == 2
    assert (stored(api, "p1"), stored(api, "p2")) == ({"email": "a"}, {"email": "b"})


def test_a_header_alone_is_a_part_of_no_item(api: Api, run_jobs: Callable[[], int]) -> None:
    upload_id = begin(api, contentType=CSV)
    assert data(send(api, upload_id, 1, HEADER))["items"] == 0
    refused(complete(api, upload_id, 1), 400, "INVALID_INPUT", "no item")
    assert data(send(api, upload_id, 2, "p1,player,a,1\n"))["items"] == 1
    accepted = complete(api, upload_id, 2)
    run_jobs()
    assert api.job(accepted)["output"]["succeeded"] == 1


def test_a_header_that_is_sent_again_counts_for_all_rows(api: Api, run_jobs: Callable[[], int]) -> None:
    upload_id = begin(api, contentType=CSV)
    send(api, upload_id, 1, "externalId,entityType,name\n")
    send(api, upload_id, 2, "p1,player,a\n")
    send(api, upload_id, 1, "externalId,entityType,email\n")
    accepted = complete(api, upload_id, 2)
    run_jobs()
    assert api.job(accepted)["output"]["succeeded"] == 1
    assert stored(api, "p1") == {"email": "a"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "header"),
        ("\n \n", "header"),
        ("externalId,email\n", "entityType"),
        ("externalId,entityType,email,email\n", "email"),
        (b"externalId,\xff\n", "UTF-8"),
    ],
)
def test_a_wrong_header_in_part_1_is_400_and_leaves_nothing(
    api: Api, observer: psycopg.Connection[tuple[object, ...]], text: str | bytes, said: str
) -> None:
    upload_id = begin(api, contentType=CSV)
    refused(send(api, upload_id, 1, text), 400, "INVALID_INPUT", said)
    assert rows(observer) == (1, 0, 1, 0)


@pytest.mark.parametrize("known", [True, False])
def test_blocks_are_bounded_by_what_their_rows_have_as_json(
    api: Api, observer: psycopg.Connection[tuple[object, ...]], *, known: bool
) -> None:
    names = [f"{number:03}{'x' * 300}" for number in range(50)]
    header = f"externalId,entityType,{','.join(names)}\n"
    upload_id = begin(api, contentType=CSV)
    text = f"p1,player{',' * 50}\n" * 20_000
    if known:
        send(api, upload_id, 1, header)
    assert data(send(api, upload_id, 2, text))["items"] == 20_000
    if not known:
        send(api, upload_id, 1, header)
    assert complete(api, upload_id, 2).status_code == 202
    [(largest,)] = observer.execute("SELECT max(items) FROM job_blocks").fetchall()
    most_bytes = (4.3 if known else 8 * 4.3) * 1024**2
    assert int(str(largest)) * len(header) < most_bytes


def test_a_first_row_that_hides_the_columns_of_the_others_is_to_be_sent_again(api: Api) -> None:
    names = [f"{number:03}{'x' * 300}" for number in range(50)]
    upload_id = begin(api, contentType=CSV)
    text = "p1\n" + f"p1,player{',' * 50}\n" * 20_000
    send(api, upload_id, 2, text)
    send(api, upload_id, 1, f"externalId,entityType,{','.join(names)}\n")
    refused(complete(api, upload_id, 2), 400, "INVALID_INPUT", "send again part 2")
    send(api, upload_id, 2, text)
    assert complete(api, upload_id, 2).status_code == 202
