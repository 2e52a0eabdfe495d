import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from ingest.db.bulk.pages import pages_of
from ingest.db.connection.pool import Connection
from ingest.db.data import entities, entity_lookup, entity_rows, event_rows, events, retention, states
from ingest.db.data.event_links import Links
from ingest.db.jobs import control, gone, item_errors, item_warnings, lookup, uploads
from ingest.db.tenants import tenants
from ingest.db.tenants.tenants import Tenant
from ingest.items.entities import SCOPE, Entity
from ingest.items.events import Event
from ingest.items.states import State
from ingest.jobs import Effect, ItemError, ItemWarning, JobOptions
from tests.support.factories import accept, entity, make_tenant, new_upload, store_part
from worker.retention import RetentionScan

_DAYS = (0, 29, 31, 89, 91, 400)
_ARCHIVE_90 = {"hot_days": 30, "archive_days": 90}


def fill(conn: Connection, tenant: Tenant) -> Tenant:
    """An entity with an event and a state of each age in days."""
    effects = entities.upsert(conn, tenant.id, [Entity("p1", "operator", msgspec.Raw(b"{}"))], merge=False)
    assert effects == [Effect.CREATED]
    entity_id = entity_lookup.resolve(conn, tenant.id, {SCOPE: ["p1"]})[SCOPE]["p1"]
    for days in _DAYS:
        [(timestamp,)] = conn.execute("SELECT now() - make_interval(days => %s)", (days,)).fetchall()
        document = msgspec.Raw(json.dumps({"days": days}).encode())
        assert isinstance(timestamp, datetime)
        links = Links([0], [entity_id], [""])
        events.append(conn, tenant.id, [Event("p1", "session", document, timestamp)], lambda _, links=links: links)
        states.upsert(conn, tenant.id, [State("p1", f"{days:03}", document)], [entity_id])
        aged = "UPDATE states SET updated_at = %s WHERE entity_id = %s AND key = %s"
        conn.execute(aged, (timestamp, entity_id, f"{days:03}"))
    return tenant


def left(conn: Connection, tenant: Tenant) -> tuple[list[int], list[int]]:
    """The ages of the events and of the states that are still there."""
    of_events = event_rows.of_entity(conn, tenant.id, "p1", limit=100)
    of_states = states.of_entity(conn, tenant.id, "p1")
    return (
        [json.loads(row.properties)["days"] for row in of_events],
        [json.loads(row.value)["days"] for row in of_states],
    )


def purge(conn: Connection) -> int:
    return sum(retention.purge_pages(conn, table, first=0, pages=1_000) for table in retention.TABLES)


@pytest.mark.parametrize(
    ("settings", "of_events", "of_states"),
    [
        ({}, 400, 400),
        ({"data_retention_days": 30}, 29, 29),
        ({"data_retention_days": 90}, 89, 89),
        ({"retention_policy": {"entity_events": _ARCHIVE_90, "entity_states": _ARCHIVE_90}}, 89, 89),
        ({"retention_policy": {"entity_events": _ARCHIVE_90}}, 89, 400),
        ({"retention_policy": {"entity_states": _ARCHIVE_90}}, 400, 89),
        ({"retention_policy": {"entity_events": _ARCHIVE_90}, "data_retention_days": 30}, 89, 29),
        ({"retention_policy": {}, "data_retention_days": 30}, 29, 29),
    ],
    ids=["none", "30 days", "90 days", "policy", "events only", "states only", "policy before days", "empty policy"],
)
def test_what_is_past_its_tenants_time_is_purged_and_nothing_else(
    conn: Connection, tenant: Tenant, settings: dict[str, Any], of_events: int, of_states: int
) -> None:
    fill(conn, tenant)
    tenants.configure(conn, tenant.id, settings)
    purge(conn)
    expected = [days for days in _DAYS if days <= of_events], [days for days in _DAYS if days <= of_states]
    assert left(conn, tenant) == expected
    links = conn.execute(
        "SELECT count(*) FROM event_entities l JOIN entities e ON e.id = l.entity_id WHERE e.tenant_id = %s",
        (tenant.id,),
    )
    assert links.fetchone() == (len(expected[0]),)
    assert purge(conn) == 0


