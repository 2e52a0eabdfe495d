"""kill -9 between any two steps of a job, at any of its blocks, loses nothing and doubles nothing."""

from uuid import UUID

import pytest

from ingest.ids import JOB, spell
from ingest.notify.job_end import JobEndSignal
from tests.chaos.deliveries import assert_killed, deliver
from tests.chaos.deployment import Deployment
from tests.chaos.duration import LONG, only_long
from tests.chaos.invariants import check_invariants

BLOCKS = 3  # a first, a middle, a last

_OF_A_JOB = ("job.begun", "job.ended")
_OF_A_BLOCK = ("block.read", "block.locked", "block.checked", "block.written", "block.closed", "block.committed")


def end_well(deployment: Deployment) -> None:
    """Start what was not running, and hold everything against the model."""
    worker = deployment.worker(until_ready=False)
    deployment.sweep()
    worker.until_line("ready.")
    check_invariants(deployment)


def test_kill_9_at_each_block_of_a_job_loses_and_doubles_nothing(deployment: Deployment) -> None:
    points = _OF_A_BLOCK if LONG else _OF_A_BLOCK[2:]
    stored = {
        point: [deployment.store_blocks(deployment.ready_client(), BLOCKS) for _ in range(BLOCKS)] for point in points
    }
    witness = deployment.witness()
    for point, jobs in stored.items():
        # No worker yet: each of these is at its own job until it is killed, and no worker runs that before.
        deliveries = [deliver(deployment, job_id, f"{point}:{number}") for number, job_id in enumerate(jobs, start=1)]
        for delivery in deliveries:
            assert_killed(delivery)
        done = [number if point == "block.committed" else number - 1 for number in range(1, BLOCKS + 1)]
        assert [witness.blocks_done(job_id) for job_id in jobs] == done, point
    end_well(deployment)


@pytest.mark.parametrize("point", ["job.begun", "block.written", "block.committed"])
def test_kill_9_in_a_further_job_of_a_worker_loses_and_doubles_nothing(deployment: Deployment, point: str) -> None:
    jobs = [deployment.store_blocks(deployment.ready_client(), BLOCKS) for _ in range(3)]
    passings = 2 if point == "job.begun" else BLOCKS + 2
    assert_killed(deliver(deployment, jobs[0], f"{point}:{passings}"))
    in_the_second = {"job.begun": 0, "block.written": 1, "block.committed": 2}[point]
    witness = deployment.witness()
    assert [witness.blocks_done(job_id) for job_id in jobs] == [BLOCKS, in_the_second, 0]
    end_well(deployment)


@pytest.mark.parametrize(
    "point",
    [
        "job.begun",
        pytest.param("block.locked", marks=only_long),
        pytest.param("block.checked", marks=only_long),
        "block.written",
        pytest.param("block.closed", marks=only_long),
        "block.committed",
        "job.ended",
    ],
)
def test_kill_9_in_a_group_of_jobs_loses_and_doubles_nothing(deployment: Deployment, point: str) -> None:
    jobs = [deployment.store_blocks(deployment.ready_client(), 1) for _ in range(4)]
    # Its own job comes first, by itself; then the other three in one transaction.
    assert_killed(deliver(deployment, jobs[0], f"{point}:{3 if point == 'job.ended' else 2}"))
    done = 1 if point in {"block.committed", "job.ended"} else 0
    assert [deployment.witness().blocks_done(job_id) for job_id in jobs] == [1, done, done, done]
    end_well(deployment)


def test_kill_9_at_the_begin_or_the_end_of_a_job_loses_and_doubles_nothing(deployment: Deployment) -> None:
    for point in _OF_A_JOB:
        client = deployment.ready_client()
        job_id, _its_successor = deployment.store_blocks(client, BLOCKS), deployment.store_blocks(client, BLOCKS)
        assert_killed(deliver(deployment, job_id, f"{point}:1"))
    end_well(deployment)


def store_atomic(deployment: Deployment, *, bad: bool) -> UUID:
    """An atomic job of events of three blocks, the last of which has a bad item, or none has."""
    client = deployment.ready_client()
    batch = client.batch("events", items=BLOCKS * 50)
    good = [item for item in batch.items if item["externalId"] != client.entity(-1)]
    batch.items[:] = [*good, {**good[-1], "externalId": client.entity(-1)}] if bad else good
    batch.atomic = True
    return deployment.store(client, batch, block_items=len(batch.items) // BLOCKS + 1)


_OF_AN_ATOMIC_JOB = (
    ("block.locked:1", False),
    ("block.checked:2", False),
    ("block.written:3", False),
    ("block.closed:1", False),
    ("block.committed:1", False),
    ("block.written:3", True),
    ("atomic.rolled_back:1", True),
    ("block.closed:1", True),
    ("block.committed:1", True),
)


def test_kill_9_in_an_atomic_job_writes_all_of_it_or_nothing(deployment: Deployment) -> None:
    witness, written = deployment.witness(), 0
    for point, bad in _OF_AN_ATOMIC_JOB if LONG else _OF_AN_ATOMIC_JOB[1:]:
        job_id = store_atomic(deployment, bad=bad)
        assert_killed(deliver(deployment, job_id, point))
        done = BLOCKS if point.startswith("block.committed") and not bad else 0
        assert witness.blocks_done(job_id) == done, (point, bad)
        before, written = written, witness.one("SELECT count(*) FROM events")
        assert (written > before) is (done > 0), (point, bad)
    end_well(deployment)


_WAIT_SECONDS = 30  # of a request that prefers to wait: the longest


@pytest.mark.parametrize("point", ["block.committed", "job.ended"])
def test_the_end_of_a_job_whose_worker_died_before_it_told_is_announced_by_sweep(
    deployment: Deployment, point: str
) -> None:
    job_id = deployment.store_blocks(deployment.ready_client(), 1, awaited=True)
    assert_killed(deliver(deployment, job_id, f"{point}:1"))
    assert deployment.witness().blocks_done(job_id) == 1
    # As the request does it. It also reads the job now and then, so its answer alone would not tell what woke it.
    request = JobEndSignal(deployment.settings.redis_url)
    sweep = deployment.sweep()
    time_was_up = request.wait(job_id, _WAIT_SECONDS)
    assert not time_was_up
    sweep.until_line(spell(JOB, job_id))
    check_invariants(deployment)
