"""The tenant that most tests of single calls speak for."""

import pytest

from tests.api.conftest import Api
from tests.support.factories import entity


@pytest.fixture
def player(api: Api) -> Api:
    """A client of a tenant that has player_000001."""
    assert api.post("/entities", entity()).status_code == 201
    return api
