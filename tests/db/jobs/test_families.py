"""Families: the lock that keeps retries apart, and the marks that keep an item from being in two children."""

import threading
from collections.abc import Callable
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection
from ingest.db.jobs import children, families, item_errors, receiving, retries
from ingest.db.tenants.tenants import Tenant
from ingest.errors import TryAgain
from ingest.ids import uuid7
from ingest.jobs import ItemError, JobOptions
from tests.support.factories import accept, entity, new_job


def test_a_family_whose_first_job_is_deleted_meanwhile_is_locked_by_the_next(
    submit: Callable[..., UUID], other: Connection, observer: Connection, until_blocked: Callable[[Connection], None]
) -> None:
    root = submit("entities", [entity()])
    child = submit("entities", [entity()], options=JobOptions(picked="failed"))
    observer.execute("UPDATE jobs SET parent_job_id = %s WHERE id = %s", (root, child))
    locked: list[UUID | None] = []
    with observer.transaction():
        observer.execute("DELETE FROM jobs WHERE id = %s", (root,))
        thread = threading.Thread(target=lambda: locked.append(families.lock(other, child)))
        thread.start()
        until_blocked(other)
    thread.join()
    assert locked == [child]
    assert observer.execute("SELECT FROM jobs WHERE id = %s FOR UPDATE SKIP LOCKED", (child,)).rowcount == 0


def test_a_family_begins_with_the_job_that_retries_no_other(conn: Connection, tenant: Tenant) -> None:
    validated, committed, child, grandchild = (
        accept(conn, tenant, "entities", [entity()], options=JobOptions(picked=picked))
        for picked in (None, None, "failed", "unprocessed")
    )
    for job_id, parent_id in ((committed, validated), (child, committed), (grandchild, child)):
        conn.execute("UPDATE jobs SET parent_job_id = %s WHERE id = %s", (parent_id, job_id))
    assert [families.lock(conn, job_id) for job_id in (grandchild, committed)] == [committed, committed]
    family = families.members(conn, committed)
    assert [member.id for member in family] == [committed, child, grandchild]
    assert [member.id for member in families.line_of(family, child)] == [child, grandchild]


def test_a_job_that_is_not_there_has_no_family(conn: Connection) -> None:
    assert families.lock(conn, uuid7()) is None


def test_an_item_that_was_taken_is_not_taken_again(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", [{}, {}])
    item_errors.record(conn, tenant.id, [(job_id, ItemError(index, None, "", "", item=b"{}")) for index in (0, 1)])
    assert [taken.index for taken in retries.take(conn, [(job_id, 1)], uuid7())] == [1]
    with pytest.raises(TryAgain):
        retries.take(conn, [(job_id, 0), (job_id, 1)], uuid7())


def test_a_block_that_was_taken_is_not_taken_again(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", [entity()])
    assert retries.take_block(conn, job_id, 0, uuid7()).items == 1
    with pytest.raises(TryAgain):
        retries.take_block(conn, job_id, 0, uuid7())
    with pytest.raises(TryAgain):
        retries.copy_blocks(conn, [(job_id, 0)], uuid7(), first_no=0)


def test_a_commit_moves_all_blocks_in_several_statements(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", [entity(number) for number in range(205)], block_items=1)
    child = new_job(tenant)
    receiving.begin(conn, child)
    query = "SELECT no, first_index, payload FROM job_blocks WHERE job_id = %s ORDER BY no"
    before = conn.execute(query, (job_id,)).fetchall()
    assert children.move_blocks(conn, job_id, child.id) == (205, 205)
    assert conn.execute(query, (child.id,)).fetchall() == before
    assert [row[:2] for row in conn.execute(query, (job_id,))] == [row[:2] for row in before]
    assert {row[2] for row in conn.execute(query, (job_id,))} == {b""}


def test_a_commit_leaves_results_with_the_job_and_the_child_none(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", [entity(number) for number in range(2)], block_items=1)
    conn.execute(
        "UPDATE job_blocks SET open = false, deliveries = 3, result_indexes = '{0}', result_effects = '{created}',"
        " result_ids = ARRAY[job_id], result_lines = '{7}' WHERE job_id = %s",
        (job_id,),
    )
    child = new_job(tenant)
    receiving.begin(conn, child)
    query = (
        "SELECT no, open, deliveries, result_indexes, result_effects, result_ids, result_lines"
        " FROM job_blocks WHERE job_id = %s ORDER BY no"
    )
    before = conn.execute(query, (job_id,)).fetchall()
    children.move_blocks(conn, job_id, child.id)
    assert conn.execute(query, (job_id,)).fetchall() == before
    assert conn.execute(query, (child.id,)).fetchall() == [(no, True, 0, None, None, None, None) for no in range(2)]
