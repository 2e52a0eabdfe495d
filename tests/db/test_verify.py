"""Each check finds what breaks its invariant and nothing else, and none finds anything in what Sluice itself leaves."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from uuid import UUID

import psycopg
import pytest

from ingest.db import doctor, verify
from ingest.db.connection.pool import Connection, Pool, connect, transaction
from ingest.db.data import entities
from ingest.db.jobs import blocks, completion, control, lookup, uploads
from ingest.db.jobs.completion import BlockOutcome
from ingest.db.tenants import tenants
from ingest.db.tenants.tenants import Tenant
from ingest.db.verify import CHECKS, Result
from ingest.engine.executor import Executor
from ingest.ids import spell, uuid7
from ingest.jobs import JobOptions
from tests.support.factories import (
    accept,
    begin_part,
    entity,
    event,
    make_executor,
    make_tenant,
    new_upload,
    run_pending,
    state,
    store_part,
)
from tests.support.meanwhile import once

_NEVER = 100 * 86_400
_HOUR = 3_600


def verified(
    url: str, *, stuck_after_seconds: int = _NEVER, deadline_seconds: int = _NEVER, check_seconds: int = 30
) -> list[Result]:
    with connect(url, "sluice-cli") as conn:
        bounds = {"deadline_seconds": deadline_seconds, "stuck_after_seconds": stuck_after_seconds}
        return list(verify.verify(conn, **bounds, check_seconds=check_seconds))


def found(url: str, **bounds: int) -> dict[str, int | None]:
    """Return the number of broken rows, by the name of each failed check."""
    return {result.check.name: result.found for result in verified(url, **bounds) if result.found != 0}


@pytest.fixture
def done(pool: Pool, owner: Tenant, redis_url: str) -> dict[str, UUID]:
    """A job of each kind that has ended, each of two blocks and with one bad item."""
    made = {}
    for kind, items in {
        "entities": [entity(1), entity(2), entity(3, entityType="nothing")],
        "events": [event(1), event(2), event(99)],
        "states": [state(1), state(2), state(99)],
    }.items():
        with transaction(pool) as conn:
            made[kind] = accept(conn, owner, kind, items, block_items=2)
        run_pending(pool, redis_url)
    return made


@pytest.fixture
def half(pool: Pool, owner: Tenant, redis_url: str) -> UUID:
    """A job of three blocks of which one is done."""
    with transaction(pool) as conn:
        job_id = accept(conn, owner, "entities", [entity(number) for number in range(3)], block_items=1)
    make_executor(pool, redis_url).run(job_id, seconds=0)
    with transaction(pool) as conn:
        job = lookup.get(conn, job_id)
    assert job is not None
    assert job.processed == 1
    return job_id


@pytest.fixture
def uploaded(pool: Pool, owner: Tenant) -> dict[str, UUID]:
    """The jobs of an open and of a completed upload, and the latter's id. Jobs of events, for which no other waits."""
    line = b"{}\n"
    with transaction(pool) as conn:
        open_upload, completed = (new_upload(conn, owner, kind="events", ordered=False) for _ in range(2))
        for part in (1, 2, 3):
            store_part(conn, open_upload, part, *[line * part] * part)
            store_part(conn, completed, part, line * part)
        store_part(conn, open_upload, 1, line)
        begin_part(conn, open_upload, 4)
        job_id = uploads.complete(conn, owner.id, completed, parts_sent=3, check=lambda *_: None, awaited=False).job_id
        open_job = uploads.find(conn, owner.id, open_upload).job_id
    assert open_job is not None
    return {"open_upload": open_job, "uploaded": job_id, "completed": completed}


def test_a_database_with_nothing_in_it_is_well(database_url: str) -> None:
    assert [result.found for result in verified(database_url)] == [0] * len(CHECKS)


