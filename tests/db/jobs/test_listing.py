"""Lists of jobs: what a page shows, and that it reads a bounded number of rows whatever it is to show."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import claims, control, listing, lookup, receiving
from ingest.db.jobs.listing import LOOKED_AT, JobFilter
from ingest.db.tenants.tenants import Tenant
from ingest.engine.executor import Executor
from ingest.jobs import JobOptions, JobState
from tests.support.factories import accept, entity, event, make_tenant, new_job

_MANY = 20_000
_MOST_READ = 2 * LOOKED_AT + 10
_FEW_INDEX_PAGES = 60  # with those that planning reads; a scan by rows reads two hundred before Postgres 18

# A tenant's history, all of one kind, ended well, without a label; `ids` grow as those of the product do.
_HISTORY = """
INSERT INTO jobs (id, tenant_id, kind, merge, request_id, awaited, status, total, blocks_open, created, unprocessed,
                  created_at, ended_at)
SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0')
           || substr(md5(%(tenant)s || ' ' || n::text), 13))::uuid,
       %(tenant)s, 'entities', false, '', false, 'completed', 1, 0, 1, 0, moment, moment
FROM (SELECT n, now() - interval '1 minute' * n AS moment FROM generate_series(%(first)s::integer, %(last)s) n) j
"""


def _ids(conn: Connection, tenant: Tenant | None, limit: int = 200, **wanted: Any) -> list[UUID]:
    """All pages of a list."""
    ids: list[UUID] = []
    place, more = None, True
    while more:
        page = listing.page(conn, tenant and tenant.id, JobFilter(**wanted), limit=limit, after=place)
        assert len(page.jobs) <= limit
        ids += [job.id for job in page.jobs]
        place = page.next_place
        more = place is not None
    return ids


def _some(conn: Connection, tenant: Tenant, count: int = 3, **options: Any) -> list[UUID]:
    """Accept jobs, and return their ids, the newest first."""
    return [accept(conn, tenant, "entities", [entity(number)], **options) for number in range(count)][::-1]


def test_a_list_is_newest_first_in_pages_without_a_gap_or_a_repeat(conn: Connection, tenant: Tenant) -> None:
    made = _some(conn, tenant, 7)
    for limit in (1, 2, 3, 6, 7, 8):
        assert _ids(conn, tenant, limit) == made


def test_a_list_has_no_other_tenants_jobs_whatever_its_filters(conn: Connection, tenant: Tenant) -> None:
    other, _ = make_tenant(conn)
    theirs = _some(conn, other, options=JobOptions(label="x"))
    conn.execute("UPDATE jobs SET had_errors = true, parent_job_id = %s", (theirs[0],))
    filters: list[dict[str, Any]] = [
        *({}, {"label": "x"}, {"has_errors": True}, {"parent": theirs[0]}, {"kinds": ["entities"]}),
        *({"statuses": [JobState.PENDING]}, {"statuses": [JobState.CANCELLED]}),
    ]
    for wanted in filters[:-1]:
        assert _ids(conn, other, **wanted) == theirs, wanted
    control.cancel(conn, theirs[0])
    assert _ids(conn, other, **filters[-1]) == theirs[:1]
    for wanted in filters:
        assert _ids(conn, tenant, **wanted) == [], wanted


def test_no_page_begins_behind_another_tenants_job(conn: Connection, tenant: Tenant) -> None:
    other, _ = make_tenant(conn)
    [root] = _some(conn, other, 1)
    conn.execute(_HISTORY, {"tenant": other.id, "first": 1, "last": 2 * LOOKED_AT})
    conn.execute("UPDATE jobs SET parent_job_id = %s WHERE id <> %s", (root, root))
    assert len(_ids(conn, other, parent=root)) == 2 * LOOKED_AT
    filters: list[dict[str, Any]] = [{}, {"parent": root}, {"statuses": [JobState.COMPLETED]}, {"label": "x"}]
    for wanted in filters:
        assert listing.page(conn, tenant.id, JobFilter(**wanted), limit=1, after=root) == ([], None), wanted
        assert listing.page(conn, tenant.id, JobFilter(**wanted), limit=1) == ([], None), wanted


def test_a_job_that_still_arrives_is_in_no_list(conn: Connection, tenant: Tenant) -> None:
    made = _some(conn, tenant, 2)
    arriving = new_job(tenant, "entities", options=JobOptions(label="x"))
    assert receiving.begin(conn, arriving)
    conn.execute("UPDATE jobs SET had_errors = true, parent_job_id = id WHERE id = %s", (arriving.id,))
    assert _ids(conn, tenant, 1) == made
    for wanted in ({"label": "x"}, {"has_errors": True}, {"parent": arriving.id}):
        assert _ids(conn, tenant, **wanted) == []


@pytest.mark.parametrize(
    "statuses",
    [
        *(["pending"], ["processing"], ["cancelled"], ["failed"], ["completed"]),
        *(["pending", "processing"], ["failed", "cancelled"], ["failed", "pending"]),
    ],
    ids=",".join,
)
def test_a_list_by_status_has_the_jobs_in_any_of_them(
    conn: Connection, tenant: Tenant, statuses: Sequence[str]
) -> None:
    pending, begun, failed, cancelled, completed = _some(conn, tenant, 5)
    assert claims.claim(conn, completed)
    conn.execute("UPDATE jobs SET status = 'pending' WHERE id = %s", (completed,))
    conn.execute("UPDATE jobs SET status = 'processing' WHERE id = %s", (begun,))
    control.fail(conn, failed, "JOB_UNRUNNABLE", "x")
    control.cancel(conn, cancelled)
    done = "status = 'completed', ended_at = now(), created = 1, unprocessed = 0, blocks_open = 0"
    conn.execute(f"UPDATE jobs SET {done} WHERE id = %s".encode(), (completed,))
    by_status = dict(
        zip(
            ("pending", "processing", "failed", "cancelled", "completed"),
            (pending, begun, failed, cancelled, completed),
            strict=True,
        )
    )
    expected = [job_id for status, job_id in by_status.items() if status in statuses]
    assert _ids(conn, tenant, 1, statuses=[JobState(status) for status in statuses]) == expected


def test_open_jobs_are_found_whether_they_are_few_or_more_than_a_page_looks_at(
    conn: Connection, tenant: Tenant
) -> None:
    first = _some(conn, tenant, 2)
    conn.execute(_HISTORY, {"tenant": tenant.id, "first": -2 * LOOKED_AT, "last": -1})
    assert _ids(conn, tenant, statuses=[JobState.PENDING]) == first
    for _ in range(LOOKED_AT):
        accept(conn, tenant, "events", [event(1)])
    found = _ids(conn, tenant, statuses=[JobState.PENDING])
    assert (len(found), found[-2:]) == (LOOKED_AT + 2, first)


def test_jobs_that_run_are_found_at_once_however_many_wait(conn: Connection, tenant: Tenant) -> None:
    begun = _some(conn, tenant, 1)
    conn.execute("UPDATE jobs SET status = 'processing' WHERE id = %s", (begun[0],))
    _some(conn, tenant, LOOKED_AT + 1)
    page = listing.page(conn, tenant.id, JobFilter(statuses=[JobState.PROCESSING]), limit=1)
    assert ([job.id for job in page.jobs], page.next_place) == (begun, None)


def test_filters_by_kind_label_and_parent_hold_together(conn: Connection, tenant: Tenant) -> None:
    [plain] = _some(conn, tenant, 1)
    [named] = _some(conn, tenant, 1, options=JobOptions(label="x"))
    child = accept(conn, tenant, "events", [event(1)], options=JobOptions(label="x"))
    conn.execute("UPDATE jobs SET parent_job_id = %s WHERE id = %s", (plain, child))
    assert _ids(conn, tenant, label="x") == [child, named]
    assert _ids(conn, tenant, label="X") == []
    assert _ids(conn, tenant, label="x", kinds=["entities"]) == [named]
    assert _ids(conn, tenant, kinds=["events"]) == [child]
    assert _ids(conn, tenant, parent=plain, label="x") == [child]
    assert _ids(conn, tenant, parent=plain, kinds=["entities"]) == []


def test_a_list_by_time_has_the_jobs_accepted_from_the_one_moment_to_before_the_other(
    conn: Connection, tenant: Tenant
) -> None:
    conn.execute(_HISTORY, {"tenant": tenant.id, "first": 1, "last": 10})
    times = [job.created_at for job in listing.page(conn, tenant.id, JobFilter(), limit=10).jobs]
    assert len(_ids(conn, tenant, created_after=times[4])) == 5
    assert len(_ids(conn, tenant, created_before=times[4])) == 5
    assert len(_ids(conn, tenant, created_after=times[6], created_before=times[3])) == 3
    assert _ids(conn, tenant, created_after=datetime.max.replace(tzinfo=UTC)) == []
    assert len(_ids(conn, tenant, created_after=datetime.min.replace(tzinfo=UTC))) == 10


def test_a_job_whose_id_is_of_a_moment_before_it_was_stored_is_found_by_that_time(
    conn: Connection, tenant: Tenant
) -> None:
    [made] = _some(conn, tenant, 1)
    stored = datetime.now(UTC) + timedelta(seconds=50)
    conn.execute("UPDATE jobs SET created_at = %s", (stored,))
    assert _ids(conn, tenant, created_after=stored) == [made]
    conn.execute("UPDATE jobs SET created_at = %s", (stored - timedelta(seconds=100),))
    assert _ids(conn, tenant, created_before=stored - timedelta(seconds=99)) == [made]


def test_a_job_has_errors_from_the_block_on_that_has_one(pool: Pool, owner: Tenant, executor: Executor) -> None:
    with transaction(pool) as conn:
        bad = accept(conn, owner, "entities", [{}, entity(1)])
        good = accept(conn, owner, "entities", [entity(2)])
        atomic = accept(conn, owner, "entities", [{}, entity(3)], options=JobOptions(atomic=True))
        long = accept(conn, owner, "events", [{}, {}], block_items=1)
    for job_id in (bad, good, atomic):
        executor.run(job_id, seconds=60)
    executor.run(long, seconds=0)  # one of its blocks
    with transaction(pool) as conn:
        assert _ids(conn, owner, has_errors=True) == [long, atomic, bad]
        assert _ids(conn, owner, has_errors=True, statuses=[JobState.PROCESSING]) == [long]


def test_everybodys_jobs_are_listed_for_the_command_line(conn: Connection, tenant: Tenant) -> None:
    other, _ = make_tenant(conn)
    made = [*_some(conn, tenant, 2), *_some(conn, other, 2)]
    assert _ids(conn, None, 3) == sorted(made, reverse=True)


def _read(conn: Connection) -> int:
    [(rows,)] = conn.execute(
        "SELECT sum(idx_tup_fetch + seq_tup_read)::bigint FROM pg_stat_xact_user_tables"
    ).fetchall()
    return int(str(rows))


@pytest.mark.parametrize("analyzed", [False, True], ids=["new", "analyzed"])
def test_no_page_reads_more_rows_than_it_may_however_few_it_shows(
    pool: Pool, owner: Tenant, observer: Connection, *, analyzed: bool
) -> None:
    observer.execute(_HISTORY, {"tenant": owner.id, "first": 1, "last": _MANY})
    with transaction(pool) as conn:
        stranger, _ = make_tenant(conn)
    observer.execute(_HISTORY, {"tenant": stranger.id, "first": 1, "last": _MANY})
    [oldest] = observer.execute("SELECT id FROM jobs WHERE tenant_id = %s ORDER BY id LIMIT 1", (owner.id,)).fetchall()
    marks = (
        "had_errors = true, parent_job_id = %s, options = '{\"label\": \"rare\"}', kind = 'states', status = 'failed'"
    )
    observer.execute(f"UPDATE jobs SET {marks} WHERE id = %s".encode(), (oldest[0], oldest[0]))
    if analyzed:
        observer.execute("VACUUM ANALYZE")
    with transaction(pool) as conn:
        before = _read(conn)
        assert lookup.show(conn, oldest[0]) is not None
        assert _read(conn) - before <= 6, "itself, its retries, and the jobs of its family"
        conn.execute("SELECT pg_stat_force_next_flush()")
    rare: list[dict[str, Any]] = [
        *({"has_errors": True}, {"label": "rare"}, {"parent": oldest[0]}, {"statuses": [JobState.FAILED]}),
        {"created_before": datetime.now(UTC) - timedelta(minutes=_MANY - 1)},
    ]
    others: list[dict[str, Any]] = [
        *({}, {"kinds": ["states"]}, {"statuses": [JobState.PENDING]}, {"statuses": [JobState.COMPLETED]}),
        {"statuses": [JobState.FAILED, JobState.PENDING]},
    ]
    for wanted in (*rare, *others):
        with transaction(pool) as conn:
            before = _read(conn)
            page = listing.page(conn, owner.id, JobFilter(**wanted), limit=50)
            assert _read(conn) - before <= _MOST_READ, wanted
            conn.execute("SELECT pg_stat_force_next_flush()")
        if wanted in rare:
            assert oldest[0] in [job.id for job in page.jobs], f"{wanted} leads there at once"
    with transaction(pool) as conn:
        assert _ids(conn, owner, kinds=["states"]) == [oldest[0]]


def _index_pages(observer: Connection) -> int:
    """Return how many pages of the indexes of jobs were read by transactions that have ended."""
    [(pages,)] = observer.execute(
        "SELECT idx_blks_hit + idx_blks_read FROM pg_statio_user_tables WHERE relname = 'jobs'"
    ).fetchall()
    return int(str(pages))


@pytest.mark.parametrize("wanted", ["times", "label", "label and times"])
def test_a_page_reads_no_more_of_an_index_than_what_it_may_show(
    pool: Pool, owner: Tenant, observer: Connection, wanted: str
) -> None:
    observer.execute(_HISTORY, {"tenant": owner.id, "first": 1, "last": _MANY})
    observer.execute('UPDATE jobs SET options = \'{"label": "common"}\'')
    observer.execute("VACUUM ANALYZE")
    since = datetime.now(UTC) - timedelta(minutes=5)
    filters: dict[str, tuple[dict[str, Any], int]] = {
        "times": ({"created_after": since}, 4),
        "label": ({"label": "rare"}, 0),
        "label and times": ({"label": "common", "created_after": since}, 4),
    }
    shown, count = filters[wanted]
    before = _index_pages(observer)
    with transaction(pool) as conn:
        assert len(listing.page(conn, owner.id, JobFilter(**shown), limit=50).jobs) == count
        conn.execute("SELECT pg_stat_force_next_flush()")
    assert _index_pages(observer) - before < _FEW_INDEX_PAGES
