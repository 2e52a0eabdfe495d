"""docs/contracts/jobs.md section 1: the parameters that a batch call takes."""

import pytest

from tests.api.conftest import Api, data, refused
from tests.support.factories import entity


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