def test_what_real_jobs_leave_behind_is_well(
    database_url: str, pool: Pool, done: dict[str, UUID], half: UUID, owner: Tenant, executor: Executor
) -> None:
    with transaction(pool) as conn:
        options = {"options": JobOptions(atomic=True), "ordered": False}
        aborted = accept(conn, owner, "entities", [entity(5), entity(6, entityType="nothing")], **options)
        dry = accept(conn, owner, "entities", [entity(5)], options=JobOptions(validate_only=True))
    for job_id in (aborted, dry):
        executor.run(job_id, seconds=60)
    with transaction(pool) as conn:
        waiting = accept(conn, owner, "entities", [entity()])
        assert control.cancel(conn, waiting)
        assert control.pause(conn, half)
        accept(conn, owner, "entities", [entity()], after_job_id=half)
        paused = accept(conn, owner, "entities", [entity()])
        assert control.pause(conn, paused)
        resumed = accept(conn, owner, "entities", [entity()])
        assert control.pause(conn, resumed)
        assert control.resume(conn, resumed)
        failed = accept(conn, owner, "entities", [entity()])
        assert control.fail(conn, failed, "JOB_UNRUNNABLE", "it cannot be")
        assert entities.delete(conn, owner.id, "player_000001")
        accept(conn, owner, "entities", [entity()], after_job_id=done["entities"])
    assert found(database_url) == {}


@pytest.mark.usefixtures("done", "half")
def test_a_job_that_is_half_done_is_well(database_url: str) -> None:
    assert found(database_url) == {}


def test_a_job_whose_block_is_under_way_is_well(database_url: str, pool: Pool, owner: Tenant, redis_url: str) -> None:
    seen: list[dict[str, int | None]] = []
    template_cache = once(lambda: seen.append(found(database_url)))
    with transaction(pool) as conn:
        job_id = accept(conn, owner, "entities", [entity(number) for number in range(4)], block_items=2)
    replace(make_executor(pool, redis_url), template_cache=template_cache).run(job_id, seconds=60)
    assert seen == [{}]


def test_jobs_that_run_all_the_while_are_well(database_url: str, pool: Pool, owner: Tenant, redis_url: str) -> None:
    with transaction(pool) as conn:
        for first in range(0, 200, 20):
            accept(conn, owner, "entities", [entity(first + number) for number in range(20)], block_items=2)
            accept(conn, owner, "events", [event(first + number) for number in range(20)], block_items=2)
    work = threading.Thread(target=run_pending, args=(pool, redis_url))
    work.start()
    seen = []
    while work.is_alive():
        seen.append(found(database_url))
    work.join()
    assert seen
    assert all(counts == {} for counts in seen)


def test_the_first_example_is_named_as_the_api_names_it_and_says_what_is_wrong(
    database_url: str, observer: Connection, done: dict[str, UUID]
) -> None:
    observer.execute("UPDATE job_errors SET index = 7 WHERE job_id = %s", (done["events"],))
    [result] = [result for result in verified(database_url) if result.found]
    [example] = result.examples
    assert (example.id, example.detail) == (spell("job", done["events"]), "index 7 to 7, total 3")


def test_five_examples_are_enough_and_the_count_is_of_all(database_url: str, observer: Connection) -> None:
    observer.execute("""
        INSERT INTO entities (public_id, tenant_id, scope, external_id, type, properties)
        SELECT gen_random_uuid(), 77, '', n::text, 'player', '{}' FROM generate_series(1, 40) n""")
    [result] = [result for result in verified(database_url) if result.found]
    assert (result.check.name, result.found, len(result.examples)) == ("entity_tenant", 40, 5)


def test_a_check_counts_no_further_than_its_bound(database_url: str, observer: Connection) -> None:
    observer.execute("""
        INSERT INTO states (tenant_id, entity_id, key, value)
        SELECT 1, n, 'balance', '1' FROM generate_series(1, 10001) n""")
    assert found(database_url) == {"state_entity": verify.MOST_FOUND}


def test_a_check_that_takes_too_long_is_given_up_and_the_others_go_on(
    database_url: str, observer: Connection, done: dict[str, UUID]
) -> None:
    observer.execute("UPDATE job_errors SET index = 7 WHERE job_id = %s", (done["events"],))
    with psycopg.connect(database_url) as holder:
        holder.execute("LOCK TABLE states")
        assert found(database_url, check_seconds=1) == {
            "job_errors_within": 1,
            "state_entity": None,
            "state_separate": None,
            "state_erased": None,
            "state_readable": None,
        }


