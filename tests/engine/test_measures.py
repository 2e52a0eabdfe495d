"""The metrics of jobs count what was committed, and once; they are those of a worker, in this process."""

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from ingest.engine.executor import Executor
from ingest.jobs import JobOptions
from ingest.metrics import process
from tests.support.factories import entity

Submit = Callable[..., UUID]


@pytest.fixture
def registry() -> Iterator[CollectorRegistry]:
    """Have this process count for the time of the test."""
    yield process.begin_alone("worker")
    process.end()


def _counted(registry: CollectorRegistry, metric: str, label: str) -> dict[str, float]:
    """The samples of a metric by one of its labels, of entities."""
    return {
        sample.labels[label]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == metric and sample.labels["kind"] == "entities"
    }


def test_items_errors_and_blocks_are_counted_by_their_outcome(
    submit: Submit, executor: Executor, registry: CollectorRegistry
) -> None:
    executor.run(submit("entities", [entity(1), entity(2), entity(3, entityType="none")], block_items=2), seconds=60)
    assert _counted(registry, "sluice_items_total", "effect") == {"created": 2.0, "failed": 1.0}
    assert _counted(registry, "sluice_item_errors_total", "code") == {"VALIDATION_FAILED": 1.0}
    assert _counted(registry, "sluice_blocks_total", "outcome") == {"done": 2.0}
    assert _counted(registry, "sluice_jobs_ended_total", "status") == {"completed": 1.0}
    phases = {"read", "check", "write", "close", "commit"}
    assert _counted(registry, "sluice_block_duration_seconds_count", "phase") == dict.fromkeys(phases, 2.0)


def test_an_aborted_atomic_job_counts_its_bad_items_alone(
    submit: Submit, executor: Executor, registry: CollectorRegistry
) -> None:
    items = [entity(1), entity(2, entityType="none")]
    executor.run(submit("entities", items, options=JobOptions(atomic=True)), seconds=60)
    assert _counted(registry, "sluice_items_total", "effect") == {"failed": 1.0}
    assert _counted(registry, "sluice_jobs_ended_total", "status") == {"failed": 1.0}


def test_a_job_that_only_validates_moves_no_items(
    submit: Submit, executor: Executor, registry: CollectorRegistry
) -> None:
    executor.run(submit("entities", [entity(1)], options=JobOptions(validate_only=True)), seconds=60)
    assert _counted(registry, "sluice_items_total", "effect") == {}
    assert _counted(registry, "sluice_blocks_total", "outcome") == {"done": 1.0}


def test_a_process_that_has_stopped_counting_counts_no_more(
    submit: Submit, executor: Executor, registry: CollectorRegistry
) -> None:
    process.end()
    executor.run(submit("entities", [entity(1)]), seconds=60)
    assert _counted(registry, "sluice_items_total", "effect") == {}
