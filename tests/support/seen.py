"""Views of a job and its events from a second connection, beside the tested one."""

from typing import Any
from uuid import UUID

from ingest.db.connection.pool import Connection
from ingest.db.jobs import lookup
from ingest.engine.executor import Executor
from ingest.jobs import Effect, Job, JobState
from tests.support.factories import event


def job_of(conn: Connection, job_id: UUID) -> Job:
    job = lookup.get(conn, job_id)
    assert job is not None
    return job


def effect_counts(conn: Connection, job_id: UUID) -> dict[Effect, int]:
    return {effect: count for effect, count in job_of(conn, job_id).effects.items() if count}


def finish(executor: Executor, conn: Connection, job_id: UUID) -> None:
    """Deliver the job until it has ended: a session that was lost may hold its block for some moments more."""
    while not job_of(conn, job_id).status.ended:
        executor.run(job_id, seconds=60)
    assert job_of(conn, job_id).status is JobState.COMPLETED


def numbers(conn: Connection) -> list[int]:
    """The `amount` of every event that is stored, in the order of their ids."""
    return [int(str(n)) for (n,) in conn.execute("SELECT properties ->> 'amount' FROM events ORDER BY id")]


def deposits(count: int) -> list[dict[str, Any]]:
    return [event(n % 10, data={"type": "deposit", "amount": n, "currency": "EUR"}) for n in range(count)]