def test_nothing_can_be_written_by_a_check(database_url: str) -> None:
    with connect(database_url, "sluice-cli") as conn:
        next(verify.verify(conn, deadline_seconds=1, stuck_after_seconds=1, check_seconds=1))
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            conn.execute("DELETE FROM jobs")


# 75 MB of digits in a megabyte, of which compression leaves some 10 kB.
_ENDLESS = "jsonb_build_object('a', (SELECT jsonb_agg('1e999'::jsonb) FROM generate_series(1, 75000)))"

# Statements that break one invariant and no other. `job` is the completed job of entities, `half` the half done one.
_WEBHOOK = """
INSERT INTO webhooks (id, tenant_id, url, events, secret)
VALUES (gen_random_uuid(), %(tenant)s, 'https://x.example', '{job.completed}', 'x')
"""
_MESSAGE = """
INSERT INTO webhook_deliveries (id, webhook_id, tenant_id, job_id, lane, event, occurred_at)
SELECT gen_random_uuid(), id, {tenant}, %(job)s, id, 'job.completed', now() FROM webhooks
"""

_BREAKS: Mapping[str, tuple[str, ...]] = {
    "job_effects_sum": (
        "ALTER TABLE jobs DROP CONSTRAINT jobs_effects_sum_to_total",
        "UPDATE jobs SET created = created + 1 WHERE id = %(job)s",
    ),
    "job_blocks_sum": ("UPDATE job_blocks SET items = 9 WHERE job_id = %(half)s AND no = 2",),
    "job_blocks_follow": ("UPDATE job_blocks SET first_index = 1 WHERE job_id = %(half)s AND no = 2",),
    "job_blocks_open": ("UPDATE jobs SET blocks_open = 3 WHERE id = %(half)s",),
    "job_closed_processed": ("UPDATE jobs SET unprocessed = unprocessed - 1, updated = 1 WHERE id = %(half)s",),
    "job_errors_failed": ("DELETE FROM job_errors WHERE job_id = %(job)s",),
    "job_had_errors": ("UPDATE jobs SET had_errors = true WHERE id = %(half)s",),
    "job_errors_within": ("UPDATE job_errors SET index = -1 WHERE job_id = %(job)s",),
    "job_errors_retried": ("UPDATE job_errors SET retried_in = %(half)s WHERE job_id = %(job)s",),
    "job_retried_in_family": ("UPDATE job_blocks SET retried_in = %(job)s WHERE job_id = %(half)s AND no = 2",),
    "job_warnings_kept": ("UPDATE jobs SET warnings = 1 WHERE id = %(job)s",),
    "job_past_deadline": ("UPDATE jobs SET deadline_at = now() - interval '61 seconds' WHERE id = %(half)s",),
    "job_completed": (
        "ALTER TABLE jobs DROP CONSTRAINT jobs_completed_is_complete",
        "UPDATE jobs SET status = 'completed', ended_at = clock_timestamp() WHERE id = %(half)s",
    ),
    "job_unfinished": ("UPDATE jobs SET status = 'processing', ended_at = NULL WHERE id = %(job)s",),
    "job_ended_at": (
        "ALTER TABLE jobs DROP CONSTRAINT jobs_ended_at_check",
        "UPDATE jobs SET ended_at = NULL WHERE id = %(job)s",
    ),
    "job_payload_lost": ("UPDATE job_blocks SET payload = '' WHERE job_id = %(half)s AND no = 2",),
    "job_payload_kept": ("UPDATE job_blocks SET payload = 'x' WHERE job_id = %(job)s AND no = 1",),
    "job_progress": ("UPDATE jobs SET started_at = ended_at + interval '1 minute' WHERE id = %(job)s",),
    "job_on_hold": ("UPDATE jobs SET on_hold_since = now() WHERE id = %(half)s",),
    "job_timeline": ("INSERT INTO job_timeline (tenant_id, job_id, what) VALUES (%(tenant)s, %(job)s, 'cancelled')",),
    "job_held_wrongly": (
        """UPDATE jobs SET on_hold_since = now() - interval '2 minutes', created_at = now() - interval '3 minutes'
           WHERE id = %(foreign_job)s""",
    ),
    "job_owner": ("UPDATE jobs SET template_id = 77 WHERE id = %(job)s",),
    "idempotency_key_job": (
        """INSERT INTO idempotency_keys (tenant_id, endpoint, key_hash, fingerprint, job_id)
           VALUES (%(tenant)s, 'writeEntities', sha256(''), sha256(''), %(foreign_job)s)""",
    ),
    "job_separate": ("UPDATE jobs SET after_job_id = %(foreign_job)s WHERE id = %(job)s",),
    "template_separate": ("UPDATE tenants SET template_id = %(foreign_template)s WHERE id = %(tenant)s",),
    "link_event": ("DELETE FROM events WHERE id = (SELECT min(id) FROM events)",),
    "link_entity": ("UPDATE event_entities SET entity_id = 77 WHERE event_id = (SELECT min(id) FROM events)",),
    "event_linked": ("DELETE FROM event_entities WHERE event_id = (SELECT min(id) FROM events)",),
    "link_time": (
        """UPDATE event_entities SET occurred_at = occurred_at - interval '1 microsecond'
           WHERE event_id = (SELECT min(id) FROM events)""",
    ),
    "link_separate": ("UPDATE events SET tenant_id = %(other)s WHERE id = (SELECT min(id) FROM events)",),
    "state_separate": (
        "UPDATE states SET tenant_id = %(other)s WHERE entity_id = (SELECT min(entity_id) FROM states)",
    ),
    "row_separate": ("UPDATE job_errors SET tenant_id = %(other)s WHERE job_id = %(job)s",),
    "state_entity": ("UPDATE states SET entity_id = 77 WHERE entity_id = (SELECT min(entity_id) FROM states)",),
    "state_erased": (
        """UPDATE entities SET deleted_at = now(), properties = '{}', pii = NULL, pii_digests = NULL
           WHERE id = (SELECT min(entity_id) FROM states)""",
    ),
    "entity_erased": (
        "UPDATE entities SET deleted_at = now(), properties = '{\"a\": 1}' WHERE external_id = 'player_000001'",
        "DELETE FROM states WHERE entity_id = (SELECT id FROM entities WHERE external_id = 'player_000001')",
    ),
    "entity_personal": ("UPDATE entities SET pii_digests = NULL WHERE external_id = 'player_000001'",),
    "entity_tenant": (
        """INSERT INTO entities (public_id, tenant_id, scope, external_id, type, properties)
           VALUES (gen_random_uuid(), 77, '', 'p', 'player', '{}')""",
    ),
    "event_tenant": (
        "UPDATE events SET tenant_id = 77 WHERE id = (SELECT min(id) FROM events)",
        # Its entity too, or the link would join two tenants' rows.
        "UPDATE entities SET tenant_id = 77 WHERE id = (SELECT min(entity_id) FROM event_entities)",
        "UPDATE event_entities SET tenant_id = 77 WHERE event_id = (SELECT min(id) FROM events)",
        "UPDATE states SET tenant_id = 77 WHERE entity_id = (SELECT min(entity_id) FROM event_entities)",
    ),
    "entity_readable": (f"UPDATE entities SET properties = {_ENDLESS} WHERE id = (SELECT min(id) FROM entities)",),
    "event_readable": (f"UPDATE events SET properties = {_ENDLESS} WHERE id = (SELECT min(id) FROM events)",),
    "state_readable": (f"UPDATE states SET value = {_ENDLESS} WHERE entity_id = (SELECT min(entity_id) FROM states)",),
    "job_end_early": ("INSERT INTO job_ends (tenant_id, job_id, ended_at) VALUES (%(tenant)s, %(half)s, now())",),
    "job_end_late": (
        "INSERT INTO job_ends (tenant_id, job_id, ended_at) VALUES (%(tenant)s, %(job)s, now() - interval '2 minutes')",
    ),
    "job_left_unfinished": (
        """INSERT INTO jobs (id, tenant_id, kind, merge, template_id, request_id, awaited, status, total, unprocessed,
                             blocks_open, created_at, progressed_at)
           SELECT gen_random_uuid(), tenant_id, kind, merge, template_id, request_id, awaited, 'receiving', 0, 0, 0,
                  now() - interval '7 minutes', now() - interval '6 minutes' FROM jobs WHERE id = %(job)s""",
    ),
    "upload_job": (
        "UPDATE jobs SET tenant_id = %(other)s WHERE id = %(uploaded)s",
        "UPDATE job_blocks SET tenant_id = %(other)s WHERE job_id = %(uploaded)s",
    ),
    "upload_part_blocks": ("DELETE FROM job_blocks WHERE job_id = %(open_upload)s AND no = -20000",),
    "upload_block_part": ("UPDATE job_blocks SET no = -90000 WHERE job_id = %(open_upload)s AND no = -30000",),
    "gone_id": ("INSERT INTO gone_ids (id, tenant_id) VALUES (%(job)s, %(tenant)s)",),
    "upload_parts_sum": ("UPDATE upload_parts SET items = 9 WHERE upload_id = %(completed)s AND part = 1",),
    "upload_left": ("UPDATE uploads SET heard_at = now() - interval '25 hours' WHERE job_id = %(open_upload)s",),
    "delivery_tenant": (_WEBHOOK, _MESSAGE.replace("{tenant}", "%(other)s")),
    "delivery_tries": (_WEBHOOK, _MESSAGE.replace("{tenant}", "%(tenant)s"), "UPDATE webhook_deliveries SET tries = 1"),
    "delivery_late": (
        _WEBHOOK,
        _MESSAGE.replace("{tenant}", "%(tenant)s"),
        "UPDATE webhook_deliveries SET next_at = now() - interval '2 minutes'",
    ),
    "callback_told": (
        """UPDATE jobs SET options = '{"callback": {"url": "https://x.example", "secret": "x"}}' WHERE id = %(job)s""",
    ),
    "sweep_runs": ("UPDATE jobs SET check_at = now() - interval '2 minutes' WHERE id = %(half)s",),
    "sweep_look_ahead": ("UPDATE jobs SET check_at = now() + interval '3 minutes' WHERE id = %(half)s",),
}
# Rows of other checks that such a break inevitably breaks too.
_ALSO: Mapping[str, dict[str, int]] = {
    "event_tenant": {"entity_tenant": 1},
    "job_errors_retried": {"job_retried_in_family": 1},
    "upload_block_part": {"upload_part_blocks": 1},
}


