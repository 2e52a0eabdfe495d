"""Spans of job groups and of their blocks, where this process traces (docs/how-to/trace-with-opentelemetry.md).

A job group has a span if the request of one of its jobs has; a block, if that of its own job has. Both have one if the
block fails, which is known at its end: hence they may be made late, with the time at which they began.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from ingest.db.jobs.claims import Claim
from ingest.engine.measures import Measure
from ingest.engine.transaction import JobEnded
from ingest.ids import JOB, spell
from ingest.logs import bound_contextvars
from ingest.traces import process
from ingest.traces.traceparent import is_sampled, trace_id

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from ingest.traces.tracer import Tracer


@contextmanager
def of_group(group: Sequence[Claim]) -> Iterator[None]:
    """Have a span for what is run of a job group in this context."""
    tracer = process.tracer()
    if tracer is None:
        yield
        return
    run = _Run(tracer, group)
    token = _RUN.set(run)
    try:
        with bound_contextvars(**run.fields()):
            yield
    finally:
        _RUN.reset(token)
        run.end()


@contextmanager
def of_blocks(group: Sequence[Claim], measure: Measure) -> Iterator[None]:
    """Have a span for each block that a transaction runs in this context; none where other workers have them.

    Args:
        group: the jobs, each with its block.
        measure: measures the transaction.
    """
    run = _RUN.get()
    if run is None:
        yield
        return
    began = time.time_ns()
    try:
        yield
    except JobEnded:
        raise
    except Exception as error:
        run.add_blocks(group, began, measure, type(error).__name__)
        raise
    if measure.committed:
        run.add_blocks(group, began, measure)


class _Run:
    """The run of a job group, with its span from when on it has one.

    Args:
        tracer: of this process.
        group: the jobs that were claimed.
    """

    def __init__(self, tracer: "Tracer", group: Sequence[Claim]) -> None:
        self._tracer, self._group = tracer, group
        self._began = time.time_ns()
        self._items = 0
        self._parents = [claim.job.traceparent for claim in group if claim.job.traceparent is not None]
        self._span: Span | None = None
        # A job that came by no request that traces is in the sample like a request of its own.
        if not self._parents or any(map(is_sampled, self._parents)):
            span = self._start({})
            self._span = span if span.is_recording() else None

    def fields(self) -> dict[str, str]:
        """Return the ids for log lines: those of the span, or the trace of the only job's request."""
        if self._span is not None:
            return self._tracer.fields_of(self._span)
        return {"trace_id": trace_id(self._parents[0])} if len(self._group) == 1 and self._parents else {}

    def add_blocks(self, group: Sequence[Claim], began: int, measure: Measure, error: str | None = None) -> None:
        """Add the spans of a transaction that is over.

        Args:
            group: the jobs, each with its block.
            began: nanoseconds since 1970.
            measure: has measured it.
            error: the type of the error that undid it.
        """
        failed = {} if error is None else {"error.type": error}
        if error is None:
            self._items += sum(claim.block.items for claim in group)
        elif self._span is None:
            self._span = self._start(failed)
        else:
            self._tracer.fail(self._span, error)
        for claim in group if self._span is not None else ():
            kept = claim.job.traceparent
            if error is not None or not self._parents or (kept is not None and is_sampled(kept)):
                self._add_block(claim, began, measure, failed)

    def end(self) -> None:
        """End the span."""
        if self._span is not None:
            self._span.set_attribute("sluice.items", self._items)
            self._span.end()

    def _start(self, failed: dict[str, str]) -> "Span":
        """Start the span: in the trace of the only job's request, or as the root of another one."""
        [first, *others] = self._group
        attributes: dict[str, str | int | bool] = {
            "messaging.system": "sluice",
            "messaging.operation.type": "process",
            "messaging.batch.message_count": len(self._group),
            "sluice.kind": first.job.kind,
            **({} if others else {"sluice.job.id": spell(JOB, first.job.id)}),
            **failed,
        }
        parent = None if others else first.job.traceparent
        return self._tracer.start(
            "process sluice", "CONSUMER", attributes, parent=parent, links=self._parents, began=self._began
        )

    def _add_block(self, claim: Claim, began: int, measure: Measure, failed: dict[str, str]) -> None:
        job, block = claim
        attributes: dict[str, str | int | bool] = {
            "sluice.job.id": spell(JOB, job.id),
            "sluice.block.no": block.no,
            "sluice.block.items": block.items,
            "sluice.block.deliveries": block.deliveries,
            "sluice.block.halved": measure.halved,
            **failed,
        }
        links = [job.traceparent] if len(self._group) > 1 and job.traceparent is not None else []
        span = self._tracer.start("run block", "INTERNAL", attributes, parent=self._span, links=links, began=began)
        for phase, at in measure.laps:
            span.add_event(phase, timestamp=at)
        span.end()


_RUN: ContextVar[_Run | None] = ContextVar("run", default=None)
