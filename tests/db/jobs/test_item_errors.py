import psycopg
import pytest

from ingest.db.connection.pool import Connection
from ingest.db.jobs import item_errors
from ingest.db.tenants.tenants import Tenant
from ingest.jobs import ItemError
from tests.support.factories import accept, entity

_FOUR = [entity(number) for number in range(4)]


def an_error(index: int, **overrides: str | None) -> ItemError:
    values: dict[str, str | None] = {"external_id": f"p{index}", "code": "VALIDATION_FAILED", "message": "wrong"}
    return ItemError(index, **{**values, **overrides})  # type: ignore[arg-type]


def test_errors_are_paged_through_in_index_order(conn: Connection, tenant: Tenant) -> None:
    job_id, another = (accept(conn, tenant, "entities", _FOUR) for _ in range(2))
    errors = [an_error(index) for index in (30, 2, 11, 0)]
    item_errors.record(conn, tenant.id, [(job_id, error) for error in errors[:2]])
    item_errors.record(conn, tenant.id, [(job_id, error) for error in errors[2:]])
    item_errors.record(conn, tenant.id, [])
    item_errors.record(conn, tenant.id, [(another, an_error(1))])
    in_order = sorted(errors, key=lambda error: error.index)
    assert item_errors.of_job(conn, job_id, limit=10) == in_order
    assert item_errors.of_job(conn, job_id, limit=2) == in_order[:2]
    assert item_errors.of_job(conn, job_id, limit=2, after=2) == in_order[2:]
    assert item_errors.of_job(conn, job_id, limit=2, after=30) == []


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a\0b", "a\ufffdb"),
        ("\ud800", "?"),
        ("\U0001f600", "\U0001f600"),
        ("", ""),
        (None, None),
        ("x" * 2_000, "x" * 2_000),
        ("x" * 100_000, "x" * 2_000 + "…"),
    ],
)
def test_an_error_can_name_any_id(conn: Connection, tenant: Tenant, sent: str | None, kept: str | None) -> None:
    job_id = accept(conn, tenant, "entities", _FOUR)
    item_errors.record(conn, tenant.id, [(job_id, an_error(0, external_id=sent, message=sent or "wrong"))])
    [error] = item_errors.of_job(conn, job_id, limit=1)
    assert (error.external_id, error.message) == (kept, kept or "wrong")


def test_an_item_has_one_error_at_most(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", _FOUR)
    item_errors.record(conn, tenant.id, [(job_id, an_error(0))])
    with pytest.raises(psycopg.IntegrityError):
        item_errors.record(conn, tenant.id, [(job_id, an_error(0))])