@pytest.mark.parametrize("name", _BREAKS)
def test_what_breaks_one_invariant_is_found_by_its_check_alone(
    database_url: str,
    observer: Connection,
    pool: Pool,
    owner: Tenant,
    done: dict[str, UUID],
    half: UUID,
    uploaded: dict[str, UUID],
    name: str,
) -> None:
    assert found(database_url) == {}
    with transaction(pool) as conn:
        stranger = make_tenant(conn)[0]
        foreign_job = accept(conn, stranger, "entities", [entity()])
        insert = """INSERT INTO templates (tenant_id, slug, name, version, schema)
                    VALUES (%s, 'tpl_x', 'x', '1', '{}') RETURNING id"""
        [(template_id,)] = conn.execute(insert, (stranger.id,)).fetchall()
    values = {
        "job": done["entities"],
        "half": half,
        "tenant": owner.id,
        "other": stranger.id,
        "foreign_job": foreign_job,
        "foreign_template": template_id,
        **uploaded,
    }
    for statement in _BREAKS[name]:
        observer.execute(statement, values if "%(" in statement else None)  # type: ignore[arg-type]
    assert found(database_url) == {name: 1, **_ALSO.get(name, {})}


@pytest.mark.parametrize(
    ("picked", "parent", "tenant", "wrong"),
    [
        ("unprocessed", "half", "owner", 0),
        ("unprocessed", "a deleted job", "owner", 1),
        ("unprocessed", "job", "owner", 1),
        ("unprocessed", "half", "stranger", 1),
        ("failed", "half", "owner", 1),
    ],
)
def test_a_block_that_a_job_of_another_family_or_tenant_has_taken_is_found(
    database_url: str, observer: Connection, pool: Pool, owner: Tenant, done: dict[str, UUID], half: UUID,
    picked: str, parent: str, tenant: str, wrong: int,
) -> None:  # fmt: skip
    parents = {"half": half, "job": done["entities"], "a deleted job": uuid7()}
    with transaction(pool) as conn:
        child = accept(conn, owner if tenant == "owner" else make_tenant(conn)[0], "entities", [entity()])
    change = "UPDATE jobs SET options = jsonb_build_object('picked', %s::text), parent_job_id = %s WHERE id = %s"
    observer.execute(change, (picked, parents[parent], child))
    observer.execute("UPDATE job_blocks SET retried_in = %s WHERE job_id = %s AND no = 2", (child, half))
    assert found(database_url).get("job_retried_in_family", 0) == wrong


