"""Calls by the OpenAPI documents: few and the same in `make test`, at random and for long in `make fuzz`."""

import os

import pytest

from tests.fuzz import batches
from tests.fuzz.calling import call, jobs_running

SECONDS = int(os.environ.get("FUZZ_SECONDS", "0"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
FEW, MANY = 2, 1_000_000

# The edges of all shapes are 3,000 calls, which take longer than all else: `make fuzz` alone walks them.
BRIEF = {"phases": {"coverage": {"enabled": False}}}


@pytest.mark.timeout(120 + 2 * SECONDS)
@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of a body that a check shows
@pytest.mark.parametrize("api", ["operator", "public"])
def test_no_call_of_an_api_breaks_its_document(app, pool, redis_url, keys_of_apis, api):
    options = {"max-time": SECONDS} if SECONDS else BRIEF
    with jobs_running(pool, redis_url):
        found = call(
            app,
            f"/openapi/{api}.json",
            keys_of_apis[api],
            examples=MANY if SECONDS else FEW,
            seed=SEED,
            **options,
        )
    told = f"{api}: seed {SEED}, {found.statuses.total():,} calls, by status {dict(sorted(found.statuses.items()))}"
    print(told, f"served: {', '.join(sorted(found.served))}", sep="\n")  # noqa: T201 # for those who wait for `make fuzz`
    assert batches.taken(pool) == [], "an item of a bad body fails"
    assert not found.faults, "\n\n".join(found.faults)
    assert found.scenarios["stateful_testing"] > 0
    assert found.statuses[200] > 0
    assert found.statuses[201] + found.statuses[202] > 0
