"""Uploads and their attempts in the database: what repeats, overlaps and dies leaves the right thing."""

import threading
from collections.abc import Callable
from uuid import UUID

import pytest

from ingest.db.connection.entry import of_tenant
from ingest.db.connection.pool import Connection, Pool, autocommit, connect, transaction
from ingest.db.jobs import claims, parts, receiving, uploads
from ingest.db.jobs.parts import Arrived, Attempt
from ingest.db.jobs.uploads import Completed
from ingest.db.tenants.tenants import Tenant
from ingest.errors import Gone, LimitReached, NotFound, WrongState
from ingest.ids import uuid7
from ingest.intake.blocks import Block
from ingest.settings import Settings
from tests.support.factories import begin_part, make_tenant, new_upload, store_part
from worker.sweep import Sweep

LINE = b"{}\n"
_AGED = "UPDATE upload_parts SET touched_at = now() - make_interval(secs => %s) WHERE NOT whole"


@pytest.fixture
def upload_id(pool: Pool, owner: Tenant) -> UUID:
    with transaction(pool) as conn:
        return new_upload(conn, owner)


def complete(conn: Connection, owner: Tenant, upload_id: UUID, parts_sent: int) -> Completed:
    return uploads.complete(conn, owner.id, upload_id, parts_sent=parts_sent, check=lambda *_: None, awaited=False)


def arrived(attempt: Attempt, *, blocks: int = 0, items: int = 1) -> Arrived:
    return Arrived(attempt.part, items, 3, bytes(32), blocks, items, 3)


def shown(observer: Connection) -> list[tuple[object, ...]]:
    return observer.execute("SELECT part, number, whole, blocks, items FROM upload_parts ORDER BY number").fetchall()


def blocks(observer: Connection) -> list[tuple[object, ...]]:
    return observer.execute("SELECT no, first_index, items, first_line FROM job_blocks ORDER BY no").fetchall()


def test_each_step_can_be_repeated_and_counts_once(
    pool: Pool, owner: Tenant, upload_id: UUID, observer: Connection
) -> None:
    with transaction(pool) as conn:
        attempt = begin_part(conn, upload_id, 1)
    for place in (0, 0, 1, 1):
        with autocommit(pool) as conn:
            assert parts.append(conn, attempt, place, Block(place, 1, b"x", place + 1))
    for _ in range(2):
        with transaction(pool) as conn:
            assert parts.finish(conn, attempt, arrived(attempt, blocks=2, items=2))
    assert shown(observer) == [(1, 1, True, 2, 2)]
    assert blocks(observer) == [(-10_000, 0, 1, 1), (-9_999, 1, 1, 2)]
    for newly in (True, False):
        with transaction(pool) as conn:
            assert complete(conn, owner, upload_id, 1).newly is newly
    assert blocks(observer) == [(0, 0, 1, 1), (1, 1, 1, 2)]


def test_the_attempt_that_began_last_is_the_part_whichever_ends_first(
    pool: Pool, upload_id: UUID, observer: Connection
) -> None:
    with transaction(pool) as conn:
        early, late = (begin_part(conn, upload_id, 7) for _ in range(2))
        for attempt in (early, late):
            assert parts.append(conn, attempt, 0, Block(0, attempt.number, b"x", 1))
    for attempt in (late, early, late, early):
        with transaction(pool) as conn:
            assert parts.finish(conn, attempt, arrived(attempt, blocks=1, items=attempt.number))
        assert shown(observer)[-1] == (7, 2, True, 1, 2)
    assert shown(observer) == [(7, 2, True, 1, 2)]
    assert blocks(observer) == [(-20_000, 0, 2, 1)]


def test_attempts_are_numbered_into_the_job_by_their_parts(
    pool: Pool, owner: Tenant, upload_id: UUID, observer: Connection
) -> None:
    with transaction(pool) as conn:
        for part in range(300, 0, -1):
            store_part(conn, upload_id, part, *[LINE * (part % 3 + 1)] * (part % 4))
        job_id = complete(conn, owner, upload_id, 300).job_id
    expected: list[tuple[int, int, int, int]] = []
    items = 0
    for part in range(1, 301):
        for _ in range(part % 4):
            expected.append((len(expected), items, part % 3 + 1, items + 1))
            items += part % 3 + 1
    assert blocks(observer) == expected
    query = "SELECT status, total, unprocessed, blocks_open FROM jobs WHERE id = %s"
    assert observer.execute(query, (job_id,)).fetchone() == ("pending", items, items, len(expected))


