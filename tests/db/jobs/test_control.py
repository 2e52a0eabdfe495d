"""Jobs are cancelled, paused, resumed and relabelled in any state, and told what became of it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection
from ingest.db.jobs import claims, completion, control, failures, rescue, timeline
from ingest.db.jobs.completion import BlockOutcome
from ingest.db.tenants.tenants import Tenant
from ingest.jobs import Effect, JobOptions, JobState
from tests.support.factories import accept, entity
from tests.support.seen import effect_counts, job_of

_Steer = Callable[[Connection, UUID], object]


def begun(conn: Connection, tenant: Tenant, **overrides: Any) -> UUID:
    """A job of two blocks, the first of which is closed."""
    job_id = accept(conn, tenant, "entities", [entity(1), entity(2)], block_items=1, **overrides)
    assert claims.claim(conn, job_id)
    close(conn, job_id, 0)
    return job_id


def close(conn: Connection, job_id: UUID, no: int, effect: Effect = Effect.CREATED) -> JobState | None:
    advanced = completion.close_blocks(conn, [BlockOutcome(job_id, no, {effect: 1})])
    return advanced[job_id].state if advanced else None


def told(conn: Connection, job_id: UUID) -> list[tuple[str, str | None]]:
    return [(entry.what, entry.actor) for entry in timeline.page(conn, job_id, limit=100)]


_STATES: dict[str, Callable[[Connection, Tenant], UUID]] = {
    "pending": lambda conn, tenant: accept(conn, tenant, "entities", [entity(1)]),
    "processing": begun,
}


@pytest.mark.parametrize("state", _STATES)
def test_a_paused_job_is_claimed_by_nobody_until_it_is_resumed_to_where_it_was(
    conn: Connection, tenant: Tenant, state: str
) -> None:
    job_id = _STATES[state](conn, tenant)
    assert control.pause(conn, job_id, actor="key") == [job_id]
    assert job_of(conn, job_id).status is JobState.PAUSED
    assert claims.claim(conn, job_id) == claims.claim_next(conn) == claims.heads(conn) == []
    assert control.resume(conn, job_id, actor="key")
    assert job_of(conn, job_id).status == state
    assert [claim.job.id for claim in claims.claim_next(conn)] == [job_id]


@pytest.mark.parametrize("state", [*_STATES, "paused"])
def test_an_open_job_is_cancelled_in_any_state_and_what_it_did_stays(
    conn: Connection, tenant: Tenant, state: str
) -> None:
    job_id = _STATES.get(state, begun)(conn, tenant)
    if state == "paused":
        control.pause(conn, job_id)
    done = effect_counts(conn, job_id)
    assert control.cancel(conn, job_id, actor="key")
    assert (job_of(conn, job_id).status, effect_counts(conn, job_id)) == (JobState.CANCELLED, done)
    assert conn.execute("SELECT job_id FROM job_ends").fetchall() == [(job_id,)]
    assert told(conn, job_id)[-1] == ("cancelled", "key")


_STEER: dict[str, _Steer] = {"cancel": control.cancel, "pause": control.pause, "resume": control.resume}


@pytest.mark.parametrize("steer", _STEER)
def test_what_is_asked_twice_is_done_once(conn: Connection, tenant: Tenant, steer: str) -> None:
    job_id = begun(conn, tenant)
    if steer == "resume":
        control.pause(conn, job_id)
    assert _STEER[steer](conn, job_id)
    before = told(conn, job_id)
    assert not _STEER[steer](conn, job_id)
    assert told(conn, job_id) == before


@pytest.mark.parametrize("steer", _STEER)
@pytest.mark.parametrize("end", [control.cancel, lambda conn, job_id: control.fail(conn, job_id, "X", "x")])
def test_an_ended_job_stays_as_it_is(conn: Connection, tenant: Tenant, steer: str, end: _Steer) -> None:
    job_id = begun(conn, tenant)
    end(conn, job_id)
    ended = job_of(conn, job_id)
    assert not _STEER[steer](conn, job_id)
    assert job_of(conn, job_id) == ended


def test_a_block_under_way_is_counted_and_leaves_its_job_paused(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", [entity(1), entity(2)], block_items=1)
    assert claims.claim(conn, job_id)
    control.pause(conn, job_id)
    assert close(conn, job_id, 0) is JobState.PAUSED
    assert effect_counts(conn, job_id) == {Effect.CREATED: 1, Effect.UNPROCESSED: 1}


@pytest.mark.parametrize(
    ("options", "effect", "state", "entry"),
    [
        (JobOptions(), Effect.CREATED, JobState.COMPLETED, "completed"),
        (JobOptions(max_errors=0), Effect.FAILED, JobState.FAILED, "failed"),
    ],
)
def test_the_last_block_under_way_ends_a_paused_job(
    conn: Connection, tenant: Tenant, options: JobOptions, effect: Effect, state: JobState, entry: str
) -> None:
    job_id = begun(conn, tenant, options=options)
    control.pause(conn, job_id, actor="key")
    assert close(conn, job_id, 1, effect) is state
    assert told(conn, job_id) == [("accepted", None), ("begun", None), ("paused", "key"), (entry, None)]
    assert conn.execute("SELECT job_id FROM job_ends").fetchall() == [(job_id,)]


def test_a_paused_job_past_its_deadline_fails(conn: Connection, tenant: Tenant) -> None:
    job_id = begun(conn, tenant, options=JobOptions(deadline_seconds=60))
    control.pause(conn, job_id)
    assert failures.fail_late(conn) == []
    conn.execute("UPDATE jobs SET deadline_at = now()")
    assert failures.fail_late(conn) == [job_id]
    assert told(conn, job_id)[-1] == ("failed", "sweeper")


def _tried(conn: Connection, job_id: UUID) -> None:
    """Let a job have been tried without progress for two hours."""
    conn.execute("UPDATE job_blocks SET deliveries = 5 WHERE job_id = %s", (job_id,))
    conn.execute("UPDATE jobs SET check_at = now() - interval '1 hour', progressed_at = now() - interval '2 hours'")


def test_time_in_which_a_job_is_paused_fails_it_neither_then_nor_later(conn: Connection, tenant: Tenant) -> None:
    job_id = begun(conn, tenant)
    control.pause(conn, job_id)
    _tried(conn, job_id)
    assert failures.fail_stuck(conn, seconds=3600) == rescue.check_due_jobs(conn, heads=[job_id], limit=9) == []
    control.resume(conn, job_id)
    assert failures.fail_stuck(conn, seconds=3600) == []


def test_a_resumed_job_goes_before_those_that_came_after_it(conn: Connection, tenant: Tenant) -> None:
    first, second = (accept(conn, tenant, "entities", [entity(n), entity(9)], block_items=1) for n in (1, 2))
    control.pause(conn, first)
    assert [claim.job.id for claim in claims.claim_next(conn)] == [second], "a paused job is not waited for"
    control.resume(conn, first)
    close(conn, second, 0)
    assert claims.claim(conn, second) == []
    assert [claim.job.id for claim in claims.claim_next(conn)] == [first]


def test_blocks_of_an_unordered_job_go_on_where_they_stopped(conn: Connection, tenant: Tenant) -> None:
    items = [entity(number) for number in range(4)]
    job_id = accept(conn, tenant, "entities", items, block_items=1, ordered=False)
    under_way = [claims.claim_next(conn)[0].block.no for _ in range(2)]
    control.pause(conn, job_id)
    assert [close(conn, job_id, no) for no in under_way] == [JobState.PAUSED] * 2
    assert claims.claim_next(conn) == []
    control.resume(conn, job_id)
    left = [claims.claim_next(conn)[0].block.no for _ in range(2)]
    assert sorted(under_way + left) == [0, 1, 2, 3]
    assert [close(conn, job_id, no) for no in left] == [JobState.PROCESSING, JobState.COMPLETED]


@pytest.mark.parametrize("before", [None, JobOptions(label="old"), JobOptions(label="old", max_errors=3)])
@pytest.mark.parametrize("label", [None, "new"])
def test_a_label_is_given_changed_and_taken_away_and_nothing_else(
    conn: Connection, tenant: Tenant, before: JobOptions | None, label: str | None
) -> None:
    options = before or JobOptions()
    job_id = accept(conn, tenant, "entities", [entity(1)], options=options)
    assert control.relabel(conn, job_id, label, actor="key") is (label != options.label)
    found = job_of(conn, job_id).options
    assert (found.label, found.max_errors) == (label, options.max_errors)
    assert conn.execute("SELECT FROM jobs WHERE options = '{}'").rowcount == 0
    assert not control.relabel(conn, job_id, label, actor="key")


def test_an_ended_job_may_have_another_label(conn: Connection, tenant: Tenant) -> None:
    job_id = begun(conn, tenant)
    control.cancel(conn, job_id)
    assert control.relabel(conn, job_id, "seen", actor="key")
    [*_, entry] = timeline.page(conn, job_id, limit=9)
    assert (entry.what, entry.actor, entry.detail) == ("relabelled", "key", "seen")


def test_a_full_timeline_records_a_cancellation_and_nothing_else(conn: Connection, tenant: Tenant) -> None:
    job_id = begun(conn, tenant)
    conn.execute(
        "INSERT INTO job_timeline (job_id, what) SELECT %s, 'paused' FROM generate_series(2, %s)",
        (job_id, timeline.MOST_ENTRIES),
    )
    entries = "SELECT what FROM job_timeline ORDER BY at DESC, no DESC LIMIT 1"
    assert control.relabel(conn, job_id, "last")
    assert conn.execute(entries).fetchall() == [("relabelled",)], "there was room for one"
    assert control.pause(conn, job_id) == [job_id]
    assert control.resume(conn, job_id)
    assert control.relabel(conn, job_id, "other")
    assert (job_of(conn, job_id).status, job_of(conn, job_id).options.label) == (JobState.PROCESSING, "other")
    assert conn.execute("SELECT count(*) FROM job_timeline").fetchall() == [(timeline.MOST_ENTRIES,)]
    assert control.cancel(conn, job_id)
    assert conn.execute(entries).fetchall() == [("cancelled",)]


@pytest.mark.parametrize("end", ["cancelled", "failed"])
def test_the_payload_of_what_was_not_done_stays_with_an_ended_job(conn: Connection, tenant: Tenant, end: str) -> None:
    job_id = begun(conn, tenant)
    if end == "cancelled":
        control.cancel(conn, job_id)
    else:
        control.fail(conn, job_id, "X", "x")
    kept = conn.execute("SELECT no, open, payload <> '' FROM job_blocks ORDER BY no").fetchall()
    assert kept == [(0, False, False), (1, True, True)]
