"""A job whose body still arrives: begun, appended to, accepted; or removed, with all that it has."""

from uuid import UUID

import pytest
from click.testing import CliRunner

from cli import main
from ingest.db.connection.pool import Connection, Pool, autocommit, transaction
from ingest.db.jobs import claims, control, failures, receiving
from ingest.db.jobs.acceptance import NewJob
from ingest.db.tenants.idempotency import Key
from ingest.db.tenants.tenants import Tenant
from ingest.ids import JOB, spell
from ingest.intake.blocks import Block, blocks_of_lines
from ingest.settings import Settings
from tests.support.factories import accept, entity, new_job
from worker.sweep import Sweep


def block(number: int) -> Block:
    [made] = blocks_of_lines([b'{"externalId": "p", "entityType": "game", "data": {}}\n' * 2], longest_line=1_000)
    return Block(2 * number, made.items, made.payload, 1 + 2 * number)


@pytest.fixture
def begun(pool: Pool, owner: Tenant) -> NewJob:
    """A job of one block that is being received."""
    job = new_job(owner)
    with autocommit(pool) as conn:
        assert receiving.begin(conn, job)
        assert receiving.append(conn, job.id, 0, block(0))
    return job


def state(observer: Connection, job_id: UUID) -> tuple[object, ...] | None:
    query = "SELECT status, total, unprocessed, blocks_open FROM jobs WHERE id = %s"
    return observer.execute(query, (job_id,)).fetchone()


def test_nothing_of_it_is_claimed_failed_or_cancelled(pool: Pool, begun: NewJob, observer: Connection) -> None:
    with transaction(pool) as conn:
        assert claims.claim(conn, begun.id) == claims.claim_next(conn) == claims.heads(conn) == []
        assert not control.cancel(conn, begun.id)
        assert not control.fail(conn, begun.id, "X", "x")
        assert failures.fail_without_blocks(conn)[0] == []
    assert state(observer, begun.id) == ("receiving", 2, 2, 1)


def test_each_step_can_be_repeated_and_counts_once(pool: Pool, owner: Tenant, observer: Connection) -> None:
    job = new_job(owner)
    for _ in range(2):
        with autocommit(pool) as conn:
            assert receiving.begin(conn, job)
    for number in (0, 0, 1, 1):
        with autocommit(pool) as conn:
            assert receiving.append(conn, job.id, number, block(number))
    for _ in range(2):
        with autocommit(pool) as conn:
            assert receiving.accept(conn, job, 2)
    assert state(observer, job.id) == ("pending", 4, 4, 2)
    with transaction(pool) as conn:
        [claim] = claims.claim_next(conn)
    assert (claim.job.id, claim.block.no, claim.block.first_line) == (job.id, 0, 1)


def test_it_takes_its_place_when_it_is_accepted_and_not_when_it_begins(
    pool: Pool, owner: Tenant, begun: NewJob
) -> None:
    with transaction(pool) as conn:
        other = accept(conn, owner, "entities", [entity(1)])
        assert receiving.accept(conn, begun, 1)
        assert claims.claim_next(conn)[0].job.id == other


def test_a_job_that_was_removed_takes_no_block_and_is_not_accepted(
    pool: Pool, begun: NewJob, observer: Connection
) -> None:
    with autocommit(pool) as conn:
        assert receiving.touch(conn, begun.id)
        assert receiving.remove(conn, [begun.id]) == 1
        assert not receiving.append(conn, begun.id, 1, block(1))
        assert not receiving.accept(conn, begun, 1)
        assert not receiving.touch(conn, begun.id)
    assert observer.execute("SELECT count(*) FROM job_blocks").fetchone() == (0,)


@pytest.mark.parametrize("with_key", [True, False])
def test_a_job_that_lost_its_last_block_in_a_crash_is_not_accepted(
    pool: Pool, owner: Tenant, observer: Connection, *, with_key: bool
) -> None:
    """Blocks commit without waiting for the disk: here the second one is as if it had never reached the server's."""
    key = Key(owner.id, "writeEntities", bytes(32)) if with_key else None
    job = new_job(owner, key=key, fingerprint=bytes(32))
    with autocommit(pool) as conn:
        assert receiving.begin(conn, job)
        assert receiving.append(conn, job.id, 0, block(0))
        assert not receiving.accept(conn, job, 2)
    assert state(observer, job.id) == ("receiving", 2, 2, 1)
    assert observer.execute("SELECT count(*) FROM idempotency_keys").fetchone() == (0,)


def test_a_job_that_was_accepted_is_not_removed(pool: Pool, begun: NewJob, observer: Connection) -> None:
    with autocommit(pool) as conn:
        assert receiving.accept(conn, begun, 1)
        assert receiving.remove(conn, [begun.id]) == 0
    assert state(observer, begun.id) == ("pending", 2, 2, 1)


def test_the_sweeper_removes_what_a_dead_request_left(
    settings: Settings, pool: Pool, owner: Tenant, begun: NewJob, observer: Connection
) -> None:
    alive = new_job(owner)
    with autocommit(pool) as conn:
        receiving.begin(conn, alive)
    observer.execute(
        "UPDATE jobs SET progressed_at = now() - make_interval(secs => %s) WHERE id = %s",
        (receiving.ABANDONED_SECONDS + 1, begun.id),
    )
    with transaction(pool) as conn:
        assert Sweep(settings).run_once(conn)["unfinished_removed"] == 1
    assert observer.execute("SELECT id FROM jobs").fetchall() == [(alive.id,)]
    assert observer.execute("SELECT count(*) FROM job_blocks").fetchone() == (0,)


def test_a_command_knows_no_such_job(settings: Settings, begun: NewJob) -> None:
    urls = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    done = CliRunner().invoke(main, ["jobs", "cancel", str(begun.id)], env=urls)
    assert (done.exit_code, done.output) == (1, f"Error: There is no job {spell(JOB, begun.id)}\n")