def test_the_blocks_of_many_parts_are_found_by_their_own_numbers(
    pool: Pool, owner: Tenant, upload_id: UUID, observer: Connection, database_url: str
) -> None:
    """Postgres has no statistics of what has just arrived; compared each with each, 10,000 parts took half a minute."""
    with transaction(pool) as conn:
        for part in range(1, 201):
            store_part(conn, upload_id, part, LINE, LINE)
    [(job_id,)] = observer.execute("SELECT job_id FROM uploads").fetchall()
    numbers = list(range(1, 201))
    statements: dict[str, tuple[object, ...] | dict[str, object]] = {
        uploads._NUMBER: {"upload_id": upload_id, "job_id": job_id},
        parts._REMOVE_BLOCKS: ([upload_id] * len(numbers), numbers),
    }
    for statement, values in statements.items():
        with connect(database_url, "sluice-web") as conn:
            conn.entry = of_tenant(owner.id)
            rows = conn.execute(f"EXPLAIN ANALYZE {statement}".encode(), values).fetchall()
            conn.rollback()
        plan = "\n".join(str(row[0]) for row in rows)
        assert "Tid Scan" in plan
        assert "Rows Removed by Join Filter" not in plan


def test_an_attempt_that_still_arrives_is_no_part_of_the_job(
    pool: Pool, owner: Tenant, upload_id: UUID, observer: Connection
) -> None:
    with transaction(pool) as conn:
        store_part(conn, upload_id, 1, LINE)
        again, other = begin_part(conn, upload_id, 1), begin_part(conn, upload_id, 2)
        for attempt in (again, other):
            assert parts.append(conn, attempt, 0, Block(0, 5, b"x", 1))
    with transaction(pool) as conn:
        complete(conn, owner, upload_id, 1)
    assert blocks(observer) == [(0, 0, 1, 1)]
    for attempt in (again, other):
        with transaction(pool) as conn:
            assert not parts.append(conn, attempt, 1, Block(0, 5, b"x", 1))
            assert not parts.touch(conn, attempt)
            assert not parts.finish(conn, attempt, arrived(attempt))
            parts.give_up(conn, attempt)
            assert parts.begin(conn, upload_id, uuid7(), part=3, most_bytes=1_000) is None
            with pytest.raises(WrongState):
                uploads.find_open(conn, owner.id, upload_id)
    assert (blocks(observer), len(shown(observer))) == ([(0, 0, 1, 1)], 1)


def in_thread(pool: Pool, work: Callable[[Connection], object]) -> tuple[threading.Thread, list[object], list[int]]:
    """Start work in a transaction of its own; return the thread, its result and the process id of its session."""
    results: list[object] = []
    pids: list[int] = []
    ready = threading.Event()

    def run() -> None:
        with transaction(pool) as conn:
            pids.append(conn.info.backend_pid)
            ready.set()
            results.append(work(conn))

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(20)
    return thread, results, pids


def until_waits(observer: Connection, pid: int) -> None:
    while observer.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", (pid,)).fetchone() != (True,):
        pass


def test_complete_waits_for_a_block_under_way_and_takes_it_away(
    pool: Pool, owner: Tenant, upload_id: UUID, other: Connection, observer: Connection
) -> None:
    with transaction(pool) as conn:
        store_part(conn, upload_id, 1, LINE)
        attempt = begin_part(conn, upload_id, 2)
    assert parts.append(other, attempt, 0, Block(0, 5, b"x", 1))
    thread, results, pids = in_thread(pool, lambda conn: complete(conn, owner, upload_id, 1).newly)
    until_waits(observer, pids[0])
    other.commit()
    thread.join()
    assert results == [True]
    assert blocks(observer) == [(0, 0, 1, 1)]


