"""Jobs that keep what became of each item that they took (docs/contracts/jobs.md sections 1 and 4)."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import claims, receiving, results
from ingest.db.tenants.tenants import Tenant
from ingest.engine.executor import Executor
from ingest.intake.blocks import Block, blocks_of_lines
from ingest.jobs import Effect, JobOptions
from ingest.notify.listener import Listener
from tests.support.factories import TOO_LARGE, entity, event, new_job, state

Submit = Callable[..., UUID]

KEPT = JobOptions(keep_results=True)
BAD = entity(0, entityType="ghost")


@pytest.fixture
def kept(submit: Submit, executor: Executor) -> Submit:
    """Runs a job that keeps its results."""

    def run(kind: str, items: Any, **overrides: Any) -> UUID:
        job_id = submit(kind, items, **{"options": KEPT, **overrides})
        executor.run(job_id, seconds=60)
        return job_id

    return run


def told(conn: Connection, job_id: UUID) -> list[tuple[int, str]]:
    return [(result.index, result.effect.value) for result in results.of_job(conn, job_id)]


def ids(conn: Connection, job_id: UUID) -> list[UUID | None]:
    return [result.public_id for result in results.of_job(conn, job_id)]


def stored_ids(conn: Connection, table: str) -> list[object]:
    return [row[0] for row in conn.execute(f"SELECT public_id FROM {table} ORDER BY id".encode())]


def test_entities_have_the_ids_of_their_rows(kept: Submit, observer: Connection) -> None:
    first = kept("entities", [entity(1), BAD, entity(2), entity(1)])
    second = kept("entities", [entity(2, data={"email": "new"}), entity(3)], block_items=1)
    one, two, three = stored_ids(observer, "entities")
    assert told(observer, first) == [(0, "created"), (2, "created"), (3, "unchanged")]
    assert ids(observer, first) == [one, two, one]
    assert told(observer, second) == [(0, "updated"), (1, "created")]
    assert ids(observer, second) == [two, three]


@pytest.mark.usefixtures("players")
def test_events_have_theirs_and_a_duplicate_that_of_the_first(kept: Submit, observer: Connection) -> None:
    job_id = kept("events", [event(1, eventId="a"), event(99), event(2, eventId="a"), event(3)])
    first, second = stored_ids(observer, "events")
    assert told(observer, job_id) == [(0, "created"), (2, "duplicate"), (3, "created")]
    assert ids(observer, job_id) == [first, first, second]


@pytest.mark.usefixtures("players")
def test_states_have_none(kept: Submit, observer: Connection) -> None:
    refused = b'{"externalId": "player_000001", "stateKey": "balance", "value": %s}' % TOO_LARGE
    good = b'{"externalId": "player_000002", "stateKey": "balance", "value": 1}'
    for items in ([state(1), state(99), state(1)], b"[%s, %s, null, %s]" % (good, refused, good)):
        job_id = kept("states", items)
        assert ids(observer, job_id) == [None, None]
    assert told(observer, job_id) == [(0, "created"), (3, "unchanged")]


def test_a_block_that_the_database_refuses_in_part_keeps_the_ids_of_the_rest(
    kept: Submit, observer: Connection
) -> None:
    huge = b'{"entityType": "player", "externalId": "x", "data": {"email": "x", "n": %s}}' % TOO_LARGE
    good = b'{"entityType": "player", "externalId": "%s", "data": {"email": "x"}}'
    job_id = kept("entities", b"[%s, %s, %s]" % (good % b"a", huge, good % b"b"))
    assert told(observer, job_id) == [(0, "created"), (2, "created")]
    found = dict(observer.execute("SELECT external_id, public_id FROM entities").fetchall())
    assert ids(observer, job_id) == [found["a"], found["b"]]


def test_a_job_keeps_none_unless_it_was_asked_to(submit: Submit, executor: Executor, observer: Connection) -> None:
    job_id = submit("entities", [entity(1)])
    executor.run(job_id, seconds=60)
    assert told(observer, job_id) == []
    assert observer.execute("SELECT FROM job_blocks WHERE result_indexes IS NULL").rowcount == 1


def test_jobs_that_keep_them_share_a_transaction_with_those_that_do_not(
    submit: Submit, executor: Executor, observer: Connection, pool: Pool, redis_url: str
) -> None:
    made = [submit("entities", [entity(n)], options=KEPT if n == 1 else JobOptions()) for n in range(3)]
    with transaction(pool) as conn:
        assert len(claims.claim_next(conn)) == 3
        conn.rollback()
    executor.serve(None, Listener(redis_url), seconds=60)
    assert [ids(observer, job_id) for job_id in made] == [[], [stored_ids(observer, "entities")[1]], []]


@pytest.mark.parametrize("atomic", [False, True])
def test_a_prediction_has_effects_and_no_ids(kept: Submit, observer: Connection, *, atomic: bool) -> None:
    kept("entities", [entity(1)])
    options = JobOptions(keep_results=True, validate_only=True, atomic=atomic)
    job_id = kept("entities", [entity(1), entity(2)], options=options)
    assert told(observer, job_id) == [(0, "unchanged"), (1, "created")]
    assert ids(observer, job_id) == [None, None]


def test_an_atomic_job_keeps_those_of_all_its_blocks(kept: Submit, observer: Connection) -> None:
    options = JobOptions(keep_results=True, atomic=True)
    job_id = kept("entities", [entity(1), entity(2), entity(1)], options=options, block_items=1)
    one, two = stored_ids(observer, "entities")
    assert ids(observer, job_id) == [one, two, one]
    aborted = kept("entities", [entity(3), BAD], options=options)
    assert told(observer, aborted) == []


def in_pages(conn: Connection, job_id: UUID, limit: int, effect: Effect | None = None) -> list[list[int]]:
    """Return the indexes of each page."""
    pages, place = [], (0, -1)
    while True:
        page = results.page(conn, job_id, limit=limit, place=place, effect=effect)
        pages.append([result.index for result in page.results])
        if page.next_place is None:
            return pages
        place = page.next_place


def test_pages_go_through_blocks_and_a_rare_effect_leaves_some_of_them_short(
    kept: Submit, observer: Connection
) -> None:
    kept("entities", [entity(17), entity(29)])
    job_id = kept("entities", [entity(number) for number in range(30)], block_items=1)
    everything = list(range(30))
    for limit in (1, 7, 30, 100):
        pages = in_pages(observer, job_id, limit)
        assert [index for page in pages for index in page] == everything
        assert all(len(page) <= limit for page in pages)
    assert in_pages(observer, job_id, 5, Effect.UNCHANGED) == [[], [17], [29], []]
    assert in_pages(observer, job_id, 100, Effect.UPDATED)[0] == []


def test_a_page_reads_few_rows_whatever_the_size_of_the_job(kept: Submit, observer: Connection, pool: Pool) -> None:
    job_id = kept("entities", [entity(number) for number in range(100)], block_items=1)
    observer.execute("VACUUM ANALYZE job_blocks")
    with transaction(pool) as conn:
        conn.execute("SELECT pg_stat_force_next_flush()")
    with transaction(pool) as conn:
        results.page(conn, job_id, limit=1_000, place=(50, -1), effect=Effect.DUPLICATE)
        query = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'job_blocks'"
        assert conn.execute(query).fetchall() == [(10,)]


_LINE = b'{"externalId": "%d", "entityType": "player", "data": {"email": "a"}}\n'


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (b"".join(_LINE % number for number in range(3)), [1, 2, 3]),
        (b"\n" + _LINE % 1 + b"\n\n{broken\n" + _LINE % 2 + b"\n", [2, 6]),
        (_LINE % 1 + b"{broken\n" + _LINE % 2, [1, 3]),
    ],
    ids=["without a gap", "blank lines", "a bad line"],
)
def test_results_of_lines_name_their_line(
    executor: Executor, observer: Connection, pool: Pool, owner: Tenant, body: bytes, lines: list[int]
) -> None:
    # As a second block: its first line is not the body's.
    job, first = new_job(owner, options=KEPT), 1_000
    [block] = blocks_of_lines([body], longest_line=1_000)
    assert block.first_line is not None
    before = list(blocks_of_lines([_LINE % 99], longest_line=1_000))
    with transaction(pool) as conn:
        assert receiving.begin(conn, job)
        second = Block(1, block.items, block.payload, block.first_line + first)
        for no, part in enumerate([*before, second]):
            assert receiving.append(conn, job.id, no, part)
        assert receiving.accept(conn, job, 2)
    executor.run(job.id, seconds=60)
    found = [result.line for result in results.page(observer, job.id, limit=99).results]
    assert found == [1, *(first + line for line in lines)]
