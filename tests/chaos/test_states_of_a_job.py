"""Any order of accepting, running, crashing, pausing, cancelling and delivering twice, against a model in memory."""

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import blocks, claims, control, lookup
from ingest.db.jobs.claims import Claim
from ingest.engine.kinds import KINDS, schema_of
from ingest.engine.transaction import JobEnded, run_in_transaction
from ingest.jobs import JobState
from tests.support.factories import accept, entity, event, make_executor, make_tenant

_BLOCK = 3


@dataclass
class Modelled:
    """The model of a job: its events in order, the number of completed blocks, whether it was begun, and its state."""

    events: list[int]
    done: int = 0
    begun: bool = False
    status: JobState = JobState.PENDING

    @property
    def blocks(self) -> int:
        return -(-len(self.events) // _BLOCK)

    @property
    def stands(self) -> bool:
        """True if no worker begins a block of it: it has ended, or is paused."""
        return self.status.ended or self.status is JobState.PAUSED


class Jobs(RuleBasedStateMachine):
    """Its runs share a database, and each has a tenant of its own; the test names both servers."""

    pool: ClassVar[Pool]
    redis_url: ClassVar[str]
    accepted = Bundle("accepted")

    def __init__(self) -> None:
        super().__init__()
        self.executor = make_executor(self.pool, self.redis_url)
        self.jobs: dict[UUID, Modelled] = {}
        self.written: list[int] = []
        self.numbers = 0
        with transaction(self.pool) as conn:
            self.tenant, _ = make_tenant(conn)
            job_id = accept(conn, self.tenant, "entities", [entity(1)])
        self.executor.run(job_id, seconds=60)

    @rule(target=accepted, items=st.integers(1, 3 * _BLOCK))
    def accept(self, items: int) -> UUID:
        numbers = list(range(self.numbers, self.numbers + items))
        self.numbers += items
        batch = [event(1, data={"type": "bet", "amount": number, "currency": "EUR"}) for number in numbers]
        with transaction(self.pool) as conn:
            job_id = accept(conn, self.tenant, "events", batch, block_items=_BLOCK)
        self.jobs[job_id] = Modelled(numbers)
        return job_id

    @rule(job_id=accepted)
    def run_one_block(self, job_id: UUID) -> None:
        self.executor.run(job_id, seconds=-1)
        self._expect_block(job_id)

    @rule(job_id=accepted)
    def run_to_the_end(self, job_id: UUID) -> None:
        self.executor.run(job_id, seconds=60)
        while not self.jobs[job_id].stands:
            self._expect_block(job_id)

    @rule(job_id=accepted)
    def crash_in_a_block(self, job_id: UUID) -> None:
        self._begin(job_id)
        with transaction(self.pool) as conn:
            self._write_a_block(conn, job_id)
            conn.rollback()

    @rule(job_id=accepted)
    def deliver_twice_at_once(self, job_id: UUID) -> None:
        self._begin(job_id)
        with transaction(self.pool) as conn:
            if self._write_a_block(conn, job_id):
                # The other one finds the block held, and leaves without a trace.
                self.executor.run(job_id, seconds=60)
                self._expect_block(job_id)

    @rule(job_id=accepted)
    def cancel_beside_a_block(self, job_id: UUID) -> None:
        self._begin(job_id)
        if self.jobs[job_id].stands:
            return
        with pytest.raises(JobEnded), transaction(self.pool) as conn:
            self._cancel_and_write(conn, job_id)
        self.jobs[job_id].status = JobState.CANCELLED

    @rule(job_id=accepted)
    def cancel(self, job_id: UUID) -> None:
        with transaction(self.pool) as conn:
            assert control.cancel(conn, job_id) is not self.jobs[job_id].status.ended
        if not self.jobs[job_id].status.ended:
            self.jobs[job_id].status = JobState.CANCELLED

    @rule(job_id=accepted)
    def pause(self, job_id: UUID) -> None:
        with transaction(self.pool) as conn:
            assert bool(control.pause(conn, job_id)) is not self.jobs[job_id].stands
        if not self.jobs[job_id].stands:
            self.jobs[job_id].status = JobState.PAUSED

    @rule(job_id=accepted)
    def pause_beside_a_block(self, job_id: UUID) -> None:
        self._begin(job_id)
        if self.jobs[job_id].stands:
            return
        with transaction(self.pool) as conn:
            with transaction(self.pool) as other:
                assert control.pause(other, job_id)
            assert self._write_a_block(conn, job_id)
        self._expect_block(job_id)
        if not self.jobs[job_id].stands:
            self.jobs[job_id].status = JobState.PAUSED

    @rule(job_id=accepted)
    def resume(self, job_id: UUID) -> None:
        modelled = self.jobs[job_id]
        with transaction(self.pool) as conn:
            assert control.resume(conn, job_id) is (modelled.status is JobState.PAUSED)
        if modelled.status is JobState.PAUSED:
            modelled.status = JobState.PROCESSING if modelled.begun else JobState.PENDING

    @invariant()
    def every_job_stands_as_it_must(self) -> None:
        with transaction(self.pool) as conn:
            for job_id, modelled in self.jobs.items():
                job = lookup.get(conn, job_id)
                assert job is not None
                assert job.status is modelled.status
                done = min(modelled.done * _BLOCK, len(modelled.events))
                assert Counter({effect: count for effect, count in job.effects.items() if count}) == Counter(
                    {name: count for name, count in (("created", done), ("unprocessed", job.total - done)) if count}
                )

    @invariant()
    def every_event_stands_once_and_in_order(self) -> None:
        query = "SELECT (properties ->> 'amount')::int FROM events WHERE tenant_id = %s ORDER BY id"
        with transaction(self.pool) as conn:
            assert [row[0] for row in conn.execute(query, (self.tenant.id,))] == self.written

    def _begin(self, job_id: UUID) -> None:
        with transaction(self.pool) as conn:
            begun = claims.claim(conn, job_id)
        modelled = self.jobs[job_id]
        assert (not begun) is modelled.stands
        if begun:
            modelled.status, modelled.begun = JobState.PROCESSING, True

    def _write_a_block(self, conn: Connection, job_id: UUID) -> bool:
        job, block = lookup.get(conn, job_id), blocks.next_open(conn, job_id)
        if job is None or block is None or self.jobs[job_id].stands:
            return False
        schema = schema_of(KINDS[job.kind], self.executor.runner.blocks.template_cache.get(conn, job.template_id))
        return run_in_transaction(conn, [Claim(job, block)], schema, keys=self.executor.runner.blocks.keys) is not None

    def _expect_block(self, job_id: UUID) -> None:
        modelled = self.jobs[job_id]
        if modelled.stands:
            return
        start = modelled.done * _BLOCK
        self.written += modelled.events[start : start + _BLOCK]
        modelled.done += 1
        modelled.begun = True
        modelled.status = JobState.COMPLETED if modelled.done == modelled.blocks else JobState.PROCESSING

    def _cancel_and_write(self, conn: Connection, job_id: UUID) -> None:
        with transaction(self.pool) as other:
            assert control.cancel(other, job_id)
        self._write_a_block(conn, job_id)


def test_no_order_of_events_breaks_a_promise(pool: Pool, redis_url: str) -> None:
    run_state_machine_as_test(
        type("BoundJobs", (Jobs,), {"pool": pool, "redis_url": redis_url}),
        settings=settings(
            max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