def test_a_block_that_meets_complete_is_not_stored(
    pool: Pool, owner: Tenant, upload_id: UUID, other: Connection, observer: Connection
) -> None:
    with transaction(pool) as conn:
        store_part(conn, upload_id, 1, LINE)
        attempt = begin_part(conn, upload_id, 2)
    complete(other, owner, upload_id, 1)
    thread, results, pids = in_thread(pool, lambda conn: parts.append(conn, attempt, 0, Block(0, 5, b"x", 1)))
    until_waits(observer, pids[0])
    other.commit()
    thread.join()
    assert results == [False]
    assert blocks(observer) == [(0, 0, 1, 1)]


@pytest.mark.parametrize("first", ["append", "delete"])
def test_a_block_and_a_deletion_at_once_leave_nothing(
    pool: Pool, owner: Tenant, upload_id: UUID, other: Connection, observer: Connection, first: str
) -> None:
    with transaction(pool) as conn:
        attempt = begin_part(conn, upload_id, 1)
    steps: dict[str, Callable[[Connection], object]] = {
        "append": lambda conn: parts.append(conn, attempt, 0, Block(0, 5, b"x", 1)),
        "delete": lambda conn: uploads.delete(conn, owner.id, upload_id),
    }
    steps.pop(first)(other)
    [second] = steps.values()
    thread, _, pids = in_thread(pool, second)
    until_waits(observer, pids[0])
    other.commit()
    thread.join()
    assert (blocks(observer), shown(observer)) == ([], [])
    assert observer.execute("SELECT FROM jobs").rowcount == 0
    with transaction(pool) as conn, pytest.raises(NotFound):
        uploads.find(conn, owner.id, upload_id)


def test_two_ends_of_one_part_come_one_after_the_other(
    pool: Pool, upload_id: UUID, other: Connection, observer: Connection
) -> None:
    with transaction(pool) as conn:
        early, late = (begin_part(conn, upload_id, 1) for _ in range(2))
    assert parts.finish(other, early, arrived(early))
    thread, results, pids = in_thread(pool, lambda conn: parts.finish(conn, late, arrived(late)))
    until_waits(observer, pids[0])
    other.commit()
    thread.join()
    assert results == [True]
    assert [row[:3] for row in shown(observer)] == [(1, 2, True)]


def swept(settings: Settings) -> dict[str, int]:
    with connect(settings.database_url, "sluice-sweep") as conn:
        return {name: count for name, count in Sweep(settings).run_once(conn).items() if count}


def test_an_attempt_that_was_removed_or_lost_a_block_leaves_the_part_before_it(
    pool: Pool, upload_id: UUID, observer: Connection
) -> None:
    with transaction(pool) as conn:
        store_part(conn, upload_id, 1, LINE)
        removed, lossy = (begin_part(conn, upload_id, 1) for _ in range(2))
        parts.give_up(conn, removed)
        parts.append(conn, lossy, 0, Block(0, 1, b"x", 1))
    with transaction(pool) as conn:
        assert not parts.finish(conn, removed, arrived(removed))
        assert not parts.finish(conn, lossy, arrived(lossy, blocks=2))
    assert [row[:3] for row in shown(observer)] == [(1, 1, True), (1, 3, False)]
    assert [row[0] for row in blocks(observer)] == [-30_000, -10_000]


def test_the_sweeper_removes_parts_that_a_dead_request_left(
    settings: Settings, pool: Pool, upload_id: UUID, observer: Connection
) -> None:
    with transaction(pool) as conn:
        store_part(conn, upload_id, 1, LINE)
        left, alive = begin_part(conn, upload_id, 1), begin_part(conn, upload_id, 2)
        for attempt in (left, alive):
            parts.append(conn, attempt, 0, Block(0, 1, b"x", 1))
    observer.execute(_AGED, (receiving.ABANDONED_SECONDS + 1,))
    with autocommit(pool) as conn:
        assert parts.touch(conn, alive)
    assert swept(settings) == {"parts_removed": 1}
    assert [row[:3] for row in shown(observer)] == [(1, 1, True), (2, 3, False)]
    assert [row[0] for row in blocks(observer)] == [-30_000, -10_000]
    with transaction(pool) as conn:
        assert not parts.append(conn, left, 1, Block(0, 1, b"x", 1))
        assert not parts.finish(conn, left, arrived(left))


