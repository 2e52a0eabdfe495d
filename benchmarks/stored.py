"""Jobs that are stored before the clock starts, and run in this process by the executor that workers run."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import Any
from uuid import UUID

import msgspec

from benchmarks.database import Database
from benchmarks.measure import Clock, timed
from ingest.db.connection.pool import transaction
from ingest.db.jobs import acceptance
from ingest.db.jobs.acceptance import NewJob
from ingest.engine.executor import Executor
from ingest.engine.kinds import KINDS
from ingest.ids import uuid7
from ingest.intake.blocks import Block, cut
from ingest.jobs import Effect, JobState
from ingest.notify.listener import Listener

_SECONDS = 3_600.0  # no job here is left half done for others


def blocks_of(kind: str, items: Sequence[Any], *, block_items: int | None = None) -> list[Block]:
    """A batch as the API cuts it, whatever the limit of one request."""
    return cut(msgspec.json.encode(items), limit=len(items), block_items=block_items or KINDS[kind].block_items)


def store(
    database: Database,
    kind: str,
    batches: Iterable[list[Block]],
    *,
    merge: bool = False,
    traceparents: Iterable[str | None] = repeat(None),
) -> list[UUID]:
    """A job a batch, each in a transaction of its own, as requests store them."""
    ids = []
    for blocks, traceparent in zip(batches, traceparents, strict=False):
        with transaction(database.pool) as conn:
            job = NewJob(
                id=uuid7(),
                tenant_id=database.tenant.id,
                kind=kind,
                merge=merge,
                template_id=database.tenant.template_id,
                after_job_id=None,
                request_id="bench",
                awaited=False,
                traceparent=traceparent,
            )
            acceptance.accept(conn, job, blocks)
        ids.append(job.id)
    return ids


class _NotListening(Listener):
    """Waits for no further jobs: the measurement ends with the last one."""

    @contextmanager
    def listening(self) -> Iterator[None]:
        yield

    def wait(self) -> bool:
        return False


def run_all(executor: Executor) -> Clock:
    """Run all queued jobs, as a woken worker does."""
    listener = _NotListening("unix:///nobody")
    with timed() as clock:
        executor.serve(None, listener, seconds=_SECONDS)
    return clock


_SUMS = f"""
SELECT bool_and(status = %s), {", ".join(f"sum({effect.value})::bigint" for effect in Effect)}
FROM jobs WHERE id = ANY(%s)
"""


def expect(database: Database, ids: list[UUID], **effects: int) -> None:
    """Stop here unless every job is completed and its items had just these effects, and no others."""
    names = [effect.value for effect in Effect]
    completed, *sums = database.admin.execute(_SUMS, (JobState.COMPLETED.value, ids)).fetchone()
    found = {name: count for name, count in zip(names, sums, strict=True) if count}
    if not completed or found != {name: count for name, count in effects.items() if count}:
        raise RuntimeError(f"jobs completed: {completed}; effects {found}, and they should be {effects}")