def test_other_tenants_rows_stay(conn: Connection, tenant: Tenant) -> None:
    other = fill(conn, make_tenant(conn)[0])
    fill(conn, tenant)
    tenants.configure(conn, tenant.id, {"data_retention_days": 30})
    purge(conn)
    assert left(conn, tenant) == ([0, 29], [0, 29])
    assert left(conn, other) == (list(_DAYS), list(_DAYS))


def test_entities_are_never_purged(conn: Connection, tenant: Tenant) -> None:
    fill(conn, tenant)
    conn.execute("UPDATE entities SET updated_at = '2001-01-01'")
    tenants.configure(conn, tenant.id, {"data_retention_days": 30})
    purge(conn)
    assert entity_rows.read(conn, tenant.id, "p1") is not None


def test_the_first_and_the_last_timestamp_do_not_stop_a_purge(conn: Connection, tenant: Tenant) -> None:
    fill(conn, tenant)
    entity_id = entity_lookup.resolve(conn, tenant.id, {SCOPE: ["p1"]})[SCOPE]["p1"]
    for timestamp in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)):
        item = Event("p1", "session", msgspec.Raw(b'{"days": 0}'), timestamp)
        events.append(conn, tenant.id, [item], lambda _: Links([0], [entity_id], [""]))
    tenants.configure(conn, tenant.id, {"data_retention_days": 30})
    purge(conn)
    assert left(conn, tenant)[0] == [0, 0, 29]


def test_nothing_is_looked_through_where_no_tenant_wants_it(conn: Connection, tenant: Tenant) -> None:
    assert not retention.wanted(conn)
    tenants.configure(conn, tenant.id, {"data_retention_days": 30})
    assert retention.wanted(conn)
    tenants.configure(conn, tenant.id, {"data_retention_days": None, "retention_policy": {}})
    assert retention.wanted(conn)


def an_ended_job(conn: Connection, tenant: Tenant, days: int) -> UUID:
    job_id = accept(conn, tenant, "entities", [entity()])
    item_errors.record(conn, tenant.id, [(job_id, ItemError(0, "p", "VALIDATION_FAILED", "wrong"))])
    item_warnings.record(conn, {job_id: [ItemWarning(0, "UNKNOWN_FIELD", "strange", "/x")]})
    control.cancel(conn, job_id)
    conn.execute("UPDATE jobs SET ended_at = now() - make_interval(days => %s) WHERE id = %s", (days, job_id))
    return job_id


def an_uploaded_job(conn: Connection, tenant: Tenant, days: int) -> tuple[UUID, UUID]:
    """The job of a completed upload that ended so many days ago, and the upload."""
    upload_id = new_upload(conn, tenant)
    store_part(conn, upload_id, 1, b"{}\n")
    job_id = uploads.complete(conn, tenant.id, upload_id, parts_sent=1, check=lambda *_: None, awaited=False).job_id
    control.cancel(conn, job_id)
    conn.execute("UPDATE jobs SET ended_at = now() - make_interval(days => %s) WHERE id = %s", (days, job_id))
    return job_id, upload_id


def test_jobs_that_ended_long_ago_are_purged_with_all_that_is_theirs(conn: Connection, tenant: Tenant) -> None:
    old, young = an_ended_job(conn, tenant, 31), an_ended_job(conn, tenant, 29)
    assert retention.purge_jobs(conn, days=30, limit=100) == 1
    assert lookup.get(conn, old) is None
    assert lookup.get(conn, young) is not None
    for table in ("job_blocks", "job_errors", "job_warnings"):
        assert conn.execute(f"SELECT DISTINCT job_id FROM {table}".encode()).fetchall() == [(young,)]


def test_a_purge_remembers_each_job_and_its_upload_for_their_tenant_alone(conn: Connection, tenant: Tenant) -> None:
    job_id, upload_id = an_uploaded_job(conn, tenant, 31)
    young = an_ended_job(conn, tenant, 29)
    assert retention.purge_jobs(conn, days=30, limit=100) == 1
    stranger, _ = make_tenant(conn)
    assert [gone.is_gone(conn, tenant.id, known) for known in (job_id, upload_id, young)] == [True, True, False]
    assert [gone.is_gone(conn, stranger.id, known) for known in (job_id, upload_id)] == [False, False]
    assert conn.execute("SELECT FROM gone_ids").rowcount == 2


