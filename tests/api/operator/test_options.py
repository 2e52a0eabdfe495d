"""docs/contracts/jobs.md section 1: the parameters that a batch call takes."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import pytest
from werkzeug.test import TestResponse

from ingest.db.connection.pool import Connection
from tests.api.conftest import Api, data, refused
from tests.support.factories import entity

LINES = "application/x-ndjson"
FORMS = ["array", "lines"]


def send(api: Api, query: str, items: list[Any], form: str = "array", kind: str = "entities") -> TestResponse:
    """Send a batch, as a JSON array or as lines."""
    if form == "array":
        return api.post(f"/batch/{kind}?{query}", items)
    body = b"".join(msgspec.json.encode(item) + b"\n" for item in items)
    return api.post(f"/batch/{kind}?{query}", body=body, Content_Type=LINES)


@pytest.mark.parametrize("label", ["n", "Spieler vom 28. November, \N{GRINNING FACE}", "l" * 200])
def test_a_job_shows_the_label_that_its_client_gave_it(api: Api, label: str) -> None:
    accepted = api.app.test_client().post(
        "/operator-data-api/batch/entities",
        query_string={"label": label},
        json=[entity()],
        headers={"Authorization": f"Bearer {api.key}"},
    )
    assert api.job(accepted)["label"] == label


def test_a_job_without_a_label_says_null(api: Api) -> None:
    assert api.job(api.post("/batch/entities", [entity()]))["label"] is None


def test_lines_take_a_label_too(api: Api) -> None:
    accepted = api.post(
        "/batch/states?label=file",
        body=b'{"externalId": "p", "stateKey": "balance", "value": 1}',
        Content_Type="application/x-ndjson",
    )
    assert data(accepted)["status"] == "pending"
    assert api.job(accepted)["label"] == "file"


@pytest.mark.parametrize("query", ["label=", f"label={'l' * 201}", "label=a%00b"])
def test_a_label_that_is_none_is_refused_with_its_rule(api: Api, query: str) -> None:
    answer = api.post(f"/batch/entities?{query}", [entity()])
    refused(answer, 400, "INVALID_INPUT", "label", "1 to 200 characters")


@pytest.mark.parametrize("form", FORMS)
def test_more_failed_items_than_max_errors_fail_the_job(api: Api, run_jobs: Callable[[], int], form: str) -> None:
    bad = entity(2, entityType="ghost")
    accepted = [send(api, f"maxErrors={most}", [entity(1), bad, bad], form) for most in (1, 2)]
    run_jobs()
    failed, completed = map(api.job, accepted)
    assert failed["status"] == "failed"
    assert failed["error"]["code"] == "TOO_MANY_ERRORS"
    assert failed["effects"]["failed"] == len(failed["output"]["errors"]) == 2
    assert (completed["status"], completed["error"]) == ("completed", None)


@pytest.mark.parametrize("form", FORMS)
def test_a_deadline_is_shown_and_counts_from_acceptance(
    api: Api, run_jobs: Callable[[], int], observer: Connection, form: str
) -> None:
    accepted = send(api, "deadline=604800", [entity(1)], form)
    [(accepted_at,)] = observer.execute("SELECT queued_at FROM jobs").fetchall()
    shown = datetime.fromisoformat(api.job(accepted)["deadline_at"])
    assert isinstance(accepted_at, datetime)
    assert round((shown - accepted_at).total_seconds()) == 604_800
    run_jobs()
    assert api.job(accepted)["status"] == "completed"


def test_a_job_without_a_deadline_says_null(api: Api) -> None:
    assert api.job(api.post("/batch/entities", [entity()]))["deadline_at"] is None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("maxErrors=-1", "from 0 to 999999999"),
        ("maxErrors=1.5", "from 0 to 999999999"),
        ("maxErrors=", "from 0 to 999999999"),
        ("deadline=0", "from 1 to 604800"),
        ("deadline=604801", "from 1 to 604800"),
        ("deadline=soon", "from 1 to 604800"),
    ],
)
def test_a_number_out_of_its_bounds_is_refused_with_its_rule(api: Api, query: str, text: str, form: str) -> None:
    refused(send(api, query, [entity()], form), 400, "INVALID_INPUT", query.partition("=")[0], text)
