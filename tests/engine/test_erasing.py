"""An erasure goes on in passes until it finds nothing more, whatever jobs do between its transactions."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest

from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import clear_items, control, kept, lookup
from ingest.db.tenants.tenants import Tenant
from ingest.engine.children import child_of, commit
from ingest.engine.erasing import MOST_PASSES, Eraser, Erasure, Held
from ingest.engine.executor import Executor
from ingest.engine.retries import retry
from ingest.engine.selection import FAILED, Wish
from ingest.ids import JOB, UPLOAD, spell, uuid7
from ingest.jobs import JobOptions
from tests.support.factories import MASTER_KEYS, accept_failed, entity, make_sealer, new_upload, store_part

Submit = Callable[..., UUID]

# Of an object, so that its text is kept in the clear, and found by a search of its own.
BAD = {"type": "Lead", "id": "player_000001", "properties": ["no object"]}
_ALIVE = "SELECT FROM entities WHERE deleted_at IS NULL AND external_id = 'player_000001'"
_TEXTS = "SELECT FROM job_errors WHERE item IS NOT NULL"


Acts = dict[str, Callable[[], object]]


class Erasing:
    """Erases player_000001, and acts between two transactions: once, after the first whose entry begins so.

    Attributes:
        entries: what the audit log is told.
    """

    def __init__(self, pool: Pool, tenant: Tenant) -> None:
        self._pool, self._tenant = pool, tenant
        self._acts: Acts = {}
        self._told: Mapping[str, Any] = {}
        self.entries: list[Mapping[str, Any]] = []

    def __call__(self, acts: Acts) -> Erasure:
        self._acts = acts
        keys = MasterKeys.parse(MASTER_KEYS)
        return Eraser(self._lend, self._tenant.id, "player_000001", keys, self._record).erase()

    def _record(self, _conn: Connection, details: Mapping[str, Any]) -> None:
        self._told = details
        self.entries.append(details)

    @contextmanager
    def _lend(self) -> Iterator[Connection]:
        with transaction(self._pool) as conn:
            yield conn
        told, self._told = self._told, {}
        act = self._acts.pop(next(iter(told), ""), None)
        if act is not None:
            act()


@pytest.fixture
def erasing(pool: Pool, owner: Tenant) -> Erasing:
    return Erasing(pool, owner)


@pytest.fixture
def again(pool: Pool) -> Callable[[UUID], UUID]:
    """Retry the failed items of a job. Return the child."""

    def send(job_id: UUID) -> UUID:
        with transaction(pool) as conn:
            parent = lookup.get(conn, job_id)
            assert parent is not None
            child = child_of(parent, uuid7(), template_id=parent.template_id, request_id="", picked=FAILED)
            return retry(conn, parent, child, Wish(FAILED, {}), None, sealer=make_sealer(parent.tenant_id))

    return send


def test_a_person_whom_a_job_has_written_again_meanwhile_is_erased_again(
    erasing: Erasing, submit: Submit, executor: Executor, observer: Connection
) -> None:
    """The job may be a retry, which began after the look for jobs on their way, and had ended before the last one."""

    def write() -> None:
        executor.run(submit("entities", [entity(1)]), seconds=60)

    write()
    done = erasing({"entityType": write})
    assert (done.is_complete, observer.execute(_ALIVE).rowcount) == (True, 0)
    assert [entry["entityType"] for entry in erasing.entries] == ["player", "player"]


def test_an_item_that_was_retried_and_has_failed_again_meanwhile_is_erased(
    erasing: Erasing, again: Callable[[UUID], UUID], submit: Submit, executor: Executor, observer: Connection
) -> None:
    parent, children = submit("objects", [BAD], template_id=None), list[UUID]()
    for job_id in (submit("entities", [entity(1)]), parent):
        executor.run(job_id, seconds=60)
    retry_it, run_it = (lambda: children.append(again(parent))), (lambda: executor.run(children[0], seconds=60))
    done = erasing({"entityType": retry_it, "failedItems": run_it})
    assert (done.is_complete, done.entity.failed_items, observer.execute(_TEXTS).rowcount) == (True, 2, 0)


def test_a_job_that_takes_a_payload_while_payloads_are_searched_is_named(
    erasing: Erasing, submit: Submit, executor: Executor, pool: Pool, owner: Tenant
) -> None:
    checked, children = submit("entities", [entity(1)], options=JobOptions(validate_only=True)), list[UUID]()
    executor.run(checked, seconds=60)
    with transaction(pool) as conn:
        store_part(conn, new_upload(conn, owner), 1, json.dumps(entity(1)).encode() + b"\n")

    def commit_it() -> None:
        with transaction(pool) as conn:
            parent = lookup.get(conn, checked)
            assert parent is not None
            child = child_of(parent, uuid7(), template_id=parent.template_id, request_id="", picked=None)
            children.append(commit(conn, parent, child))

    done = erasing({"openUploads": commit_it})
    assert list(done.jobs) == [spell(JOB, children[0])]
    assert not done.is_complete


def test_a_part_that_arrives_while_an_erasure_runs_is_found(
    erasing: Erasing, submit: Submit, executor: Executor, pool: Pool, owner: Tenant
) -> None:
    executor.run(submit("entities", [entity(1)]), seconds=60)
    with transaction(pool) as conn:
        upload_id = new_upload(conn, owner)

    def arrive() -> None:
        with transaction(pool) as conn:
            store_part(conn, upload_id, 1, json.dumps(entity(1)).encode() + b"\n")

    assert erasing({"entityType": arrive}).uploads == {spell(UPLOAD, upload_id): Held(items=1)}


def test_an_erasure_ends_though_a_sender_writes_the_person_each_time(
    erasing: Erasing, submit: Submit, executor: Executor
) -> None:
    acts: Acts = {}

    def write() -> None:
        acts["entityType"] = write
        executor.run(submit("entities", [entity(1)]), seconds=60)

    write()
    done = erasing(acts)
    assert (done.is_over, done.is_complete, len(erasing.entries)) == (False, False, MOST_PASSES)


def test_only_the_first_pass_reads_jobs_that_had_ended_before(pool: Pool, owner: Tenant, submit: Submit) -> None:
    jobs = []
    for _ in range(2):
        with transaction(pool) as conn:
            begun = kept.clock(conn)
            jobs.append(accept_failed(conn, owner))
            conn.execute("UPDATE jobs SET failed = 1, unprocessed = 0 WHERE id = %s", (jobs[-1],))
            assert control.cancel(conn, jobs[-1])
    running = submit("entities", [entity(1)])
    with transaction(pool) as conn:
        conn.execute("UPDATE jobs SET failed = 1, unprocessed = 0 WHERE id = %s", (running,))
        assert list(kept.jobs(conn, owner.id)[0]) == jobs
        assert list(kept.jobs(conn, owner.id, since=begun)[0]) == jobs[1:]
        assert [job_id for job_id, _ in clear_items.jobs(conn, owner.id, since=begun)[0]] == [jobs[1], running]