def test_a_block_whose_job_has_lost_its_parent_to_retention_is_well(
    database_url: str, observer: Connection, pool: Pool, owner: Tenant, half: UUID
) -> None:
    root, parent = uuid7(), uuid7()
    with transaction(pool) as conn:
        child = accept(conn, owner, "entities", [entity()])
    observer.execute("UPDATE jobs SET parent_job_id = %s WHERE id = %s", (parent, half))
    change = """UPDATE jobs SET options = '{"picked": "unprocessed"}', parent_job_id = %s WHERE id = %s"""
    observer.execute(change, (root, child))
    observer.execute("UPDATE job_blocks SET retried_in = %s WHERE job_id = %s AND no = 2", (child, half))
    assert found(database_url) == {}


@pytest.mark.parametrize("what", ["tenant", "template"])
def test_a_job_without_its_tenant_or_its_template_is_found(
    database_url: str, observer: Connection, done: dict[str, UUID], what: str
) -> None:
    observer.execute(f"UPDATE jobs SET {what}_id = 77 WHERE id = %s".encode(), (done["states"],))
    for table in ("job_blocks", "job_errors") if what == "tenant" else ():
        observer.execute(f"UPDATE {table} SET tenant_id = 77 WHERE job_id = %s".encode(), (done["states"],))
    assert found(database_url) == {"job_owner": 1}