def test_an_id_that_is_gone_is_known_for_90_days_and_then_forgotten(conn: Connection, tenant: Tenant) -> None:
    job_id, _ = an_uploaded_job(conn, tenant, 31)
    retention.purge_jobs(conn, days=30, limit=100)
    age = "UPDATE gone_ids SET gone_at = now() - interval '90 days' + make_interval(secs => %s)"
    conn.execute(age, (1,))
    assert gone.is_gone(conn, tenant.id, job_id)
    assert gone.forget(conn, limit=100) == 0
    conn.execute(age, (0,))
    assert not gone.is_gone(conn, tenant.id, job_id), "no call waits for the sweeper to forget it"
    assert [gone.forget(conn, limit=1) for _ in range(3)] == [1, 1, 0]


def test_a_job_that_is_purged_a_second_time_stops_no_purge(conn: Connection, tenant: Tenant) -> None:
    job_id = an_ended_job(conn, tenant, 31)
    conn.execute("INSERT INTO gone_ids (id, tenant_id) VALUES (%s, %s)", (job_id, tenant.id))
    assert retention.purge_jobs(conn, days=30, limit=100) == 1


def test_the_payload_of_a_dry_job_goes_with_the_job(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", [entity()], options=JobOptions(validate_only=True))
    conn.execute("UPDATE job_blocks SET open = false")
    ended = "status = 'completed', created = 1, unprocessed = 0, blocks_open = 0, ended_at = now()"
    conn.execute(f"UPDATE jobs SET {ended}".encode())
    payload = "SELECT FROM job_blocks WHERE job_id = %s AND octet_length(payload) > 0"
    assert retention.purge_jobs(conn, days=1, limit=100) == 0
    assert conn.execute(payload, (job_id,)).rowcount == 1
    conn.execute("UPDATE jobs SET ended_at = now() - interval '2 days'")
    assert retention.purge_jobs(conn, days=1, limit=100) == 1
    assert conn.execute(payload, (job_id,)).rowcount == 0


def test_a_job_that_has_not_ended_is_never_purged(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", [entity()])
    conn.execute("UPDATE jobs SET created_at = '2001-01-01', progressed_at = '2001-01-01' WHERE id = %s", (job_id,))
    assert retention.purge_jobs(conn, days=1, limit=100) == 0


def test_a_purge_of_jobs_is_bounded_and_the_oldest_go_first(conn: Connection, tenant: Tenant) -> None:
    made = [an_ended_job(conn, tenant, days) for days in (40, 60, 50)]
    assert retention.purge_jobs(conn, days=30, limit=2) == 2
    assert [job_id for job_id in made if lookup.get(conn, job_id)] == [made[0]]
    assert retention.purge_jobs(conn, days=30, limit=2) == 1


_MANY_OLD_EVENTS = """
INSERT INTO events (public_id, tenant_id, type, properties, occurred_at)
SELECT gen_random_uuid(), %s, 'session', jsonb_build_object('text', repeat('x', 1900)), '2001-01-01'
FROM generate_series(1, 1100)
"""


def test_a_scan_goes_through_every_page_of_every_table_and_then_rests(other: Connection) -> None:
    tenant = fill(other, make_tenant(other)[0])
    other.execute(_MANY_OLD_EVENTS, (tenant.id,))
    tenants.configure(other, tenant.id, {"data_retention_days": 30})
    pages = {table: pages_of(other, table) for table in retention.TABLES}
    assert 256 < pages["events"] <= 512, "two rounds for this table, and one for each of the others"
    scan = RetentionScan()
    purged = [scan.step(other) for _ in range(4)]
    assert min(purged) > 0
    assert (purged[0], purged[1] + purged[2], purged[3]) == (4, 1_104, 4)
    assert left(other, tenant) == ([0, 29], [0, 29])
    late = fill(other, make_tenant(other)[0])
    tenants.configure(other, late.id, {"data_retention_days": 30})
    assert scan.step(other) == 0, "it rests now"
    assert left(other, late) == (list(_DAYS), list(_DAYS))


def test_a_scan_does_nothing_if_no_tenant_wants_it(conn: Connection, tenant: Tenant) -> None:
    fill(conn, tenant)
    scan = RetentionScan()
    assert [scan.step(conn) for _ in range(10)] == [0] * 10
    tenants.configure(conn, tenant.id, {"data_retention_days": 30})
    assert scan.step(conn) > 0
