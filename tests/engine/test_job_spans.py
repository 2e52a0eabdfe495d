"""Spans of job groups outside the sample, in this process; tests/worker/test_traces.py has those of real processes."""

import logging
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import claims
from ingest.engine.executor import Executor
from ingest.ids import JOB, spell
from ingest.traces import process
from tests.support.factories import entity
from tests.support.otlp import Spans, receiving_spans
from tests.support.processes import free_port

_TRACE = "0af7651916cd43dd8448eb211c80319c"
_SAMPLED, _UNSAMPLED = f"00-{_TRACE}-b7ad6b7169203331-03", f"00-{'1' * 32}-{'2' * 16}-02"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    """Have this process trace errors alone, and what is in the sample of others."""
    with receiving_spans() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.endpoint)
        process.begin("worker", 0)
        yield received
        process.end()


def test_only_the_blocks_whose_requests_are_in_the_sample_have_spans(
    spans: Spans, submit: Callable[..., UUID], executor: Executor
) -> None:
    wanted, *_ = [submit("entities", [entity(1)], traceparent=kept) for kept in (_SAMPLED, _UNSAMPLED, None)]
    executor.run_claimed(executor.runner.claim(claims.claim_next) or [], 0, fair=False)
    process.end()
    [block] = [span for span in spans.all() if span.name == "run block"]
    [group] = [span for span in spans.all() if span.name == "process sluice"]
    assert block.attributes["sluice.job.id"] == spell(JOB, wanted)
    assert (block.parent, block.links) == (group.id, [(_TRACE, "b7ad6b7169203331")])
    assert (group.attributes["sluice.items"], len(group.links)) == (3, 2)


def test_a_job_outside_the_sample_has_no_span(spans: Spans, submit: Callable[..., UUID], executor: Executor) -> None:
    for kept in (_UNSAMPLED, None):
        executor.run(submit("entities", [entity(1)], traceparent=kept), seconds=60)
    process.end()
    assert spans.all() == []


def test_a_block_that_fails_has_a_span_outside_the_sample_too(
    spans: Spans, submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("entities", [entity(1)], traceparent=_UNSAMPLED)
    observer.execute("UPDATE job_blocks SET payload = 'no payload' WHERE job_id = %s", (job_id,))
    executor.run(job_id, seconds=60)
    process.end()
    [block, group] = spans.all()
    assert block.failed
    assert group.failed
    assert (block.attributes["error.type"], block.attributes["sluice.job.id"]) == ("JobUnrunnable", spell(JOB, job_id))
    assert [block.parent, block.trace, group.trace, group.parent] == [group.id, "1" * 32, "1" * 32, "2" * 16]


def test_a_receiver_that_is_away_costs_a_warning_and_nothing_else(
    submit: Callable[..., UUID],
    executor: Executor,
    pool: Pool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
    caplog.set_level(logging.DEBUG)
    process.begin("worker", 1)
    jobs = [submit("entities", [entity(number)]) for number in range(3)]
    for job_id in jobs:
        executor.run(job_id, seconds=60)
    process.end()
    with transaction(pool) as conn:
        [row] = conn.execute("SELECT count(*) FROM jobs WHERE status = 'completed' AND id = ANY (%s)", (jobs,))
    assert row == (len(jobs),)
    assert capsys.readouterr().out.count("traces_not_sent") == 1
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]