@pytest.mark.usefixtures("done")
def test_an_end_to_announce_of_a_job_that_is_gone_is_found(database_url: str, observer: Connection) -> None:
    observer.execute("INSERT INTO job_ends (tenant_id, job_id, ended_at) VALUES (1, gen_random_uuid(), now())")
    assert found(database_url) == {"job_end_early": 1}


def test_a_job_under_another_tenants_template_is_found(
    database_url: str, observer: Connection, pool: Pool, done: dict[str, UUID]
) -> None:
    with transaction(pool) as conn:
        stranger = make_tenant(conn)[0]
    insert = "INSERT INTO templates (tenant_id, slug, name, version, schema) VALUES (%s, 'tpl_x', 'x', '1', '{}')"
    observer.execute(insert, (stranger.id,))
    observer.execute("UPDATE jobs SET template_id = (SELECT max(id) FROM templates) WHERE id = %s", (done["events"],))
    assert found(database_url) == {"job_separate": 1}


@pytest.mark.parametrize(
    "change",
    [
        "status = 'pending', ended_at = NULL",
        "started_at = NULL",
        "created_at = now() + interval '1 hour'",
        "progressed_at = now() + interval '1 hour'",
        "ended_at = created_at - interval '1 hour'",
    ],
)
def test_times_out_of_order_are_found(
    database_url: str, observer: Connection, done: dict[str, UUID], change: str
) -> None:
    observer.execute(f"UPDATE jobs SET {change} WHERE id = %s".encode(), (done["entities"],))
    assert found(database_url)["job_progress"] == 1


