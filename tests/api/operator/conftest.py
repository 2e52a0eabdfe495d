"""The tenant that most tests of single calls speak for, and jobs of bodies that tests send."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.operator.bad_batches import LINES, Run
from tests.support.factories import entity


@pytest.fixture
def player(api: Api) -> Api:
    """A client of a tenant that has player_000001."""
    assert api.post("/entities", entity()).status_code == 201
    return api


@pytest.fixture
def run(api: Api, run_jobs: Callable[[], int]) -> Run:
    """Send a body, run its job, and return that."""

    def send(body: bytes, media: str = LINES, *, call: str = "entities", **headers: str) -> dict[str, Any]:
        accepted = api.post(f"/batch/{call}", body=body, Content_Type=media, **headers)
        assert accepted.status_code == 202, accepted.get_json()
        run_jobs()
        return api.job(accepted)

    return send
