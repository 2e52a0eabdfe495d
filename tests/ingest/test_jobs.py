from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.ids import uuid7
from ingest.jobs import Effect, Job, JobState

_START = datetime(2026, 4, 6, 12, tzinfo=UTC)


def a_job(effects: dict[Effect, int], **overrides: Any) -> Job:
    values: dict[str, Any] = {
        "id": uuid7(),
        "tenant_id": 1,
        "kind": "entities",
        "merge": False,
        "template_id": 1,
        "after_job_id": None,
        "after_any": False,
        "ordered": True,
        "request_id": "r",
        "awaited": False,
        "status": JobState.PROCESSING,
        "total": sum(effects.values()),
        "effects": {effect: effects.get(effect, 0) for effect in Effect},
        "attempts": 1,
        "error_code": None,
        "error_message": None,
        "created_at": _START,
        "started_at": _START,
        "progressed_at": _START,
        "ended_at": None,
    }
    return Job(**{**values, **overrides})


@pytest.mark.parametrize(
    ("done", "left", "progress"),
    [(0, 1, 0), (1, 199, 0), (1, 99, 1), (1, 2, 33), (2, 1, 66), (199, 1, 99), (4_999, 1, 99)],
)
def test_progress_is_a_whole_percent_rounded_down(done: int, left: int, progress: int) -> None:
    assert a_job({Effect.CREATED: done, Effect.UNPROCESSED: left}).progress == progress


@given(done=st.integers(0, 100_000), left=st.integers(1, 100_000))
def test_progress_is_never_100_before_all_is_done(done: int, left: int) -> None:
    assert a_job({Effect.FAILED: done, Effect.UNPROCESSED: left}).progress < 100
    assert a_job({Effect.FAILED: done + left}).progress == 100


@given(counts=st.lists(st.integers(0, 5_000), min_size=2, max_size=30))
def test_progress_never_falls(counts: list[int]) -> None:
    total = sum(counts) + 1
    seen = [
        a_job({Effect.UPDATED: done, Effect.UNPROCESSED: total - done}).progress
        for done in (sum(counts[:place]) for place in range(len(counts)))
    ]
    assert seen == sorted(seen)


def test_what_was_refused_is_processed_and_did_not_succeed() -> None:
    job = a_job(dict(zip(Effect, (1, 2, 3, 4, 5, 6), strict=True)))
    assert (job.total, job.processed, job.succeeded) == (21, 15, 10)


def test_the_rate_is_of_the_time_from_begin_to_the_last_progress() -> None:
    job = a_job({Effect.CREATED: 300, Effect.UNPROCESSED: 100}, progressed_at=_START + timedelta(seconds=2))
    assert job.rate == 150
    assert job.eta_seconds == pytest.approx(100 / 150)


@pytest.mark.parametrize(
    "job",
    [
        a_job({Effect.UNPROCESSED: 5}, status=JobState.PENDING, started_at=None),
        a_job({Effect.UNPROCESSED: 5}),
        a_job({Effect.CREATED: 1, Effect.UNPROCESSED: 4}),
        a_job({Effect.CREATED: 1, Effect.UNPROCESSED: 4}, progressed_at=_START - timedelta(seconds=1)),
    ],
    ids=["pending", "begun", "no time has passed", "the clock was set back"],
)
def test_nothing_is_said_of_the_rate_before_there_is_one(job: Job) -> None:
    assert job.rate is None
    assert job.eta_seconds is None


@pytest.mark.parametrize("status", [JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED])
def test_a_job_that_has_ended_needs_no_more_time(status: JobState) -> None:
    assert status.ended
    assert a_job({Effect.UNPROCESSED: 5}, status=status).eta_seconds == 0


def test_a_job_that_is_pending_or_processing_has_not_ended() -> None:
    assert not JobState.PENDING.ended
    assert not JobState.PROCESSING.ended


def test_every_state_has_its_sentence() -> None:
    assert all(f"{state.name}: " in (JobState.__doc__ or "") for state in JobState)
    assert all(f"{effect.name}: " in (Effect.__doc__ or "") for effect in Effect)


@pytest.mark.parametrize("closed", range(1, 10))
def test_on_steady_load_the_time_that_is_left_is_told_from_a_tenth_on(closed: int) -> None:
    seconds_a_block = 2
    effects = {Effect.CREATED: closed * 1_000, Effect.UNPROCESSED: (10 - closed) * 1_000}
    job = a_job(effects, progressed_at=_START + timedelta(seconds=closed * seconds_a_block))
    assert job.eta_seconds == pytest.approx((10 - closed) * seconds_a_block, rel=0.3)


def test_a_job_has_finished_in_the_time_from_its_acceptance_to_its_end() -> None:
    job = a_job({Effect.CREATED: 1}, created_at=_START, ended_at=_START + timedelta(seconds=7))
    assert job.finished_in_seconds == 7
    assert a_job({Effect.UNPROCESSED: 1}).finished_in_seconds is None