@pytest.mark.usefixtures("done")
@pytest.mark.parametrize("first", ["events", "event_entities"])
def test_what_a_purge_has_torn_for_a_while_is_no_finding(
    database_url: str, observer: Connection, owner: Tenant, first: str
) -> None:
    tenants.configure(observer, owner.id, {"data_retention_days": 30})
    for table in ("events", "event_entities"):
        observer.execute(f"UPDATE {table} SET occurred_at = occurred_at - interval '31 days'".encode())
    observer.execute(f"DELETE FROM {first}".encode())
    assert found(database_url) == {}


@pytest.mark.parametrize("row", ["SELECT id, tenant_id FROM uploads LIMIT 1", "VALUES (gen_random_uuid(), 77)"])
@pytest.mark.usefixtures("uploaded")
def test_an_id_that_is_gone_is_of_no_upload_and_was_a_tenants(
    database_url: str, observer: Connection, row: str
) -> None:
    observer.execute(f"INSERT INTO gone_ids (id, tenant_id) {row}".encode())
    assert found(database_url) == {"gone_id": 1}


# All of a job's times, so that none of them is out of order.
_AGED = """
UPDATE jobs SET created_at = created_at - make_interval(secs => %(seconds)s),
    started_at = started_at - make_interval(secs => %(seconds)s),
    progressed_at = progressed_at - make_interval(secs => %(seconds)s),
    ended_at = ended_at - make_interval(secs => %(seconds)s)
WHERE id = %(job_id)s
"""


@pytest.fixture
def aged(observer: Connection) -> Callable[[UUID, int], None]:
    """Makes a job older by so many seconds, as if nobody had worked on it since."""

    def age(job_id: UUID, seconds: int) -> None:
        observer.execute(_AGED, {"job_id": job_id, "seconds": seconds})

    return age


def test_a_job_that_nobody_works_on_is_stuck_after_the_time_given(
    database_url: str, half: UUID, aged: Callable[[UUID, int], None]
) -> None:
    aged(half, 600)
    assert found(database_url, stuck_after_seconds=900) == {}
    assert found(database_url, stuck_after_seconds=300) == {"job_stuck": 1}


def test_a_job_whose_block_somebody_holds_is_not_stuck(
    database_url: str, other: Connection, half: UUID, aged: Callable[[UUID, int], None]
) -> None:
    aged(half, 600)
    assert blocks.lock(other, [(half, 1)])
    assert found(database_url, stuck_after_seconds=300) == {}
    completion.close_blocks(other, [BlockOutcome(half, 1, {})])
    assert found(database_url, stuck_after_seconds=300) == {}
    other.rollback()
    assert found(database_url, stuck_after_seconds=300) == {"job_stuck": 1}


@pytest.mark.parametrize("waits", ["by order", "after it"])
def test_a_job_that_waits_for_another_is_not_stuck_until_that_has_ended_for_so_long(
    database_url: str, pool: Pool, owner: Tenant, half: UUID, aged: Callable[[UUID, int], None], waits: str
) -> None:
    after = {"after_job_id": half, "after_any": True, "ordered": False} if waits == "after it" else {}
    with transaction(pool) as conn:
        waiting = accept(conn, owner, "entities", [entity()], **after)
    aged(waiting, 600)
    assert found(database_url, stuck_after_seconds=300) == {}
    with transaction(pool) as conn:
        control.cancel(conn, half)
    assert found(database_url, stuck_after_seconds=300) == {}
    aged(half, 600)
    assert found(database_url, stuck_after_seconds=300) == {"job_stuck": 1}


def test_a_job_is_not_stuck_until_the_one_before_it_was_on_hold_for_so_long(
    database_url: str, observer: Connection, pool: Pool, owner: Tenant, half: UUID, aged: Callable[[UUID, int], None]
) -> None:
    with transaction(pool) as conn:
        waiting = accept(conn, owner, "entities", [entity()])
    aged(waiting, 600)
    aged(half, 600)
    with transaction(pool) as conn:
        control.pause(conn, half)
    assert found(database_url, stuck_after_seconds=300) == {}
    observer.execute("UPDATE jobs SET on_hold_since = on_hold_since - interval '10 minutes'")
    assert found(database_url, stuck_after_seconds=300) == {"job_stuck": 1}