def test_an_upload_that_rests_between_two_parts_is_not_swept(
    settings: Settings, pool: Pool, owner: Tenant, upload_id: UUID, observer: Connection
) -> None:
    with transaction(pool) as conn:
        store_part(conn, upload_id, 1, LINE)
    observer.execute("UPDATE jobs SET progressed_at = now() - interval '23 hours'")
    observer.execute("UPDATE upload_parts SET touched_at = now() - interval '23 hours'")
    observer.execute("UPDATE uploads SET heard_at = now() - interval '23 hours 59 minutes'")
    assert swept(settings) == {}
    with transaction(pool) as conn:
        store_part(conn, upload_id, 2, LINE)
        assert claims.heads(conn) == []
        assert complete(conn, owner, upload_id, 2).newly
        assert len(claims.heads(conn)) == 1


def test_a_part_keeps_its_upload_for_another_24_hours(
    settings: Settings, pool: Pool, upload_id: UUID, observer: Connection
) -> None:
    day = "UPDATE uploads SET heard_at = now() - interval '24 hours 1 second'"
    observer.execute(day)
    with transaction(pool) as conn:
        attempt = begin_part(conn, upload_id, 1)
    assert swept(settings) == {}
    observer.execute(day)
    with transaction(pool) as conn:
        assert parts.finish(conn, attempt, arrived(attempt))
    assert swept(settings) == {}


def test_an_upload_is_gone_after_24_hours_and_forgotten_after_90_days(
    settings: Settings, pool: Pool, owner: Tenant, upload_id: UUID, observer: Connection
) -> None:
    with transaction(pool) as conn:
        store_part(conn, upload_id, 1, LINE)
        attempt = begin_part(conn, upload_id, 2)
    observer.execute("UPDATE uploads SET heard_at = now() - interval '24 hours 1 second'")
    observer.execute("UPDATE jobs SET progressed_at = now() - interval '24 hours'")
    assert swept(settings) == {"uploads_expired": 1, "unfinished_removed": 1}
    assert observer.execute("SELECT status, job_id FROM uploads").fetchall() == [("gone", None)]
    assert (blocks(observer), shown(observer)) == ([], [])
    assert observer.execute("SELECT FROM jobs").rowcount == 0
    with transaction(pool) as conn:
        assert not parts.append(conn, attempt, 0, Block(0, 1, b"x", 1))
        assert parts.begin(conn, upload_id, uuid7(), part=1, most_bytes=1_000) is None
    for call in (uploads.find, uploads.find_open, uploads.delete, lambda conn, *_: complete(conn, owner, upload_id, 1)):
        with pytest.raises(Gone), transaction(pool) as conn:
            call(conn, owner.id, upload_id)
    observer.execute("UPDATE uploads SET heard_at = heard_at - interval '89 days'")
    assert swept(settings) == {}
    observer.execute("UPDATE uploads SET heard_at = heard_at - interval '2 days'")
    assert swept(settings) == {"uploads_forgotten": 1}


def test_a_completed_upload_lives_as_long_as_its_job(
    settings: Settings, pool: Pool, owner: Tenant, upload_id: UUID, observer: Connection
) -> None:
    with transaction(pool) as conn:
        store_part(conn, upload_id, 1, LINE)
        complete(conn, owner, upload_id, 1)
    observer.execute("UPDATE uploads SET heard_at = now() - interval '1 year'")
    observer.execute("UPDATE jobs SET status = 'cancelled', ended_at = now()")
    swept(settings)
    assert observer.execute("SELECT status FROM uploads").fetchall() == [("completed",)]
    observer.execute("UPDATE jobs SET ended_at = now() - interval '1 year'")
    assert swept(settings)["jobs_purged"] == 1
    assert observer.execute("SELECT FROM uploads").rowcount == 0


def test_a_tenant_has_a_bounded_number_of_open_uploads(conn: Connection, tenant: Tenant) -> None:
    first, *_ = [new_upload(conn, tenant) for _ in range(uploads.MOST_OPEN)]
    with pytest.raises(LimitReached, match="1000 open uploads"):
        new_upload(conn, tenant)
    new_upload(conn, make_tenant(conn)[0])
    uploads.delete(conn, tenant.id, first)
    new_upload(conn, tenant)
