"""A bad item never sinks its batch: a batch call with a bad body may be answered, if an item of it fails."""

import re
from typing import Any
from uuid import UUID

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import negative_data_rejection

from ingest import ids
from ingest.db.connection.pool import Pool, transaction

_BATCHES = re.compile(r"/batch(/(entities|events|states))?$")

# The jobs of bad bodies, of which an item must fail.
_jobs: list[UUID] = []

_TAKEN = "SELECT id FROM jobs WHERE id = ANY (%s) AND status = 'completed' AND failed = 0 AND warnings = 0"


@schemathesis.check
def bad_items_of_batches_fail(ctx: Any, response: Any, case: Any) -> None:
    if not _BATCHES.search(case.operation.path):
        return
    try:
        negative_data_rejection(ctx, response, case)
    except AcceptedNegativeData:
        if not case.meta.is_negative_at(ParameterLocation.BODY):
            raise
        answer = response.json()
        outcome = answer.get("data", answer)
        if "jobId" in outcome:
            _jobs.append(ids.parse(ids.JOB, outcome["jobId"]))
        elif not outcome["failed"]:
            raise


def taken(pool: Pool) -> list[str]:
    """Return the jobs of bad bodies that have ended with nothing to say of any item; forget all of them."""
    with transaction(pool) as conn:
        found = [ids.spell(ids.JOB, row[0]) for row in conn.execute(_TAKEN, (list(_jobs),))]
    _jobs.clear()
    return found