def test_a_job_that_was_paused_for_long_is_not_stuck_when_it_is_resumed(
    database_url: str, pool: Pool, owner: Tenant, aged: Callable[[UUID, int], None]
) -> None:
    with transaction(pool) as conn:
        paused = accept(conn, owner, "entities", [entity()])
        waiting = accept(conn, owner, "entities", [entity()], after_job_id=paused)
        control.pause(conn, paused)
    for job_id in (paused, waiting):
        aged(job_id, 600)
    with transaction(pool) as conn:
        control.resume(conn, paused)
    assert found(database_url, stuck_after_seconds=300) == {}


def test_a_job_that_was_purged_keeps_nobody_waiting(
    database_url: str, pool: Pool, owner: Tenant, aged: Callable[[UUID, int], None]
) -> None:
    with transaction(pool) as conn:
        waiting = accept(conn, owner, "entities", [entity()], after_job_id=uuid7())
    aged(waiting, 600)
    assert found(database_url, stuck_after_seconds=300) == {"job_stuck": 1}


def test_a_job_past_its_deadline_is_found_once_sweep_had_its_time(
    database_url: str, observer: Connection, half: UUID, aged: Callable[[UUID, int], None]
) -> None:
    observer.execute("UPDATE job_blocks SET deliveries = 5 WHERE job_id = %s AND no = 1", (half,))
    observer.execute("UPDATE jobs SET check_at = now() - interval '20 seconds' WHERE id = %s", (half,))
    aged(half, _HOUR + 30)
    assert found(database_url, deadline_seconds=_HOUR) == {}
    aged(half, 60)
    assert found(database_url, deadline_seconds=_HOUR) == {"job_overdue": 1}


def test_a_job_that_was_hardly_tried_is_not_past_its_deadline_however_old_it_is(
    database_url: str, observer: Connection, half: UUID, aged: Callable[[UUID, int], None]
) -> None:
    observer.execute("UPDATE jobs SET check_at = now() - interval '20 seconds' WHERE id = %s", (half,))
    aged(half, 7 * 86_400)
    assert found(database_url, deadline_seconds=_HOUR) == {}


def test_a_sweep_that_is_connected_but_late_is_told_from_one_that_does_not_run(
    database_url: str, observer: Connection, half: UUID
) -> None:
    observer.execute("UPDATE jobs SET check_at = now() - interval '2 minutes' WHERE id = %s", (half,))
    assert found(database_url) == {"sweep_runs": 1}
    with connect(database_url, "sluice-sweep"):
        assert found(database_url) == {"sweep_keeps_up": 1}


@pytest.mark.usefixtures("done")
def test_a_job_that_has_just_become_its_tenants_next_is_not_late_for_its_check(
    database_url: str, observer: Connection, pool: Pool, owner: Tenant
) -> None:
    with transaction(pool) as conn:
        accept(conn, owner, "entities", [entity()])
    hour_ago = "now() - interval '1 hour'"
    update = f"UPDATE jobs SET created_at = {hour_ago}, progressed_at = {hour_ago}, check_at = {hour_ago}"
    observer.execute(f"{update} WHERE ended_at IS NULL".encode())
    assert found(database_url) == {}
    lag = doctor.check_lag(observer)
    assert lag is not None
    assert lag < 60


def test_every_check_has_a_test_that_breaks_its_invariant() -> None:
    elsewhere = {"job_stuck", "job_overdue", "sweep_keeps_up"}
    assert set(_BREAKS) | elsewhere == {check.name for check in CHECKS}


@pytest.mark.usefixtures("done")
@pytest.mark.parametrize(
    "change",
    [
        "pii = NULL",
        "pii = '{}', pii_digests = '{}'",
        'pii = \'{"phone": "9QN"}\'',
        'pii = \'{"email": "hunter2"}\'',
        'properties = properties || \'{"email": "hunter2"}\'',
    ],
)
def test_personal_data_that_are_torn_or_in_the_clear_are_found(
    database_url: str, observer: Connection, change: str
) -> None:
    observer.execute(f"UPDATE entities SET {change} WHERE external_id = 'player_000001'".encode())
    assert found(database_url) == {"entity_personal": 1}
