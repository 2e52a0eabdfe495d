"""Each check finds what breaks its invariant and nothing else."""

from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.tenants.tenants import Tenant
from ingest.db.verify import CHECKS
from ingest.ids import uuid7
from tests.db.verify.breaks import ALSO, BREAKS, RESTORING
from tests.db.verify.findings import found
from tests.support.factories import (
    accept,
    entity,
    make_tenant,
)


@pytest.mark.parametrize("name", BREAKS)
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
    for statement in BREAKS[name]:
        observer.execute(statement, values if "%(" in statement else None)  # type: ignore[arg-type]
    assert found(database_url) == {name: 1, **ALSO.get(name, {})}


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


@pytest.mark.parametrize("what", ["tenant", "template"])
def test_a_job_without_its_tenant_or_its_template_is_found(
    database_url: str, observer: Connection, done: dict[str, UUID], what: str
) -> None:
    observer.execute(RESTORING.encode())
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


@pytest.mark.parametrize("row", ["SELECT id, tenant_id FROM uploads LIMIT 1", "VALUES (gen_random_uuid(), 77)"])
@pytest.mark.usefixtures("uploaded")
def test_an_id_that_is_gone_is_of_no_upload_and_was_a_tenants(
    database_url: str, observer: Connection, row: str
) -> None:
    observer.execute(f"INSERT INTO gone_ids (id, tenant_id) {row}".encode())
    assert found(database_url) == {"gone_id": 1}


def test_every_check_has_a_test_that_breaks_its_invariant() -> None:
    elsewhere = {"job_stuck", "job_overdue", "sweep_keeps_up"}
    assert set(BREAKS) | elsewhere == {check.name for check in CHECKS}


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
